"""Sharpness, speed and memory of the bounds on the interpolation error; rewrites error_bounds.md.

    SPT_DATA=... python benchmarks/error_bounds.py            # ten to twenty minutes; needs MNIST, uses CIFAR-10 if there
    SPT_DATA=... python benchmarks/error_bounds.py --images 3 # a quick look

"True maximum" is the largest error of a dense sample (0.01° or as stated), so ratios err on the high side.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from spt.datasets import load_dataset
from spt.error_bounds import Search, chord_bound, error_norms, interval_bound, sample_bound, sampled_error, vertex_bound
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage
from spt.transforms import Rotation, Translation

PAGE = Path(__file__).parent / "error_bounds.md"
ROTATION, TRANSLATION = Rotation(), Translation()
CIRCLE = Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=2.0)
CIRCLE_S1 = Preprocessing(vignette="circle", vignette_margin=2, blur_size=5, blur_scale=1.0)
FRAME = Preprocessing(vignette="rectangle", vignette_margin=4, blur_size=5, blur_scale=2.0)
Table = list[tuple[str, ...]]


def turned(image: Tensor, limit: float) -> AttackedImage:
    """An image that is turned by up to ``limit`` degrees."""
    return AttackedImage(image, ROTATION, CIRCLE, (-limit, limit))


def digits(count: int) -> list[Tensor]:
    data = load_dataset("mnist")
    return [data.image(i).double() for i in range(count)]


def normal(count: int, sigma: float, seed: int, dimensions: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sigma * torch.randn(count, dimensions, dtype=torch.float64, generator=generator)


def span(values: Tensor) -> str:
    return f"{values.min():.3f}–{values.max():.3f}"


def sharpness(images: int, step: float) -> Table:
    rows = [("tolerance", "bound / true maximum, median", "largest", "evaluations for one β, mean", "largest")]
    betas, gammas = normal(10, 30, 0), torch.linspace(-30, 30, round(60 / step) + 1, dtype=torch.float64)[:, None]
    true = [sampled_error(turned(image, 30), betas, points=gammas).values for image in digits(images)]
    for tolerance in (0.05, 0.02, 0.01):
        ratios, evaluations = [], []
        for image, maximum in zip(digits(images), true, strict=True):
            bound = chord_bound(turned(image, 30), betas, search=Search(tolerance=tolerance))
            ratios.append(bound.values / maximum)
            evaluations.append(bound.evaluations.double())
        ratio, count = torch.cat(ratios), torch.cat(evaluations)
        rows.append(
            (
                f"{tolerance:.0%}",
                f"{ratio.median():.4f}",
                f"{ratio.max():.4f}",
                f"{count.mean():.0f}",
                f"{count.max():.0f}",
            )
        )
    return rows


def uniform(images: int) -> Table:
    splits = (30, 60, 120, 240, 480)
    rows: Table = [("uniform splits over ±30°", *map(str, splits))]
    betas = normal(4, 30, 0)
    chosen = digits(min(images, 4))
    true = [chord_bound(turned(image, 30), betas, search=Search(tolerance=0.002)).sampled for image in chosen]
    points = normal(4, 30, 1)
    methods: dict[str, Callable[[Tensor, int], Tensor]] = {
        "chord": lambda image, n: chord_bound(turned(image, 30), betas, splits=n, search=Search(tolerance=None)).values,
        "interval, exact hull": lambda image, n: interval_bound(turned(image, 30), betas, splits=n).values,
        "interval, naive": lambda image, n: interval_bound(turned(image, 30), betas, splits=n, naive=True).values,
    }
    for name, bound in methods.items():
        cells = [span(torch.cat([bound(image, n) / t for image, t in zip(chosen, true, strict=True)])) for n in splits]
        rows.append((name, *cells))
    for centre in ("shifted", "recentred"):
        sharp = [
            sample_bound(turned(image, 30), points, centre=centre, search=Search(tolerance=0.01)) for image in chosen
        ]
        cells = []
        for n in splits:
            ratios = [
                sample_bound(
                    turned(image, 30),
                    points,
                    centre=centre,
                    splits=n,
                    centres=found.centres,
                    search=Search(tolerance=None),
                ).values
                / found.bound.sampled
                for image, found in zip(chosen, sharp, strict=True)
            ]
            cells.append(span(torch.cat(ratios)))
        rows.append((f"per sample b', {centre}", *cells))
    return rows


def translation(images: int) -> Table:
    betas = normal(5, 1.5, 0, 2)
    difference, ratio, evaluations, start = 0.0, [], [], time.perf_counter()
    for image in digits(images):
        bound = vertex_bound(AttackedImage(image, TRANSLATION, FRAME, (-2, 2)), betas)
        at_worst = error_norms(image, TRANSLATION, FRAME, betas, bound.worst[:, :, 0])
        difference = max(difference, float((bound.values - at_worst).abs().max()))
        evaluations.append(bound.evaluations.double())
        generator = torch.Generator().manual_seed(1)
        sampled = sampled_error(
            AttackedImage(image, TRANSLATION, FRAME, (-2, 2)), betas, points=1500, generator=generator
        )
        ratio.append(bound.values / sampled.values)
    seconds = time.perf_counter() - start
    return [
        ("quantity", "value"),
        ("bound − error at the maximising vertex, largest", f"{difference:.1e}"),
        ("bound / maximum of 1500 random points", span(torch.cat(ratio))),
        ("evaluations for one β", f"{torch.cat(evaluations).mean():.0f}"),
        ("seconds in all (with the random points)", f"{seconds:.0f}"),
    ]


def per_sample(images: int) -> Table:
    rows: Table = [("data", "shifted, median (95 %)", "recentred, median (95 %)", "evaluations for one b'")]
    sets = [(f"MNIST, ±{limit}°", digits(min(images, 10)), CIRCLE, limit) for limit in (10, 30, 50)]
    try:
        data = load_dataset("cifar10")
        colour = [data.image(i).double() for i in range(min(images, 6))]
        sets.append(("CIFAR-10, 3 channels, s = 1, ±30°", colour, CIRCLE_S1, 30))
        sets.append(("CIFAR-10, 3 channels, s = 2, ±30°", colour, CIRCLE, 30))
    except ValueError:
        print("no CIFAR-10: its rows are left out")
    for name, chosen, preprocessing, limit in sets:
        cells, count, total = [], 0.0, 0
        for centre in ("shifted", "recentred"):
            found = [
                sample_bound(
                    AttackedImage(image, ROTATION, preprocessing, (-limit, limit)),
                    normal(6, 30, i),
                    centre=centre,
                    search=Search(tolerance=0.05),
                )
                for i, image in enumerate(chosen)
            ]
            values = torch.cat([each.values for each in found])
            cells.append(f"{values.median():.3f} ({values.quantile(0.95):.3f})")
            count += sum(float(each.bound.evaluations.sum()) for each in found)
            total += len(values)
        rows.append((name, *cells, f"{count / total:.0f}"))
    return rows


def peak_memory() -> float:
    """Largest resident size of this process so far, in MB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def speed() -> None:
    """Printed as table rows; in a process of its own, so that the peak memory is its own."""
    image = digits(1)[0]
    before = peak_memory()
    betas = normal(500, 30, 0)
    chord_bound(turned(image, 50), betas[:5])
    runs: list[tuple[str, Callable[[], object]]] = [
        ("chord bound of one β to 2 %, ±50°", lambda: chord_bound(turned(image, 50), betas)),
        ("decision radius ≤ 0.6? of one b', ±50°, 8-bit", lambda: decide(0.6)),
        ("decision radius ≤ 0.3? of one b', ±50°, 8-bit", lambda: decide(0.3)),
    ]

    def decide(target: float) -> object:
        return sample_bound(
            AttackedImage(image, ROTATION, CIRCLE, (-50, 50), attacker="8-bit"), betas, search=Search(target=target)
        )

    for name, run in runs:
        walls, processors = [], []
        for _ in range(3):
            wall, processor = time.perf_counter(), time.process_time()
            run()
            walls.append((time.perf_counter() - wall) / len(betas) * 1e3)
            processors.append((time.process_time() - processor) / len(betas) * 1e3)
        peak = peak_memory()
        print(f"{name}|{min(walls):.1f}|{min(processors):.1f}|{peak:.0f} ({before:.0f} before)")


