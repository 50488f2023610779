"""The certificate before this one: it stays on the page, dimmed and with what it is for, until there is one for what the controls say."""

from dataclasses import dataclass

import streamlit as st

from spt.certificates import DistCertificate
from spt.ui.certify.request import CertifyRequest
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
    certificate: DistCertificate


EARLIER = CurrentState("certify_earlier", Earlier)


def keep(request: CertifyRequest, certificate: DistCertificate) -> None:
    """Remember a certificate that is on the page now."""
    EARLIER.put(Earlier(request.key, _in_words(request), certificate))


def show(request: CertifyRequest, place: "st.delta_generator.DeltaGenerator") -> None:
    """Draw the last certificate if it is for other settings than the controls'."""
    last = EARLIER.last()
    if last is None or last.key == request.key:
        place.empty()
        return
    now, statement = _in_words(request), escape(last.certificate.statement())
    other = [
        f"{name} {escape(words)} (now {escape(now[name])})" for name, words in last.words.items() if words != now[name]
    ]
    badge = ":gray-badge[ABSTAIN]" if last.certificate.label is None else ":gray-badge[CERTIFIED]"
    with place.container(key="certify_earlier", border=True):
        st.html(_STYLE)
        st.markdown(
            f":gray-badge[EARLIER] for {', '.join(other) or 'another network of this name'}:\n\n{badge} {statement}"
        )


def _in_words(request: CertifyRequest) -> dict[str, str]:
    settings, unit = request.settings, request.transform.unit
    space = "" if unit == "°" else " "
    return {
        "the image": request.subject.caption,
        "the classifier": request.classifier.name,
        "the transformation": request.transform.name,
        "Γ =": f"±{plain(settings.limit)}{space}{unit}",
        "the attacker": settings.attacker,
        "σ_γ =": f"{plain(settings.parameter_sigma)}{space}{unit}",
        "σ_ε =": plain(settings.pixel_sigma),
        "n_γ =": f"{settings.n_gamma:,}",
        "n₀ =": f"{settings.n0:,}",
        "α =": plain(settings.alpha),
        "the seed": str(settings.seed),
    }
