"""What an attacker may do to an image, and what a receiver has: every record that makes no sense is one sentence."""

import dataclasses
import math
import pickle

import pytest
import torch

from spt.defences import DistSPT
from spt.error_bounds import Search, chord_bound, interval_bound, sample_bound, sampled_error, vertex_bound
from spt.preprocessing import Preprocessing
from spt.threat_model import AttackedImage, ReceivedImage, attacker_rounding
from spt.transforms import Rotation, Transform, Translation
from spt.verification import Splitting

SETTINGS = {"image": torch.full((1, 8, 8), 0.5), "transform": Rotation(), "gamma_range": (-10, 10)}


class Squeeze(Transform):
    name, parameters = "squeeze", Rotation.parameters

    def source(self, x, y, parameters):
        return x + 0 * parameters[0], y + 0 * parameters[0]


BAD = [
    ({"gamma_range": (30, -30)}, r"from low to high, but is \[\[30.0, -30.0\]\]"),
    ({"gamma_range": (0, math.inf)}, r"finite.*inf"),
    ({"gamma_range": (0, math.nan)}, r"finite.*nan"),
    ({"gamma_range": (1, 2, 3)}, r"gamma_range must be.*shape \(3,\)"),
    ({"gamma_range": ()}, r"gamma_range must be.*shape \(0,\)"),
    ({"gamma_range": None}, "gamma_range must be numbers .*None"),
    ({"gamma_range": ("low", "high")}, "gamma_range must be numbers .*'low'"),
    ({"gamma_range": ((0, 1), (2,))}, "gamma_range must be numbers .*2"),
    ({"gamma_range": (0, 1e5)}, r"±3600 ° is not supported: \[\[0.0, 100000.0\]\]"),
    ({"transform": Translation(), "gamma_range": ((0, 1),)}, r"each of the 2 parameters, but has shape \(1, 2\)"),
    ({"attacker": "7-bit"}, "attacker must be 'exact' or '8-bit', but is '7-bit'"),
    ({"image": [[0.0]]}, r"tensor of shape \(C, H, W\), but is a list"),
    ({"image": torch.zeros(8, 8)}, r"\(C, H, W\) is needed, but got \(8, 8\)"),
    ({"image": torch.zeros(1, 1, 8, 8)}, r"got \(1, 1, 8, 8\)"),
    ({"image": torch.zeros(1, 8, 8, dtype=torch.uint8)}, "floating point .* torch.uint8"),
    ({"image": torch.full((1, 8, 8), math.nan)}, "not finite"),
    ({"image": torch.full((1, 8, 8), 1e-30)}, "largest pixel is 1e-30"),
    ({"image": torch.zeros(1, 1, 5000)}, r"up to 4096 pixels a side.*\(1, 1, 5000\)"),
    ({"image": torch.full((1, 8, 8), 1.5), "attacker": "8-bit"}, r"in \[0, 1\].* 1.5"),
    ({"image": torch.full((1, 8, 8), -0.1), "attacker": "8-bit"}, r"in \[0, 1\].* -0.1"),
]


@pytest.mark.parametrize(("change", "sentence"), BAD)
@pytest.mark.parametrize("record", [AttackedImage, ReceivedImage])
def test_what_makes_no_sense_is_refused_in_one_sentence(record, change, sentence):
    more = {"preprocessing": Preprocessing()} if record is AttackedImage else {}
    with pytest.raises(ValueError, match=sentence) as found:
        record(**(SETTINGS | more | change))
    assert "\n" not in str(found.value) and str(found.value).endswith(".")


def test_what_only_one_of_them_refuses():
    with pytest.raises(ValueError, match="too small for a centre crop of 9 pixels"):
        AttackedImage(**SETTINGS, preprocessing=Preprocessing(crop=9))
    with pytest.raises(ValueError, match=r"in \[0, 1\], but they go from 1.5 to 1.5"):
        ReceivedImage(**SETTINGS | {"image": torch.full((1, 4, 4), 1.5), "attacker": "exact"})
    with pytest.raises(ValueError, match=r"no pixels: its shape is \(1, 0, 4\)"):
        ReceivedImage(**SETTINGS | {"image": torch.zeros(1, 0, 4)})
    with pytest.raises(ValueError, match="no bound for squeeze"):
        ReceivedImage(**SETTINGS | {"transform": Squeeze()})


