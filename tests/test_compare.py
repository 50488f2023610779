"""Two runs side by side: what is pinned, what differs, both numbers, links, and that nothing provisional is compared."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages import assert_healthy, follow, go_back, menu, shown_address, texts, visit
from spt import SmoothedClassifier, get_transform, load_classifier, load_dataset, to_8_bit
from spt.certificates import rounded_down
from spt.figures import comparison as figures
from spt.ui.interpolation import finding as interpolation_finding
from spt.ui.interpolation import refinement
from spt.ui.shared import comparing
from spt.ui.shared.comparing import Comparison, PinnedFinding
from spt.ui.shared.presets import INTERPOLATION
from spt.ui.shared.state import Setting, State
from spt.ui.tours import known, vocabulary
from tests.test_architecture import FILES, imports, module_name
from tests.test_state import controls_alone  # noqa: F401 (a fixture)

VOTES = {"n": "200", "pace": "fast"}
CERTIFY = {"rotation_limit": "1", "cell_width": "1"}
INTERPOLATE = {"splits": "10"}
INVERT = {"inverse_splits": "10", "inverse_refinements": "1"}
Shown = list[tuple[PinnedFinding, PinnedFinding, Comparison]]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    """What pages have compared."""
    found: Shown = []
    offer = comparing.ComparisonRoom._offer_files

    def keep(self: comparing.ComparisonRoom, *given: Any) -> None:
        found.append(given)
        offer(self, *given)

    monkeypatch.setattr(comparing.ComparisonRoom, "_offer_files", keep)
    return found


def pinned(page: str, parameters: dict[str, str]) -> AppTest:
    """The page with its run pinned."""
    app = visit(f"explore/{page}.py", parameters, timeout=240)
    app.button(key="pin_run").click().run()
    assert_healthy(app)
    assert app.button(key="pin_run").disabled and comparing.SAME in texts(app) and "no setting" in texts(app)
    return app


def table(app: AppTest) -> list[list[str]]:
    """The rows of both runs' numbers; none if nothing is compared."""
    found = [each.value for each in app.markdown if "now − pinned |" in each.value]
    lines = found[0].replace("\\", "").splitlines()[2:] if found else []
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def differs(app: AppTest) -> str:
    [line] = [each.value for each in app.markdown if "What differs" in each.value]
    return line.replace("\\", "").removeprefix("**What differs:** ")


def files(shown: Shown) -> tuple[str, dict[str, Any]]:
    """The figure and the JSON of the last comparison."""
    before, now, found = shown[-1]
    different = comparing.differences(before.settings, now.settings, now.beside)
    settings = (comparing.in_words(before), comparing.in_words(now))
    svg = figures.comparison_svg("Votes", different, settings, found.numbers, found.panels, found.note)
    return svg, json.loads(comparing.as_json(different, before, now, found))


def of_the_core(classifier: str) -> Any:
    """The certificate of the page's votes, from the core."""
    f, rotation = load_classifier(classifier), get_transform("rotation")
    image = load_dataset("digits", shape=f.input_shape).image(7)
    received = to_8_bit(rotation(image, [(25.0,)])[0])
    return SmoothedClassifier(f, rotation, 30.0, 0.0).certify(received, 100, 200, 0.01, seed=0)


# ------------------------------------------------------------------------------------------------------------------- votes


