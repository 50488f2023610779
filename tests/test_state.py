"""The state of a page: a link is a whole state, the menu carries on, Back finds what was there, and what is wrong is named."""

import itertools
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from spt.ui.shared import presets, state
from spt.ui.shared.values import Choice, Digest, Number, Pair, Switch
from tests.pages import follow, go_back, menu, shown_address, state_of, texts, visit

PAGES = ("votes", "certify", "interpolation", "inverse", "experiments", "learn")
CARDS = {f"{number} {card.title}": card for number, card in enumerate(presets.PRESETS)}
CARDS |= {f"tour {card.title}": card for card in (*presets.INTERPOLATION, *presets.INVERSE)}


@pytest.fixture
def controls_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages draw their controls and compute nothing."""
    from spt.ui.certify import page as certify
    from spt.ui.experiments import page as experiments
    from spt.ui.interpolation import page as interpolation
    from spt.ui.inverse import page as inverse
    from spt.ui.start import page as start
    from spt.ui.votes import page as votes

    for page in (votes, certify, interpolation, inverse, experiments):
        monkeypatch.setattr(page, "show", lambda *given: None)
    monkeypatch.setattr(start, "show", lambda: None)
    yield


def settings(app: AppTest) -> dict[str, str | list[str]]:
    """All that the page is set to and that is not the default: of controls that were drawn, and of those still to be."""
    return state_of(app).address() | dict(app.session_state[state.SESSION].given)


# ------------------------------------------------------------------------------------------------------------------ links


def each_after_each(names: list[str]) -> list[str]:
    """A walk in which each name comes after each one, itself included."""
    pairs = [(first, second) for number, first in enumerate(names) for second in names[number:]]
    walk = [name for first, second in pairs for name in ((first, second) if first != second else (first,))]
    walk += names[:1]
    assert {(first, second) for first in names for second in names} == set(itertools.pairwise(walk))
    return walk


def test_a_card_of_start_after_another_one_opens_its_own_example(controls_alone: None) -> None:
    """Each card after each one, in one tab, with Start between them."""
    cards = {name: card for name, card in CARDS.items() if card in presets.PRESETS}
    alone = {name: settings(visit(card.page, card.parameters)) for name, card in cards.items()}
    app = visit("explore/start.py", {})
    for name in each_after_each(list(cards)):
        menu(app, "start")
        follow(app, cards[name].page, cards[name].parameters)
        assert settings(app) == alone[name], name


@pytest.mark.parametrize("tour", [presets.INTERPOLATION, presets.INVERSE])
def test_a_preset_of_a_page_after_another_one_opens_its_own_example(
    controls_alone: None, tour: tuple[presets.Preset, ...]
) -> None:
    alone = {card.title: settings(visit(card.page, card.parameters)) for card in tour}
    app = visit(tour[0].page, {"attacker": "exact", "digits_image": "3"})
    for title in each_after_each(list(alone)):
        next(button for button in app.button if button.label == title).click().run()
        assert settings(app) == alone[title], title


def test_cards_name_settings_that_their_pages_have(controls_alone: None) -> None:
    below = {"sample", "inverse_row", "inverse_column", "inverse_step", "inverse_before"}
    for name, card in CARDS.items():
        session = visit(card.page, card.parameters).session_state[state.SESSION]
        assert set(session.given) <= below, name
        assert all("no control" in wrong for wrong in session.wrong), name


@pytest.mark.slow
def test_abstain_says_what_its_card_promises_after_another_card() -> None:
    app = visit("explore/start.py", {})
    for title in ("The angle that fools it", "Abstain: too few samples"):
        card = next(card for card in presets.PRESETS if card.title == title)
        menu(app, "start")
        follow(app, card.page, {"pace": "fast", **card.parameters})
    assert "ABSTAIN" in texts(app) and app.session_state["votes_run"].prediction.label is None


def test_what_a_link_sets_the_next_page_has(controls_alone: None) -> None:
    app = visit("explore/votes.py", {"digits_image": "13", "angle": "-40"})
    for page in (*PAGES[1:4], *PAGES):
        menu(app, page)
        if page not in ("experiments", "learn"):
            assert settings(app)["digits_image"] == "13"
        if page in ("votes", "interpolation", "inverse"):
            assert settings(app)["angle"] == "-40"


@pytest.mark.parametrize("first", PAGES)
@pytest.mark.parametrize("second", PAGES)
def test_two_pages_share_what_they_both_have(controls_alone: None, first: str, second: str) -> None:
    """By the menu from one page to another one and back: what both have is the same, and the first one is as it was."""
    odd = {"digits_image": "21", "angle": "-7.5", "seed": "5", "alpha": "0.02", "classifier": "mnist-plain"}
    odd |= {
        "rotation_sigma": "12",
        "form": "one ball",
        "n_gamma": "50",
        "attacker": "exact",
        "experiment": "table2",
        "results": "quick",
    }
    begun = state_of(visit(f"explore/{first}.py", odd))
    app = visit(f"explore/{first}.py", odd)
    menu(app, second)
    shared = {one.name: one.texts for one in state_of(app).settings}
    assert all(shared[name] == (value,) for name, value in odd.items() if name in shared)
    menu(app, first)
    assert state_of(app) == begun
    menu(app, "start")
    follow(app, f"explore/{second}.py", {"source": "natural"})
    assert not [name for name, value in odd.items() if settings(app).get(name) == value], "a link is a whole state"


# ------------------------------------------------------------------------------------------------------- the address, Back


def test_the_address_follows_the_controls(controls_alone: None) -> None:
    app = visit("explore/votes.py", {"angle": "-40"})
    assert shown_address(app) == {"angle": "-40"}
    app.slider(key="angle").set_value(12.5).run()
    assert shown_address(app) == {"angle": "12.5"}
    app.slider(key="angle").set_value(25.0).run()
    assert shown_address(app) == {"classifier": "mnist-rotation"}, "all defaults: something is named nevertheless"
    app.number_input(key="digits_image").set_value(3).run()
    assert shown_address(app) == {"digits_image": "3"}


def test_back_finds_the_state_that_was_there(controls_alone: None) -> None:
    app = visit("explore/votes.py", {"angle": "-40"})
    app.slider(key="angle").set_value(10.0).run()
    first = shown_address(app)
    menu(app, "inverse")
    app.slider(key="angle").set_value(4.0).run()
    second, before = shown_address(app), state_of(app)
    go_back(app, "votes", first)
    assert shown_address(app) == first and app.slider(key="angle").value == 10.0
    go_back(app, "inverse", second)
    assert shown_address(app) == second and state_of(app) == before
    go_back(app, "votes", {})
    assert app.slider(key="angle").value == 25.0, "an entry that names nothing is the default"


def test_the_menu_carries_on_through_start_and_after_back(controls_alone: None) -> None:
    app = visit("explore/votes.py", {"angle": "-40", "digits_image": "3"})
    menu(app, "inverse")
    go_back(app, "votes", {"angle": "-40", "digits_image": "3"})
    for page in ("start", "interpolation", "start", "inverse"):
        menu(app, page)
    assert settings(app) == {"angle": "-40", "digits_image": "3"}
    assert shown_address(app) == settings(app)


def test_what_was_wrong_is_not_said_any_more_of_a_control_that_moved_before_the_run_ended(
    controls_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spt.ui.votes import page

    monkeypatch.setattr(page, "show", lambda *given: state.stop())
    app = visit("explore/votes.py", {"angle": "999"})
    assert "999" in app.warning[0].value
    app.slider(key="angle").set_value(26.0).run()
    assert not app.warning


def test_a_number_between_the_choices_can_be_linked(controls_alone: None) -> None:
    """As rows of Experiments do, which were measured with any number of samples."""
    app = visit("explore/certify.py", {"form": "one ball", "n_gamma": "25"})
    assert not app.warning and settings(app)["n_gamma"] == "25"
    app.slider(key="rotation_limit").set_value(3.0).run()
    assert settings(app)["n_gamma"] == "25" and app.select_slider(key="n_gamma").value == 25


def test_an_address_that_came_late_changes_nothing(controls_alone: None) -> None:
    """A browser may still send the address of before a control was moved."""
    app = visit("explore/votes.py", {"angle": "-40"})
    app.slider(key="angle").set_value(10.0).run()
    app.query_params["angle"] = "-40"
    app.run()
    assert app.slider(key="angle").value == 10.0


def test_a_preset_is_a_whole_state_and_an_entry_of_the_history(controls_alone: None) -> None:
    wanted = presets.INVERSE[3]
    alone = settings(visit(wanted.page, wanted.parameters))
    app = visit("explore/inverse.py", {"digits_image": "30", "inverse_naive": "true", "attacker": "exact"})
    next(button for button in app.button if button.label == wanted.title).click().run()
    assert settings(app) == alone
    assert app.query_params["visit"] == [".1.inverse"] or app.query_params["visit"] == ".1.inverse"


# -------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("page", "given", "named"),
    [
        ("votes", {"angle": "500"}, "angle = 500 is not between −180 and 180, so it is 25 here"),
        ("votes", {"angle": "abc"}, "angle = abc is no number"),
        ("votes", {"digits_image": "7.5"}, "is no whole number"),
        ("votes", {"classifier": "nope"}, "classifier = nope is none of"),
        ("votes", {"angel": "3"}, "angel = 3 has no control on this page now"),
        ("votes", {"n": "20"}, "n = 20 is none of"),
        ("interpolation", {"interp_range": ["5", "-5"]}, "has its larger value first"),
        ("interpolation", {"interp_range": "5"}, "does not have two values"),
        ("interpolation", {"vignette": "maybe"}, "is neither true nor false"),
        ("certify", {"n0": "1e999"}, "is no finite number"),
        ("votes", {"angle": ["1", "2"]}, "has more than one value"),
        ("start", {"angle": "3"}, "has no control on this page now"),
    ],
)
def test_what_an_address_says_wrongly_is_named(
    controls_alone: None, page: str, given: dict[str, str | list[str]], named: str
) -> None:
    app = visit(f"explore/{page}.py", given)
    (line,) = [element.value for element in app.warning]
    assert named in line.replace("\\", ""), line
    if page == "votes":
        app.slider(key="angle").set_value(11.0).run()
        assert not app.warning, "it was about an address that is not there any more"


def test_a_long_wrong_value_is_cut(controls_alone: None) -> None:
    app = visit("explore/votes.py", {"classifier": "x" * 900})
    assert "…" in app.warning[0].value and len(app.warning[0].value) < 400


def test_a_seed_of_any_size_is_kept_to_the_last_digit(controls_alone: None) -> None:
    """Rows of experiments have seeds of 56 bits, which a browser's numbers would round."""
    seed = str(2**56 - 3)
    app = visit("explore/votes.py", {"seed": seed})
    assert app.text_input(key="seed_typed").value == seed and settings(app)["seed"] == seed
    app.text_input(key="seed_typed").set_value("many").run()
    assert "is no number" in app.warning[0].value and settings(app)["seed"] == seed
    app.text_input(key="seed_typed").set_value("8").run()
    assert settings(app)["seed"] == "8" and not app.warning
    app.text_input(key="seed_typed").set_value("abc").run()
    go_back(app, "votes", {"seed": "8"})
    assert app.text_input(key="seed_typed").value == "8" and not app.warning
    menu(app, "certify")
    assert app.text_input(key="seed_typed").value == "8"


