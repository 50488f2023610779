"""Two networks on the same votes: offered where a pinned run and the one now differ by the network alone; live, with Stop."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from spt.certificates import confidence
from spt.paired_votes import PairedShares, PairedVotes, paired_votes
from spt.ui.shared import failures
from spt.ui.shared.comparing import Finding
from spt.ui.shared.gate import heavy_work
from spt.ui.shared.markdown import escape
from spt.ui.shared.session import CurrentRun, Key, PageRun
from spt.ui.votes.request import VotesRequest
from spt.ui.votes.run import MOST_SHORT

if TYPE_CHECKING:
    from spt.figures.comparison import ComparedNumber

MOST_IN_TABLE = 6
_NETWORK = 2
"""Where the network stands in the key of a `VotesRequest`."""


@dataclass
class SameVotesRun(PageRun):
    """The votes so far."""

    votes: PairedVotes | None = None


RUN = CurrentRun("same_votes_run", SameVotesRun)


def _key(pinned: Finding, now: Finding) -> Key | None:
    """Of the count of both; None if more than the network differs, or nothing."""
    first, second = (each.key[:_NETWORK] + each.key[_NETWORK + 1 :] for each in (pinned, now))
    return (*pinned.key, now.key[_NETWORK]) if first == second and pinned.key != now.key else None


def _counted(pinned: Finding, now: Finding) -> PairedVotes | None:
    """All votes of a count that has come to its end."""
    key = _key(pinned, now)
    run = None if key is None else RUN.of(key)
    return run.votes if run is not None and run.status == "done" else None


def numbers(pinned: Finding, now: Finding) -> "list[ComparedNumber]":
    """What such a count says, beside the numbers of both runs."""
    from spt.figures.comparison import ComparedNumber

    votes = _counted(pinned, now)
    if votes is None:
        return []
    request: VotesRequest = now.content[0]
    label = _label(request, votes)
    shares = votes.of_class(label)
    low, high = _points(shares, request.statistics.alpha)
    first, second = (f"{share:.1%}" for share in shares.shares)
    return [
        ComparedNumber(f"same {votes.n:,} votes: {votes.class_names[label]}", first, second, f"{low} to {high} points")
    ]


def exact(pinned: Finding, now: Finding) -> dict[str, Any]:
    """All of such a count, as it was computed."""
    votes = _counted(pinned, now)
    if votes is None:
        return {}
    request: VotesRequest = now.content[0]
    label, alpha = _label(request, votes), request.statistics.alpha
    shares = votes.of_class(label)
    record = {
        "n": votes.n,
        "agreeing": votes.agreeing,
        "classes": list(votes.class_names),
        "table": votes.table.tolist(),
        "class": label,
        "both": shares.both,
        "only_pinned": shares.only_first,
        "only_now": shares.only_second,
        "neither": shares.neither,
        "difference": shares.difference,
        "alpha": alpha,
        "interval": shares.interval(alpha),
        "mcnemar_p_value": shares.p_value,
        "certifies": False,
    }
    return {"same_votes": record}


def offer(pinned: Finding, now: Finding) -> None:
    """Draw the area, if nothing but the network differs."""
    key = _key(pinned, now)
    if key is None:
        return
    first: VotesRequest = pinned.content[0]
    second: VotesRequest = now.content[0]
    run, n = RUN.of(key), second.statistics.n
    with st.container(border=True, key="same_votes"):
        st.markdown(
            "**Both networks on the same votes.** The same draws of β and ε for both, other ones than above: so where they "
            "differ, the networks do."
        )
        button, place = st.empty(), st.empty()
        if run is not None and run.status == "running":
            button.button("Stop", key="same_votes_stop", icon=":material/stop_circle:", on_click=RUN.stop)
            with (
                failures.in_one_sentence(place, button),
                heavy_work("short" if n <= MOST_SHORT else "long", "same votes", place=place, n=n),
            ):
                _count(first, second, run, place)
            st.rerun()  # what it says is in the table above, too
        button.button(
            f"Count {n:,} votes of both" if run is None else "Count them again",
            key="same_votes_start",
            icon=":material/join_inner:",
            on_click=_start,
            args=(key,),
        )
        if run is not None and run.votes is not None:
            _show(place, first, second, run)


def _start(key: Key) -> None:
    RUN.put(SameVotesRun(key))


def _count(first: VotesRequest, second: VotesRequest, run: SameVotesRun, place: Any) -> None:
    """Draw the votes as they come."""
    statistics = second.statistics
    for votes in paired_votes(first.smoothed, second.smoothed, second.received, statistics.n, statistics.seed):
        place.markdown(
            f":gray-badge[PROVISIONAL] {votes.n:,} of {statistics.n:,} votes: both networks agree on {votes.agreeing:,}."
        )
        run.votes = votes
    run.status = "done"


def _show(place: Any, first: VotesRequest, second: VotesRequest, run: SameVotesRun) -> None:
    votes, n = run.votes, second.statistics.n
    assert votes is not None
    if run.status != "done":
        place.markdown(
            f":gray-badge[PROVISIONAL] stopped after {votes.n:,} of {n:,} votes; both agree on {votes.agreeing:,} of them. A count "
            "that was stopped concludes nothing."
        )
        return
    label = _label(second, votes)
    one, other = escape(first.classifier.name), escape(second.classifier.name)
    name, shares, alpha = escape(votes.class_names[label]), votes.of_class(label), second.statistics.alpha
    low, high = _points(shares, alpha)
    with place.container():
        st.markdown(
            f"They agree on **{votes.agreeing:,} of {votes.n:,}** votes. **{name}**"
            f"{' (the truth)' if label == second.subject.label else ' (most votes)'}: both {shares.both:,}, only {one} "
            f"{shares.only_first:,}, only {other} {shares.only_second:,}, neither {shares.neither:,}.\n\n"
            f"Its share is {shares.shares[0]:.1%} and {shares.shares[1]:.1%}. The difference of the two probabilities, {other} "
            f"minus {one}, lies between **{low}** and **{high}** percentage points, with confidence {confidence(alpha)}; McNemar’s "
            f"exact test of no difference: p = {shares.p_value:.2g}."
        )
        st.markdown(_table(votes, one, other))
        st.caption(
            "This certifies nothing: it says how the two networks differ on one received image under this noise. Clopper–Pearson "
            "bounds of both kinds of disagreement. Code: `spt.paired_votes.paired_votes`."
        )


def _points(shares: PairedShares, alpha: float) -> tuple[str, str]:
    """The ends of the interval in percentage points, with two decimals, rounded outward."""
    low, high = shares.interval(alpha)
    ends = (math.floor(low * 1e4) / 100, math.ceil(high * 1e4) / 100)
    first, second = (f"{end:+.2f}".replace("-", "−") for end in ends)
    return first, second


def _label(request: VotesRequest, votes: PairedVotes) -> int:
    """The true class if it is known, else the one with most votes of both."""
    if request.subject.label is not None:
        return request.subject.label
    table = votes.table
    return int((table.sum(0) + table.sum(1)).argmax())


def _table(votes: PairedVotes, one: str, other: str) -> str:
    """Class by class, rows of the first network: the classes with most votes, and all others together."""
    table = votes.table
    weights = table.sum(0) + table.sum(1)
    chosen = [int(each) for each in weights.argsort(descending=True, stable=True) if weights[each]][:MOST_IN_TABLE]
    chosen.sort()
    rest = [each for each in range(len(table)) if each not in chosen and weights[each]]
    groups = [[each] for each in chosen] + ([rest] if rest else [])
    names = [escape(votes.class_names[each[0]]) if each != rest else "others" for each in groups]
    rows = [
        [f"**{name}**", *(f"{int(table[group][:, column].sum()):,}" for column in groups)]
        for name, group in zip(names, groups, strict=True)
    ]
    lines = [[f"{one} ↓, {other} →", *(f"**{name}**" for name in names)], ["---"] * (1 + len(names)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
