"""The inverse: every original is inside, with zero tolerance; passes shrink; the paper's example; a slow oracle agrees."""

import itertools
import math
from fractions import Fraction

import flint
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spt.datasets import load_dataset
from spt.interval_warp import source_boxes
from spt.inverse import Inverse, invert, refine, trace
from spt.inverse.constraints import axis_ends, find_constraints
from spt.threat_model import EVALUATION, LARGEST_SIDE, ReceivedImage
from spt.transforms import Rotation, Transform, Translation
from tests import oracles

ROTATION, TRANSLATION = Rotation(), Translation()
SHAPES = ((1, 1, 1), (1, 1, 6), (1, 5, 5), (1, 6, 6), (3, 7, 4), (2, 8, 9))
KINDS = ("noise", "bytes", "binary", "black", "white", "checkerboard", "pixel")
ANGLES = (0.0, 90.0, -90.0, 180.0, 45.0, -45.0, 360.0, 7.123, -63.4, 1e-9)
SHIFTS = ((0.0, 0.0), (1.0, 0.0), (-2.0, 3.0), (0.5, -0.5), (0.37, -1.61), (1e-9, 7.0))


def make_image(kind: str, shape: tuple[int, int, int], seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(shape, dtype=torch.float64, generator=generator)
    rows, columns = torch.arange(shape[1])[:, None], torch.arange(shape[2])[None, :]
    images = {
        "noise": noise,
        "bytes": (noise * 255).round() / 255,
        "binary": noise.round(),
        "black": torch.zeros_like(noise),
        "white": torch.ones_like(noise),
        "checkerboard": ((rows + columns) % 2).double().expand(shape),
        "pixel": (noise == noise.max()).double(),
    }
    return images[kind]


def attack(image: Tensor, transform: Transform, gamma: list[float], attacker: str, dtype=torch.float64) -> Tensor:
    received = transform(image.to(dtype), [gamma])[0]
    return (received * 255).round() / 255 if attacker == "8-bit" else received


def holds(found: Inverse, image: Tensor, gamma: list[float]) -> bool:
    """Whether a surviving split contains gamma and its images contain the original: no tolerance."""
    point = torch.tensor(gamma, dtype=torch.float64)
    contains = ((found.boxes[..., 0] <= point) & (point <= found.boxes[..., 1])).all(1)
    inside = ((found.lower <= image) & (image <= found.upper)).flatten(1).all(1)
    return bool((contains & inside).any()) and bool((found.lower <= found.upper).all())


def shrinks(before: Inverse, after: Inverse) -> bool:
    """Whether every split is part of one that was there before, and so are its images."""
    inside = (before.boxes[None, ..., 0] <= after.boxes[:, None, :, 0]) & (
        after.boxes[:, None, :, 1] <= before.boxes[None, ..., 1]
    )
    parents = inside.all(2).double().argmax(1)
    return bool(
        inside.all(2).any(1).all()
        and (before.lower[parents] <= after.lower).all()
        and (after.upper <= before.upper[parents]).all()
    )


def check(
    image: Tensor,
    transform: Transform,
    gamma: list[float],
    gamma_range,
    attacker: str,
    refinements: int = 20,
    dtype: torch.dtype = torch.float64,
    width: float = 0.5,
    naive: bool = False,
) -> Inverse:
    """All passes of the attack of this image contain it, each within the one before."""
    image = image.to(dtype).double()
    received = attack(image, transform, gamma, attacker, dtype)
    before = None
    for found in refine(
        ReceivedImage(received, transform, gamma_range, attacker=attacker),
        width=width,
        refinements=refinements,
        naive=naive,
    ):
        assert holds(found, image, gamma), (gamma, found.passes, found.contradiction)
        assert before is None or shrinks(before, found)
        before = found
    assert before is not None and before.passes >= refinements + 1
    return before


def around(gamma: list[float], below: float, above: float) -> list[tuple[float, float]]:
    return [(value - below, value + above) for value in gamma]


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize("kind", KINDS)
def test_original_is_inside_after_rotation(kind, attacker):
    for i, angle in enumerate(ANGLES):
        shape = SHAPES[(i + KINDS.index(kind)) % len(SHAPES)]
        below, above = ((0.9, 1.3), (0, 1.1), (1.7, 0), (0, 0))[i % 4]  # inside, at either end, known exactly
        dtype = torch.float32 if i % 3 == 0 else torch.float64
        check(make_image(kind, shape, i), ROTATION, [angle], around([angle], below, above), attacker, dtype=dtype)


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize("kind", KINDS)
def test_original_is_inside_after_translation(kind, attacker):
    for i, shift in enumerate(SHIFTS):
        shape = SHAPES[(i + KINDS.index(kind)) % len(SHAPES)]
        below, above = ((0.3, 0.2), (0, 0.25), (0.4, 0), (0, 0))[i % 4]
        dtype = torch.float32 if i % 3 == 0 else torch.float64
        box = around(list(shift), below, above)
        check(make_image(kind, shape, i), TRANSLATION, list(shift), box, attacker, 5, dtype, width=0.2)


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize(("index", "angle"), [(0, 7.123), (1, -10.0), (2, 0.0), (3, 2.5)])
def test_digits(index, angle, attacker):
    image = load_dataset("digits").image(index)
    found = check(image, ROTATION, [angle], (-10, 10), attacker, 10, torch.float32, width=0.1)
    x, y = torch.arange(28) - 13.5, (torch.arange(28) - 13.5)[:, None]
    vignette = x**2 + y**2 <= 11.5**2
    assert float(found.widths[..., vignette].mean()) <= 0.02
    assert found.share <= 0.05
    for low, high in found.surviving[:, 0].tolist():  # only the true angle and, as all images are their own T_0, 0
        assert min(abs(low - angle), abs(high - angle), abs(low), abs(high)) <= 0.2


def test_colour_photograph():
    image = load_dataset("natural", shape=(3, 24, 24)).image(0)
    found = check(image, ROTATION, [-3.21], (-10, 10), "8-bit", 5, torch.float32, width=0.2)
    assert found.share < 0.2


@st.composite
def cases(draw):
    transform = draw(st.sampled_from([ROTATION, TRANSLATION]))
    special = (0.0, 90.0, 45.0, -180.0) if transform is ROTATION else (0.0, 1.0, -2.0, 0.5)
    reach, wide = (200.0, 6.0) if transform is ROTATION else (4.0, 0.8)
    gamma = [draw(st.one_of(st.floats(-reach, reach), st.sampled_from(special))) for _ in range(transform.dimensions)]
    ends = [(g - draw(st.floats(0, wide)), g + draw(st.floats(0, wide))) for g in gamma]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    image = make_image(draw(st.sampled_from(KINDS)), shape, draw(st.integers(0, 1000)))
    attacker = draw(st.sampled_from(["exact", "8-bit"]))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return image, transform, gamma, ends, attacker, draw(st.integers(0, 4)), dtype, wide * draw(st.floats(0.2, 3))


@given(cases())
def test_original_is_inside_whatever_the_case(case):
    image, transform, gamma, ends, attacker, refinements, dtype, width = case
    check(image, transform, gamma, ends, attacker, refinements, dtype, width, naive=refinements == 1)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 40))])
