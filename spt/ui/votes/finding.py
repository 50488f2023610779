"""What a run of the page "Votes" found, to be pinned and compared with another one."""

from functools import partial
from typing import Any

from spt.certificates import Certificate, Prediction, quantity, rounded_down
from spt.ui.shared.comparing import Comparison, Find, Finding
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun


def finder(request: VotesRequest, run: VotesRun) -> Find | None:
    """What gives the finding of a run that has come to its end; None of any other."""
    if run.status != "done" or run.certificate is None or run.prediction is None or run.key != request.key:
        return None
    found = Finding(request.key, (request, run.prediction, run.certificate), "stored" if run.stored else "")
    return lambda: found


def why_not(run: VotesRun) -> str:
    """Why there is no finding."""
    if run.status == "stopped":
        return "The run now was stopped, and a run that was stopped concludes nothing: run it again, to the end, to compare."
    return "The run now has no result: nothing is compared."


def compare(pinned: Finding, now: Finding) -> Comparison:
    """Histograms, PREDICT and CERTIFY of both, and both networks on the same votes where only they differ."""
    from spt.figures import comparison as figures
    from spt.ui.votes import same_votes

    first: Certificate = pinned.content[2]
    second: Certificate = now.content[2]
    votes = [
        f"{each.class_names[each.selected]}: {each.counts[each.selected]:,} of {each.n:,}" for each in (first, second)
    ]
    share = p_lower = radius = ""  # what is of two classes, or of one run only, has no difference
    if first.class_names[first.selected] == second.class_names[second.selected]:
        share = figures.signed(100 * (_share(second) - _share(first)), "points")
        p_lower = figures.signed(second.p_lower - first.p_lower)
    if first.unit == second.unit and None not in (first.label, second.label):
        radius = figures.signed(second.radius - first.radius, first.unit)
    numbers = [
        figures.ComparedNumber("PREDICT: g answers", _answer(pinned.content[1]), _answer(now.content[1])),
        figures.ComparedNumber("CERTIFY", _certified(first), _certified(second)),
        figures.ComparedNumber("votes for the class selected", votes[0], votes[1], share),
        figures.ComparedNumber(
            "their probability is at least", rounded_down(first.p_lower, 4), rounded_down(second.p_lower, 4), p_lower
        ),
        figures.ComparedNumber("radius (heuristic)", _radius(first), _radius(second), radius),
    ]
    panels = _panels(figures, first, second)
    note = (
        "The radii are heuristics, see HEURISTIC on the page. Each run has bounds of its own, at its own α: their difference is "
        "that of two bounds, not a bound of a difference."
    )
    exact = (_exact(pinned.content[1], first), _exact(now.content[1], second))
    together = same_votes.exact(pinned, now)
    return Comparison(
        [*numbers, *same_votes.numbers(pinned, now)],
        panels,
        note,
        exact,
        together,
        partial(same_votes.offer, pinned, now),
    )


def _panels(figures: Any, first: Certificate, second: Certificate) -> list[Any]:
    names = list(dict.fromkeys((*first.class_names, *second.class_names)))
    counts = tuple(
        [dict(zip(each.class_names, each.counts, strict=True)).get(name, 0) for name in names]
        for each in (first, second)
    )
    amounts = [
        (
            "lower bound p of the probability of the class selected",
            (first.p_lower, second.p_lower),
            (rounded_down(first.p_lower, 4), rounded_down(second.p_lower, 4)),
        )
    ]
    if first.unit == second.unit:
        amounts.append(("radius, heuristic", (first.radius, second.radius), (_radius(first), _radius(second))))
    return [
        figures.bars_panel("Votes", names, counts, "share of all votes"),
        figures.amounts_panel("Bound and radius", amounts),
    ]


def _answer(prediction: Prediction) -> str:
    return "ABSTAIN" if prediction.label is None else prediction.class_names[prediction.label]


def _certified(certificate: Certificate) -> str:
    return "ABSTAIN" if certificate.label is None else certificate.class_names[certificate.label]


def _share(certificate: Certificate) -> float:
    return certificate.counts[certificate.selected] / certificate.n


def _radius(certificate: Certificate) -> str:
    return "none" if certificate.label is None else quantity(certificate.radius, certificate.unit)


def _exact(prediction: Prediction, certificate: Certificate) -> dict[str, Any]:
    return {
        "classes": list(certificate.class_names),
        "votes": list(certificate.counts),
        "predicted": prediction.label,
        "p_value": prediction.p_value,
        "selected": certificate.selected,
        "certified": certificate.label,
        "p_lower": certificate.p_lower,
        "radius": certificate.radius,
        "unit": certificate.unit,
        "heuristic": certificate.heuristic,
        "image_sha256": certificate.image_sha256,
        "classifier_fingerprint": certificate.classifier_fingerprint,
    }
