"""The export of the page "Votes": the certificate as JSON, a command, Python."""

import shlex

import streamlit as st

from spt.ui.shared import own_onnx
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, offer_own_image
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun


def show(request: VotesRequest, run: VotesRun) -> None:
    """Draw the area."""
    if run.certificate is not None:
        st.download_button(
            "Certificate as JSON",
            run.certificate.to_json(),
            "certificate.json",
            "application/json",
            key="export_json",
            on_click="ignore",
        )
    offer_own_image(request.subject)
    own_onnx.say_what_is_needed()
    statistics, noise = request.statistics, request.smoothing
    loaded = classifier_name()
    at = " ".join(f"{value:g}" for value in request.gamma)
    reference = request.subject.reference
    st.code(
        f"python -m spt certify --image {in_shell(reference)} --classifier {shlex.quote(loaded)} "
        f"--transform {request.transform.name} --at {at} --parameter-sigma {noise.parameter_sigma:g} "
        f"--pixel-sigma {noise.pixel_sigma:g} --n0 {statistics.n0} --n {statistics.n} --alpha {statistics.alpha:g} "
        f"--seed {statistics.seed}",
        language="bash",
    )
    load = in_python(reference, "classifier.input_shape")
    st.code(
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import SmoothedClassifier, get_transform, load_classifier, {load.imports}, to_8_bit\n\n"
        f"classifier = load_classifier({loaded!r})\nimage = {load.expression}\n"
        f"transform = get_transform({request.transform.name!r})\n"
        f"received = to_8_bit(transform(image, [{request.gamma}])[0])\n"
        f"g = SmoothedClassifier(classifier, transform, {noise.parameter_sigma:g}, {noise.pixel_sigma:g})\n"
        f"print(g.certify(received, {statistics.n0}, {statistics.n}, {statistics.alpha:g}, seed={statistics.seed}).to_text())",
        language="python",
    )