def test_original_is_inside_many_cases(seed):
    generator = torch.Generator().manual_seed(seed)
    for i in range(40):
        u = torch.rand(8, generator=generator, dtype=torch.float64).tolist()
        kind, shape = KINDS[int(u[0] * len(KINDS))], SHAPES[int(u[1] * len(SHAPES))]
        image, attacker = make_image(kind, shape, 100 * seed + i), ("exact", "8-bit")[i % 2]
        dtype = (torch.float32, torch.float64)[i // 2 % 2]
        angle = ANGLES[i % len(ANGLES)] if i % 3 else 720 * u[2] - 360
        check(image, ROTATION, [angle], around([angle], 9 * u[3] ** 3, 9 * u[4] ** 3), attacker, 20, dtype)
        shift = list(SHIFTS[i % len(SHIFTS)]) if i % 3 else [6 * u[5] - 3, 6 * u[6] - 3]
        check(image, TRANSLATION, shift, around(shift, u[3] ** 2, u[4] ** 2), attacker, 10, dtype, width=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_digits_many_angles(index, attacker):
    image = load_dataset("digits").image(index)
    for i, angle in enumerate((-30.0, -12.34, -1e-4, 0.05, 3.0, 17.77, 29.999)):
        dtype = (torch.float32, torch.float64)[i % 2]
        check(image, ROTATION, [angle], (-30, 30), attacker, 20, dtype, width=(0.1, 0.25, 1.0)[i % 3])


# ------------------------------------------------------------------------------------------------------- the passes


def test_narrower_splits_never_lose_the_true_angle():
    image = load_dataset("digits").image(4)
    received = attack(image, ROTATION, [4.321], "8-bit", torch.float32)
    shares = []
    for width in (8.0, 1.0, 0.25, 0.05):
        found = invert(ReceivedImage(received, ROTATION, (-8, 8)), width=width, refinements=3)
        assert holds(found, image, [4.321])
        assert float((found.boxes[..., 1] - found.boxes[..., 0]).max()) <= width * (1 + 1e-9)
        shares.append(found.share)
    assert shares == sorted(shares, reverse=True) and shares[-1] < 0.05


def test_a_hull_contains_all_splits_and_touching_splits_are_joined():
    received = attack(make_image("bytes", (1, 9, 9)), ROTATION, [2.0], "8-bit")
    found = invert(ReceivedImage(received, ROTATION, (-4, 4)), width=0.25)
    lower, upper = found.hull
    assert (lower <= found.lower).all() and (found.upper <= upper).all()
    joined = found.surviving[:, 0]
    assert (joined[1:, 0] > joined[:-1, 1]).all()
    assert float((joined[:, 1] - joined[:, 0]).sum()) / 8 == pytest.approx(found.share)
    assert torch.equal(found.widths, found.upper - found.lower)


def test_black_says_that_all_is_black_inside():
    found = invert(ReceivedImage(torch.zeros(1, 9, 9), ROTATION, (-10, 10), attacker="exact"), width=1.0, refinements=3)
    assert found.share == pytest.approx(1) and len(found.surviving) == 1
    assert float(found.hull[1][:, 2:-2, 2:-2].max()) < 1e-5


@pytest.mark.parametrize(("transform", "gamma"), [(ROTATION, (-3, 3)), (TRANSLATION, (-0.5, 0.5))])
def test_memory_does_not_matter(transform, gamma):
    received = attack(make_image("bytes", (2, 6, 7)), transform, [0.3] * transform.dimensions, "8-bit")
    whole = invert(ReceivedImage(received, transform, gamma), width=0.125, refinements=4)
    parts = invert(ReceivedImage(received, transform, gamma), width=0.125, refinements=4, memory_budget=1 << 10)
    assert torch.equal(whole.boxes, parts.boxes) and whole.evaluations == parts.evaluations
    assert torch.equal(whole.lower, parts.lower) and torch.equal(whole.upper, parts.upper)


def test_progress_can_cancel():
    seen = []

    def progress(items, desc="", total=None):
        seen.append((desc, total))
        if len(seen) == 3:
            raise KeyboardInterrupt
        return items

    received = attack(make_image("bytes", (1, 6, 6)), ROTATION, [1.0], "8-bit")
    with pytest.raises(KeyboardInterrupt):
        invert(ReceivedImage(received, ROTATION, (-2, 2)), progress=progress)
    assert len(seen) == 3 and "pass 1, 5 splits" in seen[0][0] and seen[0][1] == 1


# ----------------------------------------------------------------------------------------------------- inconsistent


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize(
    ("transform", "gamma_range"),
    [(ROTATION, (10, 20)), (ROTATION, (-95, -85)), (TRANSLATION, ((0.4, 0.6), (0.3, 0.7)))],
)
def test_no_angle_produces_a_checkerboard(transform, gamma_range, attacker):
    *passes, found = refine(
        ReceivedImage(make_image("checkerboard", (1, 12, 11)), transform, gamma_range, attacker=attacker),
        width=0.1,
        refinements=10,
    )
    assert not found.consistent and found.share == 0
    assert found.boxes.shape == (0, transform.dimensions, 2) and found.lower.shape == (0, 1, 12, 11)
    assert all(end.shape == (1, 12, 11) for end in found.hull) and bool((found.hull[0] > found.hull[1]).all())
    died = found.contradiction
    assert died is not None and died.lower > died.upper and died.passes == found.passes == len(passes) + 1
    assert -1 <= died.row <= 12 and -1 <= died.column <= 11 and died.channel == 0
    assert died.box.shape == (transform.dimensions, 2)


def test_what_comes_from_outside_the_frame_is_black():
    """White everywhere cannot have been turned: its corners come from outside."""
    found = invert(ReceivedImage(torch.ones(1, 8, 8), ROTATION, (5, 20)))
    died = found.contradiction
    assert not found.consistent and died is not None
    assert died.row in (-1, 8) or died.column in (-1, 8)


# ----------------------------------------------------------------------------------------------------- the paper's example


def test_the_papers_example():
    """Gamma = [23°, 26°], p'_{5,1} = 0.9 on the paper's grid: what it says about the pixel (3, 3)."""
    received = torch.zeros(1, 8, 8, dtype=torch.float64)
    received[0, 4, 6] = 0.9
    ends = {}
    for naive in (True, False):
        steps = trace(ReceivedImage(received, ROTATION, (23, 26), attacker="exact"), 5, 5, naive=naive, pitch=2).steps
        (step,) = [each for each in steps if (each.x, each.y) == (5, 1)]
        assert (step.row, step.column) == (4, 6) and step.value == pytest.approx((0.9, 0.9), abs=1e-8)
        below, above = step.cells
        assert (below.x, below.y, above.x, above.y) == ((3, 5), (1, 3), (3, 5), (3, 5))
        assert below.part_y == (step.box_y[0], 3) and above.part_y == (3, step.box_y[1])
        for cell in step.cells:
            assert cell.lower.weights == cell.upper.weights and sum(cell.lower.weights) == pytest.approx(1)
        ends[naive] = step.box_x, step.box_y, above, below
    box_x, box_y, above, below = ends[True]
    assert box_x == pytest.approx((4.06, 4.21), abs=0.005) and box_y == pytest.approx((2.85, 3.11), abs=0.005)
    assert round(above.lower.value, 3) == 0.731 and round(below.lower.value, 3) == 0.726
    assert round(above.upper.value, 2) == 2.42 and round(below.upper.value, 2) == 2.47
    assert (above.lower.x, above.lower.y) == pytest.approx((4.2118, 3.1124), abs=1e-4)
    assert (below.lower.x, below.lower.y) == pytest.approx((4.2118, 2.8524), abs=1e-4)
    assert ends[False][0] == pytest.approx((4.056, 4.212), abs=0.0005)
    assert ends[False][1] == pytest.approx((2.874, 3.091), abs=0.0005)


@pytest.mark.parametrize(("transform", "split"), [(ROTATION, [(7, 9)]), (TRANSLATION, [(0.2, 0.5), (-0.1, 0.3)])])
def test_the_trace_explains_every_pixel(transform, split):
    """Its steps end where the pass ends, follow from the numbers they show, and other units change positions only."""
    middle = [sum(ends) / 2 for ends in split]
    received = attack(make_image("bytes", (2, 5, 6)), transform, middle, "8-bit")
    first, second = refine(ReceivedImage(received, transform, split), width=100, refinements=1)
    for row, column, channel in ((0, 0, 0), (2, 3, 1), (2, 2, 0), (4, 5, 1), (1, 4, 0)):
        for found, previous in ((first, None), (second, (first.lower[0], first.upper[0]))):
            told = trace(ReceivedImage(received, transform, split), row, column, channel=channel, previous=previous)
            ends = (float(image[0, channel, row, column]) for image in (found.lower, found.upper))
            assert told.result == tuple(ends)
            for step in told.steps:
                for cell in step.cells:
                    for end, corner in enumerate((cell.lower, cell.upper)):
                        own, *weights = corner.weights
                        taken = sum(w * each[1 - end] for w, each in zip(weights, cell.others, strict=True))
                        assert corner.value == pytest.approx((step.value[end] - taken) / own, rel=1e-9, abs=1e-9)
                        assert any(corner.x == pytest.approx(x, abs=1e-9) for x in cell.part_x)
                        assert any(corner.y == pytest.approx(y, abs=1e-9) for y in cell.part_y)
                assert step.union[0] == min(cell.lower.value for cell in step.cells)
                assert step.union[1] == max(cell.upper.value for cell in step.cells)
            double = trace(
                ReceivedImage(received, transform, split), row, column, channel=channel, previous=previous, pitch=2
            )
            assert double.result == told.result and (double.x, double.y) == (2 * told.x, 2 * told.y)
            for one, two in zip(told.steps, double.steps, strict=True):
                assert two.box_x == pytest.approx([2 * x for x in one.box_x]) and two.known == one.known
                assert [cell.y for cell in two.cells] == [(2 * low, 2 * high) for low, high in (c.y for c in one.cells)]


@pytest.mark.parametrize(
    ("transform", "split"),
    [
        (ROTATION, [(7.0, 7.3)]),
        (ROTATION, [(0.0, 0.5)]),
        (ROTATION, [(-3.0, 4.0)]),
        (ROTATION, [(84.0, 91.0)]),
        (ROTATION, [(200.0, 200.0)]),
        (TRANSLATION, [(0.2, 0.5), (-0.4, 0.3)]),
        (TRANSLATION, [(1.0, 1.0), (-0.8, 0.0)]),
        (TRANSLATION, [(-9.1, -8.7), (0.3, 0.3)]),
    ],
)
@pytest.mark.parametrize("shape", [(1, 5, 6), (1, 7, 7)])
def test_agrees_with_the_slow_oracle(transform, split, shape):
    middle = [sum(ends) / 2 for ends in split]
    received = attack(make_image("bytes", shape, 3), transform, middle, "8-bit")
    ends = tuple(
        end.reshape(shape[1:]).numpy() for end in ReceivedImage(received, transform, split, attacker="8-bit").ends
    )
    known = np.zeros(shape[1:]), np.ones(shape[1:])
    for found in refine(ReceivedImage(received, transform, split), width=100, refinements=2):
        lower, upper = oracles.inverse_pass(transform.name, split, ends, known)
        assert found.consistent == bool((lower <= upper).all())
        known = lower[1:-1, 1:-1], upper[1:-1, 1:-1]
        assert np.abs(found.lower[0, 0].numpy() - known[0]).max() <= 1e-6
        assert np.abs(found.upper[0, 0].numpy() - known[1]).max() <= 1e-6


def test_the_oracle_finds_the_same_contradictions():
    received = make_image("checkerboard", (1, 6, 6))
    ends = tuple(
        end.reshape(6, 6).numpy() for end in ReceivedImage(received, ROTATION, (30, 31), attacker="exact").ends
    )
    (found,) = refine(ReceivedImage(received, ROTATION, (30, 31), attacker="exact"), width=1, refinements=0)
    lower, upper = oracles.inverse_pass("rotation", [(30, 31)], ends, (np.zeros((6, 6)), np.ones((6, 6))))
    died = found.contradiction
    assert died is not None and not found.consistent
    assert died.gap == pytest.approx((lower - upper).max(), abs=1e-6)
    assert (lower - upper)[died.row + 1, died.column + 1] == pytest.approx(died.gap, abs=1e-6)


# --------------------------------------------------------------------------------------------------- floating point


def test_ends_are_rounded_outward():
    """Against rational arithmetic at the corners: no tolerance."""
    generator = torch.Generator().manual_seed(0)
    boxes = torch.tensor([[[3.0, 3.1]], [[40.0, 41.5]]], dtype=torch.float64)
    lower = torch.rand(1, 2, 99, dtype=torch.float64, generator=generator)  # 9 x 7 pixels with their ring
    value = torch.rand(1, 63, dtype=torch.float64, generator=generator)
    for group in find_constraints(ROTATION, boxes, 9, 7):
        low, high = (end[0] for end in group.ends((value, value), lower, lower))
        for k, n in itertools.product(range(len(low)), range(0, len(group.split), 3)):
            p = Fraction(float(value[0, group.received[n]]))
            known = lower[0, group.split[n]]
            h, v, d = (p - Fraction(float(known[each[k, n]])) for each in (group.across, group.along, group.diagonal))
            for a, b in itertools.product((group.low_a, group.high_a), (group.low_b, group.high_b)):
                s, t = Fraction(float(a[k, n])), Fraction(float(b[k, n]))
                assert Fraction(float(low[k, n])) <= p + s * h + t * v + s * t * d <= Fraction(float(high[k, n]))


@pytest.mark.parametrize("angle", [3600.0, -3599.9, 0.01, 45.0])
def test_positions_and_values_are_as_exact_as_promised(angle, monkeypatch):
    """In the largest images and angles, against 200-bit arithmetic: boxes contain sources, `EVALUATION` suffices."""
    width, split = LARGEST_SIDE, (angle, angle + 1e-9)
    x, y = source_boxes(ROTATION, 2, width, torch.tensor([[split]], dtype=torch.float64))
    columns, rows = axis_ends(x, width), axis_ends(y, 2)
    image = make_image("binary", (1, 2, width))
    received = ROTATION(image, [angle])[0, 0]
    monkeypatch.setattr(flint.ctx, "prec", 200)
    radians = flint.arb(angle) * flint.arb.pi() / 180
    for row, column in itertools.product((0, 1), range(0, width, 97)):
        px, py = flint.arb(column) - flint.arb(width - 1) / 2, flint.arb(row) - flint.arb("0.5")
        u = radians.cos() * px - radians.sin() * py + flint.arb(width - 1) / 2
        v = radians.sin() * px + radians.cos() * py + flint.arb("0.5")
        for position, (low, high), size in ((u, columns, width), (v, rows, 2)):
            if -1 < position < size:
                assert flint.arb(float(low[0, row, column])) < position < flint.arb(float(high[0, row, column]))
        exact = sum(
            flint.arb(float(image[0, r, c])) * (1 - abs(u - c)) * (1 - abs(v - r))
            for r in (0, 1)
            for c in range(math.floor(float(u)) - 1, math.floor(float(u)) + 3)
            if 0 <= c < width and abs(u - c) < 1 and abs(v - r) < 1
        )
        assert abs(flint.arb(float(received[row, column])) - exact) < EVALUATION / 2


# ----------------------------------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gamma_range": (3, -3)}, r"from low to high, but is \[\[3.0, -3.0\]\]"),
        ({"gamma_range": ()}, "but has shape"),
        ({"gamma_range": (0, math.nan)}, "must be finite"),
        ({"gamma_range": (-1e5, 1e5)}, "beyond ±3600"),
        ({"gamma_range": (-180, 180), "width": 1e-6}, "more than 1000000 splits"),
        ({"image": torch.full((1, 4, 4), 1.5)}, r"must be in \[0, 1\], but they go from 1.5 to 1.5"),
        ({"image": torch.full((1, 4, 4), -0.1)}, "go from -0.1 to -0.1"),
        ({"image": torch.full((1, 4, 4), math.nan)}, "not finite"),
        ({"image": torch.zeros(4, 4)}, r"shape \(C, H, W\) is needed, but got \(4, 4\)"),
        ({"image": torch.zeros(1, 0, 4)}, r"no pixels: its shape is \(1, 0, 4\)"),
        ({"image": torch.zeros(1, 1, 5000)}, "up to 4096 pixels"),
        ({"image": torch.zeros(1, 4, 4, dtype=torch.uint8)}, "must be floating point"),
        ({"width": 0}, "width must be a positive number, but is 0"),
        ({"width": math.nan}, "width must be a positive number, but is nan"),
        ({"refinements": -1}, "refinements must be 0 or more, but is -1"),
        ({"attacker": "16-bit"}, "'exact' or '8-bit', but is '16-bit'"),
    ],
)
def test_bad_input(change, sentence):
    change = dict(change)
    image = change.pop("image", torch.zeros(1, 4, 4))
    who = {name: change.pop(name) for name in ("attacker",) if name in change}
    with pytest.raises(ValueError, match=sentence):
        refine(ReceivedImage(image, ROTATION, change.pop("gamma_range", (-1, 1)), **who), **change)


