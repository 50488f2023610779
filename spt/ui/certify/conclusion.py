"""What a run of the page "Certify" proves, or why it proves nothing, in words."""

import streamlit as st

from spt import statistics
from spt.certificates import CellsCertificate, DistCertificate, quantity, rounded_down, rounded_up
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.requirements import needed
from spt.ui.certify.run import CertifyRun
from spt.ui.shared import stored_results
from spt.ui.shared.markdown import escape


def show(request: CertifyRequest, run: CertifyRun) -> None:
    """What a run that is not going on says."""
    certificate, settings = run.certificate, request.settings
    assert not isinstance(certificate, CellsCertificate)
    if run.status == "failed":
        st.error(run.failure)
        return
    if run.status == "stopped":
        done = len(certificate.radii) if certificate else 0
        st.markdown(
            f":gray-badge[PROVISIONAL] stopped after {done:,} of {settings.n_gamma:,} samples.\n\n"
            "A run that was stopped proves nothing: when to stop may have depended on the samples. Run again, "
            "to the end."
        )
        return
    if certificate is None:
        st.markdown(f"No run for these settings yet: press **Run**.\n\n{needed(request)}")
        return
    if run.stored:
        st.caption(stored_results.NOTE.format(button="Run"))
    with st.container(border=True):
        if certificate.label is None:
            st.markdown(f":orange-badge[ABSTAIN] nothing is certified\n\n{_why_not(request, certificate)}")
            return
        statement = escape(certificate.statement())
        st.markdown(
            f":green-badge[:material/verified: CERTIFIED] g answers {request.name(certificate.label)}\n\n"
            f"**{statement}**\n\n{certificate.passes:,} of {certificate.n_gamma:,} samples pass, so "
            f"p ≥ {rounded_down(certificate.p_lower, 4)} and the radius is "
            f"{quantity(certificate.radius, certificate.unit)}. Attacker: {attacker_in_words(request)}."
        )
        if certificate.radius > certificate.limit:
            st.caption(
                "The radius is larger than Γ, but beyond Γ nothing is certified: the error radii are bounded within it."
            )


def attacker_in_words(request: CertifyRequest) -> str:
    """Against which attacks something is proved."""
    settings, transform = request.settings, request.transform
    limits = (settings.limit, *settings.further_limits) if settings.further_limits else settings.limit
    kind = "images rounded to 8 bits" if settings.attacker == "8-bit" else "exact arithmetic"
    return f"any {transform.singular} within {transform.describe_range(limits)}, {kind}"


def _why_not(request: CertifyRequest, certificate: DistCertificate) -> str:
    n, passes = certificate.n_gamma, certificate.passes
    words = [
        f"Only {passes:,} of {n:,} samples pass for {request.name(certificate.selected)}: the lower bound "
        f"{rounded_down(certificate.p_lower, 4)} is not above 1/2."
    ]
    if passes <= certificate.share_needed * n:
        words.append("At this share no number of samples certifies.")
    else:
        needed = certificate.samples_needed()
        words.append(
            "No realistic n_γ would do." if needed is None else f"At this share about {needed:,} would be needed."
        )
    most, largest = certificate.largest_testable_radius(), max(certificate.radii)
    if largest > most:
        words.append(
            f"With σ_ε = {certificate.pixel_sigma:g} no inner test can pass an error radius above {rounded_up(most)}, and "
            f"here they go up to {rounded_up(largest)}: try a larger σ_ε or a smaller Γ."
        )
    elif certificate.outcomes().count(statistics.Decision.FUTILE) > n / 4:
        words.append("Many inner tests were futile: try a smaller σ_γ, or a network trained for this noise.")
    return " ".join(words)
