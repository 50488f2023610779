"""Checking a certificate again from the image and the classifier: everything that can be computed is computed anew.

`Concluded.verify` tells whether a record agrees with itself. Who changed the evidence as well, or made it up, can only be found
out by doing the work again: `recompute` draws the same samples, bounds their balls, counts the votes and concludes, and says
line by line what agrees, what differs, and what has to be taken on trust.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict, TypeVar, cast

from torch import Tensor

from spt.certificates import (
    CellsCertificate,
    Certificate,
    DistCertificate,
    DistributionErrorLevel,
    ErrorLevel,
    IndividualCellsCertificate,
    IndividualCertificate,
    NestedPrediction,
    OneErrorCertificate,
    ReceivedErrorLevel,
    rounded_down,
)
from spt.certificates.ball_evidence import BallEvidence
from spt.certificates.fields import from_json_text
from spt.certificates.sample_points import SAME_POINT
from spt.classifiers import Classifier, NetworkError
from spt.defences import DistSPT, DistSPTCells, IndivSPT, IndivSPTCells, OneErrorSPT
from spt.images import image_digest
from spt.progress import Progress, silent
from spt.received_bounds.bounds import Method
from spt.smoothing import SmoothedClassifier
from spt.threat_model import Attacker
from spt.transforms import Transform, get_transform

AnyCertificate = (
    Certificate
    | DistCertificate
    | CellsCertificate
    | IndividualCertificate
    | IndividualCellsCertificate
    | OneErrorCertificate
    | NestedPrediction
)
Verdict = Literal["agrees", "differs", "on trust"]
_Value = TypeVar("_Value")
_InCells = TypeVar("_InCells", CellsCertificate, IndividualCellsCertificate)

_COULD_BE = ("error E", "device")
"""Lines that are on trust only because data or a device are not here."""
SAME_RADIUS = 1e-6
"""By how much (relative) the radius of a ball may differ from the one recomputed: other processors round otherwise."""


@dataclass(frozen=True)
class Line:
    """One thing that a certificate rests on: whether it agrees with what was found, or cannot be found."""

    subject: str
    verdict: Verdict
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:<9} {self.subject}: {self.detail}"


@dataclass(frozen=True)
class Recomputation:
    """What `recompute` found.

    ``lines`` in the order of the work; ``again`` is the certificate as it was computed now, None where it was not.
    """

    lines: tuple[Line, ...]
    again: AnyCertificate | None

    @property
    def agrees(self) -> bool:
        """Whether the whole certificate was computed again, and nothing differs."""
        return self.outcome == "confirmed"

    @property
    def record_holds(self) -> bool:
        """Whether the record agrees with itself, as `Concluded.verify` tells: the first line."""
        return self.lines[0].verdict == "agrees"

    @property
    def excepted(self) -> tuple[str, ...]:
        """What this certificate rests on and could have been computed again, but was not here."""
        return tuple(line.subject for line in self.lines if line.verdict == "on trust" and line.subject in _COULD_BE)

    @property
    def outcome(self) -> Literal["confirmed", "confirmed in part", "not confirmed"]:
        """In part: nothing differs, but something was not computed again (`excepted`)."""
        if self.again is None or any(line.verdict == "differs" for line in self.lines):
            return "not confirmed"
        return "confirmed in part" if self.excepted else "confirmed"

    def to_text(self) -> str:
        """The lines, and the outcome."""
        differ = sum(line.verdict == "differs" for line in self.lines)
        outcome = {
            "confirmed": "CONFIRMED: computed again, the certificate is the same.",
            "confirmed in part": f"CONFIRMED IN PART: what was computed again is the same, but not {' and '.join(self.excepted)}.",
            "not confirmed": f"NOT CONFIRMED: {differ} of {len(self.lines)} lines differ.",
        }[self.outcome]
        return "\n".join((outcome, *(f"  {line}" for line in self.lines)))

    def to_json(self) -> str:
        """Outcome and lines as JSON."""
        lines = [dataclasses.asdict(line) for line in self.lines]
        record = {"confirmed": self.agrees, "outcome": self.outcome, "lines": lines}
        return json.dumps(record, indent=2, allow_nan=False)


def read_certificate(text: str) -> AnyCertificate:
    """The certificate in a JSON text, of whatever kind; ValueError, one sentence, if it is none."""
    fields = from_json_text(text)
    if not isinstance(fields, dict):
        raise ValueError("This is not a certificate: a JSON object is expected.")
    kinds: dict[str, type[AnyCertificate]] = {
        "level": OneErrorCertificate,
        "surviving": IndividualCertificate,
        "first_cells": CellsCertificate,
        "cells": IndividualCellsCertificate,
        "centre": DistCertificate,
        "heuristic": Certificate,
        "points": NestedPrediction,
    }
    for name, kind in kinds.items():
        if name in fields:
            return kind.from_json(text)
    raise ValueError("This is not a certificate of BaseSPT, DistSPT or IndivSPT, and no prediction of a nested g.")


def recompute(
    certificate: AnyCertificate, classifier: Classifier, image: Tensor, progress: Progress = silent
) -> Recomputation:
    """Compute a certificate again with this classifier and image (C, H, W), and compare.

    Takes as long as certifying did. ``progress`` goes round the steps, tqdm-shaped; it may raise to cancel. Votes can
    only be expected to agree on the same kind of device and in the same number format; a line says whether these are.
    """
    lines = [_consistency(certificate)]
    if lines[0].verdict == "differs":
        return Recomputation(tuple(lines), None)
    lines += _identity(certificate, classifier, image)
    if any(line.verdict == "differs" and line.subject in ("image", "classifier") for line in lines):
        return Recomputation(tuple(lines), None)
    try:
        if isinstance(certificate, Certificate):
            found, again = _base(certificate, classifier, image)
        elif isinstance(certificate, OneErrorCertificate):
            found, again = _one_error(certificate, classifier, image, progress)
        elif isinstance(certificate, NestedPrediction):
            found, again = _prediction(certificate, classifier, image, progress)
        elif isinstance(certificate, CellsCertificate):
            found, again = _cells(certificate, classifier, image, progress)
        elif isinstance(certificate, IndividualCellsCertificate):
            found, again = _received_cells(certificate, classifier, image, progress)
        else:
            found, again = _per_sample(certificate, classifier, image, progress)
    except NetworkError:
        raise
    except ValueError as error:  # settings that nothing can be computed with
        return Recomputation((*lines, Line("settings", "differs", f"nothing can be computed with them: {error}")), None)
    return Recomputation((*lines, *found, _rest(certificate, again), *_trust(certificate)), again)


def calls_to_recompute(certificate: AnyCertificate) -> int:
    """How many votes the record wants to have been counted, at least: samples that are missing get one each."""
    selection = sum(certificate.selection_counts)
    if isinstance(certificate, Certificate):
        return selection + certificate.n
    if isinstance(certificate, CellsCertificate | IndividualCellsCertificate):
        n = len(certificate.points)
    else:
        n = certificate.n if isinstance(certificate, OneErrorCertificate | NestedPrediction) else certificate.n_gamma
    betas = certificate.level.n_choice + certificate.level.n_test if isinstance(certificate, OneErrorCertificate) else 0
    return selection + n + betas + sum(trials for _, trials in certificate.inner_votes)


def seconds_spent(certificate: AnyCertificate) -> float:
    """How long the certificate took, with its E if it has one."""
    measuring = certificate.level.seconds if isinstance(certificate, OneErrorCertificate) else 0.0
    return certificate.seconds + measuring


def _consistency(certificate: AnyCertificate) -> Line:
    found = certificate.verify()
    text = (
        "conclusions follow from the evidence, which is such as a run can have"
        if found
        else "the conclusions do not follow from the evidence, or this is not evidence that a run can have"
    )
    return Line("record", "agrees" if found else "differs", text)


def _identity(certificate: AnyCertificate, classifier: Classifier, image: Tensor) -> list[Line]:
    """Whether image, classifier, device and number format are those of the certificate."""
    digest = image_digest(classifier.check_image(image))
    lines = [_compare("image", certificate.image_sha256, digest, lambda value: f"sha256 {value[:16]}…")]
    lines.append(
        _compare(
            "classifier",
            certificate.classifier_fingerprint,
            classifier.fingerprint,
            lambda value: f"fingerprint {value[:16]}…",
        )
    )
    there, here = (certificate.device, certificate.number_format), (classifier.device.type, classifier.number_format)
    if there == here:
        lines.append(Line("device", "agrees", f"{here[0]}, network in {here[1]}"))
    else:
        counted = f"votes were counted on {there[0]} in {there[1]}, and are now on {here[0]} in {here[1]}"
        lines.append(Line("device", "on trust", f"{counted}: there f is another one in its last digits"))
    return lines


def _compare(subject: str, recorded: _Value, found: _Value, words: Callable[[_Value], str]) -> Line:
    if recorded == found:
        return Line(subject, "agrees", words(found))
    return Line(subject, "differs", f"{words(recorded)} in the certificate, {words(found)} here")


def _base(certificate: Certificate, classifier: Classifier, image: Tensor) -> tuple[list[Line], AnyCertificate]:
    g = SmoothedClassifier(
        classifier, get_transform(certificate.transform), certificate.parameter_sigma, certificate.pixel_sigma
    )
    n0 = sum(certificate.selection_counts)
    again = g.certify(image, n0, certificate.n, certificate.alpha, certificate.seed)
    return [
        _selection(certificate, again),
        _compare("votes", certificate.counts, again.counts, lambda value: f"{certificate.n} votes {value}"),
        _conclusion(certificate, again),
    ], again


def _prediction(
    certificate: NestedPrediction, classifier: Classifier, image: Tensor, progress: Progress
) -> tuple[list[Line], AnyCertificate]:
    transform, n0 = get_transform(certificate.transform), sum(certificate.selection_counts)
    defence = DistSPTCells.of_any_range(classifier, transform, certificate.parameter_sigma, certificate.pixel_sigma)
    again = defence.predict(
        image,
        n0,
        n=certificate.n,
        alpha=certificate.alpha,
        inner_alpha=certificate.inner_alpha,
        seed=certificate.seed,
        progress=progress,
    )
    return [
        _selection(certificate, again),
        _points(certificate, again),
        _votes("inner tests", certificate.inner_votes, again.inner_votes),
        _conclusion(certificate, again),
    ], again


def _cells(
    certificate: CellsCertificate, classifier: Classifier, image: Tensor, progress: Progress
) -> tuple[list[Line], AnyCertificate]:
    grid = certificate.rules.grid
    widths = [2 * limit / parts for limit, parts in zip(grid.limits, grid.parts, strict=True)]
    defence = DistSPTCells(
        **_defence_fields(certificate, classifier, certificate.pixel_sigma),
        inner_alpha=certificate.inner_alpha,
        cell_width=tuple(widths),
        cell_floor=widths[0] / 2**certificate.bisections,
        every_cell=certificate.every_cell,
        further_limits=tuple(limit for limit, _ in certificate.further_axes),
    )
    n0 = sum(certificate.selection_counts)
    again = _as_far(certificate, defence.stream(image, n0, **_sizes(certificate), progress=progress))
    same = (certificate.cells, certificate.accepted) == (again.cells, again.accepted)
    text = f"{len(certificate.cells)} cells, {sum(certificate.accepted)} of them proved"
    return [
        _selection(certificate, again),
        Line("cells", "agrees" if same else "differs", text if same else f"{text}; here {sum(again.accepted)} are"),
        _points(certificate, again),
        _balls(certificate, again),
        _votes("inner tests", certificate.inner_votes, again.inner_votes),
        _conclusion(certificate, again),
    ], again


class _Sizes(TypedDict):
    n_cell: int
    n_total: int
    alpha: float
    seed: int


def _sizes(certificate: CellsCertificate | IndividualCellsCertificate) -> _Sizes:
    """What the stream of a defence with cells is asked for."""
    return {
        "n_cell": certificate.n_cell,
        "n_total": certificate.n_total,
        "alpha": certificate.alpha,
        "seed": certificate.seed,
    }


def _as_far(certificate: _InCells, stream: Iterator[_InCells]) -> _InCells:
    """What a stream of cells has shown when it has come as far as the certificate, which may have been stopped there: that changes
    nothing that it says."""
    again = next(stream)
    while len(again.sizes) != len(certificate.sizes) and (further := next(stream, None)) is not None:
        again = further
    return again


def _received_cells(
    certificate: IndividualCellsCertificate, classifier: Classifier, image: Tensor, progress: Progress
) -> tuple[list[Line], AnyCertificate]:
    defence = IndivSPTCells(
        **_defence_fields(certificate, classifier, certificate.pixel_sigma),
        inner_alpha=certificate.inner_alpha,
        split_width=certificate.split_width,
        refinements=certificate.refinements,
        method=cast(Method, certificate.method),  # which IndivSPTCells refuses if it is none
    )
    n0 = sum(certificate.selection_counts) or 100
    again = _as_far(certificate, defence.stream(image, n0, **_sizes(certificate), progress=progress))
    same = certificate.accepted == again.accepted
    text = f"g's answer to the image and {max(0, len(certificate.accepted) - 1)} of {len(certificate.cells)} cells were tested"
    return [
        _compare("inverse", certificate.cells, again.cells, lambda value: f"{len(value)} cells of Γ survive"),
        _selection(certificate, again),
        Line("tests", "agrees" if same else "differs", text if same else f"{text}; {sum(again.accepted)} accept here"),
        _points(certificate, again),
        _balls(certificate, again),
        _votes("inner tests", certificate.inner_votes, again.inner_votes),
        _conclusion(certificate, again),
    ], again


def _per_sample(
    certificate: DistCertificate | IndividualCertificate, classifier: Classifier, image: Tensor, progress: Progress
) -> tuple[list[Line], AnyCertificate]:
    about = _defence_fields(certificate, classifier, certificate.pixel_sigma)
    n0 = sum(certificate.selection_counts) or 100
    n, alpha, seed = certificate.n_gamma, certificate.alpha, certificate.seed
    again: DistCertificate | IndividualCertificate
    lines = []
    if isinstance(certificate, IndividualCertificate):
        received = IndivSPT(
            **about,
            inner_alpha=certificate.inner_alpha,
            split_width=certificate.split_width,
            refinements=certificate.refinements,
            method=cast(Method, certificate.method),  # which IndivSPT refuses if it is none
        )
        *_, again = received.stream(image, n0, n_gamma=n, alpha=alpha, seed=seed, progress=progress)
        lines.append(
            _compare(
                "inverse", certificate.surviving, again.surviving, lambda value: f"{len(value)} ranges of Γ survive"
            )
        )
    else:
        centre = cast(Literal["recentred", "shifted"], certificate.centre)  # as its record verified
        defence = DistSPT(**about, inner_alpha=certificate.inner_alpha, centre=centre)
        looks = certificate.first_looks
        *_, again = defence.stream(image, n0, n_gamma=n, alpha=alpha, seed=seed, progress=progress, first_looks=looks)
    lines += [
        _selection(certificate, again),
        _points(certificate, again),
        _balls(certificate, again),
        _votes("inner tests", certificate.inner_votes, again.inner_votes),
        _conclusion(certificate, again),
    ]
    return lines, again


class _DefenceFields(TypedDict):
    """The fields that all proving defences have."""

    classifier: Classifier
    transform: Transform
    parameter_sigma: float
    pixel_sigma: float
    limit: float
    attacker: Attacker


def _defence_fields(record: BallEvidence | ErrorLevel, classifier: Classifier, pixel_sigma: float) -> _DefenceFields:
    """The smoothed classifier and the attacks that a record, which verified, is about."""
    return {
        "classifier": classifier,
        "transform": get_transform(record.transform),
        "parameter_sigma": record.parameter_sigma,
        "pixel_sigma": pixel_sigma,
        "limit": record.limit,
        "attacker": cast(Attacker, record.attacker),
    }


def _selection(certificate: AnyCertificate, again: AnyCertificate) -> Line:
    recorded, found = certificate.selection_counts, again.selection_counts
    return _compare("selection", recorded, found, lambda value: f"{sum(recorded)} votes {value}")


def _points(certificate: BallEvidence | NestedPrediction, again: BallEvidence | NestedPrediction) -> Line:
    count = len(certificate.points)
    same = count == len(again.points) and all(
        abs(a - b) <= SAME_POINT * max(1.0, abs(b))
        for mine, theirs in zip(certificate.points, again.points, strict=True)
        for a, b in zip(mine, theirs, strict=True)
    )
    if same:
        return Line("samples", "agrees", f"{count} samples are those of seed {certificate.seed}")
    return Line("samples", "differs", f"{count} samples are not those that seed {certificate.seed} draws here")


def _balls(certificate: BallEvidence, again: BallEvidence) -> Line:
    """Radii and rounding terms; a recorded radius may be larger than what is found, but then the votes tell."""
    pairs = list(zip(certificate.radii, again.radii, strict=False))
    smaller = [a for a, b in pairs if a < b * (1 - SAME_RADIUS)]
    other = [a for a, b in pairs if not math.isclose(a, b, rel_tol=SAME_RADIUS)]
    rounding = [
        a
        for a, b in zip(certificate.rounding, again.rounding, strict=False)
        if not math.isclose(a, b, rel_tol=SAME_RADIUS, abs_tol=1e-12)
    ]
    if len(certificate.radii) != len(again.radii):
        return Line("balls", "differs", f"{len(certificate.radii)} in the certificate, {len(again.radii)} here")
    if other or rounding:
        return Line(
            "balls",
            "differs",
            f"of {len(pairs)} radii {len(other)} are not those found here, {len(smaller)} of them too small; "
            f"{len(rounding)} rounding terms differ",
        )
    return Line("balls", "agrees", f"{len(pairs)} radii bounded again, all the same")


def _votes(subject: str, recorded: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]) -> Line:
    wrong = sum(a != b for a, b in zip(recorded, found, strict=False)) + abs(len(recorded) - len(found))
    total = sum(trials for _, trials in found)
    if wrong:
        return Line(subject, "differs", f"{wrong} of {len(recorded)} counts are not those found here")
    return Line(subject, "agrees", f"{len(found)} tests, {total:,} votes counted again")


def _one_error(
    certificate: OneErrorCertificate, classifier: Classifier, image: Tensor, progress: Progress
) -> tuple[list[Line], AnyCertificate]:
    level = certificate.level
    about = _defence_fields(level, classifier, certificate.pixel_sigma)
    n0 = sum(certificate.selection_counts)
    again: OneErrorCertificate
    if isinstance(level, ReceivedErrorLevel):
        received = IndivSPT(
            **about,
            split_width=level.split_width,
            refinements=level.refinements,
            method=cast(Method, level.method),  # which IndivSPT refuses if it is none
        )
        found: ErrorLevel = received.measure(
            image,
            level.error if level.largest is None else None,
            n_choice=level.n_choice or 1,
            n_test=level.n_test,
            alpha_error=level.alpha_error,
            seed=level.seed,
            progress=progress,
        )
        lines = [_level(level, found)]
        again = received.certify_with_one_error(
            image,
            level,
            n0=n0,
            n=certificate.n,
            budget=certificate.budget,
            seed=certificate.seed,
            progress=progress,
        )
    else:
        defence = OneErrorSPT(**about)
        if isinstance(level, DistributionErrorLevel):
            text = f"E = {level.error_in_words()} of the images of {level.dataset}, and q_E: measure them again with `measure`"
            lines = [Line("error E", "on trust", text)]
        else:
            found = defence.measure(
                image,
                level.n_choice,
                n_test=level.n_test,
                alpha_error=level.alpha_error,
                seed=level.seed,
                progress=progress,
            )
            lines = [_level(level, found)]
        again = defence.certify(
            image,
            level,
            votes=certificate.votes,
            n0=n0,
            n=certificate.n,
            budget=certificate.budget,
            seed=certificate.seed,
            progress=progress,
        )
    lines.append(_selection(certificate, again))
    if certificate.votes == "nested":
        lines.append(_votes("inner tests", certificate.inner_votes, again.inner_votes))
    else:
        lines.append(_compare("votes", certificate.counts, again.counts, lambda value: f"{sum(value)} votes {value}"))
    return [*lines, _conclusion(certificate, again)], again


def _level(recorded: ErrorLevel, found: ErrorLevel) -> Line:
    same = (
        math.isclose(recorded.error, found.error, rel_tol=SAME_RADIUS)
        and recorded.rho == found.rho
        and getattr(recorded, "surviving", None) == getattr(found, "surviving", None)
    )
    words = f"E = {found.error_in_words()}, ρ = {found.rho_in_words()}"
    if same:
        return Line("error E", "agrees", f"{words}, measured again with {found.n_choice} + {found.n_test} β")
    there = f"E = {recorded.error_in_words()}, ρ = {recorded.rho_in_words()}"
    return Line("error E", "differs", f"{there} in the certificate, {words} here")


def _conclusion(certificate: AnyCertificate, again: AnyCertificate) -> Line:
    def words(each: AnyCertificate) -> str:
        if each.label is None:
            return "abstains"
        if isinstance(each, NestedPrediction):
            return f"class {each.class_name}"
        return f"class {each.class_name}, radius {rounded_down(each.radius, 6)}"

    if (certificate.label, certificate.radius) == (again.label, again.radius):
        return Line("conclusion", "agrees", words(again))
    return Line("conclusion", "differs", f"{words(certificate)} in the certificate, {words(again)} here")


COMPARED_BY_THEMSELVES = ("points", "radii", "seconds", "level")
"""Fields that may differ in their last digits, or in time: compared by lines of their own, or not at all."""


def _rest(certificate: AnyCertificate, again: AnyCertificate) -> Line:
    """Whether every field, class names and shapes among them, is the one found here."""
    same_place = (certificate.device, certificate.number_format) == (again.device, again.number_format)
    places = () if same_place else ("device", "number_format")
    wrong = [
        field.name
        for field in dataclasses.fields(certificate)
        if field.name not in (*COMPARED_BY_THEMSELVES, *places, "rounding")
        and getattr(certificate, field.name) != getattr(again, field.name)
    ]
    if wrong:
        return Line("all fields", "differs", f"not those found here: {', '.join(wrong)}")
    return Line("all fields", "agrees", "names, shapes, settings, counts and conclusions are those found here")


def _trust(certificate: AnyCertificate) -> list[Line]:
    lines = [
        Line("chance", "on trust", "the numbers of the generator behave as independent random ones"),
        Line(
            "choice",
            "on trust",
            "seed, sizes and settings were chosen before a result was seen; of several runs none was picked",
        ),
        Line(
            "network",
            "on trust",
            "it answers every image as a function of that image alone: a few were tried, when it was loaded",
        ),
        Line("code", "on trust", "the bounds and tests of this program do what their proofs say"),
    ]
    if isinstance(certificate, Certificate):
        lines.append(Line("transformations", "on trust", "they compose: they do not, so this radius is a heuristic"))
    return lines
