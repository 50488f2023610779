"""Balls of narrow cells: radius against what occurs, what known rounding saves, time; rewrites cell_balls.md.

    SPT_DATA=... python benchmarks/cell_balls.py            # a few minutes; needs MNIST and CIFAR-10
    SPT_DATA=... python benchmarks/cell_balls.py --images 2 # a quick look

"Occurs" is the largest distance to the centre among 31 gammas of the cell (translation: 100), so ratios err on the high side. Times
are processor time of one thread, all samples of a cell in one call: other work on the machine changes them less than the clock.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from spt.datasets import load_dataset
from spt.error_bounds import Search, sample_bound
from spt.error_bounds import cell_pieces_paths as path_pieces
from spt.error_bounds.balls import rounding_at_samples
from spt.error_bounds.cell_balls import ROUNDING_PARTS, CellBalls, cell_balls
from spt.error_bounds.known_rounding import EDGE
from spt.error_bounds.paths import TURNING
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage, Attacker
from spt.transforms import Rotation, Transform, Translation

PAGE = Path(__file__).parent / "cell_balls.md"
ROTATION, TRANSLATION = Rotation(), Translation()
CIRCLES = {
    "cifar10": Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.0),
    "mnist": Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=2.0),
}
FRAME = Preprocessing(vignette="rectangle", vignette_margin=4.0, blur_size=5, blur_scale=2.0)
SIGMAS = {"cifar10": 20.0, "mnist": 30.0}
SAMPLES = 50
Table = list[tuple[str, ...]]


def images(name: str, count: int) -> list[Tensor]:
    data = load_dataset(name)
    return [data.image(1000 + 7 * i).double() for i in range(count)]


def pairs(
    transform: Transform, width: float, sigma: float, number: int, samples: int = SAMPLES
) -> tuple[Tensor, Tensor]:
    """A cell somewhere, and samples around its middle."""
    generator = torch.Generator().manual_seed(number)
    scale = 20.0 if isinstance(transform, Rotation) else 1.0
    middle = scale * (torch.rand(1, transform.dimensions, dtype=torch.float64, generator=generator) - 0.5)
    noise = torch.randn(samples, transform.dimensions, dtype=torch.float64, generator=generator)
    cell = torch.stack((middle - width / 2, middle + width / 2), dim=2)
    return cell.expand(samples, -1, -1), middle + sigma * noise


def occurs(attacked: AttackedImage, cells: Tensor, points: Tensor, found: CellBalls) -> Tensor:
    """The largest sampled distance to each centre."""
    largest = torch.zeros(len(points), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    count = 31 if attacked.transform.dimensions == 1 else 100
    for k in range(count):
        if count == 31:
            place = torch.full_like(points, k / 30)
        else:
            place = torch.rand(points.shape, dtype=torch.float64, generator=generator)
            place = torch.where(torch.rand(points.shape, generator=generator) < 0.3, place.round(), place)
        gammas = torch.lerp(cells[..., 0], cells[..., 1], place)
        received = attacked.transform(attacked.pixels, gammas)
        if attacked.attacker == "8-bit":
            received = torch.round(255 * received) / 255
        shown = attacked.preprocessing(attacked.transform(received, points - gammas))
        largest = torch.maximum(largest, (shown - found.centres).flatten(1).norm(dim=1))
    assert (largest <= found.radii).all()
    return largest


def measured(
    name: str,
    transform: Transform,
    width: float,
    count: int,
    attacker: Attacker = "exact",
    *,
    look: bool = True,
    **options: int,
) -> tuple[Tensor, Tensor, float]:
    """Radii, what occurs, and milliseconds for one ball (median over images)."""
    radii, largest, seconds = [], [], []
    for number, image in enumerate(images(name, count)):
        rotates = isinstance(transform, Rotation)
        preprocessing = CIRCLES[name] if rotates else FRAME
        cells, points = pairs(transform, width, SIGMAS[name] if rotates else 1.5, number)
        attacked = AttackedImage(image, transform, preprocessing, (-90, 90) if rotates else (-4, 4), attacker=attacker)
        begun = time.process_time()
        found = cell_balls(attacked, cells, points, **options)
        seconds.append(time.process_time() - begun)
        radii.append(found.radii)
        largest.append(occurs(attacked, cells, points, found) if look else found.radii)
    return torch.cat(radii), torch.cat(largest), 1e3 * float(torch.tensor(seconds).median()) / SAMPLES


def splits(count: int) -> Table:
    numbers = (1, 2, 3, 4, 6, 8)
    rows: Table = [("images", "cell", *(f"{number} splits" for number in numbers), "as chosen", "its splits", "radius")]
    for name in CIRCLES:
        side = images(name, 1)[0].shape[1]
        for width in (0.125, 0.25, 0.5, 1.0, 2.0, 5.0):
            cells = []
            for number in numbers:
                wanted = max(number, least(width, side))
                with mock.patch.object(path_pieces, "splits_for", return_value=wanted):
                    cells.append(ratio(*measured(name, ROTATION, width, count)))
            radii, largest, ms = measured(name, ROTATION, width, count)
            chosen = str(path_pieces.splits_for(TURNING, width, side, side))
            rows.append((name, f"{width:g}°", *cells, ratio(radii, largest, ms), chosen, f"{radii.median():.4f}"))
    return rows


def least(width: float, side: int) -> int:
    """Splits that the remainders need: arcs of at most one pixel."""
    with mock.patch.object(path_pieces, "MOST_SPLITS", 1):
        return path_pieces.splits_for(TURNING, width, side, side)


def ratio(radii: Tensor, largest: Tensor, ms: float) -> str:
    found = radii / largest
    return f"{found.median():.2f}, {found.max():.2f} ({ms:.1f} ms)"


def rounding(count: int) -> Table:
    numbers = (0, 4, 8, 12, 16, 24, 32)
    rows: Table = [("images", "cell", *("worst case" if not n else f"{n} parts" for n in numbers), "occurs", "exact")]
    for name in CIRCLES:
        for width in (0.125, 0.25, 0.5, 1.0, 2.0, 5.0):
            cells = []
            for number in numbers:
                radii, largest, ms = measured(
                    name, ROTATION, width, count, "8-bit", look=number == 32, rounding_parts=number
                )
                cells.append(f"{radii.median():.4f} ({ms:.1f} ms)")
            exact = measured(name, ROTATION, width, count, look=False)[0].median()
            rows.append((name, f"{width:g}°", *cells, f"{largest.median():.4f}", f"{exact:.4f}"))
    return rows


def searching(count: int) -> Table:
    """Against the bound that searches, at a tolerance of 0.1, on the same cells: exact attacker."""
    rows: Table = [("images", "cell", "radius / sample_bound's, median", "largest", "ms a ball", "sample_bound, ms")]
    for name in CIRCLES:
        for width in (0.25, 1.0):
            ratios, fast, slow = [], [], []
            for number, image in enumerate(images(name, count)):
                cells, points = pairs(ROTATION, width, SIGMAS[name], number, 20)
                attacked = AttackedImage(image, ROTATION, CIRCLES[name], cells[0])
                begun = time.process_time()
                found = cell_balls(attacked, cells, points)
                between = time.process_time()
                searched = sample_bound(attacked, points, search=Search(tolerance=0.1))
                slow.append((time.process_time() - between) / 20)
                fast.append((between - begun) / 20)
                ratios.append(found.radii / searched.values)
            all_ratios = torch.cat(ratios)
            times = (f"{1e3 * float(torch.tensor(each).median()):.1f}" for each in (fast, slow))
            rows.append((name, f"{width:g}°", f"{all_ratios.median():.3f}", f"{all_ratios.max():.3f}", *times))
    return rows


def translation(count: int) -> Table:
    rows: Table = [("images", "cell", "radius / occurs, median", "largest", "radius", "ms a ball")]
    for name in CIRCLES:
        for width in (0.05, 0.1, 0.25, 0.5, 1.0):
            radii, largest, ms = measured(name, TRANSLATION, width, count)
            found = radii / largest
            cell = f"{width:g} × {width:g} px"
            rows.append(
                (name, cell, f"{found.median():.3f}", f"{found.max():.3f}", f"{radii.median():.4f}", f"{ms:.1f}")
            )
    return rows


def translation_rounding(count: int) -> Table:
    """||P e|| of known rounding on parts of cells of translations, and by how much it would drift on them."""
    sides = (1, 2, 4, 8)
    rows: Table = [("images", "cell", "worst case", *(f"{side} × {side} parts, and drift" for side in sides))]
    for name in CIRCLES:
        for width in (0.05, 0.1, 0.25):
            found: dict[int, list[float]] = {side: [] for side in sides}
            worst = []
            for number, image in enumerate(images(name, count)):
                cells, points = pairs(TRANSLATION, width, 1.5, number)
                attacked = AttackedImage(image, TRANSLATION, FRAME, (-4, 4), attacker="8-bit")
                worst.append(float(rounding_at_samples(attacked, points).median()))
                for side in sides:
                    low = cells[0, :, 0] + width * (side // 2) / side
                    shifts = torch.cartesian_prod(*(torch.stack((end, end + width / side)) for end in low))
                    corners = TRANSLATION(image, shifts)  # multi-affine between integers: extreme at the corners
                    low_high = corners.amin(dim=0) - EDGE, corners.amax(dim=0) + EDGE
                    middle, half = sum(low_high) / 2, (low_high[1] - low_high[0]) / 2
                    known = (255 * half + (255 * middle - torch.round(255 * middle)).abs()) < 0.5
                    found[side].append(float(FRAME(torch.where(known, half, 1 / 510)).norm()))
            ones = float(FRAME(torch.ones_like(image)).norm())
            cells_ = [
                f"{torch.tensor(found[side]).median():.4f} + {ones * 2 * width / side / 510:.4f}" for side in sides
            ]
            rows.append((name, f"{width:g} × {width:g} px", f"{torch.tensor(worst).median():.4f}", *cells_))
    return rows


def table(rows: Table) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


SECTIONS: tuple[tuple[str, str, Callable[[int], Table]], ...] = (
    (
        "How many splits",
        "Rotation, exact attacker. Radius / what occurs around the same centre: median, largest (time of one ball). A ball costs "
        "in proportion to its splits; up to 1.3 is not worth refining. (5° has at least two splits.)",
        splits,
    ),
    (
        "What the attacker's rounding adds",
        "Rotation, 8-bit attacker: median radius (time of one ball). Worst case: every pixel off by 1/510, all in the direction "
        "that hurts most. The last columns: what occurs around the centre of 32 parts, and the radius for the exact attacker. "
        f"{ROUNDING_PARTS} parts are built in. It pays at every width that bisection reaches, and the more the narrower: "
        "parts, not cells, must be so narrow that pixels keep their grey level.",
        rounding,
    ),
    ("Against the bound that searches", "Rotation, exact attacker, the same cells; 20 samples a cell.", searching),
    ("Translation", "Exact attacker; P: frame of 4 px, blur 5, s = 2.", translation),
    (
        "What known rounding would leave for translation",
        "Norm of P e on one part of a cell, without a second warp, and of what d and e change while the outer shift moves (h times "
        "the sum of both sides of the part, see docs/mathematics.md, section 23). Parts have two sides here, and digits have steep "
        "edges and a black ground that is known without this. On cells of 0.1 × 0.1 px 16 parts would save a quarter of the worst "
        "case. Not built: the worst case is taken.",
        translation_rounding,
    ),
)


def main() -> None:
    """Measure everything and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=6, help="of each data set")
    options = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    parts = [
        "# Balls of narrow cells",
        "Written by `python benchmarks/cell_balls.py`. P: vignette d = 2 px (circle), blur 5, s = 2 (MNIST) or 1 (CIFAR-10); "
        f"test images 1000, 1007, … ({options.images} of each data set), one cell within ±10° (±0.5 px) each, {SAMPLES} "
        "samples b' around its middle with σ = 30° (MNIST), 20° (CIFAR-10), 1.5 px. "
        + __doc__.split("\n\n")[2].replace("\n", " ").strip(),
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, one thread; load at the start "
        f"{load:.1f}.",
    ]
    for title, words, measure in SECTIONS:
        rows = measure(options.images)
        print(title, table(rows), sep="\n", flush=True)
        parts += [f"## {title}", words, table(rows)]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
