"""What the page "Certify" shares: the certificate as a picture and as JSON, its samples as CSV, command, Python."""

import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

import streamlit as st

from spt.certificates import CellsCertificate
from spt.figures import certificates as figures
from spt.figures.cells import cells_svg
from spt.ui.certify import attack
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import Proof
from spt.ui.shared import pixel_grid
from spt.ui.shared.csv_text import csv_text, settings_of
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, what_lines_need
from spt.ui.shared.share import Shared, SharedFile, SharedPicture


def shared(request: CertifyRequest, certificate: Proof | None) -> Shared:
    """All of it; a run with one ball that was stopped proves nothing, so there is neither picture nor number of it."""
    return Shared(
        "certify",
        None if certificate is None else _pictures(request, certificate),
        None if certificate is None else _files(certificate),
        code(request),
        command(request),
        lines_need=partial(_what_lines_need, request, certificate),
    )


def _pictures(request: CertifyRequest, certificate: Proof) -> tuple[SharedPicture, ...]:
    url, caption = pixel_grid.png_data_url(request.subject.image), request.subject.caption
    whole = SharedPicture("The certificate", "certificate", figures.certificate_svg(certificate, url, caption))
    if not isinstance(certificate, CellsCertificate):
        return (whole,)
    return (whole, SharedPicture("All cells", "cells", cells_svg(certificate)))


def _files(certificate: Proof) -> tuple[SharedFile, ...]:
    return (
        SharedFile("Samples as CSV", "samples.csv", "text/csv", partial(as_csv, certificate)),
        SharedFile("Certificate as JSON", "certificate.json", "application/json", certificate.to_json),
    )


def _what_lines_need(request: CertifyRequest, certificate: Proof | None) -> None:
    what_lines_need(request.subject)
    if isinstance(certificate, CellsCertificate) and not certificate.complete:
        st.caption("These lines go on to the end of the run that was stopped here; its beginning is the same.")


def as_csv(certificate: Proof) -> str:
    """One line for each sample b': its radius, its inner votes, what became of it; with its cell, and whether that is proved."""
    settings, axes = settings_of(certificate.to_json()), range(1, len(certificate.points[0]) + 1)
    own = ("sample", *(f"b{axis}" for axis in axes), "radius", "inner votes right", "inner votes", "outcome")
    if not isinstance(certificate, CellsCertificate):
        return csv_text(settings, own, _samples(certificate))
    bounds = tuple(f"{end}{axis}" for axis in axes for end in ("from", "to"))
    samples = list(_samples(certificate))
    rows = (
        (number, *(end for axis in cell.bounds for end in axis), cell.accepted, *samples[place])
        for number, cell in enumerate(certificate.tested(), 1)
        for place in cell.samples
    )
    return csv_text(settings, ("cell", *bounds, "proved", *own), rows)


def _samples(certificate: Proof) -> Iterator[tuple[Any, ...]]:
    parts = zip(
        certificate.points, certificate.radii, certificate.inner_votes, figures.outcomes(certificate), strict=True
    )
    for number, (point, radius, votes, outcome) in enumerate(parts, 1):
        yield number, *point, radius, *votes, outcome


def command(request: CertifyRequest) -> str:
    """The command line that gives the same certificate."""
    settings = request.settings
    limits = " ".join(f"{each:g}" for each in (settings.limit, *settings.further_limits))
    return (
        f"python -m spt certify --defence dist-x {_form(request)} --image {in_shell(request.subject.reference)} "
        f"--classifier {shlex.quote(classifier_name())} "
        f"--transform {request.transform.name} --limit {limits} --attacker {settings.attacker} "
        f"--parameter-sigma {settings.parameter_sigma:g} --pixel-sigma {settings.pixel_sigma:g} "
        f"--n0 {settings.n0} --alpha {settings.alpha:g} --seed {settings.seed}"
    )


def code(request: CertifyRequest) -> str:
    """Python that prints it."""
    settings = request.settings
    load = in_python(request.subject.reference, "classifier.input_shape")
    defence = "\n".join(attack.defence_in_python(request))
    return (
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import get_transform, load_classifier, {load.imports}\n"
        f"from spt.defences import {type(request.defence).__name__}\n\n"
        f"classifier = load_classifier({classifier_name()!r})\nimage = {load.expression}\n"
        f"transform = get_transform({request.transform.name!r})\n{defence}\n"
        f"certificate = defence.certify(image, n0={settings.n0}, {_sizes(request)}, alpha={settings.alpha:g}, "
        f"seed={settings.seed})\nprint(certificate.to_text(), certificate.verify())"
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
