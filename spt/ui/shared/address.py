"""The address of a page, before any control reads it: what no control can hold is dropped, so that the control has its default.

A value in range but of no use (an angle beyond the slider, an unknown name) is each control's own matter, which clamps or
ignores it; this is about what makes reading itself fail: no value, infinities, numbers of thousands of digits.
"""

import math
import unicodedata

import streamlit as st

from spt.ui.shared import own_names

TEXTS = ("source", "classifier", "experiment_dataset", "experiment_classifier")
"""Controls whose values are names, which may look like anything."""
LARGEST = 1e15
"""Beyond it a browser's numbers are not exact."""
LONGEST = 1000
"""Characters of a value."""


def can_be_held(name: str, value: str) -> bool:
    """Whether a control might hold this value from the address."""
    if not value.strip() or len(value) > LONGEST or _has_control_characters(value):
        return False
    if name in TEXTS:
        return True
    try:
        number = float(value)
    except ValueError:
        return True  # a name, or what a control ignores
    return math.isfinite(number) and abs(number) <= LARGEST


def _has_control_characters(value: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in value)


def clean() -> None:
    """Drop from the address what no control can hold, and put what a control shows in the place of a name with a path; then begin
    anew, as controls read the address that a run began with."""
    dropped = [
        name for name in st.query_params if not all(can_be_held(name, value) for value in st.query_params.get_all(name))
    ]
    for name in dropped:
        del st.query_params[name]
    own = own_names.named(own_names.CLASSIFIERS) + own_names.named(own_names.DATASETS)
    given = {name: st.query_params.get(name, "") for name in TEXTS}
    renamed = {name: own_names.label(value) for name, value in given.items() if value in own}
    renamed = {name: label for name, label in renamed.items() if label != given[name]}
    st.query_params.update(renamed)
    if dropped or renamed:
        st.rerun()
