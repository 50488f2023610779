"""Tours: their files, what is wrong with them in one sentence with the line, their steps in AppTest, and what their words claim."""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from spt import AttackedImage, Preprocessing, Rotation, Translation, load_classifier, load_dataset
from spt.error_bounds import chord_bound, error_norms, interval_bound
from spt.images import to_8_bit
from spt.inverse import invert
from spt.response import response
from spt.threat_model import ReceivedImage
from spt.transforms import TRANSFORMS
from spt.ui.shared import first_views, state
from spt.ui.tours import known, strip
from spt.ui.tours.tour import LENGTHS, MOST_STEPS, line_of, read
from spt.ui.tours.vocabulary import PAGES, knows
from tests.hostile_names import NAMES
from tests.pages import assert_healthy, follow, go_back, menu, shown_address, texts, visit
from tests.test_state import controls_alone  # noqa: F401 (a fixture)

REPOSITORY = Path(__file__).parent.parent
STEPS = {f"{tour.name} {number + 1}": (tour, number) for tour in known.shipped() for number in range(len(tour.steps))}
FIRST = '[[step]]\npage = "votes"\ntitle = "One"\nwords = "Some."\n'
HEAD = 'title = "Own"\nabout = "Mine."\n'
CHEAP = 'set = { n = 50, pace = "fast", digits_image = 3 }\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a lecturer's own tours."""
    monkeypatch.setenv(known.VARIABLE, str(tmp_path))
    return tmp_path


def opened(tour: str, number: int, **more: str) -> AppTest:
    """A step of a tour, from 1, as its address opens it."""
    found = known.find(tour)
    address = strip.address_of(found, number - 1) | more
    return visit(strip.script_of(found.steps[number - 1]), address, timeout=300, unfolded=False)  # type: ignore[arg-type]


def press(app: AppTest, button: str) -> AppTest:
    """Press a button of the strip, and stay on the page that it leads to, as AppTest does not by itself."""
    app.button(key=f"tour_{button}").click().run()
    return app.switch_page(f"explore/{app.session_state[state.SESSION].page or 'start'}.py")


def place(app: AppTest) -> dict[str, str | list[str]]:
    """What the address bar says of a tour."""
    return {name: value for name, value in shown_address(app).items() if name in state.PLACE}


# ------------------------------------------------------------------------------------------------------ the six that ship


def test_six_ship_and_nothing_else() -> None:
    files = {path.stem for path in (REPOSITORY / "assets" / "tours").iterdir()}
    assert files == set(known.SHIPPED) and len(files) == 6
    for tour in known.shipped():
        assert 5 <= len(tour.steps) <= 9 and tour.about and sum(bool(step.question) for step in tour.steps) >= 5
        assert len({step.title for step in tour.steps}) == len(tour.steps)


@pytest.mark.parametrize("name", STEPS)
def test_the_settings_of_a_step_are_taken_by_its_page(controls_alone: None, name: str) -> None:  # noqa: F811
    """What the page takes before it computes; `test_a_step_opens` sees to the rest."""
    tour, number = STEPS[name]
    app = opened(tour.name, number + 1)
    assert_healthy(app)
    below = {"sample", "inverse_row", "inverse_column", "inverse_step", "inverse_before"}
    session = app.session_state[state.SESSION]
    assert set(session.given) <= below and all("no control" in wrong for wrong in session.wrong)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in ("lecture 1", "figure-3 3") else pytest.mark.slow) for name in STEPS],
)
def test_a_step_opens(name: str) -> None:
    tour, number = STEPS[name]
    app = opened(tour.name, number + 1)
    assert_healthy(app)
    assert not app.warning, [element.value for element in app.warning]
    step = tour.steps[number]
    assert step.words in texts(app) and (not step.answer or step.answer not in texts(app))
    assert f"step {number + 1} of {len(tour.steps)}" in texts(app)
    if step.question:
        app.button(key="tour_answer").click().run()
        assert_healthy(app)
        assert step.answer in texts(app)


# ------------------------------------------------------------------------------------------------ what their words claim


def words_of_all() -> str:
    parts = []
    for tour in known.shipped():
        for step in tour.steps:
            parts += [step.title, step.words, step.question, *step.options, step.answer]
    return "\n".join(parts)


def test_every_number_with_a_fraction_is_looked_at_here() -> None:
    """So that nobody adds one without a test: all others are left to the live page."""
    assert set(re.findall(r"\d+\.\d+", words_of_all())) == (
        {"0.508", "0.409", "1.97", "2.45"}  # the kernel
        | {"0.73", "0.731", "0.726", "2.42", "2.47", "2.48", "0.9"}  # Figure 3; 2.48 is what is printed there
        | {"0.5", "0.99"}  # a number that a question makes up, and the confidence of a certificate
    )


@pytest.fixture(scope="module")
def seven() -> torch.Tensor:
    return load_dataset("digits", shape=(1, 28, 28)).image(7)


@pytest.mark.parametrize(("scale", "total", "factor"), [(2.0, "0.508", "1.97"), (1.0, "0.409", "2.45")])
def test_the_published_kernel(scale: float, total: str, factor: str) -> None:
    quarter = [[math.exp(-(i * i + j * j) / scale) for j in range(3)] for i in range(3)]
    divisor = 4 * sum(map(sum, quarter))
    kernel = sum(quarter[abs(i)][abs(j)] / divisor for i in range(-2, 3) for j in range(-2, 3))
    a, b = math.exp(-1 / scale), math.exp(-4 / scale)
    assert kernel == pytest.approx(((1 + 2 * a + 2 * b) / (2 * (1 + a + b))) ** 2)
    assert f"{kernel:.3f}" == total and f"{1 / kernel:.2f}" == factor
    ours = Preprocessing(blur_size=5, blur_scale=scale)(torch.ones(1, 28, 28, dtype=torch.float64))
    assert float(ours[0, 14, 14]) == pytest.approx(1)


def test_figure_3() -> None:
    app = opened("figure-3", 3)
    formulas = "\n".join(element.value for element in app.latex)
    ends = [float(number) for number in re.findall(r"\\[gl]e (\d\.\d+)", formulas)]
    assert sorted(ends) == [0.726, 0.731, 2.42, 2.47]
    assert "p(3, 3) in **[0.726, 1]**" in texts(app) and "p′(5, 1) = 0.9" in texts(app)
    assert "In the cell [1, 3] × [1, 3]" in texts(opened("figure-3", 2)), "a single cell"
    assert "p(3, 3) in **[0.731, 1]**" in texts(opened("figure-3", 6)), "a little is gained"


def test_the_digit_on_start_changes_alone_and_never_in_the_vote() -> None:
    import json

    found = json.loads(first_views.read("start.json") or "")
    assert set(found["voted"]) == {found["truth"]} and len(set(found["alone"])) > 1


def test_the_attacks() -> None:
    digits, network = load_dataset("digits", shape=(1, 28, 28)), load_classifier("mnist-plain")

    def answers(image: int, *angles: float) -> list[int]:
        points = torch.tensor(angles, dtype=torch.float64)[:, None]
        return response(network, Rotation(), digits.image(image), points).argmax(dim=1).tolist()

    right, left = answers(2, *range(0, -41, -1)), answers(2, *range(81))
    assert set(right[:-1]) == set(left) == {2} and right[-1] == 8, "40° to the right, and not 80° to the left"
    assert answers(2, -54.0) == [8]
    shifted = response(network, Translation(), digits.image(4), torch.tensor([[-2.5, -1.5]], dtype=torch.float64))
    assert int(shifted.argmax()) == 8
    trained = response(
        load_classifier("mnist-rotation"), Rotation(), digits.image(2), torch.tensor([[-54.0]], dtype=torch.float64)
    )
    assert int(trained.argmax()) == 2


def test_the_votes() -> None:
    upright, attacked, between = (
        opened("attack-and-defence", number, pace="fast").session_state["votes_run"].prediction for number in (1, 2, 7)
    )
    assert attacked.label == upright.label == 2 and attacked.counts[2] < upright.counts[2]
    assert attacked.counts[8] == sorted(attacked.counts)[-2], "the 8 comes second"
    assert between.label is None


def test_the_errors(seven: torch.Tensor) -> None:
    """What the tours about errors and bounds say of them, recomputed."""
    own, image = load_classifier("mnist-rotation").preprocessing, seven.double()

    def error(gamma: float, preprocessing: Preprocessing = own, picture: torch.Tensor = image) -> float:
        points = torch.tensor([[20.0], [gamma]], dtype=torch.float64)
        return float(error_norms(picture, Rotation(), preprocessing, points[:1], points[1:])[0])

    assert error(0) == 0 and error(90) < 1e-12 < 0.1 < error(25)
    bounds = {
        limit: [
            float(bound(AttackedImage(seven, Rotation(), own, (-limit, limit)), [[20.0]], splits=40).values[0])
            for bound in (interval_bound, chord_bound)
        ]
        for limit in (10.0, 30.0)
    }
    few = float(interval_bound(AttackedImage(seven, Rotation(), own, (-30.0, 30.0)), [[20.0]], splits=10).values[0])
    assert few > 3 * error(-20), "several times as large"
    assert error(-20) <= bounds[30.0][1] < bounds[30.0][0] < few, "the chord bound is the nearer one"
    assert error(-20) > max(bounds[10.0]), "suspect 2: larger than both, but outside the range"
    without_blur = Preprocessing(vignette=own.vignette, vignette_margin=own.vignette_margin)
    without_vignette = Preprocessing(blur_size=own.blur_size, blur_scale=own.blur_scale)
    assert error(-20, without_blur) > bounds[30.0][0] > error(-20), "suspect 3: above the bound of yesterday"
    gammas = range(-30, 31, 2)
    largest = {
        (name, without): max(error(gamma, preprocessing, picture) for gamma in gammas)
        for name, picture in (("digit", image), ("photograph", photograph()))
        for without, preprocessing in (("blur", without_blur), ("vignette", without_vignette))
    }
    assert largest["digit", "blur"] > 2 * largest["digit", "vignette"]
    assert largest["photograph", "vignette"] > 2 * largest["photograph", "blur"]


def photograph() -> torch.Tensor:
    return load_dataset("natural", shape=(1, 28, 28)).image(3).double()


def test_the_received_picture(seven: torch.Tensor) -> None:
    received = to_8_bit(Rotation()(seven.double(), [[25.0]])[0]).float()
    found = invert(ReceivedImage(received, Rotation(), (-30.0, 30.0)), width=0.1, refinements=2)
    remains = float((found.surviving[:, 0, 1] - found.surviving[:, 0, 0]).sum())
    assert remains / 60 < 0.01 and any(low <= 0 <= high for low, high in found.surviving[:, 0].tolist())
    none = invert(ReceivedImage(seven, Rotation(), (5.0, 20.0)), width=0.125, refinements=2)
    assert not len(none.surviving), "suspect 4: nothing survives"
    assert "contradiction" in texts(opened("debugging", 7)), "the pixel that is shown is the witness"


# ------------------------------------------------------------------------------------------------------- files with faults


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the tour has no title"),
        ('title = "x', 1, "illegal character|unterminated string"),
        ('title = "x"\ntitle = "y"\n', 2, "cannot overwrite a value"),
        ('title = 3\nabout = "a"\n', 1, "title is no text in quotation marks"),
        (HEAD, 1, "a tour needs steps, each a table that begins with"),
        (HEAD + "step = []\n", 3, "a tour needs steps"),
        (HEAD + 'step = ["votes"]\n', 3, "a tour needs steps"),
        (HEAD + 'steps = "x"\n' + FIRST, 3, r"“steps” is nothing that a tour has \(is step meant\?\)"),
        (HEAD + FIRST + 'wrods = "x"\n', 7, r"“wrods” is nothing that a step has \(is words meant\?\)"),
        (HEAD + FIRST.replace('"votes"', '"vote"'), 4, "page = “vote” is none of start, learn, votes"),
        (HEAD + FIRST.replace('page = "votes"\n', ""), 3, "this step has no page"),
        (HEAD + FIRST.replace("Some.", " "), 6, "this step has no words"),
        (HEAD + FIRST + FIRST.replace('words = "Some."\n', ""), 7, "this step has no words"),
        (HEAD + FIRST + 'set = "angle"\n', 7, "set is no table of settings"),
        (
            HEAD + FIRST + "[step.set]\nn = 50\nangel = 3\n",
            9,
            r"“angel” is no setting of the page votes \(is angle meant\?\)",
        ),
        (HEAD + FIRST + "[step.set]\nvisit = 3\n", 8, "“visit” is no setting of the page votes"),
        (HEAD + FIRST + "[step.set]\nangle = 2026-11-28\n", 8, "angle is no text, number, true or false"),
        (HEAD + FIRST + "[step.set]\nangle = []\n", 8, "angle is no text, number"),
        (HEAD + FIRST + f'[step.set]\nsource = "{"x" * 81}"\n', 8, "source has more than 80 characters"),
        (
            HEAD + FIRST + 'point = "nose"\n',
            7,
            "point = “nose” is no part of the page votes, which has controls, pictures",
        ),
        (HEAD + FIRST + 'question = "Why?"\n', 7, "this step has a question, but no answer"),
        (HEAD + FIRST + 'answer = "So."\n', 7, "this step has an answer, but no question"),
        (HEAD + FIRST + 'options = ["a", "b"]\n', 7, "this step has options, but no question"),
        (HEAD + FIRST + 'question = "Why?"\nanswer = "So."\noptions = ["a"]\n', 9, "options are 2 to 6 texts"),
        (HEAD + FIRST + 'question = "Why?"\nanswer = "So."\noptions = ["a", "a"]\n', 9, "options are 2 to 6 texts"),
        (HEAD + FIRST + 'question = "Why?"\nanswer = "So."\noptions = [1, 2]\n', 9, "options is no list of texts"),
        (HEAD + FIRST.replace("Some.", "![p](http://x)"), 6, r"words has a picture \(!\[\), and a tour has words only"),
        (HEAD + FIRST.replace("Some.", "x" * 1201), 6, "words has 1,201 characters, more than 1,200"),
        (HEAD + FIRST * (MOST_STEPS + 1), 163, "a tour has at most 40 steps"),
        (HEAD + "x = " + "[" * 5000, 1, "nested too deeply"),
        (
            HEAD + '[[step]]\npage = "votes"\ntitle = "One"\nwords = """\n[[step]]\nangel\n"""\nset = { angel = 1 }\n',
            10,
            "“angel” is",
        ),
        (HEAD + FIRST.replace("Some.", "\udcff"), 6, "this is not text in UTF-8"),
    ],
)
def test_a_broken_file_is_one_sentence_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError) as caught:
        read(path)
    sentence = str(caught.value)
    assert re.match(rf"The tour file mine\.toml, line {line}: ", sentence), sentence
    assert re.search(said, sentence), sentence
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 400


def test_files_that_are_no_tours_are_refused_before_they_are_read(tmp_path: Path) -> None:
    for name, said in (("Mine.toml", "needs another name"), ("x" * 41 + ".toml", "needs another name")):
        (tmp_path / name).write_text(HEAD + FIRST)
        with pytest.raises(ValueError, match=said):
            read(tmp_path / name)
    (tmp_path / "large.toml").write_bytes(b"#" * 100_001)
    with pytest.raises(ValueError, match="100,001 bytes, more than 100,000"):
        read(tmp_path / "large.toml")
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path / "missing.toml")


def test_lines_are_those_where_things_begin() -> None:
    text = 'a = """\nx\n"""\n# words\n\n[[step]]\nb = [\n1,\n2]\n[[step]]\n[step.set]\nc = 1\n'
    expected = {("a",): 1, ("step", 0): 4, ("step", 0, "b"): 7, ("step", 1): 10, ("step", 1, "set", "c"): 12}
    found = {path: line_of(text, *path) for path in expected}
    assert found == expected | {("step", 0): 6}


def test_values_are_written_as_an_address_has_them(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + FIRST + '[step.set]\nangle = -54.0\nn = 50\ninvert = true\nsource = "digits"\n')
    assert read(path).steps[0].settings == {"angle": "-54", "n": "50", "invert": "true", "source": "digits"}


def test_the_example_of_the_documentation_is_a_tour(folder: Path) -> None:
    text = (REPOSITORY / "docs" / "own-tours.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (folder / "six-or-nine.toml").write_text(example, encoding="utf-8")
    tour = known.find("six-or-nine")
    assert [step.page for step in tour.steps] == ["votes", "interpolation"]
    for number in (1, 2):
        app = opened(tour.name, number)
        assert_healthy(app)
        assert not app.warning, [element.value for element in app.warning]
    table = dict(re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", text, re.MULTILINE))
    assert {page: re.findall(r"\w+", parts) for page, parts in table.items()} == {
        name: list(page.parts) for name, page in PAGES.items()
    }
    for name in ("title", "about", "words"):
        assert f"{LENGTHS[name]:,}" in text


# --------------------------------------------------------------------------------------------------- what pages they know


def test_the_pages_of_tours_are_those_of_the_explorer() -> None:
    navigation = (REPOSITORY / "pages" / "navigation.py").read_text(encoding="utf-8")
    titles = dict(re.findall(r'"explore/(\w+)\.py", title="([^"]+)"', navigation))
    assert {name: page.title for name, page in PAGES.items()} == {k: v for k, v in titles.items() if k != "tours"}


def drawn(page: str, *states: dict[str, str]) -> set[str]:
    """The names of all controls that a page draws in some states."""
    found: set[str] = set()
    for parameters in states:
        app = visit(f"explore/{page}.py", parameters, timeout=120)
        found |= set(app.session_state[state.SESSION].drawn)
    return found


@pytest.mark.parametrize("page", ["votes", "certify", "interpolation", "inverse", "experiments"])
def test_the_settings_of_a_page_are_those_of_its_controls(
    controls_alone: None,  # noqa: F811
    page: str,
) -> None:
    """Each control above the results can be set by a tour, and what a tour can set has a control, there or below."""
    transforms = TRANSFORMS if page in ("votes", "certify") else ("rotation", "translation")
    states = [{"transform": name} for name in transforms] + [{"source": "natural"}, {"source": "drawing"}]
    states += {
        "certify": [{"form": "one ball"}],
        "inverse": [{"inverse_input": "received as it is"}],
        "experiments": [
            {"experiment": name, "results": kind} for name in ("table2", "table4") for kind in ("stored", "quick")
        ],
    }.get(page, [])
    found = drawn(page, *states)
    assert not {name for name in found if not knows(page, name)}
    below = {
        "votes": {f"{name}_range" for name in TRANSFORMS},
        "certify": {"cell", "cell_sample", "ball"},
        "interpolation": {"split", "enclosed", "loose", "loose_bound", "sample", "sample_dx", "sample_dy"},
        "inverse": {
            f"inverse_{name}" for name in ("row", "column", "part", "split", "pass", "step", "before", "channel")
        }
        | {
            "beta",
            "beta_dx",
            "beta_dy",
            "crop_row",
            "crop_column",
            "indiv_form",
            "indiv_error",
            "indiv_betas",
            "n_cell",
        }
        | {"n_total", "n_gamma", "n0", "alpha", "seed", "certify_pixel_sigma", "rotation_sigma", "translation_sigma"},
        "experiments": {"experiment_dataset", "seed"},
    }[page]
    assert set(PAGES[page].settings) - found <= below | {
        "invert",
        "upload",
        "camera",
        "centred",
        "network",
        "network_about",
    }


def test_what_is_below_is_known_too() -> None:
    assert all(knows("interpolation", name) for name in drawn("interpolation", {"splits": "10"}))
    assert all(knows("inverse", name) for name in drawn("inverse", {"inverse_splits": "10"}))
    assert all(knows("learn", name) for name in drawn("learn", {"step": "guarantee"}))
    assert all(knows("experiments", name) for name in drawn("experiments", {}))


def test_the_keys_of_parts_are_keys_of_their_pages() -> None:
    """Whether a part is seen where it is said to be is asked in the browser; a key that was renamed is found here."""
    for name, page in PAGES.items():
        sources = "\n".join(
            path.read_text(encoding="utf-8") for path in (REPOSITORY / "spt" / "ui" / name).glob("*.py")
        )
        for part in page.parts.values():
            for key in re.findall(r"st-key-(\w+)", part.selector):
                assert f'"{key}' in sources or key == "see_", (name, key)


# ------------------------------------------------------------------------------------------------------------- in a tour


@pytest.fixture
def own(folder: Path, controls_alone: None) -> Iterator[str]:  # noqa: F811
    """A tour of four steps, two of them on one page."""
    votes = FIRST + CHEAP
    ask = 'question = "Why?"\noptions = ["Because", "So"]\nanswer = "That is why."\n'
    other = FIRST.replace("votes", "inverse") + "set = { inverse_splits = 60, angle = 12 }\n"
    start = FIRST.replace("votes", "start")
    (folder / "mine.toml").write_text(
        HEAD + votes + ask + votes.replace("= 3", "= 4").replace("One", "Two") + other + start, encoding="utf-8"
    )
    yield "mine"


def test_next_and_back_go_through_all_pages(own: str) -> None:
    app = opened(own, 1)
    assert place(app) == {"tour": "mine", "tour_step": "1"} and app.button(key="tour_back").disabled
    walk = []
    for _ in range(3):
        press(app, "next")
        assert_healthy(app)
        assert not app.warning
        walk.append((app.session_state[state.SESSION].page, place(app)["tour_step"]))
    assert walk == [("votes", "2"), ("inverse", "3"), ("", "4")]
    assert app.button(key="tour_next").disabled
    press(app, "back")
    assert place(app)["tour_step"] == "3" and shown_address(app)["angle"] == "12"
    press(app, "back")
    press(app, "back")
    assert shown_address(app)["digits_image"] == "3" and place(app)["tour_step"] == "1"


def test_a_step_is_an_entry_of_its_own_and_a_control_is_none(own: str) -> None:
    app = opened(own, 1)
    before = app.session_state[state.SESSION].presets
    app.slider(key="angle").set_value(10.0).run()
    assert shown_address(app)["angle"] == "10" and place(app) == {"tour": "mine", "tour_step": "1"}
    assert app.session_state[state.SESSION].presets == before
    press(app, "next")
    assert app.session_state[state.SESSION].presets == before + 1
    assert app.slider(key="angle").value == 25.0, "a step is a whole state"
    go_back(app, "votes", {"n": "50", "pace": "fast", "angle": "10", "tour": "mine", "tour_step": "1"})
    assert app.slider(key="angle").value == 10.0 and place(app)["tour_step"] == "1"
    go_back(app, "votes", {"angle": "-3"})
    assert place(app) == {} and not [button for button in app.button if button.key == "tour_next"]


def test_the_tour_waits_while_one_looks_at_other_pages(own: str) -> None:
    app = opened(own, 2)
    menu(app, "certify")
    assert place(app) == {"tour": "mine", "tour_step": "2"} and "This step is on the page Votes" in texts(app)
    assert "Some." not in texts(app)
    follow(app, "explore/interpolation.py", {"splits": "10"})
    assert place(app) == {"tour": "mine", "tour_step": "2"} and shown_address(app)["splits"] == "10"
    press(app, "here")
    assert app.session_state[state.SESSION].page == "votes" and shown_address(app)["digits_image"] == "4"
    press(app, "leave")
    assert place(app) == {} and shown_address(app)["digits_image"] == "4"


def test_the_answer_comes_after_the_question(own: str) -> None:
    app = opened(own, 1)
    assert "Why?" in texts(app) and "That is why." not in texts(app)
    app.radio[0].set_value("So").run()
    press(app, "answer")
    assert "You said: So. That is why." in texts(app) and place(app)["tour_see"] == "true"
    press(app, "next")
    press(app, "back")
    assert "That is why." not in texts(app), "asked anew"
    assert "That is why." in texts(opened(own, 1, tour_see="true"))


def test_the_presenter_layout_stays_from_step_to_step(own: str) -> None:
    app = opened(own, 1)
    press(app, "present")
    assert place(app)["present"] == "true" and app.button(key="tour_present").label == "Usual layout"
    for _ in range(2):
        press(app, "next")
        assert place(app)["present"] == "true"
    press(app, "present")
    assert "present" not in place(app)


def test_a_value_that_a_page_does_not_take_is_named_with_its_line(folder: Path, controls_alone: None) -> None:  # noqa: F811
    (folder / "mine.toml").write_text(HEAD + FIRST + "[step.set]\ndigits_image = 3\nangle = 500\n")
    app = opened("mine", 1)
    (said,) = [element.value.replace("\\", "") for element in app.warning]
    assert "angle = 500 is not between −180 and 180, so it is 25 here (line 9 of mine.toml)" in said
    app.slider(key="angle").set_value(11.0).run()
    assert not app.warning


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tour": "nope"}, "There is no tour nope on this server"),
        ({"tour": "../../etc/passwd"}, "There is no tour"),
        ({"tour": "x" * 900}, "…"),
        ({"tour": ""}, "There is no tour"),
        ({"tour": "lecture", "tour_step": "0"}, "has steps 1 to 9, but none 0"),
        ({"tour": "lecture", "tour_step": "10"}, "but none 10"),
        ({"tour": "lecture", "tour_step": "9" * 5000}, "but none 999"),
        ({"tour": "lecture", "tour_step": "²"}, "but none ²"),
        ({"tour": "lecture", "tour_step": "<b>"}, "but none"),
    ],
)
def test_an_address_with_a_wrong_place_says_so(controls_alone: None, given: dict[str, str], said: str) -> None:  # noqa: F811
    app = visit("explore/votes.py", given | {"angle": "3"})
    assert not app.exception and said in app.warning[0].value.replace("\\", "")
    assert app.slider(key="angle").value == 3.0, "the page is there all the same"
    press(app, "leave")
    assert not app.warning and place(app) == {}


# ------------------------------------------------------------------------------------------------------------ the list


def test_the_list_leads_to_the_first_steps() -> None:
    app = visit("explore/tours.py", {})
    assert_healthy(app)
    links = [element.proto for element in app.get("page_link")]
    assert [re.sub(r"\*", "", link.label) for link in links] == [tour.title for tour in known.shipped()]
    assert all(f"tour={tour.name}" in link.query_string for tour, link in zip(known.shipped(), links, strict=True))
    assert known.VARIABLE in texts(app)
    pages = (REPOSITORY / "docs" / "pages.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| ([^|]+) \| (\d) \| ", pages, re.MULTILINE)) == {
        tour.title: str(len(tour.steps)) for tour in known.shipped()
    }


def test_own_tours_stand_beside_the_six_and_broken_ones_are_named(folder: Path) -> None:
    (folder / "good.toml").write_text(HEAD + FIRST)
    (folder / "bad.toml").write_text(HEAD + FIRST + "poimt = 3\n")
    (folder / "lecture.toml").write_text(HEAD + FIRST)
    (folder / "notes.txt").write_text("no tour")
    app = visit("explore/tours.py", {})
    assert_healthy(app)
    assert [element.proto.label for element in app.get("page_link")][6:] == ["**Own**"]
    said = " ".join(element.value.replace("\\", "") for element in app.warning)
    assert "bad.toml, line 7: “poimt” is nothing that a step has (is point meant?)" in said
    assert "lecture.toml needs another name" in said and str(folder) not in said
    (folder / "bad.toml").write_text(HEAD + FIRST.replace("One", "Mended"))
    os.utime(folder / "bad.toml", ns=(1, 1))
    assert known.find("bad").steps[0].title == "Mended", "read again when it has changed"


def test_a_folder_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(known.VARIABLE, str(tmp_path / "missing"))
    app = visit("explore/tours.py", {})
    assert_healthy(app)
    said = app.warning[0].value.replace("\\", "")
    assert said == "SPT_TOURS = missing is no folder."
    app = visit("explore/votes.py", {"tour": "mine", "n": "50", "pace": "fast"})
    assert not app.exception and "is no folder" in app.warning[0].value


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_others_stay_text(folder: Path, controls_alone: None, name: str) -> None:  # noqa: F811
    """Titles and options are shown as they are written; pictures are refused, and HTML in words is text for Streamlit."""
    quoted = "'''" + name[:78] + "'''"
    options = f'question = "Why?"\nanswer = "So."\noptions = [{quoted}, "b"]\n'
    text = f'title = {quoted}\nabout = {quoted}\n[[step]]\npage = "votes"\ntitle = {quoted}\nwords = {quoted}\n{options}{CHEAP}'
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    if "![" in name:
        with pytest.raises(ValueError, match="has a picture"):
            known.find("mine")
        return
    app, listed = opened("mine", 1), visit("explore/tours.py", {})
    assert_healthy(app)
    assert not any(element.proto.allow_html for element in [*app.markdown, *listed.markdown])
    titles = [element.value for element in app.markdown if "step 1 of 1" in element.value]
    shown = [*titles, *app.radio[0].options, texts(listed), *(each.proto.label for each in listed.get("page_link"))]
    for each in shown:
        for mark in ("[link](", "`code`", ":red[", "$\\href"):
            assert mark not in each, each
