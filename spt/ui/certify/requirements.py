"""How many samples must pass for a certificate, in words."""

from spt.certificates import quantity
from spt.ui.certify.request import CertifyRequest


def needed(request: CertifyRequest) -> str:
    """From how many passes on something is certified, and from how many on all of Gamma."""
    settings, unit = request.settings, request.transform.unit
    n, some, all_of_it = settings.n_gamma, request.passes_needed(0.0), request.passes_needed(settings.limit)
    if some is None:
        return f"With n_γ = {n} nothing can be certified at α = {settings.alpha:g}: choose a larger n_γ."
    if all_of_it is None:
        radius = quantity(request.one_ball.largest_radius(n, settings.alpha), unit)
        return f"From **{some:,}** of {n:,} on something is certified; if all pass, {radius}."
    space = "" if unit == "°" else " "
    return (
        f"From **{some:,}** of {n:,} on something is certified, from **{all_of_it:,}** on all within "
        f"{settings.limit:g}{space}{unit}."
    )
