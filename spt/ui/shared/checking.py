"""Checking a certificate on a page: what its record says of itself, at once; and all of it computed again, with Stop.

The same for every page and every kind of certificate, the one on the screen or one from a file.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from torch import Tensor

from spt.certificates import Certificate
from spt.classifiers import Classifier
from spt.images import image_digest
from spt.recomputation import (
    AnyCertificate,
    Line,
    Recomputation,
    calls_to_recompute,
    read_certificate,
    recompute,
    seconds_spent,
)
from spt.ui.shared import background, failures
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentRun, PageRun, SessionResults

CHECK = CurrentRun("check_run", PageRun)
CHECKS = SessionResults("checks", 16)
MOST_CALLS = 5_000_000  # of the network, that a page counts again
VERDICTS = {
    "differs": "Computed again, differs ✗",
    "agrees": "Computed again, agrees ✓",
    "on trust": "Taken on trust, as no computation tells",
}

_WORDS = (
    "**The record alone, at once** (`verify()`): the class selected, inner tests, bounds, radius and class are concluded anew "
    "from the votes, samples and error bounds that the record holds, and these must be such as a run can have, recorded samples "
    "those of its seed. The image and the network are not looked at, so it **cannot tell** whether these votes and bounds are "
    "theirs: evidence that was made up to fit passes.\n\n"
    "**Check again** (`spt.recomputation.recompute`): the image’s and the network’s digests are compared, then samples, error "
    "bounds, votes and conclusion are computed from them once more. It takes as long as certifying did. Votes agree only "
    "on the same kind of device and in the same number format."
)


@dataclass(frozen=True, eq=False)
class _Check:
    """A certificate to be checked, and where that is shown."""

    name: str
    certificate: AnyCertificate
    key: tuple[str, ...]
    button: Any
    result: Any


def area(name: str, certificate: AnyCertificate | None, classifier: Classifier, image: Tensor, note: str = "") -> None:
    """Draw the area: for the page's own ``certificate``, if it has one, and for one from a file; each against the classifier
    and the image (C, H, W) on the screen. To be drawn last on a page: while a check runs, the script stays here.

    ``name`` begins the keys of the widgets; ``note`` is what else is to be said of the own certificate.
    """
    st.markdown(_WORDS)
    identity = (image_digest(image), classifier.fingerprint, classifier.device.type, classifier.number_format)
    checks = []
    st.markdown("**The certificate on this page**")
    if certificate is None:
        st.caption("There is none yet: it is there when a run has ended.")
    else:
        checks.append(_offer(f"{name}_own", certificate, identity))
        if note:
            st.caption(note)
    read = _read(name)
    if read is not None:
        checks.append(_offer(f"{name}_file", read, identity))
    for (
        check
    ) in checks:  # after all controls are drawn: Streamlit forgets a control that a run of the script did not draw
        _carry_out(check, classifier, image)


def _read(name: str) -> AnyCertificate | None:
    """The certificate that was uploaded; None, and one sentence on the page, if the file holds none."""
    file = st.file_uploader(
        "A certificate from a file (JSON)",
        type=["json"],
        key=f"{name}_certificate",
        help="As the export of this app or `python -m spt certify --json` writes it. It is checked against the image and the "
        "classifier on the screen, so choose those it is about.",
    )
    if file is None:
        return None
    try:
        return certificate_in(file.getvalue())
    except ValueError as error:
        st.error(failures.sentence(error))
        return None


def certificate_in(data: bytes) -> AnyCertificate:
    """The certificate in a file; ValueError, one sentence, if there is none, whatever it holds."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("This file is not a certificate: it is not text in UTF-8.") from error
    try:
        return read_certificate(text)
    except ValueError:
        raise
    except Exception as error:  # fields of other kinds than a certificate has, nested without end, ...
        raise ValueError("This file is not a certificate: its fields are not those of one.") from error


def _offer(name: str, certificate: AnyCertificate, identity: tuple[str, ...]) -> _Check:
    """Say what the record alone tells, and make room for the button."""
    digest = hashlib.sha256(certificate.to_json().encode()).hexdigest()
    if CHECKS.once(("verify", digest), certificate.verify):
        st.markdown(
            f"The record agrees with itself ✓\n\n*{'It says' if name.endswith('_file') else 'It says, as above'}:* "
            f"{_one_line(certificate.explain())}"
        )
    else:
        st.markdown(
            ":red-badge[NOT A CERTIFICATE] The record does not agree with itself ✗: its conclusions do not follow from its "
            "evidence, or no run can have that evidence. It proves nothing."
        )
    return _Check(name, certificate, (name, digest, *identity), st.empty(), st.container())


