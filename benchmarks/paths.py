"""Balls of cells of scaling, shear and rotation with scaling, beside rotation: radius, radius against what occurs, time; rewrites
paths.md.

    SPT_DATA=... python -m benchmarks.paths            # three minutes; needs MNIST and CIFAR-10
    SPT_DATA=... python -m benchmarks.paths --images 2 # a quick look

"Occurs" is the largest distance to the centre among 61 gammas of the cell (of a cell of two parameters 9 x 9), so ratios err on
the high side. Times are processor time of one thread: other work on the machine changes them less than the clock.
"""

import argparse
import itertools
import os
import platform
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.cell_balls import CIRCLES, Table, images
from spt.error_bounds.cell_balls import CellBalls, cell_balls
from spt.error_bounds.slice_balls import slice_balls
from spt.threat_model import AttackedImage, Attacker
from spt.transforms import TRANSFORMS, Transform

PAGE = Path(__file__).parent / "paths.md"
NAMES = ("rotation", "scaling", "shear")
BOTH, SQUARES = "rotation-scaling", (0.5, 1.0, 2.0)
WIDTHS, MIDDLES, SAMPLES = (1.0, 2.0, 5.0), (-25.0, -11.0, 3.0, 8.0, 20.0), 20


def occurs(attacked: AttackedImage, cells: Tensor, points: Tensor | None, found: CellBalls) -> Tensor:
    """The largest sampled distance to each centre; with samples b', after the second warp."""
    transform, largest = attacked.transform, torch.zeros(len(cells), dtype=torch.float64)
    places = torch.linspace(0, 1, 61 if transform.dimensions == 1 else 9, dtype=torch.float64)
    for place in itertools.product(places, repeat=transform.dimensions):
        gammas = torch.lerp(cells[..., 0], cells[..., 1], torch.stack(place))
        received = transform(attacked.pixels, gammas)
        if attacked.attacker == "8-bit":
            received = torch.round(255 * received) / 255
        shown = attacked.preprocessing(received if points is None else transform(received, points - gammas))
        largest = torch.maximum(largest, (shown - found.centres).flatten(1).norm(dim=1))
    assert (largest <= found.radii).all()
    return largest


def measured(
    data: str, transform: Transform, width: float, attacker: Attacker, sigma: float, count: int
) -> tuple[str, ...]:
    """One row: median radius, ratios to what occurs, milliseconds for one ball."""
    radii, ratios, seconds, balls = [], [], 0.0, 0
    for number, image in enumerate(images(data, count)):
        attacked = AttackedImage(image, transform, CIRCLES[data], (-60, 60), attacker=attacker)
        middles = torch.tensor(MIDDLES, dtype=torch.float64)
        cells = torch.stack((middles - width / 2, middles + width / 2), dim=1)[:, None]
        if transform.dimensions == 2:  # of the same size along both, around a point that is on no diagonal
            cells = torch.cat((cells, cells.flip(0)), dim=1)
        points = None
        if sigma:
            cells = cells.repeat_interleave(SAMPLES, dim=0)
            generator = torch.Generator().manual_seed(number)
            noise = torch.randn(len(cells), 1, dtype=torch.float64, generator=generator)
            points = cells.mean(dim=2) + sigma * noise
        begun = time.process_time()
        found = slice_balls(attacked, cells) if points is None else cell_balls(attacked, cells, points)
        seconds, balls = seconds + time.process_time() - begun, balls + len(cells)
        radii.append(found.radii)
        ratios.append(found.radii / occurs(attacked, cells, points, found))
    ratio = torch.cat(ratios)
    each = dict.fromkeys(parameter.unit for parameter in transform.parameters)
    unit = " × ".join(f"{width:g}{'' if name == '°' else ' '}{name}" for name in each)
    return (
        transform.name,
        data,
        unit,
        attacker,
        f"{torch.cat(radii).median():.4f}",
        f"{ratio.median():.2f}",
        f"{ratio.max():.2f}",
        f"{1e3 * seconds / balls:.1f}",
    )


def table(sigma: float, count: int, names: tuple[str, ...] = NAMES, widths: tuple[float, ...] = WIDTHS) -> Table:
    """All transformations, data, widths and attackers."""
    rows: Table = [
        ("transformation", "images", "cell", "attacker", "radius", "radius / occurs, median", "largest", "ms a ball")
    ]
    attackers: tuple[Attacker, ...] = ("exact", "8-bit")
    for name in names:
        for data in CIRCLES:
            for attacker in attackers:
                rows += [measured(data, TRANSFORMS[name], width, attacker, sigma, count) for width in widths]
    return rows


def as_markdown(rows: Table) -> str:
    """A table of Markdown."""
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join((head, "|---" * len(rows[0]) + "|", *body))


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=6, help="of each data set (default: %(default)s)")
    parser.add_argument("--page", type=Path, default=PAGE, help="what is written (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    parts = [
        "# Balls of cells of scaling, shear, and rotation with scaling",
        "Written by `python -m benchmarks.paths`. P: vignette d = 2 px (circle), blur 5, s = 2 (MNIST) or 1 (CIFAR-10); "
        f"test images 1000, 1007, … ({arguments.images} of each data set), one cell around each of "
        "−25, −11, 3, 8 and 20 (°, log %, %). "
        '"Occurs" is the largest distance to the centre among 61 gammas of the cell, of two parameters 9 × 9, so ratios err on the '
        "high side. Times are processor time of one thread.",
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}, one thread; load at the start "
        f"{load:.1f}.",
        "## Cells without smoothing over the parameter",
        "{P Q(T_γ x) : γ in the cell}, one warp. A shear is affine in γ between the places at which a row has moved by whole "
        "pixels, so nothing is left beside the ends of its pieces.",
        as_markdown(table(0.0, arguments.images)),
        "### Rotation with scaling",
        "One warp by both, cells of the same size along both axes, of which they have four pieces each.",
        as_markdown(table(0.0, arguments.images, (BOTH,), SQUARES)),
        "## Cells with samples",
        f"{{P A_(b′−γ) Q(T_γ x) : γ in the cell}} for {SAMPLES} samples b′ around the middle of each cell, σ = 15.",
        as_markdown(table(15.0, arguments.images)),
    ]
    arguments.page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
