"""A bound on one split, pixel by pixel: nothing that occurs is above it, and it is that of the bound itself."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spt.datasets import load_dataset
from spt.error_bounds import Search, chord, chord_bound, interpolation_error, interval_bound
from spt.error_bounds.arcs import remainder
from spt.error_bounds.pixelwise import split_pixels
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage
from spt.transforms import TRANSFORMS, Rotation, Scaling
from tests.bound_cases import IMAGES, PREPROCESSINGS, RANGES, SHAPES, flat_image, gamma_box, some_points, tensor
from tests.test_cell_balls import SEEDS, some_cells

UNIFORM = Search(tolerance=None, keep_splits=True)
DIGIT = AttackedImage(
    load_dataset("digits").image(7).double(),
    Rotation(),
    Preprocessing(vignette="circle", vignette_margin=2.0),
    (-30, 30),
)


@pytest.mark.parametrize(
    ("name", "method"), [("rotation", "chord"), ("rotation", "interval"), ("translation", "interval")]
)
@given(data=st.data())
def test_nothing_that_occurs_is_above_its_bound_in_any_pixel(name, method, data):
    random = np.random.default_rng(data.draw(SEEDS))
    kind, shape = data.draw(st.sampled_from(IMAGES)), data.draw(st.sampled_from(SHAPES))
    image = tensor(flat_image(kind, data.draw(st.sampled_from([1, 3])), shape, random))
    box = gamma_box(data.draw(st.sampled_from(RANGES)), name, random)
    [split], [beta] = some_cells(name, box, 1, random), some_points(name, 1, box, random)
    preprocessing = data.draw(st.sampled_from(PREPROCESSINGS))
    attacked = AttackedImage(image, TRANSFORMS[name], preprocessing, tensor(box))
    found = split_pixels(
        attacked, tensor(beta)[None], tensor(split), method, samples=data.draw(st.sampled_from([9, 65]))
    )
    assert not found.violated and (found.found <= found.bound).all() and (found.ratio <= 1).all()
    assert found.bound.shape == found.found.shape == (len(image), *preprocessing.output_size(*shape))
    low, high = tensor(split).T
    assert (found.gamma >= low).all() and (found.gamma <= high).all() and found.tried >= 9


def test_where_both_grids_agree_it_is_the_distance_from_the_line_between_the_ends() -> None:
    """With beta = 0 and a split of 3°, a cell of both grids: e is compared with the chord of e itself."""
    gammas = torch.linspace(12.0, 15.0, 257, dtype=torch.float64)[:, None]
    errors = interpolation_error(DIGIT.pixels, Rotation(), DIGIT.preprocessing, torch.zeros_like(gammas) + 30, gammas)
    t = torch.linspace(0, 1, 257, dtype=torch.float64)[:, None, None, None]
    away = (errors - torch.lerp(errors[0], errors[-1], t)).abs()
    found = split_pixels(DIGIT, [30.0], (12.0, 15.0), "chord", samples=257)
    torch.testing.assert_close(found.found, away.amax(dim=0), rtol=0, atol=1e-12)
    assert (away.amax(dim=0) <= found.bound).all() and 0.5 < found.ratio.max() <= 1


@pytest.mark.parametrize("splits", [10, 40, 120])
def test_it_belongs_to_the_bound_of_the_split(splits: int) -> None:
    """The norm of the remainders is that part of the chord bound which is not a distance at a node."""
    for method, bound_of in (("chord", chord_bound), ("interval", interval_bound)):
        bound = bound_of(DIGIT, [20.0], splits=splits, search=UNIFORM)
        worst = int(bound.split_values[0].argmax())
        split = bound.splits[0][worst]
        alone = bound_of(dataclasses.replace(DIGIT, gamma_range=split.tolist()), [20.0], splits=1, search=UNIFORM)
        assert float(alone.values) == pytest.approx(float(bound.split_values[0][worst]), rel=1e-9)
        found = split_pixels(DIGIT, [20.0], split, method)
        if method == "interval":
            assert found.norm == pytest.approx(float(bound.values), rel=1e-6)
        else:
            ends = torch.cat((split, split.mean(dim=1, keepdim=True)), dim=1).T
            errors = interpolation_error(
                DIGIT.pixels, Rotation(), DIGIT.preprocessing, torch.full_like(ends, 20.0), ends
            )
            largest = float(errors.flatten(1).norm(dim=1).max())
            assert float(bound.values) >= found.norm >= 0.9 * float(found.bound.norm())
            assert float(bound.values) <= largest + 2 * found.norm


def test_a_split_across_a_quarter_turn_and_one_of_no_width() -> None:
    for split in ((88.0, 91.5), (45.0, 45.0)):
        attacked = dataclasses.replace(DIGIT, gamma_range=(-100.0, 100.0))
        found = split_pixels(attacked, [-20.0], split, "chord", samples=101)
        assert not found.violated and found.tried >= 101


def test_a_remainder_that_is_too_small_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chord, "remainder", lambda *arguments: 0.4 * remainder(*arguments))
    assert split_pixels(DIGIT, [20.0], (-21.0, -19.5), "chord").violated


def test_the_chord_bound_is_for_rotations() -> None:
    with pytest.raises(ValueError, match="is for rotations, but the transformation is scaling"):
        split_pixels(dataclasses.replace(DIGIT, transform=Scaling()), [2.0], (0.0, 1.0), "chord")
