"""The command invert: what a received image says about its original."""

import argparse
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spt.commands.arguments import (
    add_command,
    add_device,
    add_download,
    check_device,
    checked_number,
    parameter,
    parameter_point,
    passes,
    read_picture,
    size,
    small_count,
    visible_progress,
)
from spt.experiments.files import check_file, json_text
from spt.experiments.settings import Range
from spt.plain_numbers import MOST_SAMPLES
from spt.whole_files import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from spt.inverse import Inverse
    from spt.transforms import Transform


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = add_command(
        commands,
        "invert",
        _invert,
        "What an image that was transformed says about its original: which parameters can explain it, and between which "
        "values each original pixel lies.",
    )
    what = parser.add_argument_group("image: an original to be attacked, or what was received")
    which = what.add_mutually_exclusive_group()
    which.add_argument(
        "--image",
        default="digits:0",
        metavar="IMAGE",
        help="the original, a picture file or dataset:number (default: %(default)s); --at says how it is attacked",
    )
    which.add_argument("--received", metavar="IMAGE", help="an image that is the received one already")
    what.add_argument(
        "--at",
        nargs="+",
        type=parameter,
        metavar="VALUE",
        help="the attack on --image (rotation: angle, default 10; translation: dx dy, default 0.5 0.5)",
    )
    what.add_argument(
        "--shape", nargs=3, type=small_count, metavar=("C", "H", "W"), help="fit the image to it (default: as it is)"
    )
    what.add_argument("--invert", action="store_true", help="swap black and white")
    add_download(what)
    how = parser.add_argument_group("inverse")
    how.add_argument("--transform", default="rotation", metavar="NAME", help="default: %(default)s")
    gamma = how.add_mutually_exclusive_group()
    gamma.add_argument("--limit", type=size, metavar="SIZE", help="Γ = ± this, in ° or px (default: 30 or 2)")
    gamma.add_argument(
        "--range", nargs=2, type=parameter, metavar=("LOW", "HIGH"), help="Γ from LOW to HIGH, for every parameter"
    )
    fineness = how.add_mutually_exclusive_group()
    fineness.add_argument("--width", type=size, help="largest width of a split (default: 0.1)")
    fineness.add_argument(
        "--splits", type=checked_number(int, Range(1, 1_000_000)), help="number of splits, of each parameter's range"
    )
    how.add_argument("--passes", type=passes, default=10, help="refinements after the splitting (default: %(default)s)")
    how.add_argument("--attacker", choices=["8-bit", "exact"], default="8-bit", help="default: %(default)s")
    how.add_argument("--naive", action="store_true", help="source boxes by interval arithmetic, as in the paper")
    how.add_argument(
        "--out", type=Path, metavar="FILE", help="write boxes, lower, upper and received to this .npz file"
    )
    add_device(how)


def _invert(arguments: argparse.Namespace) -> str:
    from spt.images import to_8_bit
    from spt.inverse import invert
    from spt.threat_model import ReceivedImage
    from spt.transforms import get_transform

    if arguments.received is not None and arguments.at is not None:
        raise ValueError("--at is for --image: what --received names is transformed already.")
    if arguments.out is not None and arguments.out.suffix != ".npz":
        raise ValueError(f"--out must name a .npz file, not {str(arguments.out)!r}.")
    if arguments.out is not None:
        check_file(arguments.out, "--out")
    if arguments.shape is not None and math.prod(arguments.shape) > MOST_SAMPLES:
        raise ValueError(
            f"--shape must hold at most {MOST_SAMPLES} values, but {' x '.join(map(str, arguments.shape))} has more."
        )
    device = check_device(arguments.device)
    transform = get_transform(arguments.transform)
    shape = None if arguments.shape is None else (arguments.shape[0], arguments.shape[1], arguments.shape[2])
    name = arguments.received or arguments.image
    image, _, caption = read_picture(name, shape, arguments.invert, arguments.download)
    received, point = image, None
    if arguments.received is None:
        point = parameter_point(arguments.at or _usual_attack(transform), transform)
        exact = transform(image.double(), point)[0]
        received = exact if arguments.attacker == "exact" else to_8_bit(transform(image, point)[0])
        caption += f" at {transform.describe(point[0])}"
    low, high = _gamma_range(arguments, transform)
    width = (high - low) / arguments.splits if arguments.splits else arguments.width or 0.1
    found = invert(
        ReceivedImage(received.to(device), transform, (low, high), attacker=arguments.attacker),
        width=width,
        refinements=arguments.passes,
        naive=arguments.naive,
        progress=visible_progress(),
    )
    inside = None if point is None else _contains(found, image, point[0])
    if arguments.out is not None:
        _write(arguments.out, found, received)
    if arguments.json:
        return json_text(_record(arguments, found, inside, (low, high)), indent=2)
    return "\n".join([caption, *_lines(arguments, transform, found, inside, (low, high))])


