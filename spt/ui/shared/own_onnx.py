"""A visitor's own network, in an ONNX file that is dropped onto the page: the file, the form that says how it is fed, and what it
answers to a noisy image.

The file stays in the server's memory, for the browser that sent it (`spt.ui.shared.uploads`); an address has its digest, and that
of what the form says, and loads nothing. The server reads a file only after a process of its own has tried it (`spt.onnx_trial`).
"""

import dataclasses
import os
from typing import NoReturn

import streamlit as st
import torch
from torch import Tensor

from spt import onnx_files, onnx_networks
from spt.classifiers import Classifier
from spt.onnx_networks import OnnxDescription
from spt.onnx_trial import OnnxTrial
from spt.preprocessing import Preprocessing, Vignette
from spt.transforms import TRANSFORMS
from spt.ui.shared import cache, failures, pixel_grid, state, title, uploads
from spt.ui.shared.markdown import escape

CHOICE = "onnx"
"""What the control "classifier" is for a file of one's own."""
LABEL = "your own (ONNX file)"
FILE, ABOUT = uploads.NETWORK, "network_about"
LIMIT = "SPT_ONNX_MB"
"""Environment variable: how large a file may be, in MB; 0 takes none."""
USUAL_LIMIT = 20
NOISE = 0.25
"""Of the image that a network is tried on."""
_REFUSED = "network_form_refused"
_NONE = "none"


def most_bytes() -> int:
    """How large a file may be; 0 where the server takes none."""
    try:
        return int(1e6 * min(max(float(os.environ.get(LIMIT, USUAL_LIMIT)), 0), 500))
    except (ValueError, OverflowError):
        return int(1e6 * USUAL_LIMIT)


def chosen_file() -> str | None:
    """What the visitor's network is called where it can be loaded by its name, in a command or in Python; None if the classifier on
    the page is another one."""
    if state.value("classifier") != CHOICE:
        return None
    upload = uploads.find(str(state.value(FILE)))
    return None if upload is None else f"{onnx_networks.name_of(upload.name)}.onnx"


def say_what_is_needed() -> None:
    """Beside exported lines: which files they load, if the classifier on the page is the visitor's own."""
    file = chosen_file()
    if file is not None:
        beside = f"{onnx_networks.name_of(file)}.toml"
        st.caption(
            f"These lines load your {escape(file)}, fed as {escape(beside)} beside it says: save that from *How it is fed*."
        )


def in_address() -> dict[str, str]:
    """What an address has of the visitor's network; {} if the classifier on the page is another one."""
    if state.value("classifier") != CHOICE:
        return {}
    return {name: str(state.value(name)) for name in (FILE, ABOUT) if state.value(name)}


