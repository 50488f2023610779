"""Balls of narrow cells: nothing that can be shown lies outside, and they are small."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.bundled import bundled
from spt.error_bounds import Search, arcs, sample_bound
from spt.error_bounds import cell_pieces_paths as path_parts
from spt.error_bounds.balls import rounding_at_samples
from spt.error_bounds.cell_balls import ROUNDING_PARTS, cell_balls
from spt.error_bounds.known_rounding import graded, rounding_changes
from spt.error_bounds.paths import TURNING
from spt.images import fit_image, read_image
from spt.preprocessing import Preprocessing
from spt.rounding_slack import float_slack
from spt.threat_model import AttackedImage
from spt.transforms import TRANSFORMS, Rotation, Translation
from tests.bound_cases import (
    IMAGES,
    PREPROCESSINGS,
    RANGES,
    SHAPES,
    UNITS,
    Seen,
    flat_image,
    gamma_box,
    gammas_to_try,
    some_points,
    tensor,
)

NAMES = ("rotation", "translation", "scaling", "shear")
ROTATION, TRANSLATION = Rotation(), Translation()
CIRCLE = Preprocessing(vignette="circle", vignette_margin=2.0, blur_size=5, blur_scale=1.0)
PLAIN = Preprocessing()
SEEDS = st.integers(0, 1 << 30)


# ------------------------------------------------------------------------------------------------------------- soundness


def some_cells(name: str, box: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """(N, d, 2) within the box (d, 2): narrow ones, some equal, some of width 0, some across or at a quarter turn."""
    widest = random.choice((0.1, 0.5, 1.0, 3.0, 12.0)) * (0.1 if name == "translation" else 1.0)
    width = np.minimum(widest * random.random((count, len(box))), box[:, 1] - box[:, 0])
    width *= random.random((count, 1)) < 0.9
    low = box[:, 0] + (box[:, 1] - width - box[:, 0]) * random.random(width.shape)
    whole = UNITS[name][1]
    near = np.round(low / (whole or np.inf)) * whole - width * random.choice((0.0, 0.3, 1.0), width.shape)
    low = np.where(random.random(width.shape) < 0.4, near, low)
    cells = np.clip(np.stack((low, low + width), axis=2), box[:, :1], box[:, 1:])
    return cells[random.integers(0, count, count)] if random.random() < 0.5 else cells


def shown_distances(seen: Seen, point: np.ndarray, centre: np.ndarray, gammas: np.ndarray, rounds: bool) -> np.ndarray:
    """||P A_{b'-gamma} Q(A_gamma x) - z|| by the oracle, (K,)."""
    attacked = seen.warped(seen.image[None], gammas)
    if rounds:
        attacked = seen.rounded(np.round(255 * attacked) / 255)
    twice = seen.warped(attacked, np.broadcast_to(point, gammas.shape), -gammas)
    return np.linalg.norm(seen.after(twice) - centre.reshape(-1), axis=1)


def largest_found(
    seen: Seen, point: np.ndarray, centre: np.ndarray, cell: np.ndarray, rounds: bool, random: np.random.Generator
) -> float:
    """The largest distance that is found: sampled, at special places, and by climbing from the best of these."""
    gammas = gammas_to_try(seen.name, seen.image.shape[1:], cell, [point, -point], 100, random)
    gammas[:2] = cell.T
    distances = shown_distances(seen, point, centre, gammas, rounds)
    best = gammas[distances.argmax()], distances.max()
    width = cell[:, 1] - cell[:, 0]
    for size in (0.1, 1e-2, 1e-3, 1e-5):
        near = np.clip(best[0] + size * width * random.normal(size=(12, len(cell))), cell[:, 0], cell[:, 1])
        distances = shown_distances(seen, point, centre, near, rounds)
        if distances.max() > best[1]:
            best = near[distances.argmax()], distances.max()
    return float(best[1])


def attack(seen: Seen, box: np.ndarray, attacker: str) -> AttackedImage:
    transform, image = TRANSFORMS[seen.name], tensor(seen.image, seen.single)
    return AttackedImage(image, transform, seen.preprocessing, tensor(box), attacker=attacker)


def assert_sound(
    seen: Seen, cells: np.ndarray, points: np.ndarray, attacker: str, parts: int, random: np.random.Generator
) -> None:
    box = np.stack((cells[..., 0].min(axis=0), cells[..., 1].max(axis=0)), axis=1)
    attacked = attack(seen, box, attacker)
    found = cell_balls(attacked, tensor(cells), tensor(points), rounding_parts=parts)
    assert (found.rounding >= 0).all() and (found.rounding <= rounding_at_samples(attacked, tensor(points))).all()
    assert (found.rounding <= found.radii).all()
    centres, radii = found.centres.numpy(), found.radii.tolist()
    for cell, point, centre, radius in zip(cells, points, centres, radii, strict=True):
        for rounds in {False, attacker == "8-bit"}:
            largest = largest_found(seen, point, centre, cell, rounds, random)
            assert largest <= radius, (largest - radius, largest, cell.tolist(), point.tolist())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@given(data=st.data())
def test_nothing_that_is_shown_lies_outside(name, attacker, data):
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from(SHAPES))
    channels, single = data.draw(st.sampled_from([1, 1, 3])), data.draw(st.sampled_from([False, False, True]))
    image = flat_image(kind, channels, shape, random)
    seen = Seen(image, name, data.draw(st.sampled_from(PREPROCESSINGS)), single)
    box = gamma_box(data.draw(st.sampled_from(RANGES)), name, random)
    cells, points = some_cells(name, box, 4, random), some_points(name, 4, box, random)
    assert_sound(seen, cells, points, attacker, data.draw(st.sampled_from([0, 1, 5, ROUNDING_PARTS])), random)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", IMAGES)
