"""What the page "Inverse" shares: its figures, numbers as CSV, JSON and NPZ, the command, the Python."""

import io
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from spt.certificates.error_level import ReceivedErrorLevel
from spt.experiments.files import json_text
from spt.figures import inverse as figures
from spt.ui.inverse.certificate_request import IndividualOutcome
from spt.ui.inverse.error_bound import Bounded
from spt.ui.inverse.one_pixel import Shown
from spt.ui.inverse.request import PAPERS_EXAMPLE, InverseRequest
from spt.ui.inverse.run import Found, Part
from spt.ui.shared.csv_text import csv_text
from spt.ui.shared.exported_code import Loading, classifier_name, in_python, in_shell, what_lines_need
from spt.ui.shared.share import Shared, SharedFile, SharedPicture


def shared(request: InverseRequest, found: Found, part: int, shown: Shown, bounded: Bounded | None) -> Shared:
    """All of it; ``part``: number of the part of Gamma that the page's numbers are about."""
    return Shared(
        "inverse",
        (
            SharedPicture("What survives of Γ", "surviving", _surviving(request, found)),
            SharedPicture("The pixel’s constraints", "constraints", figures.constraints_svg(shown.trace, shown.done)),
            SharedPicture("The pixel’s steps", "steps", figures.steps_svg(shown.trace, shown.done, shown.truth)),
        ),
        (
            SharedFile("Bounds as CSV", "inverse.csv", "text/csv", partial(as_csv, request, found)),
            SharedFile(
                "Numbers as JSON", "inverse.json", "application/json", partial(as_json, request, found, bounded)
            ),
            SharedFile("Bounds as NPZ", "inverse.npz", "application/octet-stream", partial(as_npz, request, found)),
        ),
        code(
            request, found.parts[part] if found.last.consistent else None, None if bounded is None else bounded.outcome
        ),
        "" if _is_the_example(request) else command(request),
        "The command line loads files, and the paper’s example is none: the Python below has its values.",
        (lambda: None) if _is_the_example(request) else partial(what_lines_need, request.subject),
    )


def _is_the_example(request: InverseRequest) -> bool:
    return request.subject.image.shape[1] == len(PAPERS_EXAMPLE)


def _loading(request: InverseRequest) -> Loading:
    if _is_the_example(request):
        return Loading("", ("import torch", ""), f"torch.tensor([{PAPERS_EXAMPLE}])")
    return in_python(request.subject.reference, str(tuple(request.received.shape)))


def settings(request: InverseRequest) -> dict[str, Any]:
    """All that decides the numbers."""
    return {
        "image": request.subject.caption,
        "image_sha256": request.subject.sha256,
        "transform": request.transform.name,
        "gamma": request.gamma,
        "gamma_range": request.gamma_range,
        "splits": request.splits,
        "refinements": request.refinements,
        "attacker": request.attacker,
        "naive_source_boxes": request.naive,
    }


def as_json(request: InverseRequest, found: Found, bounded: Bounded | None) -> str:
    """Settings, what survived pass by pass, the contradiction, and the error bounds."""
    died = found.contradiction
    record: dict[str, Any] = {
        "settings": settings(request),
        "consistent": found.last.consistent,
        "original_inside": found.inside,
        "surviving": found.last.surviving.tolist(),
        "passes": [
            {"pass": one.number, "splits": len(one.boxes), "share": one.share, "mean_width": _mean_width(one.hulls[0])}
            for one in found.passes
        ],
    }
    if died is not None:
        record["contradiction"] = {
            "split": died.box.tolist(),
            "channel": died.channel,
            "row": died.row,
            "column": died.column,
            "at_least": died.lower,
            "at_most": died.upper,
            "pass": died.passes,
        }
    if bounded is not None:
        record["error"] = {
            "beta": bounded.beta,
            "preprocessing": repr(bounded.preprocessing),
            "true": bounded.true_norm,
            "proved": {name: one.value for name, one in bounded.bounds.items()},
            "recentred_radius": {name: one.radius for name, one in bounded.bounds.items()},
        }
        if bounded.outcome is not None:
            result = bounded.outcome.result
            name = "refused" if isinstance(result, ReceivedErrorLevel) else "certificate"
            record[name] = json.loads(result.to_json())
    return json_text(record, indent=1)


def _mean_width(hull: tuple[Any, Any] | None) -> float | None:
    return None if hull is None else float((hull[1] - hull[0]).mean())


def as_csv(request: InverseRequest, found: Found) -> str:
    """One line for each pixel and part of Gamma, after the last pass."""
    columns = ("part", "channel", "row", "column", "lower", "upper", "original")
    return csv_text(settings(request), columns, _pixels(request, found))


def _pixels(request: InverseRequest, found: Found) -> Iterator[tuple[Any, ...]]:
    original = request.original
    for part, hull in zip(found.parts, found.passes[-1].hulls, strict=True):
        if hull is None:
            continue
        lower, upper = (end.numpy() for end in hull)
        for place in np.ndindex(*lower.shape):
            true = "" if original is None else float(original[place])
            yield part.name, *place, float(lower[place]), float(upper[place]), true


