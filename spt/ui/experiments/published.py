"""What other published work certifies beside our table 4, with what each figure is certified for."""

import pandas as pd
import streamlit as st

from spt.experiments import Experiment
from spt.experiments.published import COMPARE, OWN, SECONDS, beside_published, in_words, published_lines
from spt.ui.experiments.request import Result
from spt.ui.experiments.table import NARROW, NOT_PROVED, cell, shown
from spt.ui.shared.markdown import escape


def show(experiment: Experiment, result: Result | None) -> None:
    """The heading, the table and a line for each method; nothing beside experiments that others have no figures for."""
    rows = beside_published(experiment, shown(result) if result else {})
    if not rows:
        return
    family = published_lines(experiment)[0].dataset
    st.subheader(f"Beside other published work: {family}", anchor=False)
    st.markdown(f":orange-badge[:material/balance: not alike] {COMPARE}")
    provisional = result is not None and not result.complete
    with st.container(key="published_table"):
        words = "; ".join(", ".join(row.values()) for row in rows)
        st.table(_table(rows, provisional), hide_index=True, alt=f"Certified accuracies. {words}")
    lines = [f"- **Ours and the paper’s:** {OWN}"]
    for work, meaning in in_words(published_lines(experiment)):
        lines.append(
            f"- **{work.name}:** {escape(meaning)} *{escape(work.title)}*, {escape(work.authors)}, {work.venue}."
        )
    st.markdown("\n".join(lines))
    st.caption(SECONDS)


def _table(rows: list[dict[str, str]], provisional: bool) -> pd.DataFrame:
    """The rows as Markdown: ours in bold, and marked as long as they are provisional."""
    return pd.DataFrame([{name or "method": _marked(name, row, provisional) for name in row} for row in rows])


def _marked(name: str, row: dict[str, str], provisional: bool) -> str:
    ours, text = row[""] == "ours", row[name]
    if name == "certified and right":
        return f"**{text}**" if ours and "[" not in text else cell(text)
    if name == "confidence":
        if ours and provisional:
            return ":gray-badge[PROVISIONAL]"
        sure, but, _ = text.partition(", not proved")
        return f"{escape(sure)} {NOT_PROVED}" if but else escape(text)
    words = escape(text).replace(" ", NARROW) if name in ("", "range", "s an image") else escape(text)
    return f"**{words}**" if ours and not name else words