def test_bad_input_of_a_trace():
    image = torch.zeros(1, 4, 4)
    with pytest.raises(ValueError, match=r"no pixel \(4, 0\) of channel 0 in an image \(1, 4, 4\)"):
        trace(ReceivedImage(image, ROTATION, (0, 1)), 4, 0)
    with pytest.raises(ValueError, match=r"two images of shape \(1, 4, 4\)"):
        trace(ReceivedImage(image, ROTATION, (0, 1)), 0, 0, previous=(torch.zeros(4, 4), torch.zeros(4, 4)))


@pytest.mark.cuda
@pytest.mark.parametrize(
    ("transform", "gamma", "box"), [(ROTATION, [3.3], (-10, 10)), (TRANSLATION, [0.3, 1.0], (-1, 1))]
)
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_on_a_gpu(transform, gamma, box, attacker):
    image = load_dataset("natural", shape=(3, 20, 20)).image(1)
    received = attack(image, transform, gamma, attacker, torch.float32)
    here = invert(ReceivedImage(received, transform, box, attacker=attacker), width=0.2, refinements=5)
    there = invert(ReceivedImage(received.to("cuda"), transform, box, attacker=attacker), width=0.2, refinements=5)
    assert there.lower.is_cuda and not there.boxes.is_cuda
    assert torch.equal(here.boxes, there.boxes)
    assert float((here.lower - there.lower.cpu()).abs().max()) <= 1e-6
    found = attack(image.to("cuda"), transform, gamma, attacker, torch.float32)
    inside = invert(ReceivedImage(found, transform, box, attacker=attacker), width=0.2, refinements=5)
    assert bool(((inside.lower <= image.to("cuda")) & (image.to("cuda") <= inside.upper)).flatten(1).all(1).any())
