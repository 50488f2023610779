"""Our line beside the paper's, and what has to be known to compare them."""

import dataclasses
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from spt.certificates import confidence
from spt.experiments import Entry, Experiment, Share
from spt.experiments.tables import PaperLine, beside_the_paper, left_out_in_words, paper_lines, paper_source
from spt.ui.experiments.request import Result
from spt.ui.shared import own_names
from spt.ui.shared.markdown import escape

NARROW = "\u00a0"  # a space at which no line ends
NOT_PROVED = ":orange-badge[not proved]"
PROVED, EVIDENCE, SAMPLED = (
    ":green-badge[:material/verified: proved]",
    ":blue-badge[evidence]",
    ":blue-badge[sampled]",
)
KINDS = {
    "table2": EVIDENCE,
    "table3": PROVED,
    "table4": PROVED,
    "indiv": PROVED,
    "table11": SAMPLED,
    "table12": PROVED,
    "refinement": PROVED,
    "radius": EVIDENCE,
    "bicubic": SAMPLED,
}
IN_WORDS = {
    PROVED: "what is certified or bounded is proved",
    EVIDENCE: "counted under attacks that were tried; others may succeed",
    SAMPLED: "found by sampling, so the true errors are at least as large",
}


def shown(result: Result) -> dict[str, Entry]:
    """The line as it may be shown: shares of a result that is not complete have no interval (one that is watched while it
    grows, or stopped at will, does not hold)."""
    if result.complete:
        return result.summary
    return {
        name: dataclasses.replace(cell, dependent=True) if isinstance(cell, Share) else cell
        for name, cell in result.summary.items()
    }


def paper_names(lines: list[PaperLine]) -> list[str]:
    """A name for each line of the paper, short and different from the others: what tells it from them is added."""
    names = [f"paper, {line.dataset}" for line in lines]
    if len(set(names)) == len(names):
        return names
    telling = [
        column
        for column in dict.fromkeys(name for line in lines for name in line.cells)
        if len({line.cells.get(column) for line in lines}) > 1
    ]
    settings = [name for name in telling if name in ("E", "Γ", "σ_γ", "n_γ", "model")]
    described = [
        ", ".join([name, *(f"{column} = {line.cells[column]}" for column in settings if column in line.cells)])
        for name, line in zip(names, lines, strict=True)
    ]
    return [name if described.count(name) == 1 else f"{name} ({number})" for number, name in enumerate(described, 1)]


def show_table(experiment: Experiment, result: Result | None) -> None:
    """The quantities one below the other; ours, then the paper's."""
    papers = paper_lines(experiment)
    rows = beside_the_paper(experiment, shown(result) if result else {})
    heads = [f"paper, {line.dataset}" + (f" {NOT_PROVED}" if line.caveat else "") for line in papers]
    if result:
        mark = KINDS.get(experiment.name, "") if result.complete else ":gray-badge[PROVISIONAL]"
        heads.insert(0, f"ours, {escape(own_names.label(experiment.dataset))} {mark}")
    else:
        rows = rows[1:]
    if not rows:
        return
    names = [name for name in rows[0] if name and any(row[name] != "–" for row in rows)]
    heads = [head + " " * heads[:k].count(head) for k, head in enumerate(heads)]  # pandas wants different names
    table = pd.DataFrame({head: [cell(row[name]) for name in names] for head, row in zip(heads, rows, strict=True)})
    table.index = pd.Index([escape(_in_words(name)).replace(" ", NARROW) for name in names])
    words = "; ".join(f"{name}: {', '.join(str(row[name]) for row in rows)}" for name in names)
    st.table(table, alt=f"{experiment.title}. {words}")


_WORDS = {
    "Γ": "range",
    "σ_γ": "noise",
    "σ_ε": "pixel noise",
    "n_γ": "samples",
    "n": "votes",
    "n₀": "selection votes",
    "α": "failure probability",
    "E": "error bound",
    "ρ": "share beyond E",
    "q_E": "share within E",
}


def _in_words(name: str) -> str:
    """The name of a quantity, with words before what is only a symbol."""
    return f"{_WORDS[name]} {name}" if name in _WORDS else name


def cell(text: str) -> str:
    """Text of the table as Markdown. A share in bold; its interval goes to the next line as a whole where the column is narrow."""
    value, bracket, band = text.partition(" [")
    if not bracket:
        return escape(value)
    return f"**{value}** \\[{band.replace(' ', NARROW)}".replace("]", "\\]")


def show_notes(experiment: Experiment, result: Result | None) -> None:
    """Why ours and the paper's differ."""
    if result:
        _show_own(experiment, result)
    if experiment.note:
        st.markdown(f":blue-badge[:material/compare_arrows: to compare] {experiment.note}")
    papers = paper_lines(experiment)
    for caveat in dict.fromkeys(line.caveat for line in papers if line.caveat):
        st.markdown(f"{NOT_PROVED} The paper’s line: {caveat}")
    if papers:
        st.caption(f"Source of the paper’s numbers: {paper_source()}.")
    else:
        st.caption("The paper has no line for this kind of images and transformation.")


def _show_own(experiment: Experiment, result: Result) -> None:
    if not result.complete:
        st.caption(
            "Our numbers so far, without intervals: one that is watched while it grows, or stopped at will, does not hold."
        )
        return
    kind = KINDS.get(experiment.name, "")
    if kind in IN_WORDS:
        alpha = getattr(experiment, "alpha", None)
        sure = f", with confidence {confidence(alpha)}" if kind == PROVED and alpha is not None else ""
        fresh = ", for a fresh image with probability q_E" if "q_E" in result.summary else ""
        st.markdown(f"{kind} Our numbers: {IN_WORDS[kind]}{fresh}{sure}.")
    shares = [cell for cell in result.summary.values() if isinstance(cell, Share) and cell.of]
    words = []
    if any(share.band() for share in shares):
        words.append("In brackets: two-sided Clopper–Pearson intervals, 95 %, for images drawn like these.")
    if any(share.dependent for share in shares):
        words.append("Shares over several attacks on one image have no interval: they are not independent.")
    words += [left_out] if (left_out := left_out_in_words(result.summary)) else []
    if words:
        st.caption(" ".join(words))


def settings_of(experiment: Experiment) -> Mapping[str, str]:
    """The settings by name, as text."""
    named = {name: value for name, value in experiment.identity.items() if name != "experiment"}
    return {
        name: own_names.label(str(value))
        if value is not None
        else "the classifier’s"
        if name == "pixel_sigma"
        else "none"
        for name, value in named.items()
    } | {"images": str(experiment.images)}
