"""The export of the page "Certify": certificate, picture, command, Python."""

import shlex

import streamlit as st

from spt.certificates import CellsCertificate
from spt.figures import certificates as figures
from spt.figures.cells import cells_svg
from spt.ui.certify import attack
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import Proof
from spt.ui.shared import own_onnx, pixel_grid
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, offer_own_image


def show(request: CertifyRequest, certificate: Proof | None) -> None:
    """Draw the area."""
    if certificate is None:
        st.caption("There is something to export when the run has ended.")
        return
    settings = request.settings
    first, second = st.columns(2)
    first.download_button(
        "Certificate as JSON",
        certificate.to_json(),
        "certificate.json",
        "application/json",
        key="certify_json",
        icon=":material/data_object:",
        on_click="ignore",
        width="stretch",
    )
    picture = figures.certificate_svg(
        certificate, pixel_grid.png_data_url(request.subject.image), request.subject.caption
    )
    second.download_button(
        "Certificate as a picture (SVG)",
        picture,
        "certificate.svg",
        "image/svg+xml",
        key="certify_svg",
        icon=":material/image:",
        on_click="ignore",
        width="stretch",
    )
    st.image(picture, caption="The picture", width="stretch", alt=f"Certificate: {certificate.statement()}")
    if isinstance(certificate, CellsCertificate):
        st.download_button(
            "All cells as a picture (SVG)",
            cells_svg(certificate),
            "cells.svg",
            "image/svg+xml",
            key="certify_cells_svg",
            icon=":material/donut_large:",
            on_click="ignore",
        )
        if not certificate.complete:
            st.caption("These lines go on to the end of the run that was stopped here; its beginning is the same.")
    offer_own_image(request.subject)
    own_onnx.say_what_is_needed()
    limits = " ".join(f"{each:g}" for each in (settings.limit, *settings.further_limits))
    reference, loaded = request.subject.reference, classifier_name()
    st.code(
        f"python -m spt certify --defence dist-x {_form(request)} --image {in_shell(reference)} --classifier {shlex.quote(loaded)} "
        f"--transform {request.transform.name} --limit {limits} --attacker {settings.attacker} "
        f"--parameter-sigma {settings.parameter_sigma:g} --pixel-sigma {settings.pixel_sigma:g} "
        f"--n0 {settings.n0} --alpha {settings.alpha:g} --seed {settings.seed}",
        language="bash",
        wrap_lines=True,
    )
    load = in_python(reference, "classifier.input_shape")
    defence = "\n".join(attack.defence_in_python(request))
    st.code(
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import get_transform, load_classifier, {load.imports}\n"
        f"from spt.defences import {type(request.defence).__name__}\n\n"
        f"classifier = load_classifier({loaded!r})\nimage = {load.expression}\n"
        f"transform = get_transform({request.transform.name!r})\n{defence}\n"
        f"certificate = defence.certify(image, n0={settings.n0}, {_sizes(request)}, alpha={settings.alpha:g}, "
        f"seed={settings.seed})\nprint(certificate.to_text(), certificate.verify())",
        language="python",
        wrap_lines=True,
    )


def _form(request: CertifyRequest) -> str:
    """The form, and its sizes, for the command line."""
    cells = request.settings.cells
    if cells is None:
        return f"--form one-ball --n-gamma {request.settings.n_gamma}"
    width = "" if cells.cell_width is None else f" --cell-width {cells.cell_width:g}"
    beyond = " --every-cell" if cells.every_cell else ""
    return f"--form cells --n-cell {cells.n_cell} --n-total {cells.n_total}{width}{beyond}"


def _sizes(request: CertifyRequest) -> str:
    """How many samples, for Python."""
    cells = request.settings.cells
    if cells is None:
        return f"n_gamma={request.settings.n_gamma}"
    return f"n_cell={cells.n_cell}, n_total={cells.n_total}"
