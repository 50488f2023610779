"""What a run of the page "Certify" found, to be pinned and compared with another one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spt.certificates import CellsCertificate, quantity, rounded_up
from spt.ui.certify.request import CertifyRequest
from spt.ui.certify.run import CertifyRun, Proof
from spt.ui.shared.comparing import Comparison, Find, Finding

if TYPE_CHECKING:
    from spt.figures.comparison import Span


def finder(request: CertifyRequest, run: CertifyRun) -> Find | None:
    """What gives the finding of a run whose certificate holds: one that has ended, or that was stopped and has cells."""
    if run.proof is None or run.key != request.key:
        return None
    mark = "stored" if run.stored else "stopped" if run.status == "stopped" else ""
    found = Finding(request.key, (request, run.proof), mark)
    return lambda: found


def why_not(run: CertifyRun) -> str:
    """Why there is no finding."""
    if run.status == "idle":
        return "No run for these settings yet: press **Run** to compare."
    if run.status == "stopped":
        return "The run now was stopped, and proves nothing: run it again, to the end, to compare."
    return "The run now has no result: nothing is compared."


def compare(pinned: Finding, now: Finding) -> Comparison:
    """Certified ranges, what they rest on, and the radii of balls of both."""
    from spt.figures import comparison as figures

    proofs: tuple[Proof, Proof] = (pinned.content[1], now.content[1])
    first, second = proofs
    alike = first.unit == second.unit and not (_is_mixed(first) or _is_mixed(second))
    largest, reach = [max(each.radii, default=0.0) for each in proofs], [_reach(each) for each in proofs]
    tested = [_tested(each) for each in proofs]
    numbers = [
        figures.ComparedNumber("g answers, with proof", *(_class(each) for each in proofs)),
        figures.ComparedNumber(
            "certified within",
            _certified(first),
            _certified(second),
            figures.signed(reach[1] - reach[0], first.unit) if alike else "",
        ),
        figures.ComparedNumber("proved", *tested),
        figures.ComparedNumber("samples", *_counted(len(first.points), len(second.points))),
        figures.ComparedNumber("network calls", *_counted(first.network_calls, second.network_calls)),
        figures.ComparedNumber(
            "largest radius of a ball",
            rounded_up(largest[0]),
            rounded_up(largest[1]),
            figures.signed(largest[1] - largest[0]),
        ),
    ]
    panels = [
        figures.drawing_panel(
            f"{side}: {_class(proof)}{'' if proof.label is None else f', {_certified(proof)}'}",
            _range_svg(proof),
            f"{side}: {proof.statement()}",
        )
        for side, proof in zip(figures.SIDES, proofs, strict=True)
    ]
    panels += _balls(figures, first, second)
    note = "What each proves holds for its own settings, with its own confidence."
    if "stopped" in (pinned.mark, now.mark):
        note += " Of a run that was stopped all that is proved holds; to its end it might prove more."
    return Comparison(numbers, panels, note, (_exact(first), _exact(second)))


def _counted(first: int, second: int) -> tuple[str, str, str]:
    return f"{first:,}", f"{second:,}", "0" if first == second else f"{second - first:+,}".replace("-", "−")


def _is_mixed(proof: Proof) -> bool:
    return isinstance(proof, CellsCertificate) and bool(proof.further_axes)


def _reach(proof: Proof) -> float:
    """How far the certificate reaches, in its unit; 0 for none."""
    return 0.0 if proof.label is None else proof.reach


def _class(proof: Proof) -> str:
    return "ABSTAIN" if proof.label is None else proof.class_names[proof.label]


def _certified(proof: Proof) -> str:
    if proof.label is None:
        return "nothing"
    if isinstance(proof, CellsCertificate):
        return proof.reach_in_words
    return f"less than {quantity(_reach(proof), proof.unit)}"


def _tested(proof: Proof) -> str:
    if isinstance(proof, CellsCertificate):
        return f"{sum(proof.accepted):,} of {len(proof.cells):,} cells"
    return f"{proof.passes:,} of {proof.n_gamma:,} samples pass"


def _range_svg(proof: Proof) -> str:
    from spt.figures.cells import cells_svg
    from spt.figures.certificates import range_svg

    return cells_svg(proof) if isinstance(proof, CellsCertificate) else range_svg(proof)


def _balls(figures: Any, first: Proof, second: Proof) -> list[Any]:
    """The radii of balls against gamma: of cells the largest one of each, of one ball each sample's against b'. In one chart, where
    both have the same axis."""
    titles = [_axis(each) for each in (first, second)]
    spans = [_spans(each) for each in (first, second)]
    if not all(spans):
        return []
    y_title = "radius of the ball ‖e‖ ≤ r"
    if titles[0] == titles[1]:
        return [figures.spans_panel("Radii of balls", *spans, titles[0], y_title)]
    return [
        figures.spans_panel("Radii of balls: pinned", spans[0], [], titles[0], y_title),
        figures.spans_panel("Radii of balls: now", [], spans[1], titles[1], y_title),
    ]


def _axis(proof: Proof) -> str:
    in_cells = isinstance(proof, CellsCertificate)
    of = "cells of attacks γ" if in_cells else "samples b′"
    if len(proof.points[0]) == 1:
        return f"{of}, in {proof.unit}"
    return f"{of}: largest coordinate of the centre, of Γ" if in_cells else f"{of}: distance from 0, in {proof.unit}"


def _spans(proof: Proof) -> "Sequence[Span]":
    from spt.figures.certificates import PASSED, outcomes
    from spt.figures.comparison import Span

    if not isinstance(proof, CellsCertificate):
        places = [point[0] if len(point) == 1 else sum(each * each for each in point) ** 0.5 for point in proof.points]
        kinds = outcomes(proof)
        return [
            Span(place, place, radius, kind == PASSED)
            for place, radius, kind in zip(places, proof.radii, kinds, strict=True)
        ]
    found = []
    limits = proof.rules.grid.limits
    for cell in proof.tested():
        radius = max(proof.radii[cell.samples.start : cell.samples.stop])
        if len(cell.bounds) == 1:
            low, high = cell.bounds[0]
        else:
            low = high = max(abs(a + b) / 2 / limit for limit, (a, b) in zip(limits, cell.bounds, strict=True))
        if cell.accepted or cell.level == proof.bisections:
            found.append(Span(low, high, radius, cell.accepted))
    return found


def _exact(proof: Proof) -> dict[str, Any]:
    record: dict[str, Any] = {
        "statement": proof.statement(),
        "selected": proof.selected,
        "certified": proof.label,
        "radius": proof.radius,
        "unit": proof.unit,
        "samples": len(proof.points),
        "network_calls": proof.network_calls,
        "alpha": proof.alpha,
        "image_sha256": proof.image_sha256,
        "classifier_fingerprint": proof.classifier_fingerprint,
    }
    if isinstance(proof, CellsCertificate):
        record["cells"] = [
            {
                "bounds": cell.bounds,
                "proved": cell.accepted,
                "largest_radius": max(proof.radii[cell.samples.start : cell.samples.stop]),
            }
            for cell in proof.tested()
        ]
    else:
        record |= {
            "passes": proof.passes,
            "n_gamma": proof.n_gamma,
            "p_lower": proof.p_lower,
            "radii": list(proof.radii),
        }
    return record
