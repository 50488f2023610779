"""What a result of IndivSPT says, in words and badges."""

import math
from collections.abc import Sequence

from spt.certificates import (
    IndividualCellsCertificate,
    OneErrorCertificate,
    confidence,
    quantity,
    rounded_down,
    rounded_up,
)
from spt.certificates.error_level import ReceivedErrorLevel
from spt.certificates.per_sample import IndividualCertificate
from spt.ui.inverse.certificate_request import Result
from spt.ui.inverse.request import InverseRequest
from spt.ui.shared.markdown import escape


def in_words(request: InverseRequest, result: Result) -> list[str]:
    """One paragraph of Markdown after the other."""
    if isinstance(result, IndividualCertificate):
        return _per_sample(request, result)
    if isinstance(result, IndividualCellsCertificate):
        return _in_cells(request, result)
    if isinstance(result, ReceivedErrorLevel):
        return [_level_in_words(result)]
    return _with_one_error(request, result)


def attack_in_words(request: InverseRequest, result: Result) -> str | None:
    """Whether the certificate speaks of the attack, where that is known and there is a certificate."""
    if request.gamma is None or isinstance(result, ReceivedErrorLevel) or result.label is None:
        return None
    size, unit = math.hypot(*request.gamma), request.transform.unit
    held = result.covers_attack(request.gamma)
    return f"Your attack has size {size:.4g}{'' if unit == '°' else ' '}{unit}: " + (
        "so the original is proved to get this class, too."
        if held
        else "not covered, so the original may get another class."
    )


def _per_sample(request: InverseRequest, certificate: IndividualCertificate) -> list[str]:
    if certificate.inconsistent:
        return [":red-badge[INCONSISTENT WITH Γ] nothing explains this image; nothing is certified."]
    counts = f"{certificate.passes:,} of {certificate.n_gamma:,} samples pass, so p ≥ {rounded_down(certificate.p_lower, 4)}."
    if certificate.label is None:
        return [
            f":orange-badge[ABSTAIN] nothing is certified: {counts} More than 1/2 is needed; try a smaller σ_γ or Γ, or "
            "another σ_ε."
        ]
    statement = _statement(request, certificate.class_names, certificate.label, certificate.reach)
    return [f"{statement} {counts} Confidence {confidence(certificate.alpha)}."]


def _in_cells(request: InverseRequest, certificate: IndividualCellsCertificate) -> list[str]:
    if certificate.inconsistent:
        return [":red-badge[INCONSISTENT WITH Γ] nothing explains this image; nothing is certified."]
    cells, proved = len(certificate.cells), sum(certificate.accepted[1:])
    counts = (
        f"Proved are x′ and {proved} of {cells} cells of what survives, from {len(certificate.points):,} samples. Confidence "
        f"{confidence(certificate.alpha)}."
    )
    if certificate.label is not None:
        return [f"{_statement(request, certificate.class_names, certificate.label, certificate.reach)} {counts}"]
    if certificate.received_proved:
        name = escape(certificate.class_names[certificate.selected])
        return [
            f":orange-badge[ABSTAIN] g answers **{name}** for x′ itself (confidence {confidence(certificate.alpha)}), but the "
            "nearest originals are not proved, so nothing is certified."
        ]
    return [
        ":orange-badge[ABSTAIN] nothing is certified: not even g’s answer for x′ is; try a smaller σ_γ or another σ_ε."
    ]


def _with_one_error(request: InverseRequest, certificate: OneErrorCertificate) -> list[str]:
    level = certificate.level
    assert isinstance(level, ReceivedErrorLevel)  # of a received image
    counts = (
        f"{certificate.successes:,} of {certificate.n:,} samples pass, so p ≥ {rounded_down(certificate.p_lower, 4)}, less "
        f"ρ = {level.rho_in_words()}."
    )
    paragraphs = [_level_in_words(level)]
    if certificate.label is None:
        paragraphs.append(
            f":orange-badge[ABSTAIN] nothing is certified: {counts} More than 1/2 is needed; a sample passes if h is shown "
            f"constant within E = {level.error_in_words()}. Per-sample errors certify more."
        )
    else:
        paragraphs.append(
            f"{_statement(request, certificate.class_names, certificate.label, certificate.reach)} {counts}"
        )
    budget = certificate.budget
    paragraphs.append(
        f"Confidence {confidence(budget.total)}: wrong with at most {budget.total:g} = {budget.alpha_gamma:g} (samples) + "
        f"{budget.alpha_eps:g} (inner tests) + {budget.alpha_error:g} (E)."
    )
    return paragraphs


def _level_in_words(level: ReceivedErrorLevel) -> str:
    """E, where it comes from, and whether it serves."""
    exceeding = f"{level.exceeding:,} of {level.n_test:,} β exceed it, so ρ ≤ **{level.rho_in_words()}**"
    own = f"The image’s own bound, the largest of these β, is **{rounded_up(level.own_bound)}**."
    if not level.usable:
        error = rounded_down(level.error) if level.largest is not None else level.error_in_words()
        return (
            f":red-badge[REFUSED] E = {error} is too small for this image: {exceeding}; less than 1/2 is needed. {own} Nothing "
            "is certified; another E needs another test, at a level of its own."
        )
    if level.largest is None:
        return f":green-badge[ACCEPTED] E = {level.error_in_words()}: {exceeding}, less than 1/2 as it must be. {own}"
    return (
        f":blue-badge[MEASURED] E = **{level.error_in_words()}**, {level.margin:g} × the largest bound of {level.n_choice} other "
        f"β, {rounded_up(level.largest)}; {exceeding}."
    )


def _statement(request: InverseRequest, names: Sequence[str], label: int, reach: float) -> str:
    truth, transform = request.subject.label, request.transform
    mark = "" if truth is None else " ✓" if label == truth else f" ✗ (truth: {escape(names[truth])})"
    return (
        f":green-badge[:material/verified: CERTIFIED] g answers **{escape(names[label])}**{mark} for x′, and for **every "
        f"original** from which a {transform.name} of less than **{quantity(reach, transform.unit)}** makes x′: neither the "
        "original nor the attack is known."
    )