def as_npz(request: InverseRequest, found: Found) -> bytes:
    """The inverse on every surviving split: boxes (S, d, 2), lower and upper (S, C, H, W); and the received image."""
    file = io.BytesIO()
    last = found.last
    arrays = {"boxes": last.boxes, "lower": last.lower, "upper": last.upper, "received": request.received}
    np.savez_compressed(file, **{name: value.numpy() for name, value in arrays.items()})  # type: ignore[arg-type]
    return file.getvalue()


def command(request: InverseRequest) -> str:
    """The command line that computes the same."""
    reference = request.subject.reference
    shape = " ".join(map(str, request.received.shape))
    at = "" if request.gamma is None else " --at " + " ".join(f"{value:g}" for value in request.gamma)
    low, high = request.limits
    naive = " --naive" if request.naive else ""
    source = f"--{'received' if request.gamma is None else 'image'} {in_shell(reference)}"
    return (
        f"python -m spt invert {source} --shape {shape}{at} --transform {request.transform.name} --range {low:g} {high:g} "
        f"--splits {request.splits} --passes {request.refinements} --attacker {request.attacker}{naive} --out inverse.npz"
    )


def code(request: InverseRequest, part: Part | None, outcome: IndividualOutcome | None = None) -> str:
    """Python that computes the same, and prints the numbers of that part of Gamma (None: nothing survives); the certificate's run
    included."""
    load = _loading(request)
    lines = [
        *load.before,
        f"from spt import ReceivedImage, get_transform{load.imports and f', {load.imports}'}",
        "from spt.images import to_8_bit",
        "from spt.inverse import invert",
        "",
        f"transform = get_transform({request.transform.name!r})",
        f"image = {load.expression}",
    ]
    if request.gamma is None:
        lines.append("received = image")
    elif request.attacker == "8-bit":
        lines.append(f"received = to_8_bit(transform(image, [{request.gamma}])[0])")
    else:
        lines.append(f"received = transform(image.double(), [{request.gamma}])[0]")
    lines += [
        f"inverse = invert(ReceivedImage(received, transform, {list(request.gamma_range)}, attacker={request.attacker!r}), "
        f"width={request.split_width!r}, refinements={request.refinements}, naive={request.naive})",
        'print("survives:", inverse.surviving.tolist(), "share:", inverse.share, inverse.contradiction or "")',
        *([] if part is None else _width_code(part)),
        *([] if outcome is None else _certificate_code(request, outcome)),
    ]
    return "\n".join(lines)


def _width_code(part: Part) -> list[str]:
    """Lower and upper image over all that survives, or over one part of it, and how far apart they are."""
    ends = ["lower, upper = inverse.hull"]
    if part.box is not None:
        ends = [
            f"part = inverse.boxes.new_tensor({part.box.tolist()})  # of what survives, as the page shows it",
            "inside = ((inverse.boxes[..., 0] >= part[:, 0]) & (inverse.boxes[..., 1] <= part[:, 1])).all(dim=1)",
            "lower, upper = inverse.lower[inside].amin(0), inverse.upper[inside].amax(0)",
        ]
    return [*ends, 'print("mean width:", float((upper - lower).mean()))']


def _certificate_code(request: InverseRequest, outcome: IndividualOutcome) -> list[str]:
    plan, loaded = outcome.plan, classifier_name()
    how, name = plan.procedure, "IndivSPTCells" if plan.cells else "IndivSPT"
    lines = [
        "",
        "from spt import load_classifier",
        f"from spt.defences import {name}{', shared_budget' if plan.one_error else ''}",
        "",
        f"defence = {name}(load_classifier({loaded!r}), transform, parameter_sigma={how.parameter_sigma!r}, "
        f"pixel_sigma={how.pixel_sigma!r}, limit={outcome.limit!r}, attacker={request.attacker!r}, "
        f"split_width={2 * outcome.limit / request.splits!r}, refinements={request.refinements})",
    ]
    if not plan.one_error:
        return [
            *lines,
            f"certificate = defence.certify(received, n0={how.n0}, "
            f"{'' if plan.cells else f'n_gamma={how.n_gamma}, '}alpha={how.alpha!r}, seed={how.seed})",
            "print(certificate.to_text(), certificate.verify())",
        ]
    given = "" if plan.error is None else f"error={plan.error!r}, "
    return [
        *lines,
        f"budget = shared_budget({how.alpha!r})",
        f"level = defence.measure(received, {given}n_test={plan.n_test}, alpha_error=budget.alpha_error, seed={how.seed})",
        "print(level.to_text())",
        "if level.usable:",
        f"    certificate = defence.certify_with_one_error(received, level, n0={how.n0}, n={how.n_gamma}, budget=budget, "
        f"seed={how.seed})",
        "    print(certificate.to_text(), certificate.verify())",
    ]


def _surviving(request: InverseRequest, found: Found) -> str:
    boxes = [[(low, high) for low, high in box] for box in found.last.surviving.tolist()]
    return figures.surviving_svg(request.gamma_range, boxes, request.transform.unit, request.gamma)
