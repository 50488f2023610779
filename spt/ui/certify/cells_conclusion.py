"""What a run of the page "Certify" with cells proves, or why it proves nothing, in words."""

import streamlit as st

from spt.certificates import CellsCertificate, rounded_up
from spt.figures import cells as figures
from spt.ui.certify.conclusion import attacker_in_words
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifyRun
from spt.ui.shared import stored_results
from spt.ui.shared.markdown import escape


def show(request: CertifyRequest, run: CertifyRun) -> None:
    """What a run that is not going on says."""
    certificate = run.certificate
    if run.status == "failed":
        st.error(run.failure)
        return
    if not isinstance(certificate, CellsCertificate):
        if run.status == "stopped":
            st.markdown(
                ":gray-badge[PROVISIONAL] stopped before the first cell was settled: nothing is known. Run again."
            )
        else:
            st.markdown(
                "No run for these settings yet: press **Run**.\n\nΓ is cut into cells, which are tested one after the other, from "
                "0 outwards; one that is not proved is bisected. What is proved on the way holds."
            )
        return
    stopped = run.status == "stopped"
    if run.stored:
        st.caption(stored_results.NOTE.format(button="Run"))
    with st.container(border=True):
        proved = f"{sum(certificate.accepted):,} of {len(certificate.cells):,} cells are proved"
        if certificate.label is None:
            badge = "PROVISIONAL] stopped: nothing" if stopped else "ABSTAIN] nothing"
            st.markdown(f":orange-badge[{badge} is certified\n\n{_why_not(request, certificate, stopped)}")
        else:
            st.markdown(
                f":green-badge[:material/verified: CERTIFIED] g answers {request.name(certificate.label)}\n\n"
                f"**{escape(certificate.statement())}**\n\n{proved}. {_what_ends_it(certificate, stopped)} "
                f"Attacker: {attacker_in_words(request)}."
            )
        if certificate.pointwise:
            st.caption(
                f"{_beyond(certificate)} Of any one γ there, chosen beforehand, g's answer is proved at this confidence, but not "
                "of all of them together: they are no part of the radius."
            )


def _what_ends_it(certificate: CellsCertificate, stopped: bool) -> str:
    """Why the radius is not larger."""
    if certificate.radius >= certificate.rules.grid.beyond:
        return "They are all of Γ."
    if stopped:
        return (
            "The run was stopped: each cell has a test of its own, which may be looked at at any time, so **what is proved "
            "holds**; further cells might enlarge the radius."
        )
    failed = failed_first(certificate)
    if failed is None:
        return f"After {len(certificate.points):,} samples no further cell was begun: allow more in all to prove more."
    return f"The radius ends where cell {failed + 1} failed, {_where(certificate, failed)}."


def _why_not(request: CertifyRequest, certificate: CellsCertificate, stopped: bool) -> str:
    chosen, failed = request.name(certificate.selected), failed_first(certificate)
    if failed is not None:
        return (
            f"Cell {failed + 1}, {_where(certificate, failed)}, touches 0 and could not be proved for {chosen}, and it is as "
            f"narrow as cells get. Below it is said why; the largest radius of a ball was {rounded_up(max(certificate.radii))}. A "
            "larger σ_ε, or a network trained for this noise, may help."
        )
    if stopped:
        return "No ring of cells around 0 was complete. Run again goes on to the end."
    return "The samples were used up before the cells around 0 were proved: allow more samples in all."


def _where(certificate: CellsCertificate, number: int) -> str:
    return figures.place_in_words(certificate, certificate.cells[number])


def failed_first(certificate: CellsCertificate) -> int | None:
    """The first cell that failed at the floor; None if none did."""
    found = figures.kinds(certificate)
    return found.index(figures.FAILED) if figures.FAILED in found else None


def _beyond(certificate: CellsCertificate) -> str:
    count = figures.kinds(certificate).count(figures.POINTWISE)
    if not count:
        return "A cell that the radius ends in **holds pointwise** beyond it."
    one = "One cell" if count == 1 else f"{count:,} cells"
    where = " beyond the radius" if certificate.label is not None else ""
    return f"{one}{where} {'holds' if count == 1 else 'hold'} **pointwise** (hatched light green)."