def _usual_attack(transform: "Transform") -> list[float]:
    return [10.0] if transform.unit == "°" else [0.5] * transform.dimensions


def _gamma_range(arguments: argparse.Namespace, transform: "Transform") -> tuple[float, float]:
    if arguments.range is None:
        limit = arguments.limit or (30.0 if transform.unit == "°" else 2.0)
        return -limit, limit
    low, high = arguments.range
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"--range must be two finite numbers in ascending order, but is {low:g} {high:g}.")
    return low, high


def _contains(found: "Inverse", image: "Tensor", point: "Tensor") -> bool:
    """Whether the original is inside on a surviving split that holds the attack."""
    gamma, original = point.cpu().double(), image.double().to(found.lower.device)
    holds = ((found.boxes[..., 0] <= gamma) & (gamma <= found.boxes[..., 1])).all(dim=1)
    inside = ((found.lower <= original) & (original <= found.upper)).flatten(1).all(dim=1)
    return bool((inside.cpu() & holds).any())


def _widths(found: "Inverse") -> tuple[float, float] | None:
    """Mean and largest width on the surviving splits."""
    return (float(found.widths.mean()), float(found.widths.max())) if found.consistent else None


def _write(path: Path, found: "Inverse", received: "Tensor") -> None:
    import numpy as np

    file, arrays = (
        io.BytesIO(),
        {"boxes": found.boxes, "lower": found.lower, "upper": found.upper, "received": received},
    )
    np.savez_compressed(file, **{name: value.cpu().numpy() for name, value in arrays.items()})  # type: ignore[arg-type]
    write_whole(path, file.getvalue())


def _record(
    arguments: argparse.Namespace, found: "Inverse", inside: bool | None, gamma_range: tuple[float, float]
) -> dict[str, Any]:
    widths, died = _widths(found), None if found.consistent else found.contradiction
    return {
        "transform": arguments.transform,
        "gamma_range": gamma_range,
        "attacker": found.attacker,
        "consistent": found.consistent,
        "surviving": found.surviving.tolist(),
        "share": found.share,
        "splits": len(found.boxes),
        "mean_width": widths and widths[0],
        "max_width": widths and widths[1],
        "original_inside": inside,
        "contradiction": died
        and {
            "split": died.box.tolist(),
            "channel": died.channel,
            "row": died.row,
            "column": died.column,
            "at_least": died.lower,
            "at_most": died.upper,
            "pass": died.passes,
        },
        "passes": found.passes,
        "evaluations": found.evaluations,
        "seconds": found.seconds,
    }


def _lines(
    arguments: argparse.Namespace,
    transform: "Transform",
    found: "Inverse",
    inside: bool | None,
    gamma_range: tuple[float, float],
) -> list[str]:
    from spt.certificates import rounded_up
    from spt.figures.inverse import at_least, at_most, range_in_words

    unit = transform.unit
    whole = range_in_words([gamma_range], unit) + ("" if transform.dimensions == 1 else " in each parameter")
    cost = f"  cost       {found.evaluations} splits evaluated in {found.passes} passes, {found.seconds:.2f} s"
    widths, died = _widths(found), found.contradiction
    if widths is None:
        assert died is not None
        return [
            f"INCONSISTENT WITH Γ: no image with pixels in [0, 1] gives this one by a {transform.name} in {whole} "
            f"({found.attacker} images).",
            f"  last       γ in {range_in_words(died.box.tolist(), unit)}: pixel row {died.row}, column {died.column}, channel "
            f"{died.channel} of the original must be ≥ {at_least(died.lower)} and ≤ {at_most(died.upper)}",
            cost,
        ]
    ranges = [range_in_words(box, unit) for box in found.surviving.tolist()]
    more = f" and {len(ranges) - 5} more" if len(ranges) > 5 else ""
    lines = [
        f"Of Γ = {whole} {rounded_up(100 * found.share)} % can explain this image ({found.attacker} images).",
        f"  survives   {', '.join(ranges[:5])}{more}",
        f"  width      mean {rounded_up(widths[0])}, largest {rounded_up(widths[1])} (upper − lower bound of a pixel)",
    ]
    if inside is not None:
        lines.append(f"  original   {'inside' if inside else 'NOT inside (the attack is outside Γ)'}")
    if arguments.out is not None:
        lines.append(f"  written    {arguments.out}")
    return [*lines, cost]