def choose() -> Classifier:
    """The controls, and the classifier; stops the page with one sentence as long as there is none."""
    digest = state.value_of(FILE, uploads.DIGEST, "")
    about = state.value_of(ABOUT, uploads.DIGEST, "")
    with failures.in_one_sentence():
        onnx_files.check_packages()
    st.file_uploader(
        "Network (ONNX)",
        type=["onnx"],
        key=f"{FILE}_file",
        on_change=_taken,
        max_upload_size=max(1, most_bytes() // 1_000_000),
        help=f"A file with all weights inside, at most {most_bytes() / 1e6:g} MB, as PyTorch, Keras or scikit-learn export it. It "
        "is data: nothing of it is run as a program. It stays on the machine that runs this app.",
    )
    state.keep(FILE, uploads.DIGEST, "", digest, "Network (ONNX)")
    state.keep(ABOUT, uploads.DIGEST, "", about, "How it is fed")
    upload = uploads.find(digest)
    if upload is None:
        _ask(digest)
    sha256 = cache.sha256(upload.data)
    with failures.in_one_sentence():
        trial = cache.onnx_trial(sha256, None, most_bytes(), upload.data)
    description = _description(about)
    _form(trial, description, upload.name)
    with failures.in_one_sentence():
        if None in trial.facts.shape:
            trial = cache.onnx_trial(sha256, onnx_networks.fed(trial.facts, description), most_bytes(), upload.data)
        name = onnx_networks.name_of(upload.name)
        classifier = cache.onnx_classifier(name, sha256, description, upload.data)
        _show_answers(classifier, trial)
    return classifier


def _ask(digest: str) -> NoReturn:
    """Say that there is no file, and end the script."""
    words = (
        uploads.elsewhere("a network that was uploaded", "Choose its ONNX file again here.")
        if digest
        else "Choose an ONNX file to begin."
    )
    st.info(words)
    title.say(
        f"{words} On the left (on a telephone: under *Controls*), at **Network (ONNX)**, press *Upload* or drop a file of at most "
        f"{most_bytes() / 1e6:g} MB there. It stays on the machine that runs this app."
    )
    state.stop()


def _taken() -> None:
    file = st.session_state[f"{FILE}_file"]
    st.session_state.pop(_REFUSED, None)
    state.set(**{FILE: uploads.keep(file.name, file.getvalue()) if file else "", ABOUT: ""})


def _description(digest: str) -> OnnxDescription:
    """What the form said; where that was forgotten the usual, and a line that says so."""
    if not digest:
        return OnnxDescription()
    upload = uploads.find(digest)
    if upload is None:
        st.warning("How this network is fed was said in another browser, or too long ago: fill in the form again.")
        return OnnxDescription()
    return OnnxDescription.read(upload.data.decode())


def _form(trial: OnnxTrial, description: OnnxDescription, file: str) -> None:
    """The form that says how the network is fed, and the description as a file."""
    facts, told = trial.facts, description.to_toml()
    own = onnx_networks.own_shape(facts)
    sizes = " × ".join("?" if each is None else str(each) for each in facts.shape)
    classes = "" if facts.classes is None else f", {facts.classes} classes"
    st.caption(
        f"{escape(file)}: input {sizes}{classes}, {facts.nodes} operators. It stays chosen on the other pages; another one takes "
        "its place."
    )
    needs_size = own is None and description.input_shape is None
    with st.expander("How it is fed", expanded=needs_size or _REFUSED in st.session_state):
        with st.form("network_form", border=False):
            kept = cache.sha256(told.encode())[:8]  # of another description the form begins anew
            keys = {name: f"network_{name}_{facts.sha256[:8]}_{kept}" for name in (*_TEXTS, *_OTHERS)}
            values = {
                "class_names": "\n".join(description.class_names),
                "input_shape": ", ".join(map(str, description.input_shape or own or ())),
                "values": ", ".join(f"{each:g}" for each in description.values),
                "mean": ", ".join(f"{each:g}" for each in description.mean),
                "deviation": ", ".join(f"{each:g}" for each in description.deviation),
            }
            for name, (label, words, empty) in _TEXTS.items():
                area = st.text_area if name == "class_names" else st.text_input
                area(label, values[name], key=keys[name], help=words, placeholder=empty)
            _ask_preprocessing(description.preprocessing, keys)
            _ask_noise(description, keys)
            st.form_submit_button("Feed it this way", on_click=_apply, args=(description, keys), width="stretch")
        if _REFUSED in st.session_state:
            st.error(st.session_state[_REFUSED])
        name = f"{onnx_networks.name_of(file)}.toml"
        st.download_button(
            "Save as " + escape(name),
            told,
            name,
            "application/toml",
            on_click="ignore",
            key="network_toml",
            help="For the command line: put it beside the ONNX file, which is then fed in the same way.",
        )


_TEXTS = {
    "class_names": (
        "Class names",
        "One a line, or separated by commas; empty: those of the file, else numbers.",
        "0, 1, 2, …",
    ),
    "input_shape": ("Size of an image", "Channels, height, width, such as 3, 32, 32.", "3, 32, 32"),
    "values": ("Black and white are", "What the network takes for black and for white: 0, 1 or 0, 255, say.", "0, 1"),
    "mean": ("Mean", "What is then subtracted: one number, or one for each channel; empty: nothing.", "nothing"),
    "deviation": (
        "Standard deviation",
        "What it is then divided by: one number, or one for each channel; empty: 1.",
        "1",
    ),
}
_OTHERS = (
    "resize",
    "crop",
    "vignette",
    "margin",
    "blur_size",
    "blur_scale",
    "transform",
    "parameter_sigma",
    "pixel_sigma",
)


def _ask_preprocessing(p: Preprocessing, keys: dict[str, str]) -> None:
    """P, in its own order."""
    most = onnx_networks.MOST_SIDE
    st.number_input(
        "P: resize the short side to, in pixels (0: not)",
        0,
        most,
        p.resize or 0,
        key=keys["resize"],
        help="With a filter that averages what it makes smaller.",
    )
    st.number_input("P: crop to the middle, in pixels (0: not)", 0, most, p.crop or 0, key=keys["crop"])
    st.selectbox(
        "P: vignette",
        [_NONE, "circle", "rectangle"],
        [None, "circle", "rectangle"].index(p.vignette),
        key=keys["vignette"],
        help="What P blackens after every transformation: all outside a circle (rotation), or a frame (translation).",
    )
    st.number_input("P: margin of the vignette, in pixels", 0.0, 100.0, float(p.vignette_margin), key=keys["margin"])
    st.number_input("P: size of the blur, in pixels (odd; 0: none)", 0, 31, p.blur_size, key=keys["blur_size"])
    st.number_input(
        "P: scale s of the blur",
        0.1,
        100.0,
        float(p.blur_scale),
        key=keys["blur_scale"],
        help="Weights exp(-(i² + j²)/s).",
    )


def _ask_noise(description: OnnxDescription, keys: dict[str, str]) -> None:
    """The noise that the network was trained for, which pages name or begin with, and the command line takes."""
    names = [_NONE, *TRANSFORMS]
    st.selectbox(
        "Trained for",
        names,
        names.index(description.transform if description.transform in names else _NONE),
        key=keys["transform"],
        help="The transformation that it was shown in training, if any; pages say where another one is chosen.",
    )
    st.number_input(
        "Trained for σ_γ (0: unknown)", 0.0, 1e4, float(description.parameter_sigma), key=keys["parameter_sigma"]
    )
    st.number_input(
        "Trained for pixel noise σ_ε (0: none)", 0.0, 1e4, float(description.pixel_sigma), key=keys["pixel_sigma"]
    )


def _apply(before: OnnxDescription, keys: dict[str, str]) -> None:
    """Take what the form says, or keep the sentence that says why not."""
    given = {name: st.session_state[key] for name, key in keys.items()}
    st.session_state.pop(_REFUSED, None)
    try:
        description = dataclasses.replace(
            before,
            class_names=_names(given["class_names"]),
            input_shape=_shape(given["input_shape"]),
            values=_pair(given["values"]),
            mean=_numbers("mean", given["mean"]),
            deviation=_numbers("deviation", given["deviation"]),
            preprocessing=_preprocessing(before.preprocessing, given),
            transform=given["transform"] if given["transform"] in TRANSFORMS else None,
            parameter_sigma=float(given["parameter_sigma"]),
            pixel_sigma=float(given["pixel_sigma"]),
        )
        description = OnnxDescription.read(description.to_toml())
    except ValueError as error:
        st.session_state[_REFUSED] = failures.sentence(error)
        return
    state.set(**{ABOUT: uploads.keep("network.toml", description.to_toml().encode())})


def _preprocessing(before: Preprocessing, given: dict[str, str]) -> Preprocessing:
    chosen: dict[str, Vignette] = {"circle": "circle", "rectangle": "rectangle"}
    return dataclasses.replace(
        before,
        resize=int(given["resize"]) or None,
        crop=int(given["crop"]) or None,
        vignette=chosen.get(given["vignette"]),
        vignette_margin=float(given["margin"]),
        blur_size=int(given["blur_size"]),
        blur_scale=float(given["blur_scale"]),
    )


def _names(text: str) -> tuple[str, ...]:
    lines = text.splitlines() if "\n" in text.strip() else text.split(",")
    return tuple(each.strip() for each in lines if each.strip())


def _shape(text: str) -> tuple[int, int, int] | None:
    if not text.strip():
        return None
    try:
        channels, height, width = (int(each) for each in _parts(text))
    except ValueError as error:
        raise ValueError(
            f"The size of an image must be channels, height, width, such as 3, 32, 32, but is {text[:40]!r}."
        ) from error
    return channels, height, width


def _pair(text: str) -> tuple[float, float]:
    found = _numbers("black and white", text) or (0.0, 1.0)
    if len(found) != 2:
        raise ValueError(f"Black and white must be two numbers, such as 0, 255, but are {text!r}.")
    return found[0], found[1]


def _parts(text: str) -> list[str]:
    return text.replace(";", ",").replace("×", ",").replace(",", " ").split()


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in _parts(text))
    except ValueError as error:
        raise ValueError(f"{name} must be numbers, separated by commas, but is {text[:40]!r}.") from error