# -------------------------------------------------------------------------------------------------------- kinds of value


@given(st.floats(-180, 180), st.integers(0, 99), st.booleans(), st.sampled_from([50, 100, 200]))
def test_what_is_written_is_read_again(angle: float, index: int, on: bool, n: int) -> None:
    angle = round(angle, 4)
    assert Number(-180.0, 180.0).read(Number(-180.0, 180.0).write(angle)) == angle
    assert Number(0, 99).read(Number(0, 99).write(index)) == index
    assert Switch().read(Switch().write(on)) == on
    assert Choice((50, 100, 200)).read(Choice((50, 100, 200)).write(n)) == n
    ends = (min(angle, 30.0), max(angle, 30.0))
    assert Pair(-180.0, 180.0).read(Pair(-180.0, 180.0).write(ends)) == ends


@given(st.lists(st.text(alphabet=string.printable + "－１٣", max_size=12), max_size=3))
def test_whatever_is_read_is_held_or_refused_in_a_clause(given_texts: list[str]) -> None:
    for kind in (
        Number(0, 9),
        Number(-1.0, 1.0),
        Pair(-1.0, 1.0),
        Choice(("a", "b")),
        Choice((1, 2)),
        Switch(),
        Digest(4),
    ):
        try:
            assert kind.holds(kind.read(given_texts))
        except ValueError as error:
            assert str(error).split()[0] in ("is", "has", "does")