def test_votes_of_two_networks_are_those_of_the_core_and_on_the_same_votes(shown: Shown) -> None:
    app = pinned("votes", VOTES)
    assert shown_address(app)["pin"] == "n=200&pace=fast"
    app.segmented_control(key="pace").set_value("watch").run()
    assert comparing.SAME in texts(app), "how it is watched is no difference"
    app.segmented_control(key="pace").set_value("fast").run()
    app.selectbox(key="classifier").set_value("mnist-plain").run()
    assert_healthy(app)
    assert differs(app) == "Classifier f mnist-rotation → mnist-plain"
    first, second = of_the_core("mnist-rotation"), of_the_core("mnist-plain")
    rows = {row[0]: row[1:] for row in table(app)}
    assert rows["votes for the class selected"][:2] == [f"7: {each.counts[7]} of 200" for each in (first, second)]
    assert rows["their probability is at least"][:2] == [rounded_down(each.p_lower, 4) for each in (first, second)]
    assert rows["radius (heuristic)"][0] == "45.6°" and first.radius > 40 > second.radius
    svg, record = files(shown)
    assert [record[side]["numbers"]["votes"] for side in ("pinned", "now")] == [list(first.counts), list(second.counts)]
    assert [record[side]["numbers"]["radius"] for side in ("pinned", "now")] == [first.radius, second.radius]
    assert record["pinned"]["settings"]["classifier"] == "mnist-rotation" and record["differs"] == [differs(app)]
    for words in (
        "mnist-rotation → mnist-plain",
        f'data-count="{first.counts[7]}"',
        f'data-count="{second.counts[7]}"',
        "45.6°",
    ):
        assert words in svg, words
    assert "pinned: Classifier f mnist-rotation · " in svg and "now: Classifier f mnist-plain · " in svg
    app.button(key="same_votes_start").click().run()
    assert_healthy(app)
    same = files(shown)[1]["same_votes"]
    assert f"They agree on **{same['agreeing']} of 200** votes" in texts(app) and "This certifies nothing" in texts(app)
    assert (
        sum(map(sum, same["table"])) == 200
        and same["both"] + same["only_pinned"] + same["only_now"] + same["neither"] == 200
    )
    low, high = same["interval"]
    assert low < same["difference"] < high < 0 and "same 200 votes: 7" in {row[0] for row in table(app)}
    app.session_state["same_votes_run"].status = "stopped"
    app.run()
    assert "stopped after 200 of 200" in texts(app) and "They agree" not in texts(app)
    assert "same_votes" not in files(shown)[1]


def test_a_link_opens_both_and_they_can_be_exchanged_and_left(shown: Shown) -> None:
    link = {**VOTES, "angle": "-40", "pin": "n=200&pace=fast"}
    app = visit("explore/votes.py", link)
    assert_healthy(app)
    assert not app.warning and shown_address(app) == link
    assert differs(app) == "Attack: turned by γ 25° → −40°" and len(shown) == 1
    pinned_run, now, _ = shown[0]
    assert (pinned_run.finding.content[0].gamma, now.finding.content[0].gamma) == ((25.0,), (-40.0,)), (
        "as its settings say"
    )
    before = table(app)
    app.button(key="pin_swap").click().run()
    assert differs(app) == "Attack: turned by γ −40° → 25°" and app.slider(key="angle").value == 25.0
    assert [[name, b, a] for name, a, b, _ in before] == [row[:3] for row in table(app)]
    assert shown_address(app) == {**VOTES, "pin": "angle=-40&n=200&pace=fast"}
    go_back(app, "votes", link)
    assert table(app) == before, "the pinned run is opened again"
    menu(app, "interpolation")
    assert "pin" not in shown_address(app) and not table(app), "a run is pinned on its page"
    menu(app, "votes")
    assert table(app) == before and shown_address(app)["pin"] == link["pin"]
    app.button(key="unpin").click().run()
    assert "pin" not in shown_address(app) and not table(app) and not app.button(key="pin_run").disabled
    follow(app, "explore/votes.py", {"n": "50", "pace": "fast"})
    assert not table(app)


def test_a_run_that_has_no_result_is_not_compared(shown: Shown) -> None:
    app = pinned("votes", VOTES)
    app.slider(key="angle").set_value(-40.0).run()
    assert len(shown) == 1
    app.session_state["votes_run"].status = "stopped"
    app.run()
    assert "PROVISIONAL] The run now was stopped, and a run that was stopped concludes nothing" in texts(app)
    assert len(shown) == 1 and not table(app) and "pin_run" not in {each.key for each in app.button}


def test_a_stored_result_says_so() -> None:
    app = visit("explore/votes.py", {})
    app.button(key="pin_run").click().run()
    app.session_state["votes_requested"] = True
    app.session_state["votes_run"].key = ()
    app.segmented_control(key="pace").set_value("fast").run()
    [head] = [each.value.splitlines()[0] for each in app.markdown if "now − pinned |" in each.value]
    assert "pinned (stored) | now |" in head