def test_on_every_kind_of_image(name, kind):
    for seed, shape in enumerate((*SHAPES, (16, 16), (20, 17))):
        random = np.random.default_rng(seed)
        for preprocessing, range_kind in zip(PREPROCESSINGS, RANGES, strict=True):
            seen = Seen(flat_image(kind, 1 + 2 * (seed % 2), shape, random), name, preprocessing, seed % 3 == 2)
            box = gamma_box(range_kind, name, random)
            cells, points = some_cells(name, box, 6, random), some_points(name, 6, box, random)
            assert_sound(seen, cells, points, ("exact", "8-bit")[seed % 2], ROUNDING_PARTS, random)


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
@pytest.mark.parametrize("shape", [(8, 8), (9, 8)])
def test_across_quarter_turns_of_either_angle_and_around_none(attacker, shape):
    random = np.random.default_rng(shape[0])
    for turn in (-180.0, -90.0, 0.0, 90.0, 360.0):
        cells = np.array(
            [[[turn - 0.4, turn + 0.6]], [[turn, turn + 0.5]], [[turn - 1.0, turn]], [[turn + 0.1, turn + 1]]]
        )
        points = turn + np.array([[0.3], [90.2], [-270.4], [180.55]])
        for kind in ("stripes across", "checkerboard", "noise", "edge pixel"):
            seen = Seen(flat_image(kind, 1, shape, random), "rotation", (PLAIN, PREPROCESSINGS[1])[int(turn) % 4 // 2])
            assert_sound(seen, cells, points, attacker, ROUNDING_PARTS, random)


def test_a_wide_cell_is_cut_into_splits_that_are_narrow_enough():
    random = np.random.default_rng(0)
    for kind in ("checkerboard", "noise", "corner pixel"):
        seen = Seen(flat_image(kind, 1, (8, 8), random), "rotation", PREPROCESSINGS[1])
        assert_sound(
            seen, np.array([[[-100.0, 200.0]], [[0.0, 30.0]]]), np.array([[12.0], [-40.0]]), "8-bit", 4, random
        )
        seen = dataclasses.replace(seen, name="translation")
        assert_sound(seen, np.array([[[-1.3, 2.0], [0.1, 0.9]]]), np.array([[0.4, -0.7]]), "8-bit", 4, random)


@pytest.mark.parametrize("name", NAMES)
def test_cells_as_narrow_as_rounding(name):
    random = np.random.default_rng(4)
    dimensions = TRANSFORMS[name].dimensions
    for low in (0.0, 1.0, -47.3, 90.0, 1000.1):
        ends = [low, float(np.nextafter(low, np.inf)), low + 1e-15, low + 1e-13, low + 1e-10, low + 1e-7]
        cells = np.array([[[low, end]] * dimensions for end in ends])
        points = np.stack([np.full(dimensions, low)] * 3 + [np.full(dimensions, low + 45.5)] * 3)
        for kind in ("stripes along", "noise"):
            seen = Seen(flat_image(kind, 1, (7, 8), random), name, PLAIN)
            assert_sound(seen, cells, points, "8-bit", ROUNDING_PARTS, random)


# ------------------------------------------------------------------------------------- without one of its parts it fails


def many_cases(attacker: str, parts: int, widths: tuple[float, ...]) -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        kind = ("any pixel", "noise", "checkerboard", "ramp")[seed % 4]
        seen = Seen(flat_image(kind, 1, (9, 9), random), "rotation", PLAIN)
        for width in widths:
            low = 45 * random.random()
            cells = np.array([[[low, low + width]]] * 4)
            assert_sound(seen, cells, 30 * random.normal(size=(4, 1)), attacker, parts, random)


@pytest.mark.parametrize("removed", [[0, 1, 2], [3, 4]])
def test_both_terms_of_the_remainder_are_needed(monkeypatch, removed):
    original = arcs.arc_weights

    def mutilated(*arguments, **options):
        index, factors = original(*arguments, **options)
        factors[..., removed] = 0.0
        return index, factors

    many_cases("exact", 0, (2.0, 7.0))
    monkeypatch.setattr(path_parts, "arc_weights", mutilated)
    monkeypatch.setattr(path_parts, "splits_for", lambda *_: 1)
    with pytest.raises(AssertionError):
        many_cases("exact", 0, (2.0, 7.0))


@pytest.mark.parametrize("part", ["d", "e"])
def test_both_parts_of_known_rounding_are_needed(monkeypatch, part):
    def mutilated(*arguments):
        changes = rounding_changes(*arguments)
        changes[:, :1] *= part != "d"
        changes[:, 1:] *= part != "e"
        return changes

    many_cases("8-bit", 2, (0.05, 0.3))
    monkeypatch.setattr(path_parts, "rounding_changes", mutilated)
    with pytest.raises(AssertionError):
        many_cases("8-bit", 2, (0.05, 0.3))


@given(seed=SEEDS, width=st.sampled_from([0.0, 0.003, 0.02, 0.1, 1.0]))
def test_what_rounding_changes_is_within_what_is_known_of_it(seed, width):
    random = np.random.default_rng(seed)
    image = tensor(flat_image(str(random.choice(IMAGES)), 1, (8, 9), random))
    start = tensor(360 * random.random(3) - 180)
    change, spread = rounding_changes(
        TURNING, image, arcs.differences(image[None]).float(), start, start + width
    ).chunk(2, 1)
    for t in (0.0, 1.0, *random.random(30)):
        turned = ROTATION(image, (start + t * width)[:, None])
        for nearly in (turned, (turned + 3e-7).clamp(max=1), (turned - 3e-7).clamp(min=0)):  # as in float32
            assert ((torch.round(255 * nearly) / 255 - turned - change).abs() <= spread).all()
    if width <= 0.003:
        assert (spread < 1e-4).double().mean() > 0.9 or image.max() > 0.1  # most is known


# ---------------------------------------------------------------------------------------------------------- how small


def digit(number: int) -> torch.Tensor:
    with np.load(bundled("assets") / "samples" / "digits.npz") as digits:
        return torch.from_numpy(digits["images"][number]).double().reshape(1, 28, 28) / 255


def photograph(name: str = "cat.jpg") -> torch.Tensor:
    return fit_image(read_image(bundled("assets") / "samples" / name), (3, 32, 32)).double()


def some_pairs(
    middle: float, width: float, count: int, sigma: float, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """One cell, and samples around it."""
    cell = torch.tensor([[[middle - width / 2, middle + width / 2]]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    return cell.expand(count, 1, 2), middle + sigma * torch.randn(count, 1, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("width", [0.25, 1.0])
def test_not_much_larger_than_the_bound_that_searches(width):
    ratios = []
    for number, image in enumerate((digit(3), photograph(), photograph("koala.jpg"))):
        cells, points = some_pairs(7.3 * number - 5.0, width, 10, 20.0, number)
        attacked = AttackedImage(image, ROTATION, CIRCLE, tuple(cells[0, 0].tolist()))
        found = cell_balls(attacked, cells, points)
        ratios.append(found.radii / sample_bound(attacked, points, search=Search(tolerance=0.02)).values)
    ratio = torch.cat(ratios)
    assert ratio.median() < 1.15 and ratio.max() < 1.6


def test_not_much_larger_than_the_bound_that_searches_for_translation():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(8, 2, dtype=torch.float64, generator=generator)
    box = torch.tensor([[0.3, 0.4], [-0.05, 0.05]], dtype=torch.float64)
    attacked = AttackedImage(digit(5), TRANSLATION, CIRCLE, box)
    found = cell_balls(attacked, box.expand(8, 2, 2), points)
    ratio = found.radii / sample_bound(attacked, points, search=Search(tolerance=0.02)).values
    assert ratio.max() < 1.2


@pytest.mark.parametrize("width", [0.125, 0.5])
def test_rounding_that_is_known_adds_much_less_than_its_worst_case(width):
    for image in (digit(3), photograph()):
        cells, points = some_pairs(4.2, width, 10, 20.0)
        attacked = AttackedImage(image, ROTATION, CIRCLE, (-10, 10), attacker="8-bit")
        found, without = (cell_balls(attacked, cells, points, rounding_parts=parts) for parts in (ROUNDING_PARTS, 0))
        worst = rounding_at_samples(attacked, points)
        assert torch.equal(without.rounding, worst)
        assert (found.rounding < 0.35 * worst).all()
        assert (found.radii < 0.75 * without.radii).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_of_one_point(name):
    transform, dimensions = TRANSFORMS[name], TRANSFORMS[name].dimensions
    cells = torch.full((3, dimensions, 2), 0.7, dtype=torch.float64)
    cells[1] = 0.0
    points = torch.linspace(-40, 60, 3 * dimensions, dtype=torch.float64).reshape(3, dimensions)
    for attacker in ("exact", "8-bit"):
        attacked = AttackedImage(photograph(), transform, CIRCLE, (-1, 1), attacker=attacker)
        found = cell_balls(attacked, cells, points)
        slack = float_slack(CIRCLE, attacked.image, arcs.PER_PIXEL) * 1.001
        shown = CIRCLE(transform(transform(photograph(), cells[..., 0]), points - cells[..., 0]))
        distance = (found.centres - shown).flatten(1).norm(dim=1)
        assert (distance <= found.radii).all()
        if attacker == "exact":
            assert (found.radii <= slack).all() and not found.rounding.any()
        assert (found.radii <= rounding_at_samples(attacked, points) + slack).all()


# ------------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("name", NAMES)
def test_a_ball_does_not_depend_on_the_other_pairs(name):
    random = np.random.default_rng(1)
    box = np.array([[-3.0, 3.0]] * TRANSFORMS[name].dimensions)
    cells = some_cells(name, box, 7, random).repeat(2, axis=0)
    cells, points = tensor(cells), tensor(some_points(name, 14, box, random))
    attacked = AttackedImage(photograph()[:, 4:24, 4:24], TRANSFORMS[name], CIRCLE, tensor(box), attacker="8-bit")
    whole = cell_balls(attacked, cells, points)
    order = torch.from_numpy(random.permutation(14))
    mixed = cell_balls(attacked, cells[order], points[order], memory_budget=1)
    single = [cell_balls(attacked, cells[i : i + 1], points[i : i + 1]) for i in range(14)]
    for field in ("centres", "radii", "rounding"):
        expected = getattr(whole, field)
        torch.testing.assert_close(getattr(mixed, field), expected[order], rtol=0, atol=1e-12)
        alone = torch.cat([getattr(ball, field) for ball in single])
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-12)


def test_what_depends_on_the_cell_is_computed_once(monkeypatch):
    seen = []

    def counted(path, image, maps, start, stop):
        seen.extend(start.tolist())
        return rounding_changes(path, image, maps, start, stop)

    monkeypatch.setattr(path_parts, "rounding_changes", counted)
    cells, points = some_pairs(4.2, 0.5, 30, 5.0)
    cells, points = torch.cat((cells, cells + 0.5)), points + 40  # no outer angle is a multiple of 90°
    attacked = AttackedImage(digit(1), ROTATION, CIRCLE, (0, 10), attacker="8-bit")
    cell_balls(attacked, cells, torch.cat((points, points)))
    assert len(seen) == len(set(seen)) == 2 * ROUNDING_PARTS


@given(
    low=st.floats(-20, 20),
    width=st.floats(1e-8, 3),
    count=st.integers(1, 40),
    places=st.lists(st.floats(0.01, 0.99), max_size=3, unique=True),
)
def test_parts_cover_their_split(low, width, count, places):
    edges = [low, *(low + width * place for place in sorted(places)), low + width]
    total = 0
    for begin, end in itertools.pairwise(edges):
        if begin < end:
            parts = graded((low, low + width), (begin, end), count)
            assert parts[0] == 0 and parts[-1] == 1 and parts == sorted(set(parts))
            total += len(parts) - 1
    assert total <= count + 2 * len(edges)
    if not places and count > 2:
        assert total == count and parts[1] <= 1.01 * (parts[count // 2 + 1] - parts[count // 2])  # narrower at the end


# ------------------------------------------------------------------------------------------------------------- refusals


def call(cells, points, transform=ROTATION, **options):
    return cell_balls(AttackedImage(digit(0), transform, CIRCLE, (-10, 10)), cells, points, **options)


@pytest.mark.parametrize(
    ("cells", "points", "message"),
    [
        (torch.zeros(2, 1, 2), torch.zeros(3, 1), r"cells must have shape \(3, 1, 2\), but have \(2, 1, 2\)"),
        (torch.zeros(2, 2), torch.zeros(2, 1), r"cells must have shape \(2, 1, 2\), but have \(2, 2\)"),
        (torch.zeros(1, 1, 2), torch.zeros(1, 2), r"rotation takes \(angle\), but got parameters of shape \(1, 2\)"),
        (torch.zeros(0, 1, 2), torch.zeros(0, 1), "At least one parameter point"),
        (torch.tensor([[[1.0, 0.5]]]), torch.zeros(1, 1), r"from low to high, but one is \[\[1.0, 0.5\]\]"),
        (torch.tensor([[[1.0, torch.inf]]]), torch.zeros(1, 1), "must be finite numbers, but one is"),
        (
            torch.tensor([[[9.5, 10.5]]]),
            torch.zeros(1, 1),
            r"\[\[9.5, 10.5\]\] is not within gamma_range \[\[-10.0, 10.0\]\]",
        ),
        (torch.zeros(1, 1, 2), torch.full((1, 1), torch.nan), "must be finite numbers"),
    ],
)
def test_impossible_pairs_are_refused_in_one_sentence(cells, points, message):
    with pytest.raises(ValueError, match=message) as refused:
        call(cells, points)
    assert str(refused.value).count(".  ") == 0 and "\n" not in str(refused.value)


def test_what_else_is_refused():
    cell, point = torch.zeros(1, 1, 2), torch.zeros(1, 1)
    with pytest.raises(ValueError, match="rounding_parts must be at least 0, but is -1"):
        call(cell, point, rounding_parts=-1)

    class Mirrored(Rotation):
        name = "mirrored rotation"

    with pytest.raises(ValueError, match="There is no bound for mirrored rotation"):
        call(cell, point, transform=Mirrored())