def _carry_out(check: _Check, classifier: Classifier, image: Tensor) -> None:
    """Show the result; compute it first, if it was asked for."""
    if CHECK.of(check.key):
        check.button.button(
            "Stop the check",
            key=f"{check.name}_stop",
            icon=":material/stop_circle:",
            on_click=CHECK.forget,
            help="End it now; what was computed so far is dropped.",
        )
        with check.result:
            found = _compute(check, classifier, image)
        CHECK.forget()
        CHECKS.keep(check.key, found)
    known: Recomputation | str | None = CHECKS.get(check.key)
    check.button.button(
        "Check again",
        key=f"{check.name}_start",
        icon=":material/fact_check:",
        on_click=_start,
        args=(check.key,),
        help="Compute the whole certificate again from the image and the classifier on the screen, and compare line by line. "
        + _duration(check.certificate),
    )
    with check.result:
        if isinstance(known, str):
            st.error(known)
        elif known is not None:
            whose = "on this page" if check.name.endswith("_own") else "from the file"
            show(known, f"**The certificate {whose}:** ")


def _compute(check: _Check, classifier: Classifier, image: Tensor) -> Recomputation | str:
    calls = calls_to_recompute(check.certificate)
    if calls > MOST_CALLS:
        return (
            f"This certificate rests on {calls:,} network calls or more, and a page counts at most {MOST_CALLS:,} again: use "
            "spt.recomputation.recompute in Python."
        )
    try:
        with failures.faults_refused(), heavy_work("long", "check"):
            return background.in_background(
                partial(recompute, check.certificate, classifier, image), "Checking again", check.certificate.seconds
            )
    except ValueError as error:
        return failures.sentence(error)


def _duration(certificate: AnyCertificate) -> str:
    seconds = seconds_spent(certificate)
    return f"Certifying took {seconds:.2g} s." if seconds < 100 else f"Certifying took {seconds / 60:.2g} minutes."


def _start(key: tuple[str, ...]) -> None:
    CHECK.put(PageRun(key))
    CHECKS.forget(key)


def show(found: Recomputation, beginning: str = "") -> None:
    """The outcome, and every line by its verdict, those that differ first."""
    with st.container(border=True):
        st.markdown(beginning + outcome(found))
        given = [verdict for verdict in VERDICTS if any(line.verdict == verdict for line in found.lines)]
        for column, verdict in zip(st.columns(len(given), gap="medium"), given, strict=True):
            lines = [line for line in found.lines if line.verdict == verdict]
            column.markdown("\n".join((f"**{VERDICTS[verdict]}**", "", *map(_in_words, lines))))


def outcome(found: Recomputation) -> str:
    """Whether the certificate was confirmed, in words."""
    if found.agrees:
        kept = "it certifies nothing"
        if found.again is not None and found.again.label is not None:
            heuristic = isinstance(found.again, Certificate) and found.again.heuristic
            kept = (
                "its radius stays a heuristic, no proof"
                if heuristic
                else "it holds as far as what is taken on trust does"
            )
        return (
            ":green-badge[:material/fact_check: CONFIRMED] computed again from this image and this classifier, it is the same: "
            f"{kept}."
        )
    if found.outcome == "confirmed in part":
        return (
            ":orange-badge[:material/fact_check: CONFIRMED IN PART] what was computed again is the same, but not "
            f"{' and '.join(found.excepted)}: that is taken on trust."
        )
    differ = sum(line.verdict == "differs" for line in found.lines)
    what = f"{differ} line differs" if differ == 1 else f"{differ} lines differ"
    rest = "" if found.again is not None else ", so nothing more was computed"
    return f":red-badge[NOT CONFIRMED] {what}{rest}: do not rely on it here."


def _in_words(line: Line) -> str:
    return f"- {_one_line(line.subject)}: {_one_line(line.detail)}"


def _one_line(text: str) -> str:
    """Text for Markdown: what a file calls its classes may have lines of its own."""
    return escape(" ".join(text.split()))