def speed_rows() -> Table:
    rows: Table = [("500 at once", "ms (wall, best of 3)", "ms (processor)", "peak memory of the process, MB")]
    result = subprocess.run(
        [sys.executable, __file__, "--only-speed", "--threads", str(torch.get_num_threads())],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    return rows + [tuple(line.split("|")) for line in result.stdout.splitlines()]


def markdown(rows: Table) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *body])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20, help="how many MNIST test images (20)")
    parser.add_argument("--step", type=float, default=0.01, help="degrees between samples of the true maximum (0.01)")
    parser.add_argument("--threads", type=int, default=1, help="processor threads (1; more only on a quiet machine)")
    parser.add_argument("--only-speed", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.only_speed:
        speed()
        return
    count = arguments.images
    sections: list[tuple[str, str, Callable[[], Table]]] = [
        (
            "Chord bound, refined",
            f"MNIST test images 0 to {count - 1}, Γ = ±30°, 10 β from N(0, 30°), true maximum from a "
            f"sample with {arguments.step}° steps.",
            lambda: sharpness(count, arguments.step),
        ),
        (
            "Uniform splits",
            "Bound / true maximum, smallest and largest over 4 images and 4 β. (Narrower than 3° always, as "
            "the remainders need arcs of at most one pixel.)",
            lambda: uniform(count),
        ),
        (
            "Translation",
            f"MNIST test images 0 to {count - 1}, Γ = ±2 px, 5 β from N(0, 1.5 px), frame 4 px.",
            lambda: translation(count),
        ),
        ("Per sample", "Radii of K(b'), bounded to 5 %, b' from N(0, 30°), exact attacker.", lambda: per_sample(count)),
        ("Speed", f"MNIST test image 0, {arguments.threads} threads on {platform.machine()}.", speed_rows),
    ]
    text = [
        "# Bounds on the interpolation error",
        "Written by `python benchmarks/error_bounds.py`. P: vignette d = 2 px (circle) or 4 px (frame), blur 5, s = 2. "
        '"True maximum" is the largest sampled error.',
    ]
    for title, words, table in sections:
        start = time.perf_counter()
        rows = table()
        print(f"{title}: {time.perf_counter() - start:.0f} s\n{markdown(rows)}", flush=True)
        text += [f"## {title}", words, markdown(rows)]
    temporary = PAGE.with_suffix(".tmp")
    temporary.write_text("\n\n".join(text) + "\n")
    temporary.replace(PAGE)


if __name__ == "__main__":
    main()
