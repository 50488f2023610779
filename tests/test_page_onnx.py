"""A visitor's own network, in an ONNX file: dropped onto a page, fed as a form says, tried; what is refused; what a link can do."""

import re
from pathlib import Path

import pytest
from onnx_graphs import linear, node
from streamlit.testing.v1 import AppTest

from pages import assert_healthy, menu, shown_address, texts, titles, visit
from spt import onnx_files
from spt.onnx_networks import OnnxDescription
from spt.preprocessing import Preprocessing
from spt.ui.shared import uploads

NETWORK = (Path(__file__).parent / "networks" / "sklearn-digits.onnx").read_bytes()
CHEAP = {"n": "50", "pace": "fast"}


@pytest.fixture(autouse=True)
def one_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """AppTest keeps no cookies."""
    monkeypatch.setattr(uploads, "_visitor", lambda: "this browser")


def opened(page: str = "votes", **more: str) -> AppTest:
    return visit(
        f"explore/{page}.py",
        {"classifier": "onnx", **CHEAP, **more} if page == "votes" else {"classifier": "onnx", **more},
    )


def dropped(content: bytes = NETWORK, name: str = "my net.onnx") -> AppTest:
    app = opened()
    assert not app.exception
    app.file_uploader(key="network_file").upload(name, content, "application/octet-stream").run()
    return app


def fill(app: AppTest, **fields: str | float) -> AppTest:
    """Fill in the form, and send it."""
    for name, value in fields.items():
        every = [*app.text_area, *app.text_input, *app.selectbox, *app.number_input]
        [field] = [each for each in every if str(each.key).startswith(f"network_{name}_")]
        field.set_value(value)
    [button] = [each for each in app.button if each.label == "Feed it this way"]
    return button.click().run()


def test_a_page_asks_for_the_file() -> None:
    app = opened()
    assert not app.exception and not app.error
    assert all("Choose an ONNX file to begin" in each.value for each in app.info) and len(app.info) == 2


def test_a_dropped_file_is_read_tried_and_voted_with() -> None:
    app = dropped()
    assert_healthy(app)
    assert app.session_state["votes_run"].status == "done"
    said = texts(app)
    assert "my net.onnx: input 64, 10 classes, 12 operators" in said and "Answers on cpu, network in float32" in said
    assert re.search(r"P x: \d \(\d+%\)\nP x \+ ε, σ_ε = 0.25: \d \(\d+%\)", titles(app))
    address = shown_address(app)
    assert address["classifier"] == "onnx" and re.fullmatch("[0-9a-f]{16}", str(address["network"]))
    assert "network_about" not in address


def test_the_form_says_how_it_is_fed_and_the_page_follows() -> None:
    app = dropped()
    before = app.session_state["votes_run"].key
    fill(app, class_names="zero, one, two, 3, 4, 5, 6, 7, 8, <b>nine</b>", values="0, 16", vignette="circle")
    assert_healthy(app)
    assert app.session_state["votes_run"].key != before
    [toml] = [each for each in app.get("download_button") if "my net" in each.proto.label]
    assert toml.proto.label == "Save as my net.toml"
    address = shown_address(app)
    assert re.fullmatch("[0-9a-f]{16}", str(address["network_about"]))
    upload = uploads.find(str(address["network_about"]))
    assert upload is not None
    assert "values = [0.0, 16.0]" in upload.data.decode() and 'vignette = "circle"' in upload.data.decode()
    commands = "\n".join(each.value for each in app.code)
    assert "--classifier 'my net.onnx'" in commands and "load_classifier('my net.onnx')" in commands
    assert "These lines load your my net.onnx, fed as my net.toml beside it says" in texts(app)
    there = menu(app, "interpolation")
    assert not there.exception and not there.error
    assert shown_address(there)["network_about"] == address["network_about"]