# ------------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ("nonsense", "pin = nonsense names no settings, as angle=25&n=200 does, so no run is pinned here"),
        ("a=1&" * 2000, "has more than 4,000 characters, so no run is pinned here"),
        ("angle=999&n=50&pace=fast", "of the pinned run angle = 999 is not between −180 and 180, so it is 25 here"),
        ("angel=3&n=50&pace=fast", "of the pinned run angel = 3 has no control on this page now"),
        ("classifier=/etc/passwd&n=50&pace=fast", "of the pinned run classifier = /etc/passwd is none of"),
    ],
)
def test_what_a_link_says_wrongly_of_a_pinned_run_is_one_sentence(pin: str, said: str) -> None:
    app = visit("explore/votes.py", {"n": "50", "angle": "-40", "pace": "fast", "pin": pin})
    assert_healthy(app)
    (line,) = [each.value.replace("\\", "") for each in app.warning]
    assert said in line and len(line) < 400, line
    assert bool(table(app)) == ("of the pinned run" in said)
    assert app.slider(key="angle").value == -40.0
    app.slider(key="angle").set_value(3.0).run()
    assert not app.warning


def test_a_pinned_picture_of_another_browser_is_one_sentence_and_can_be_left_out() -> None:
    app = visit("explore/votes.py", {**VOTES, "pin": "source=upload&upload=0123456789abcdef"})
    assert "This link is to a picture that was uploaded in another browser" in app.info[0].value
    assert "This link compares two runs" in texts(app) and "votes_run" not in app.session_state
    assert shown_address(app) == {**VOTES, "pin": "source=upload&upload=0123456789abcdef"}
    app.button(key="pin_leave").click().run()
    assert_healthy(app)
    assert shown_address(app) == VOTES and app.session_state["votes_run"].status == "done" and not table(app)


def test_whoever_moves_a_control_before_the_pinned_run_is_there_leaves_the_link(controls_alone: None) -> None:  # noqa: F811
    link = {"angle": "-40", "pin": "angle=12"}
    app = visit("explore/votes.py", link)
    assert app.slider(key="angle").value == 12.0 and shown_address(app) == link
    app.slider(key="angle").set_value(13.0).run()
    assert shown_address(app) == {"angle": "13"}


def test_pages_without_runs_to_compare_have_no_pin() -> None:
    app = visit("explore/start.py", {"pin": "angle=12"})
    assert "pin = angle=12 has no control on this page now" in app.warning[0].value.replace("\\", "")


def test_a_step_of_a_tour_can_compare_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (
        '[[step]]\npage = "votes"\ntitle = "One"\nwords = "Some."\n' + line
        for line in (
            'set = { n = 50, pace = "fast" }\n',
            'set = { n = 50, pace = "fast", angle = 3, pin = "n=50&pace=fast" }\n',
        )
    )
    (tmp_path / "two.toml").write_text(f'title = "Two"\nabout = "Mine."\n{first}{second}', encoding="utf-8")
    monkeypatch.setenv(known.VARIABLE, str(tmp_path))
    assert vocabulary.knows("certify", "pin") and not vocabulary.knows("experiments", "pin")
    app = visit("explore/votes.py", {"n": "50", "pace": "fast", "tour": "two", "tour_step": "1"})
    app.button(key="tour_next").click().run()
    assert_healthy(app)
    assert differs(app) == "Attack: turned by γ 25° → 3°" and len(table(app)) == 5
    assert shown_address(app)["pin"] == "n=50&pace=fast" and shown_address(app)["tour_step"] == "2"
    app.button(key="tour_back").click().run()
    assert not table(app) and "pin" not in shown_address(app)


# ------------------------------------------------------------------------------------------------------------- other pages