def _show_answers(classifier: Classifier, trial: OnnxTrial) -> None:
    """What the network answers for a bundled image, without and with noise."""
    pictures = [
        pixel_grid.Picture(picture, said, f"A sample image; the network answers: {said}")
        for picture, said in _answers(classifier.fingerprint, classifier.device.type, classifier)
    ]
    with st.expander("What it answers", expanded=True):
        pixel_grid.show("network_trial", pictures)
        speed = f" {1000 * trial.seconds / trial.images:.2g} ms an image." if trial.seconds and trial.images else ""
        st.caption(f"A bundled sample, plain and with noise: do these answers make sense?{speed}")


@st.cache_data(show_spinner=False, max_entries=64)
def _answers(fingerprint: str, device: str, _classifier: Classifier) -> list[tuple[Tensor, str]]:
    """The sample as the network is shown it, and with noise, each with its answer in words."""
    shown = _classifier.preprocessing(_example(_classifier)[None].to(_classifier.device))
    noise = torch.randn(shown.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = torch.cat((shown, shown + NOISE * noise.to(shown)))
    shares = _classifier.network_logits(both).softmax(dim=1).cpu()
    return [
        (image, f"{what}: {_classifier.class_names[int(row.argmax())]} ({float(row.max()):.0%})")
        for what, image, row in zip(
            ("P x", f"P x + ε, σ_ε = {NOISE:g}"), both.clamp(0, 1).float().cpu(), shares, strict=True
        )
    ]


def _example(classifier: Classifier) -> Tensor:
    """A bundled image of the classifier's shape; grey of other numbers of channels."""
    channels = classifier.input_shape[0]
    if channels not in onnx_networks.COLOURS:
        return torch.full(classifier.input_shape, 0.5)
    name = "digits" if channels == 1 else "natural"
    data = cache.dataset(name, classifier.input_shape, download=False)
    image, _ = cache.image(name, data, min(7, len(data) - 1))
    return image
