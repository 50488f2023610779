"""The vote of the page's default settings, computed beforehand: which class each vote went to, from which all else follows."""

from typing import Any, TypedDict

import torch

from spt.certificates import Certificate, Prediction
from spt.classifiers import Classifier
from spt.seeds import generators
from spt.smoothing import Votes
from spt.ui.shared import stored_results
from spt.ui.shared.session import Key
from spt.ui.votes.request import VotesRequest

NAME = "votes"


class StoredVotes(TypedDict):
    """What a run has when it is done."""

    selection: Votes
    estimation: Votes
    prediction: Prediction
    certificate: Certificate


def as_text(key: Key, classifier: Classifier, found: StoredVotes) -> str:
    """The votes of a run that is done as the text of the file."""
    content = {
        "selection": found["selection"].classes.tolist(),
        "estimation": found["estimation"].classes.tolist(),
        "seconds": round(found["certificate"].seconds, 2),
    }
    return stored_results.as_text(key, classifier, content)


def find(request: VotesRequest) -> StoredVotes | None:
    """The stored votes of exactly this request, with the conclusions drawn anew; None if there are none."""
    content = stored_results.find(NAME, request.key, request.classifier)
    if content is None:
        return None
    statistics, smoothed, received = request.statistics, request.smoothed, request.received
    drawn = zip(generators(statistics.seed, statistics.n0, statistics.n), ("selection", "estimation"), strict=True)
    selection, estimation = (_votes(request, content[name], generator) for generator, name in drawn)
    alpha, seed = statistics.alpha, statistics.seed
    return StoredVotes(
        selection=selection,
        estimation=estimation,
        prediction=smoothed.conclude_prediction(received, estimation, alpha, seed),
        certificate=smoothed.conclude_certificate(received, selection, estimation, alpha, seed, content["seconds"]),
    )


def _votes(request: VotesRequest, classes: list[Any], generator: torch.Generator) -> Votes:
    voted = torch.tensor(classes, dtype=torch.int64)
    points = request.transform.sample(len(voted), request.smoothing.parameter_sigma, generator)
    return Votes(tuple(voted.bincount(minlength=len(request.names)).tolist()), points, voted)
