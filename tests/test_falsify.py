"""The attack on bounds: it finds planted violations and maxima, and none of ours; and what the page says of it."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pages import assert_healthy, texts, visit
from spt.datasets import load_dataset
from spt.error_bounds import AttackedImage, Search, chord_bound, error_norms, search_for_violation, vertex_bound
from spt.preprocessing import Preprocessing
from spt.transforms import Rotation, Translation, get_transform
from spt.ui.interpolation import violation

SPLITS = torch.stack((torch.arange(10.0), torch.arange(1.0, 11.0)), dim=-1)[:, None].double()
DIGIT = load_dataset("digits").image(7).double()
P = Preprocessing(vignette="circle", vignette_margin=2.0)


def wave(gammas: Tensor) -> Tensor:
    return 2 + torch.sin(7.3 * gammas[:, 0]) + 0.1 * gammas[:, 0]


def wave_maxima(factor: float = 1.0) -> Tensor:
    fine = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    return torch.stack([wave((split[0, 0] + fine)[:, None]).max() for split in SPLITS]) * factor


def test_the_maximum_of_a_known_function_is_found() -> None:
    found = search_for_violation(wave, SPLITS, wave_maxima(1 + 1e-6))
    assert not found.violated and found.share > 1 - 2e-6
    assert found.value == pytest.approx(float(wave(found.gamma[None])))


@pytest.mark.parametrize("split", [0, 4, 9])
def test_one_bound_that_is_a_little_too_small_is_found(split: int) -> None:
    bounds = wave_maxima(1.01)
    bounds[split] *= 0.9899
    found = search_for_violation(wave, SPLITS, bounds)
    assert found.violated and SPLITS[split, 0, 0] <= found.gamma[0] <= SPLITS[split, 0, 1]
    assert found.bound == float(bounds[split])


def test_gammas_stay_in_their_split_and_are_counted() -> None:
    asked: list[Tensor] = []

    def values(gammas: Tensor) -> Tensor:
        asked.append(gammas)
        return gammas.norm(dim=1)

    box = torch.tensor([[[-1.0, 2.0], [3.0, 5.0]]])
    found = search_for_violation(values, box, torch.tensor([math.hypot(2, 5) + 1e-9], dtype=torch.float64))
    points = torch.cat(asked)
    assert found.tried == len(points) and found.gamma.tolist() == [2.0, 5.0] and not found.violated
    assert (points >= box[0, :, 0]).all() and (points <= box[0, :, 1]).all()


def test_no_error_at_all_is_no_violation_of_a_bound_of_nothing() -> None:
    found = search_for_violation(lambda gammas: torch.zeros(len(gammas)), SPLITS, torch.zeros(10))
    assert found.share == 0 and not found.violated


def test_splits_and_bounds_go_together() -> None:
    with pytest.raises(ValueError, match="9 for 10"):
        search_for_violation(wave, SPLITS, torch.ones(9))


def _norms(transform: str, beta: list[float]):
    def norms(gammas: Tensor) -> Tensor:
        betas = torch.tensor([beta], dtype=torch.float64).expand_as(gammas)
        return error_norms(DIGIT, get_transform(transform), P, betas, gammas)

    return norms


@pytest.mark.parametrize("factor", [1.0, 0.97])
def test_the_chord_bound_holds_and_is_so_sharp_that_a_smaller_one_would_not(factor: float) -> None:
    attacked = AttackedImage(DIGIT, Rotation(), P, (-10, 10))
    bound = chord_bound(attacked, [20.0], splits=60, search=Search(tolerance=None, keep_splits=True))
    found = search_for_violation(_norms("rotation", [20.0]), bound.splits[0], bound.split_values[0] * factor)
    assert found.violated == (factor < 1)
    assert 0.97 * factor < found.share * factor <= 1


def test_the_bound_of_a_translation_is_reached() -> None:
    attacked = AttackedImage(DIGIT, Translation(), P, (-2, 2))
    bound = vertex_bound(attacked, [[0.3, 0.7]])
    found = search_for_violation(_norms("translation", [0.3, 0.7]), attacked.box[None], bound.values, samples=400)
    assert not found.violated and found.share > 0.9


@pytest.mark.parametrize("factor", [1.0, 0.9])
def test_the_page_says_what_was_found(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    standing = violation.standing
    monkeypatch.setattr(
        violation,
        "standing",
        lambda request: [replace(each, values=each.values * factor) for each in standing(request)],
    )
    app = visit("explore/interpolation.py", {"splits": "120"})
    assert "No violation found" not in texts(app)
    app.button(key="search_violation").click().run()
    assert_healthy(app)
    assert ("VIOLATED: chord" in texts(app)) == (factor < 1) and texts(app).count("nearest at") == (
        2 if factor == 1 else 1
    )
    angle = app.session_state["angle"]
    app.button(key="to_nearest").click().run()
    assert_healthy(app)
    assert app.session_state["angle"] != angle


def test_the_example_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parent.parent / "docs" / "checking.md").read_text(encoding="utf-8")
    [code] = [each for each in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "search_for_violation" in each]
    exec(compile(code, "checking.md", "exec"), {})
    assert capsys.readouterr().out.startswith("False 0.99")