def test_the_form_takes_all_of_p_and_the_noise_of_the_training() -> None:
    app = dropped()
    fill(app, input_shape="1, 20, 30", resize=12, crop=8, transform="shear", parameter_sigma=7.0, pixel_sigma=0.125)
    assert_healthy(app)
    upload = uploads.find(str(shown_address(app)["network_about"]))
    assert upload is not None
    found = OnnxDescription.read(upload.data.decode())
    assert (found.input_shape, found.preprocessing) == ((1, 20, 30), Preprocessing(resize=12, crop=8))
    assert (found.transform, found.parameter_sigma, found.pixel_sigma) == ("shear", 7.0, 0.125)
    assert any("was trained for shear" in each.value for each in app.caption)
    fill(app, crop=13)
    assert len(app.error) == 1 and "too small for a centre crop of 13 pixels" in app.error[0].value


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"values": "0, x"}, "must be numbers, separated by commas, but is '0, x'"),
        ({"values": "5"}, "must be two numbers, such as 0, 255, but are '5'"),
        ({"values": "1, nan"}, "must be"),
        ({"mean": "1, 2, inf"}, "must be at most"),
        ({"input_shape": "8, 8"}, "must be channels, height, width"),
        ({"input_shape": "1e400, 8, 8"}, "must be channels, height, width"),
        ({"input_shape": "1, 8.5, 8"}, "but is '1, 8.5, 8'"),
        ({"deviation": "0"}, "deviation must be positive"),
    ],
)
def test_a_wrong_form_is_one_sentence_and_the_network_stays_as_it_was(fields: dict[str, str], message: str) -> None:
    app = fill(dropped(), **fields)
    assert not app.exception
    assert len(app.error) == 1 and message in app.error[0].value.replace("\\", "")
    assert "network_about" not in shown_address(app) and "P x: " in titles(app)


def test_wrong_numbers_of_names_are_refused_and_can_be_mended() -> None:
    app = fill(dropped(), class_names="cat\ndog")
    assert not app.exception and len(app.error) == 1
    assert "has 10 classes, but 2 class names are given" in app.error[0].value
    assert_healthy(fill(app, class_names=""))


def random() -> bytes:
    return linear(before=[node("RandomNormalLike", "x", "z")]).SerializeToString()


def with_markup() -> bytes:
    return linear(
        before=[node("![x](http://evil.example/a.png)<script>alert(1)</script>", "x", "z")]
    ).SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GIF89a" * 100, "This is no ONNX file"),
        (NETWORK[:5000], "cut off"),
        (random(), "draws at random"),
        (with_markup(), "which is not among those that are taken"),
        (linear(("n", 1, "h", "w")).SerializeToString(), "does not say the size of its images"),
    ],
)
def test_bad_files_are_one_sentence_and_the_app_keeps_running(content: bytes, message: str) -> None:
    app = dropped(content)
    assert not app.exception
    assert len(app.error) == 1 and "\n" not in app.error[0].value and message in app.error[0].value
    assert "![x](" not in app.error[0].value
    app.selectbox(key="classifier").set_value("mnist-rotation").run()
    assert_healthy(app)
    assert app.session_state["votes_run"].status == "done"


def test_a_size_that_the_file_leaves_open_is_asked_for() -> None:
    app = dropped(linear(("n", 1, "h", 16)).SerializeToString())
    assert_healthy(fill(app, input_shape="1, 1, 16"))


def test_a_link_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an address names is found for the browser that sent it, and for no other."""
    address = shown_address(fill(dropped(), values="0, 16"))
    parameters = {name: str(value) for name, value in address.items()}
    assert_healthy(visit("explore/votes.py", parameters))
    monkeypatch.setattr(uploads, "_visitor", lambda: "another browser")
    app = visit("explore/votes.py", parameters)
    assert not app.exception and not app.error
    assert "This link is to a network that was uploaded in another browser" in app.info[0].value
    for odd in ("../../etc/passwd", "/etc/passwd", "http://evil.example/x.onnx", "tests/networks/sklearn-digits.onnx"):
        app = opened(network=odd)
        assert not app.exception and "Choose an ONNX file" in app.info[0].value
        assert "is not 16 hexadecimal digits" in app.warning[0].value
        app = visit("explore/votes.py", {"classifier": odd, **CHEAP})
        assert not app.exception and app.selectbox(key="classifier").value == "mnist-rotation"


def test_the_server_may_take_less_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPT_ONNX_MB", "0.005")
    app = dropped()
    assert len(app.error) == 1 and "but at most 0.005 MB are taken here" in app.error[0].value
    monkeypatch.setenv("SPT_ONNX_MB", "0")
    app = opened()
    assert not app.exception and app.selectbox(key="classifier").value == "mnist-rotation"
    assert "onnx" in app.warning[0].value


def test_without_onnxruntime_the_page_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        onnx_files.importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else object()
    )
    app = opened()
    assert not app.exception and not app.get("file_uploader")
    assert len(app.error) == 1 and "of which onnxruntime cannot be loaded here" in app.error[0].value


@pytest.mark.parametrize("page", ["certify", "inverse"])
def test_other_pages_take_it(page: str) -> None:
    app = dropped()
    more = {"n_gamma": "20", "rotation_limit": "1", "inverse_splits": "10", "inverse_refinements": "1"}
    address = {name: str(shown_address(app)[name]) for name in ("classifier", "network")}
    assert_healthy(visit(f"explore/{page}.py", {**address, **more}, timeout=120))
