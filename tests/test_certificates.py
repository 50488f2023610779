"""How certificates show and check their numbers: nothing shown says more than was proved, nothing invented verifies."""

import dataclasses
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import short_id
from hypothesis import given
from hypothesis import strategies as st

from spt.certificates import DistributionErrorLevel, OneErrorCertificate, confidence
from spt.certificates.ranges import ranges_hold, ranges_in_words
from spt.defences import DistSPT, DistSPTCells, IndivSPT
from spt.figures.inverse import place
from spt.inverse import invert
from spt.statistics import ConfidenceBudget
from spt.threat_model import AttackedImage, ReceivedImage
from spt.transforms import Rotation, Translation


@given(st.floats(1e-12, 0.5))
def test_the_confidence_shown_is_never_more_than_it_is_and_never_one(alpha):
    shown = Decimal(confidence(alpha))
    assert shown <= 1 - Decimal(repr(alpha)) and shown < 1
    assert 1 - shown <= Decimal(repr(alpha)) * Decimal("1.2") + Decimal("1e-4")


def test_usual_confidences():
    assert [confidence(alpha) for alpha in (0.01, 0.001, 0.05, 1e-7)] == ["0.99", "0.999", "0.95", "0.9999999"]


@given(st.floats(-3600, 3600), st.floats(0, 1))
def test_ranges_are_shown_outward(low, width):
    high = low + width
    for text in (ranges_in_words(((((low, high)),),)), place((low, high))):
        first, last = text.strip("[]").replace("−", "-").split(", ")
        slack = Decimal("1e-9") if text == place((low, high)) else 0  # which leaves out what floating point adds
        assert Decimal(first) <= Decimal(low) + slack and Decimal(high) - slack <= Decimal(last)


def test_splits_of_a_symmetric_gamma_meet_at_zero():
    found = invert(ReceivedImage(torch.zeros(1, 3, 3), Translation(), (-1, 1)), width=0.1, refinements=0)
    assert float(found.boxes.abs().min()) == 0.0


def test_ranges_that_are_none():
    nan = math.nan
    assert ranges_hold((((-1.0, 1.0),),), 0.1, 10.0, 1)
    for boxes, share in (((), 0.1), (((),), 1.0), ((((nan, nan),),), nan), ((((-11.0, 0.0),),), 0.55)):
        assert not ranges_hold(boxes, share, 10.0, 1)
    assert not ranges_hold((((-1.0, 1.0),), ((-10.0, 10.0),)), 1.1, 10.0, 1)  # more than all of Gamma


INVENTED: list[dict[str, Any]] = [
    {"selection_counts": (0, 0, 0), "selected": 0},
    {"points": ((math.nan, 0.0),) * 100},
    {"points": ((),) * 100},
    {"points": ((0.1, 0.1),) * 100},
    {"transform": "squeeze"},
    {"unit": "°"},
    {"inner_votes": ((10**400, 10**400),) * 100},
    {"selection_counts": None},
]


@pytest.fixture
def dark() -> torch.Tensor:
    """A black 3x3 image with a bright middle column."""
    image = torch.zeros(1, 3, 3)
    image[0, :, 1] = 1.0
    return image


@pytest.mark.parametrize("change", INVENTED, ids=short_id)
@pytest.mark.parametrize("kind", [DistSPT, IndivSPT])
def test_invented_evidence_does_not_verify(columns, dark, kind, change):
    certificate = kind(columns, Translation(), 0.2, 0.4, 0.2).certify(dark, n_gamma=100)
    assert certificate.verify()
    assert not dataclasses.replace(certificate, **change).verify()


@pytest.mark.parametrize("change", INVENTED, ids=short_id)
def test_invented_evidence_of_cells_does_not_verify(columns, dark, change):
    certificate = DistSPTCells(columns, Translation(), 0.2, 0.4, 0.1, cell_width=0.2).certify(dark)
    assert certificate.verify() and certificate.label == 1
    assert not dataclasses.replace(certificate, **change).verify()


@pytest.mark.parametrize(
    "change", [{"share": math.nan}, {"share": 7.0}, {"surviving": ((),)}, {"split_width": math.nan}]
)
def test_invented_ranges_do_not_verify(columns, dark, change):
    certificate = IndivSPT(columns, Translation(), 0.2, 0.4, 0.2).certify(dark, n_gamma=100)
    assert not dataclasses.replace(certificate, **change).verify()


