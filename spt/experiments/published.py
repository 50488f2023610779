"""What other published work certifies, beside our table 4: the figures, and what each of them is certified for.

They answer different questions (another attacker, another classifier, another guarantee), so a figure never stands without these:
`PublishedMethod` has them, from ``published.json``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from spt.certificates import confidence
from spt.experiments.experiment import UNITS, Entry, Experiment, Share
from spt.experiments.table4 import Table4
from spt.experiments.tables import FAMILIES, as_text, paper_lines

HERE = Path(__file__).parent / "published.json"
OURS = {"8-bit": "stored in 8 bits", "exact": "real numbers"}
"""The attackers of table 4 in the words of this table."""
COMPARE = (
    "These methods do not certify the same thing: compare two figures only where range, attacked image and confidence are alike. "
    "What is certified for a range is certified for every narrower one too, not for a wider one."
)
SECONDS = "Times are of different machines; of two, the first is for the bound, on processors, the second for the votes, on a GPU."
OWN = (
    "The attacked image is turned or shifted, interpolated and, unless the table says otherwise, stored in 8 bits; g is smoothed "
    "over pixels and over the angle or shift."
)
"""What ours and the paper's figures mean."""


@dataclass(frozen=True)
class PublishedMethod:
    """A method that others published.

    Attributes:
        name, title, authors, venue: what and where it is.
        attacker, confidence: which images it is certified for, and how surely, in a few words.
        meaning: the same, and what is smoothed, in sentences. caveat: what else one has to know to compare.
    """

    name: str
    title: str
    authors: str
    venue: str
    attacker: str
    confidence: str
    meaning: str
    caveat: str

    @property
    def cited(self) -> str:
        """Name, authors, title and venue."""
        return f"{self.name} ({self.authors}, {self.title}, {self.venue})"


@dataclass(frozen=True)
class PublishedLine:
    """A published certified accuracy.

    Attributes:
        work: whose. dataset, transform: on what, against what.
        limit: size of the attack range, in the unit of the transformation (of the first, of several). attack: the range in words.
        certified: share of images that are certified and right; from and to, where several models were published.
        clean: share that is right without attack, None if it is not known. images: how many they are, None if not known.
        seconds: time an image as published, None if there is none. source: where the figure is from, in words.
    """

    work: PublishedMethod
    dataset: str
    transform: str
    limit: float
    attack: str
    certified: tuple[float, float]
    clean: float | None
    images: int | None
    seconds: str | None
    source: str


@lru_cache(maxsize=1)
def all_published() -> tuple[PublishedLine, ...]:
    """Every line of the file, in its order."""
    found = json.loads(HERE.read_text(encoding="utf-8"))
    works = {name: PublishedMethod(name, **words) for name, words in found["works"].items()}
    return tuple(_line(row, works, found["sources"]) for row in found["rows"])


def _line(row: Mapping[str, Any], works: Mapping[str, PublishedMethod], sources: Mapping[str, str]) -> PublishedLine:
    certified = row["certified"]
    low, high = certified if isinstance(certified, list) else (certified, certified)
    return PublishedLine(
        work=works[row["work"]],
        dataset=row["dataset"],
        transform=row["transform"],
        limit=float(row["limit"]),
        attack=row["attack"],
        certified=(float(low), float(high)),
        clean=row.get("clean"),
        images=row.get("images"),
        seconds=row.get("seconds"),
        source=sources[row["source"]],
    )


def published_lines(experiment: Experiment) -> list[PublishedLine]:
    """What others certify on the same kind of images against the same transformation, the narrowest range first; nothing
    beside experiments other than table 4, which answer other questions."""
    if not isinstance(experiment, Table4):
        return []
    kind = (FAMILIES.get(experiment.dataset, experiment.dataset), experiment.transform)
    return sorted(
        (line for line in all_published() if (line.dataset, line.transform) == kind), key=lambda line: line.limit
    )


def beside_published(experiment: Experiment, summary: Mapping[str, Entry]) -> list[dict[str, str]]:
    """The rows of the table, by range: at each ours (where ``summary`` has it), the paper's, and the others'; none if nobody
    published anything."""
    lines = published_lines(experiment)
    if not lines or not isinstance(experiment, Table4):
        return []
    limits = sorted({line.limit for line in lines} | {experiment.limit})
    rows: list[dict[str, str]] = []
    for limit in limits:
        column = f"cert. acc. {limit:g}{UNITS.get(experiment.transform, '')}"
        rows += _ours(experiment, summary, column, limit)
        rows += _paper(experiment, column, limit)
        rows += [_other(line) for line in lines if line.limit == limit]
    return rows


def _row(name: str, attack: str, certified: str, attacker: str, sure: str, seconds: str | None) -> dict[str, str]:
    return {
        "": name,
        "range": attack,
        "certified and right": certified,
        "attacked image": attacker,
        "confidence": sure,
        "s an image": seconds or "–",
    }


def _ours(experiment: Table4, summary: Mapping[str, Entry], column: str, limit: float) -> list[dict[str, str]]:
    share = summary.get(column)
    if not isinstance(share, Share) or not share.of:
        return []
    words = (
        _within(experiment, limit, experiment.within(experiment.limit)),
        as_text(share),
        OURS[experiment.attacker],
        confidence(experiment.alpha),
        as_text(summary.get("t [s]")),
    )
    return [_row("ours", *words)]


def _paper(experiment: Experiment, column: str, limit: float) -> list[dict[str, str]]:
    """The paper's lines at one size as one row: those of just this attack range, where there are some."""
    found = [line for line in paper_lines(experiment) if column in line.cells]
    found = [line for line in found if line.cells["Γ"] == experiment.within(limit)] or found
    if not found:
        return []
    shares, seconds = ([float(line.cells[name]) for line in found] for name in (column, "t [s]"))
    sure = "0.99" + (", not proved" if any(line.caveat for line in found) else "")
    whole = str(found[0].cells["Γ"])
    words = (_within(experiment, limit, whole), _from_to(shares), OURS["8-bit"], sure, _from_to(seconds, 0))
    return [_row("paper", *words)]


def _within(experiment: Experiment, limit: float, whole: str) -> str:
    """A size, with the attack range ``whole`` that it was certified in, if that is wider."""
    within = experiment.within(limit)
    return within if within == whole else f"{within} of {whole}"


def _other(line: PublishedLine) -> dict[str, str]:
    clean = "" if line.clean is None else f" (clean {line.clean:.3f})"
    work = line.work
    words = (line.attack, f"{_from_to(line.certified)}{clean}", work.attacker, work.confidence, line.seconds)
    return _row(work.name, *words)


def _from_to(values: Sequence[float], digits: int = 3) -> str:
    """One value, or the least and the most of several."""
    return "–".join(dict.fromkeys(f"{value:.{digits}f}" for value in (min(values), max(values))))


def in_words(lines: Sequence[PublishedLine]) -> list[tuple[PublishedMethod, str]]:
    """For each work of these lines what its figures mean, and where they are from."""
    told: dict[PublishedMethod, str] = {}
    for work in dict.fromkeys(line.work for line in lines):
        images = {line.images for line in lines if line.work == work and line.images}
        sources = dict.fromkeys(line.source for line in lines if line.work == work)
        many = f" of {max(images)} images" if images else ""
        told[work] = f"{work.meaning} {work.caveat} Figures{many}: {'; '.join(sources)}."
    return list(told.items())