def test_a_transformation_without_a_bound_can_be_sampled_but_not_bounded():
    attacked = AttackedImage(**SETTINGS | {"transform": Squeeze()}, preprocessing=Preprocessing())
    assert float(sampled_error(attacked, [1.0], points=3).values) == 0
    for bound in (chord_bound, sample_bound, vertex_bound):
        with pytest.raises(ValueError, match="squeeze"):
            bound(attacked, [1.0])


def test_the_records_hold_what_was_given():
    attacked = AttackedImage(torch.zeros(1, 4, 5), Translation(), Preprocessing(blur_size=3), (-1, 2), attacker="8-bit")
    assert attacked.image.dtype == torch.float32 and attacked.pixels.dtype == torch.float64
    assert attacked.box.tolist() == [[-1.0, 2.0]] * 2 and attacked.box.dtype == torch.float64
    assert attacked.rounding == attacker_rounding(attacked.preprocessing, "8-bit", attacked.image) > 0
    assert dataclasses.replace(attacked, attacker="exact").rounding == 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        attacked.attacker = "exact"
    received = ReceivedImage(torch.rand(1, 4, 5), Rotation(), (-1, 2))
    assert received.attacker == "8-bit" and attacked.attacker == "8-bit"
    for record in (attacked, received):
        copy = pickle.loads(pickle.dumps(record))
        assert torch.equal(copy.image, record.image) and torch.equal(copy.box, record.box)


def test_gamma_is_not_changed_behind_its_back():
    gamma_range = torch.tensor([[-1.0, 1.0]], dtype=torch.float64)
    attacked = AttackedImage(**SETTINGS | {"gamma_range": gamma_range}, preprocessing=Preprocessing())
    gamma_range[:] = 5.0
    assert attacked.box.tolist() == [[-1.0, 1.0]]


@pytest.mark.parametrize("attacker", ["exact", "8-bit"])
def test_ends_contain_what_was_sent(attacker):
    image = torch.rand(1, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sent = (255 * image).round() / 255 if attacker == "8-bit" else image.float()
    low, high = ReceivedImage(sent, Rotation(), (-1, 1), attacker=attacker).ends
    assert low.shape == high.shape == image.shape and ((low <= image) & (image <= high)).all()
    assert float((high - low).max()) <= (1.001 / 255 if attacker == "8-bit" else 1e-6)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan])
def test_a_search_without_a_goal_is_refused(tolerance):
    with pytest.raises(ValueError, match=f"tolerance must be positive.*{tolerance}"):
        Search(tolerance=tolerance)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [({"width": math.inf}, "inf"), ({"min_width": 2.0}, "min_width = 2.0"), ({"max_evaluations": 0}, "but is 0")],
)
def test_a_splitting_that_makes_no_sense_is_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        Splitting(**settings)


@pytest.mark.parametrize("bound", [chord_bound, interval_bound, sample_bound, sampled_error])
def test_every_bound_refuses_what_it_is_not_given_by_name(bound):
    with pytest.raises(TypeError, match="positional"):
        bound(AttackedImage(**SETTINGS, preprocessing=Preprocessing()), [1.0], 5)


def test_a_defence_states_its_own_attacks(threshold_classifier):
    classifier = threshold_classifier(0.5)
    defence = DistSPT(classifier, Rotation(), parameter_sigma=30.0, pixel_sigma=0.3, limit=7.0)
    attacked = defence.attacked(torch.zeros(classifier.input_shape))
    assert attacked.box.tolist() == [[-7.0, 7.0]] and attacked.attacker == "8-bit"
    assert attacked.preprocessing == classifier.preprocessing