def test_certificates_and_the_radii_of_their_balls(shown: Shown) -> None:
    app = pinned("certify", CERTIFY)
    first = app.session_state["certify_run"].certificate
    app.slider(key="certify_pixel_sigma").set_value(0.4).run()
    assert differs(app) == "Strength of the pixel noise σ_ε 0.3 → 0.4"
    assert "No run for these settings yet: press **Run** to compare." in texts(app) and not table(app)
    app.button(key="certify_start").click().run()
    assert_healthy(app)
    second = app.session_state["certify_run"].certificate
    svg, record = files(shown)
    for side, certificate in (("pinned", first), ("now", second)):
        numbers = record[side]["numbers"]
        assert numbers["statement"] == certificate.statement() and numbers["radius"] == certificate.radius
        assert [cell["bounds"] for cell in numbers["cells"]] == [
            [list(axis) for axis in cell] for cell in certificate.cells
        ]
        assert max(cell["largest_radius"] for cell in numbers["cells"]) == max(certificate.radii)
        assert figures.escape(certificate.statement()) in svg
    assert svg.count("cells-failed") >= 2 and "σ_ε 0.3 → 0.4" in svg
    app.segmented_control(key="form").set_value("one ball").run()
    app.select_slider(key="n_gamma").set_value(20).run()
    app.button(key="certify_start").click().run()
    assert_healthy(app)
    panels = {panel.title: panel for panel in shown[-1][2].panels}
    assert "Radii of balls: pinned" in panels and "Radii of balls: now" in panels, "γ and b′ are two axes"
    assert (
        panels["Radii of balls: now"].body.count("<circle") + panels["Radii of balls: now"].body.count("l8 8m0") == 20
    )
    app.session_state["certify_run"].status = "stopped"
    app.run()
    assert "The run now was stopped, and proves nothing" in texts(app)


def test_a_link_to_two_certificates_runs_both() -> None:
    app = visit(
        "explore/certify.py", {**CERTIFY, "attacker": "exact", "pin": "rotation_limit=1&cell_width=1"}, timeout=240
    )
    assert_healthy(app)
    assert differs(app) == "Attacker 8-bit → exact" and table(app)[1][:3] == ["certified within", "1.00°", "1.00°"]


def test_bounds_of_an_error_and_their_difference(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refinement, "STEPS_A_PRESS", 2)
    app = pinned("interpolation", INTERPOLATE)
    app.slider(key="rotation_sigma").set_value(12.0).run()
    assert comparing.SAME in texts(app), "where votes land is no difference"
    app.toggle(key="blur").set_value(False).run()
    assert_healthy(app)
    assert differs(app) == "Blur on → off"
    before, now, found = shown[-1]
    for side, place in ((before, "pinned"), (now, "now")):
        numbers = files(shown)[1][place]["numbers"]
        content = side.finding.content
        assert numbers["proved_max"] == content.bounds and numbers["sampled_max"] <= content.bounds["chord"]
        assert numbers["splits"]["chord"][0]["from"] == -30 and len(numbers["splits"]["interval"]) == 10
    assert [panel.title for panel in found.panels] == ["The sharpest proved bound over Γ", "Now minus pinned"]
    alone = visit("explore/interpolation.py", {"splits": "10", "blur": "false"})
    assert alone.session_state["error_refinement"].chord.bound == now.finding.content.bounds["chord"]
    app.toggle(key="blur").set_value(True).run()
    app.button(key="refine").click().run()
    assert_healthy(app)
    assert differs(app) == "no setting" and shown[-1][1].finding.mark == "after 2 refinements"
    next(each for each in app.button if each.label == INTERPOLATION[0].title).click().run()
    assert "pin" in shown_address(app) and differs(app) != "no setting", "a preset is something to compare with"


def test_the_sharpest_bound_and_the_difference_of_two() -> None:
    """By hand: two bounds with other splits; what both do not cover has no difference."""
    steps = {
        "interval": (np.array([[0.0, 2.0], [2.0, 4.0]]), np.array([3.0, 1.0])),
        "chord": (np.array([[0.0, 1.0], [1.0, 4.0]]), np.array([2.0, 5.0])),
    }
    found = interpolation_finding.sharpest(steps)
    assert found is not None and found[0].tolist() == [0, 1, 2, 4] and found[1].tolist() == [2, 3, 1]
    assert interpolation_finding.sharpest({"chord": (np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([2.0, 5.0]))}) is None
    other = (np.array([-1.0, 1.5, 3.0]), np.array([1.0, 10.0]))
    apart = interpolation_finding.difference(found, other)
    assert apart is not None and apart[0].tolist() == [0, 1, 1.5, 2, 3] and apart[1].tolist() == [-1, -2, 7, 9]
    assert interpolation_finding.difference(found, (np.array([5.0, 6.0]), np.array([1.0]))) is None


