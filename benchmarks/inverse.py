"""What the inverse knows of an original and of gamma, and what it costs; rewrites the tables of inverse.md.

SPT_DATA=... python benchmarks/inverse.py            # one to three minutes; bundled digits where there is no MNIST
SPT_DATA=... python benchmarks/inverse.py --images 3 # a quick look
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from spt.datasets import load_dataset
from spt.inverse import Inverse, invert, refine
from spt.threat_model import ReceivedImage
from spt.transforms import Rotation, Transform, Translation

PAGE = Path(__file__).parent / "inverse.md"
ROTATION, TRANSLATION = Rotation(), Translation()
Table = list[tuple[str, ...]]


def images(names: Sequence[str], count: int) -> tuple[str, list[Tensor]]:
    """The first images of the first of these data sets that is here."""
    for name in names:
        try:
            data = load_dataset(name)
        except ValueError as error:
            print(f"{name} is left out: {error}")
            continue
        return data.name, [data.image(i) for i in range(min(count, len(data)))]
    return "", []


def attacked(image: Tensor, transform: Transform, gamma: Tensor, attacker: str) -> Tensor:
    """T_gamma x as the attacker leaves it, in float32."""
    received = transform(image, gamma[None])[0]
    return (received * 255).round() / 255 if attacker == "8-bit" else received


def inside(image: Tensor) -> Tensor:
    """The pixels within the vignette of radius (n - 1) / 2 - 2."""
    height, width = image.shape[1:]
    x, y = torch.arange(width) - (width - 1) / 2, (torch.arange(height) - (height - 1) / 2)[:, None]
    return x**2 + y**2 <= ((min(height, width) - 1) / 2 - 2) ** 2


def gammas(transform: Transform, limit: float, count: int) -> Tensor:
    """The attackers' parameters, uniform in Gamma."""
    generator = torch.Generator().manual_seed(0)
    return limit * (2 * torch.rand(count, transform.dimensions, dtype=torch.float64, generator=generator) - 1)


def at_gamma(found: Inverse, gamma: Tensor, image: Tensor) -> float:
    """Mean width in the vignette on the split of the true gamma, after checking that the original is in it."""
    contains = ((found.boxes[..., 0] <= gamma) & (gamma <= found.boxes[..., 1])).all(1)
    original = ((found.lower <= image) & (image <= found.upper)).flatten(1).all(1)
    if not (contains & original).any():
        raise ArithmeticError(f"The inverse lost the original at {gamma.tolist()}.")
    return float(found.widths[contains & original][..., inside(image)].mean())


def overview(count: int) -> Table:
    """One row for each setting."""
    head = "data|Γ, width of splits|attacker|width, all survivors|worst image|width at the true γ"
    head += "|Γ that survives|splits evaluated|ms/image|ms/split of Γ"
    rows: Table = [tuple(head.split("|"))]
    settings: list[tuple[Transform, float, float, str]] = [
        (ROTATION, 10, 0.1, "8-bit"),
        (ROTATION, 10, 0.1, "exact"),
        (ROTATION, 30, 0.1, "8-bit"),
        (ROTATION, 10, 0.01, "8-bit"),
        (TRANSLATION, 2, 0.1, "8-bit"),
    ]
    for names in (("mnist", "digits"), ("cifar10", "natural")):
        name, chosen = images(names, count)
        if name.startswith("natural"):
            chosen = [torch.nn.functional.interpolate(image[None], (32, 32), mode="area")[0] for image in chosen]
            name += " at 32x32"
        for transform, limit, width, attacker in settings:
            widths, true, shares, evaluations, seconds = [], [], [], [], []
            for image, gamma in zip(chosen, gammas(transform, limit, len(chosen)), strict=True):
                received = attacked(image, transform, gamma, attacker)
                started = time.process_time()
                found = invert(ReceivedImage(received, transform, (-limit, limit), attacker=attacker), width=width)  # type: ignore[arg-type]
                seconds.append(time.process_time() - started)
                true.append(at_gamma(found, gamma, image))
                widths.append(float(found.widths[..., inside(image)].mean()))
                shares.append(found.share)
                evaluations.append(found.evaluations)
            ms = 1e3 * sorted(seconds)[len(seconds) // 2]
            splits = (2 * limit / width) ** transform.dimensions
            rows.append(
                (
                    name,
                    f"{transform.name} ±{limit:g} {transform.unit}, {width:g}",
                    attacker,
                    f"{sum(widths) / len(widths):.4f}",
                    f"{max(widths):.4f}",
                    f"{sum(true) / len(true):.4f}",
                    f"{sum(shares) / len(shares):.2%}",
                    f"{sum(evaluations) / len(evaluations):.0f}",
                    f"{ms:.0f}",
                    f"{ms / splits:.2f}",
                )
            )
            print(" | ".join(rows[-1]), flush=True)
    return rows


def by_pass(count: int) -> Table:
    """Survivors and widths after each pass, mean over digits."""
    _, chosen = images(("mnist", "digits"), count)
    passes: dict[str, list[tuple[float, float, float]]] = {}
    for image, gamma in zip(chosen, gammas(ROTATION, 10, len(chosen)), strict=True):
        for found in refine(
            ReceivedImage(attacked(image, ROTATION, gamma, "8-bit"), ROTATION, (-10, 10)), refinements=10
        ):
            extent = float((found.boxes[0, 0, 1] - found.boxes[0, 0, 0]).item())
            key = f"{found.passes}, splits of {extent:.3g}°"
            entry = (found.share, float(found.widths[..., inside(image)].mean()), at_gamma(found, gamma, image))
            passes.setdefault(key, []).append(entry)
    rows: Table = [("pass", "Γ that survives", "width, all survivors", "width at the true γ")]
    for key, entries in passes.items():
        share, width, true = (sum(column) / len(entries) for column in zip(*entries, strict=True))
        rows.append((key, f"{share:.2%}", f"{width:.4f}", f"{true:.4f}"))
    return rows


def markdown(rows: Table) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def rewrite(name: str, table: str) -> None:
    """Put a table between its markers."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(begin)[0], text.partition(end)[2]
    PAGE.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")
    print(table)


def main() -> None:
    """Run and rewrite the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rewrite("overview", markdown(overview(arguments.images)))
    rewrite("passes", markdown(by_pass(arguments.images)))


if __name__ == "__main__":
    main()
