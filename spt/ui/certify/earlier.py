"""The certificate before this one: it stays, dimmed and with what it is for, until there is one for what the controls say."""

from dataclasses import dataclass

import streamlit as st

from spt.certificates import given
from spt.ui.certify import cells_dial
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifySlots, Proof
from spt.ui.shared.components import style
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentState, Key
from spt.ui.shared.values import plain

_STYLE = style(__file__)


@dataclass(frozen=True, eq=False)
class Earlier:
    """A certificate that was on the page, and what it is for in words, by what can differ."""

    key: Key
    words: dict[str, str]
    certificate: Proof


EARLIER = CurrentState("certify_earlier", Earlier)


def keep(request: CertifyRequest, certificate: Proof) -> None:
    """Remember a certificate that is on the page now."""
    EARLIER.put(Earlier(request.key, _in_words(request), certificate))


def of_others(request: CertifyRequest) -> Earlier | None:
    """The last certificate, if it is for other settings than the controls'."""
    last = EARLIER.last()
    return None if last is None or last.key == request.key else last


def show(request: CertifyRequest, slots: CertifySlots) -> None:
    """Draw what the last certificate says, if it is for other settings than the controls'."""
    last = of_others(request)
    if last is None:
        slots.earlier.empty()
        return
    now, statement = _in_words(request), escape(last.certificate.statement())
    other = [
        f"{name} {escape(words)} (now {escape(now[name])})"
        for name, words in last.words.items()
        if words != now.get(name, words)  # what only one form has is said by the form
    ]
    if last.key[0] != request.key[0] and last.words["the image"] == now["the image"]:
        other.insert(0, "another image of this name")
    badge = ":gray-badge[ABSTAIN]" if last.certificate.label is None else ":gray-badge[CERTIFIED]"
    with slots.earlier.container(key="certify_earlier", border=True):
        st.html(_STYLE)
        st.markdown(
            f":gray-badge[EARLIER] for {', '.join(other) or 'another network of this name'}:\n\n{badge} {statement}"
        )


def show_dial(request: CertifyRequest, slots: CertifySlots) -> None:
    """Draw the range of the last certificate, if it is for other settings; else a word in its place."""
    last = of_others(request)
    if last is None:
        slots.dial.caption(
            "A range is certified only when all samples of a run are in."
            if request.settings.cells is None
            else "The dial fills cell by cell, from 0 outwards, as cells are proved."
        )
        return
    with slots.dial.container(key="certify_earlier_dial"):
        cells_dial.draw_range(st, last.certificate, f"Earlier certified range: {last.certificate.statement()}")


def _in_words(request: CertifyRequest) -> dict[str, str]:
    settings, unit = request.settings, request.transform.unit
    own = {"n_γ =": f"{settings.n_gamma:,}"}
    if (cells := settings.cells) is not None:
        width = "chosen from the image" if cells.cell_width is None else given(cells.cell_width, unit)
        own = {
            "samples of a cell:": f"{cells.n_cell:,}",
            "samples in all:": f"{cells.n_total:,}",
            "width of cells:": width,
            "beyond a failed cell:": "on" if cells.every_cell else "off",
        }
    return {
        "the image": request.subject.caption,
        "the classifier": request.classifier.name,
        "the transformation": request.transform.name,
        "Γ =": request.transform.describe_range((settings.limit, *settings.further_limits))
        if settings.further_limits
        else f"±{given(settings.limit, unit)}",
        "the attacker": settings.attacker,
        "the form": settings.form,
        "σ_γ =": given(settings.parameter_sigma, unit),
        "σ_ε =": plain(settings.pixel_sigma),
        **own,
        "n₀ =": f"{settings.n0:,}",
        "α =": plain(settings.alpha),
        "the seed": str(settings.seed),
    }