def level_of(exceeding: int, **changes: Any) -> DistributionErrorLevel:
    settings = {
        "preprocessing": "P",
        "input_shape": (1, 3, 3),
        "transform": "rotation",
        "unit": "°",
        "parameter_sigma": 30.0,
        "limit": 30.0,
        "attacker": "8-bit",
        "error": 0.1,
        "margin": None,
        "largest": None,
        "n_choice": 0,
        "n_test": 500,
        "rho": 0.02,
        "alpha_error": 0.001,
        "seed": 0,
        "seconds": 1.0,
        "dataset": "m",
        "pilot_sha256": (),
        "image_sha256": tuple(map(str, range(100))),
        "exceeding": (exceeding,) * 100,
        "image_alpha": 0.01,
    }
    names = {field.name for field in dataclasses.fields(DistributionErrorLevel)}
    return DistributionErrorLevel(**{k: v for k, v in (settings | changes).items() if k in names}).conclude()


def test_an_image_that_is_tested_twice_is_no_evidence():
    assert level_of(0).verify()
    assert not level_of(0, image_sha256=("q",) * 100).verify()


def test_nothing_follows_from_an_e_that_holds_for_no_image():
    useless = level_of(400)
    assert useless.q_lower == 0 and not useless.usable
    certificate = OneErrorCertificate(
        classifier="c",
        classifier_fingerprint="f",
        class_names=("a", "b"),
        pixel_sigma=0.3,
        image_sha256="x",
        seed=0,
        votes="nested",
        budget=ConfidenceBudget(),
        level=useless,
        selection_counts=(100, 0),
        selected=0,
        n=200,
        inner_votes=((2000, 2000),) * 200,
        counts=(),
        seconds=1.0,
        network_shape=(1, 3, 3),
        grid=2**-10,
        device="cpu",
        number_format="float32",
        points=(),
    ).conclude()
    assert certificate.label is None and certificate.radius == 0 and not certificate.verify()
    assert not dataclasses.replace(certificate, level=None).verify()


def test_the_eight_bit_attacker_needs_an_image_in_range(threshold_classifier):
    from spt.error_bounds import chord_bound

    settings = threshold_classifier(0.5).preprocessing
    with pytest.raises(ValueError, match=r"\[0, 1\].*2"):
        chord_bound(AttackedImage(torch.full((1, 3, 3), 2.0), Rotation(), settings, (-5, 5), attacker="8-bit"), [1.0])


WRONG_EVIDENCE = {
    "a field that there is not": ("replace(c, inner_vote=((1, 1),))", 'Unexpected keyword argument "inner_vote"'),
    "a field of another type": ('replace(c, n_gamma="200")', 'incompatible type "str"; expected "int"'),
    "a bare number for a tuple": ("replace(c, radii=0.1)", 'incompatible type "float"; expected "tuple[float, ...]"'),
    "a conclusion that there is not": ("c.conclude().q_lower", 'has no attribute "q_lower"'),
    "missing evidence": ("NestedPrediction(n=1)", 'Missing named argument "classifier"'),
    "evidence for a conclusion": ("c.conclude(passes=3)", 'Unexpected keyword argument "passes" for "conclude"'),
    "a level of another type": ('replace(e, level="E")', 'incompatible type "str"; expected "ErrorLevel"'),
    "a share for a count": ("replace(q, exceeding=(0.1,))", 'incompatible type "tuple[float]"'),
}


def test_a_check_that_failed_is_named(columns, dark):
    certificate = DistSPT(columns, Translation(), 0.2, 0.4, 0.2).certify(dark, n_gamma=100)
    assert certificate.failed_check() is None
    for change, sentence in (
        ({"radius": 7.0}, "the conclusions follow from the evidence"),
        ({"seed": 1}, "the points are those of the seed"),
        ({"limit": -1.0}, "the attack range is positive and finite"),
        ({"n_gamma": "100"}, "every field has its type, and numbers are finite"),
        ({"transform": "squeeze"}, "the evidence can be computed with"),
    ):
        assert dataclasses.replace(certificate, **change).failed_check() == sentence


@pytest.mark.slow
def test_mypy_finds_wrong_evidence(tmp_path):
    """One run for all: each wrong line of a program gets its error, and nothing else does."""
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    lines = [
        "from dataclasses import replace",
        "from spt.certificates import DistCertificate, DistributionErrorLevel, NestedPrediction, OneErrorCertificate",
        "def program(c: DistCertificate, e: OneErrorCertificate, q: DistributionErrorLevel) -> None:",
        "    assert replace(c, inner_votes=((1, 1),), radii=(0.1,)).conclude().p_lower <= 1",
        *(f"    {code}" for code, _ in WRONG_EVIDENCE.values()),
    ]
    program.write_text("\n".join(lines))
    root = Path(__file__).parent.parent
    found, errors, _ = api.run(["--config-file", str(root / "pyproject.toml"), str(program)])
    wrong = [line.partition(f"{program.name}:")[2] for line in found.splitlines() if "error:" in line]
    assert not errors and {int(line.partition(":")[0]) for line in wrong} == set(range(5, 5 + len(WRONG_EVIDENCE))), (
        found
    )
    for number, (_, message) in enumerate(WRONG_EVIDENCE.values(), 5):
        assert any(line.startswith(f"{number}:") and message in line for line in wrong), found