def test_bounds_of_shifts_are_compared_as_amounts(shown: Shown) -> None:
    app = pinned("interpolation", {"transform": "translation", "splits_px": "2"})
    app.slider(key="dx").set_value(0.5).run()
    assert_healthy(app)
    assert differs(app) == "Attack: shifted right by dx 1 px → 0.5 px" or "1 px → 0.5 px" in differs(app)
    [panel] = shown[-1][2].panels
    assert "proved (vertices, exact): at most" in panel.body and table(app)[1][1] == table(app)[1][2]


def test_widths_of_an_inverse(shown: Shown) -> None:
    app = pinned("inverse", INVERT)
    app.select_slider(key="inverse_splits").set_value(30).run()
    assert_healthy(app)
    assert differs(app) == "Splits of the attack range Γ 10 → 30"
    svg, record = files(shown)
    for side, splits in (("pinned", "10"), ("now", "30")):
        numbers, alone = (
            record[side]["numbers"],
            visit("explore/inverse.py", {**INVERT, "inverse_splits": splits, "inverse_part": "all that survives"}),
        )
        shares = {each.label: each.value for each in alone.metric}
        found = dict(zip(("pinned", "now"), zip(*(row[1:3] for row in table(app)), strict=True), strict=True))[side]
        assert list(found[:3]) == [
            shares["Survives of the range Γ"],
            shares["Splits left"],
            shares["Mean width inside"],
        ]
        assert found[3] == shares["Mean width, all"]
        assert numbers["median_width"] == float(
            np.sort(np.ravel(numbers["width"]))[(len(np.ravel(numbers["width"])) - 1) // 2]
        )
    assert svg.count("data:image/png;base64,") == 3
    app.segmented_control(key="inverse_input").set_value("the paper’s example").run()
    assert_healthy(app)
    assert "images of two sizes have no difference" in shown[-1][2].panels[-1].words


# ------------------------------------------------------------------------------------------------------------------- words


def test_differences_are_labels_and_values_as_they_are_shown() -> None:
    def of(**values: tuple[str, ...]) -> State:
        labels = {
            "sigma": "Smoothing noise σ_γ, in °",
            "range": "Attack range Γ, in px",
            "number": "Image number (0 to 39)",
        }
        return State(
            "votes", tuple(Setting(name, texts, False, labels.get(name, "")) for name, texts in values.items())
        )

    before = of(sigma=("30",), range=("-2", "2"), number=("7",), upload=("ab",), pace=("fast",))
    now = of(sigma=("40",), range=("-2", "1.5"), number=("7",), pace=("watch",))
    assert comparing.differences(before, now, ("pace",)) == [
        "Smoothing noise σ_γ 30° → 40°",
        "Attack range Γ −2 to 2 px → −2 to 1.5 px",
        "only pinned: upload ab",
    ]
    assert comparing.differences(now, before, ("pace",))[-1] == "only now: upload ab"
    assert comparing.differences(now, now) == []


def test_names_of_others_are_text_in_the_figure() -> None:
    number = figures.ComparedNumber("<b>", "</svg><script>", "a & b")
    panel = figures.bars_panel("<i>", ["<img src=x>", "two"], ([1, 2], [0, 3]), "share")
    svg = figures.comparison_svg("<t>", ["x → <u>"], ("<v>", "<w>"), [number], [panel], "<n>")
    root = ElementTree.fromstring(svg)
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {"svg", "g", "rect", "text", "path", "title"}


def test_nothing_of_a_comparison_is_loaded_before_there_is_one() -> None:
    late = {"spt.figures.comparison", "spt.paired_votes", "spt.ui.votes.same_votes"}
    for path in FILES:
        if "ui" in path.parts and module_name(path) not in late:
            found = {name for name in imports(path, everywhere=False) if any(name.startswith(each) for each in late)}
            assert not found, f"{path.name} imports {found} when its page is opened"
