"""What the page "Votes" shares: pictures of the vote and of f's answers, votes as CSV, certificate as JSON, command, Python."""

import shlex
from functools import partial

from spt.certificates import Certificate
from spt.ui.shared.csv_text import csv_text, settings_of
from spt.ui.shared.exported_code import classifier_name, in_python, in_shell, what_lines_need
from spt.ui.shared.share import Shared, SharedFile, SharedPicture
from spt.ui.votes import responses
from spt.ui.votes import run as votes_run
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import VotesRun


def shared(request: VotesRequest, run: VotesRun) -> Shared:
    """All of it; numbers and pictures of a run that has ended."""
    certificate = run.certificate
    return Shared(
        "votes",
        None if certificate is None else _pictures(request, certificate),
        None if certificate is None else _files(request, certificate),
        code(request),
        command(request),
        lines_need=partial(what_lines_need, request.subject),
    )


def _pictures(request: VotesRequest, certificate: Certificate) -> tuple[SharedPicture, ...]:
    of = f"{request.subject.caption}, {request.transform.describe(request.gamma)}, {request.classifier.name}"
    return (
        SharedPicture("The votes", "votes", chart=votes_run.CHART, words=f"{of}. {certificate.explain()}"),
        SharedPicture("How f answers", "answers", chart=responses.CHART, words=f"{of}. {responses.alt(request)}"),
    )


def _files(request: VotesRequest, certificate: Certificate) -> tuple[SharedFile, ...]:
    return (
        SharedFile("Votes as CSV", "votes.csv", "text/csv", partial(as_csv, request, certificate)),
        SharedFile("Certificate as JSON", "certificate.json", "application/json", certificate.to_json),
    )


def as_csv(request: VotesRequest, certificate: Certificate) -> str:
    """One line for each class: how probable it is to f for the received image, and its votes."""
    columns = ("class", "probability", "selection votes", "votes")
    values = (request.names, request.probabilities.tolist(), certificate.selection_counts, certificate.counts)
    return csv_text(settings_of(certificate.to_json()), columns, zip(*values, strict=True))


def command(request: VotesRequest) -> str:
    """The command line that gives the same certificate."""
    statistics, noise = request.statistics, request.smoothing
    at = " ".join(f"{value:g}" for value in request.gamma)
    return (
        f"python -m spt certify --image {in_shell(request.subject.reference)} --classifier {shlex.quote(classifier_name())} "
        f"--transform {request.transform.name} --at {at} --parameter-sigma {noise.parameter_sigma:g} "
        f"--pixel-sigma {noise.pixel_sigma:g} --n0 {statistics.n0} --n {statistics.n} --alpha {statistics.alpha:g} "
        f"--seed {statistics.seed}"
    )


def code(request: VotesRequest) -> str:
    """Python that prints it."""
    statistics, noise = request.statistics, request.smoothing
    load = in_python(request.subject.reference, "classifier.input_shape")
    return (
        "".join(f"{line}\n" for line in load.before)
        + f"from spt import SmoothedClassifier, get_transform, load_classifier, {load.imports}, to_8_bit\n\n"
        f"classifier = load_classifier({classifier_name()!r})\nimage = {load.expression}\n"
        f"transform = get_transform({request.transform.name!r})\n"
        f"received = to_8_bit(transform(image, [{request.gamma}])[0])\n"
        f"g = SmoothedClassifier(classifier, transform, {noise.parameter_sigma:g}, {noise.pixel_sigma:g})\n"
        f"print(g.certify(received, {statistics.n0}, {statistics.n}, {statistics.alpha:g}, seed={statistics.seed}).to_text())"
    )
