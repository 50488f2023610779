"""The images of the page "Inverse": what was received, what is known of the original pass by pass, and the original itself."""

from collections.abc import Callable

from spt.figures import errors as error_figures
from spt.figures import inverse as inverse_figures
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Ends, Found, Pass, received_interval
from spt.ui.shared import pixel_grid
from spt.ui.shared.pixel_grid import Control, Drawing, Frames, Picture, Reading, Warp

WIDTH_SCALE = 0.5  # yellow from here on: fixed, so that colours can be compared


def show(
    request: InverseRequest,
    found: Found,
    part: int,
    number: int,
    chosen: tuple[int, int],
    choose: Callable[[int, int], None],
) -> None:
    """The images after pass ``number`` on a part of Gamma, with ``chosen`` (row, column) framed; ``choose`` is called with
    a clicked pixel. Where the attack is known, x' can be dragged to change it."""
    control: Control | None = None
    if request.gamma is not None:
        control = pixel_grid.control_of(request.transform, request.gamma, request.subject.image)
    frames = Frames(
        f"{hash((request.key, part)):x}", tuple(one.what for one in found.passes), number, "▶ Play the passes"
    )
    pixel_grid.show(
        "inverse_pixels",
        pictures(request, found, part, number),
        chosen=chosen,
        choose=choose,
        control=control,
        frames=frames,
    )


def pictures(request: InverseRequest, found: Found, part: int, number: int) -> list[Picture | Drawing]:
    """All that is shown; the numbers of a pixel are those after pass ``number``."""
    hulls = [_hull(found, part, one) for one in found.passes]
    unit, hull = request.transform.unit, found.passes[number].hulls[part]
    known = (
        Reading("original: nothing is left")
        if hull is None
        else Reading("original", ends=(hull[0].clamp(0, 1), hull[1].clamp(0, 1)), truth=request.original)
    )
    lower, upper = [low.clamp(0, 1) for low, _ in hulls], [high.clamp(0, 1) for _, high in hulls]
    widths = [error_figures.unsigned_picture((high - low).clamp(min=0).numpy(), WIDTH_SCALE) for low, high in hulls]
    dials = [
        inverse_figures.surviving_svg(
            request.gamma_range,
            [[(low, high) for low, high in box] for box in one.surviving.tolist()],
            unit,
            request.gamma,
        )
        for one in found.passes
    ]
    shown: list[Picture | Drawing] = [
        _received(request),
        Picture(
            lower[-1],
            "original: at least",
            "Lower bound of every original pixel.",
            known,
            depends=True,
            frames=tuple(lower),
        ),
        Picture(
            upper[-1],
            "original: at most",
            "Upper bound of every original pixel.",
            known,
            depends=True,
            frames=tuple(upper),
        ),
        Drawing(tuple(dials), "what survives of the range Γ"),
        Picture(
            widths[-1],
            f"width: dark 0, yellow {WIDTH_SCALE:g} and more",
            "Width of the interval of every pixel.",
            known,
            depends=True,
            frames=tuple(widths),
        ),
    ]
    if request.original is not None:
        shown.append(Picture(request.subject.image, _truth(request, found), "The original.", known))
    return shown


def _received(request: InverseRequest) -> Picture:
    """x', with what its values can have been before they were rounded."""
    reading = Reading("received", ends=received_interval(request))
    if request.gamma is None:
        return Picture(request.received, "received image x′", "The received image.", reading)
    warp = Warp(request.transform.name, (0.0,) * request.transform.dimensions, by_control=True)
    alt = "The received image. Drag it to change the attack γ."
    rounding = request.attacker
    return Picture(request.received, "received image x′", alt, reading, (warp,), rounding)


def _truth(request: InverseRequest, found: Found) -> str:
    count = f"{request.received.numel():,}"
    return f"the true original: all {count} values inside ✓" if found.inside else "the true original"


def _hull(found: Found, part: int, one: Pass) -> Ends:
    """What is known after a pass; where nothing is left, what was before."""
    hull = one.hulls[part]
    if hull is None:
        hull = found.passes[one.number - 1].hulls[part]
    assert hull is not None
    return hull
