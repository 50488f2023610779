"""The export area of the page "Inverse": numbers as JSON, CSV and NPZ, figures as SVG, the command, the Python lines."""

import csv
import io
import json
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from spt.certificates.error_level import ReceivedErrorLevel
from spt.experiments.files import json_text
from spt.figures import inverse as figures
from spt.ui.inverse.certificate_request import IndividualOutcome
from spt.ui.inverse.error_bound import Bounded
from spt.ui.inverse.one_pixel import Shown
from spt.ui.inverse.request import InverseRequest
from spt.ui.inverse.run import Found
from spt.ui.shared import folded, own_onnx
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, offer_own_image


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
    file = io.StringIO()
    for name, value in settings(request).items():
        file.write(f"# {name}: {json_text(value)}\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["part", "channel", "row", "column", "lower", "upper", "original"])
    original = request.original
    for part, hull in zip(found.parts, found.passes[-1].hulls, strict=True):
        if hull is None:
            continue
        lower, upper = (end.numpy() for end in hull)
        for place in np.ndindex(*lower.shape):
            true = "" if original is None else repr(float(original[place]))
            writer.writerow([part.name, *place, repr(float(lower[place])), repr(float(upper[place])), true])
    return file.getvalue()


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


def code(request: InverseRequest, outcome: IndividualOutcome | None = None) -> str:
    """Python that computes the same, the certificate's run included."""
    load = in_python(request.subject.reference, str(tuple(request.received.shape)))
    lines = [
        *load.before,
        f"from spt import ReceivedImage, get_transform, {load.imports}",
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
        "print(inverse.surviving, inverse.share, inverse.contradiction)",
        "lower, upper = inverse.hull",
        *([] if outcome is None else _certificate_code(request, outcome)),
    ]
    return "\n".join(lines)


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


def area(request: InverseRequest, found: Found, shown: Shown, bounded: Bounded | None) -> None:
    """Downloads and code, folded."""
    draw = partial(_show, request, found, shown, bounded)
    folded.area("Export: numbers, figures, command, Python", folded.EXPORT, draw)


def _show(request: InverseRequest, found: Found, shown: Shown, bounded: Bounded | None) -> None:
    columns = st.columns(3)
    files: list[tuple[str, Any, str, str, str]] = [
        (
            "Numbers as JSON",
            partial(as_json, request, found, bounded),
            "inverse.json",
            "application/json",
            "data_object",
        ),
        ("Bounds as CSV", partial(as_csv, request, found), "inverse.csv", "text/csv", "table"),
        ("Bounds as NPZ", partial(as_npz, request, found), "inverse.npz", "application/octet-stream", "dataset"),
        (
            "Figure as SVG",
            partial(figures.constraints_svg, shown.trace, shown.done),
            "constraints.svg",
            "image/svg+xml",
            "image",
        ),
        (
            "Steps as SVG",
            partial(figures.steps_svg, shown.trace, shown.done, shown.truth),
            "steps.svg",
            "image/svg+xml",
            "image",
        ),
        ("What survives as SVG", partial(_surviving, request, found), "surviving.svg", "image/svg+xml", "image"),
    ]
    for number, (label, make, name, kind, icon) in enumerate(files):
        columns[number % 3].download_button(
            label,
            make,
            name,
            kind,
            key=f"inverse_file_{number}",
            icon=f":material/{icon}:",
            on_click="ignore",
            width="stretch",
        )
    if request.subject.image.shape[1] == 8:  # the paper's example, which is no file
        return
    offer_own_image(request.subject)
    own_onnx.say_what_is_needed()
    st.code(command(request), language="bash", wrap_lines=True)
    st.code(code(request, None if bounded is None else bounded.outcome), language="python", wrap_lines=True)


def _surviving(request: InverseRequest, found: Found) -> str:
    boxes = [[(low, high) for low, high in box] for box in found.last.surviving.tolist()]
    return figures.surviving_svg(request.gamma_range, boxes, request.transform.unit, request.gamma)
