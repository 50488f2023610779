"""Step 6 of "Learn": what a certificate says, and what it does not."""

import lzma
from functools import lru_cache

import streamlit as st

from spt.certificates import CellsCertificate, quantity, rounded_down
from spt.ui.learn.lesson import ALONE, Lesson, Link, answer, formula, link
from spt.ui.shared import cells_picture, first_views, state
from spt.ui.shared.markdown import escape
from spt.ui.shared.state import Parameters

VOTE, NETWORK, DIGITS, TRUE = "the vote, this picture", "the network alone", "every 2", "that it is a 2"
_STORED = "proof.json.xz"


@lru_cache(maxsize=1)
def certificate() -> CellsCertificate:
    """The proof of the start page, which was computed beforehand; ValueError if it is not there or does not hold."""
    try:
        found = CellsCertificate.from_json(lzma.decompress((first_views.FOLDER / _STORED).read_bytes()).decode())
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise ValueError("The proof of this step is missing: python assets/make_first_views.py start") from error
    if found.label is None or not found.verify():
        raise ValueError(
            "The proof of this step does not agree with its evidence: python assets/make_first_views.py start"
        )
    return found


def _ask() -> str:
    guess = state.choose("Your guess: it speaks about", (NETWORK, VOTE, DIGITS, TRUE), NETWORK, key="guess_guarantee")
    proof = certificate()
    cells_picture.draw(st, proof, f"The cells of the proof: {proof.explain()}")
    st.caption(":blue-badge[STORED] computed beforehand; the page Certify computes it live.")
    return guess


def _show(guess: float | str) -> None:
    proof = certificate()
    reach, chosen = quantity(proof.reach, proof.unit), escape(proof.class_name or "")
    right = "Right" if guess == VOTE else "Not quite"
    answer(
        f"**{right}.** Of this one picture, turned by **any** angle of less than **{reach}** and rounded as files are, the vote g "
        f"answers {chosen}. The sampling that showed it errs with probability at most {proof.alpha:g}."
    )
    samples, cells, passes = len(proof.points), len(proof.cells), sum(proof.accepted)
    st.markdown(
        f"- *The network alone*: nothing is proved of it. It may be wrong inside the range; only votes are counted.\n"
        f"- *Which vote*: this one turns by random angles of spread {proof.parameter_sigma:g}° and adds pixel noise, "
        "which is what absorbs the difference of step 4; another vote needs another proof.\n"
        f"- *Every 2*: another picture needs its own proof ({cells} cells here, {passes} of them proved, {samples:,} samples).\n"
        "- *That it is a 2*: the proof says that the answer **does not change**. Whether it is right, a person has to know.\n"
        f"- *Other attacks*: beyond {reach}, shifts, noise, and a picture that was turned and then changed by hand are not covered."
    )
    sigma, pixel = proof.parameter_sigma, proof.pixel_sigma
    formula(
        r"\Pr\big(\text{the statement is false}\big) \le \alpha = "
        rf"{proof.alpha:g},\qquad \sigma_\gamma = {sigma:g}^\circ,\ \sigma_\varepsilon = {pixel:g},\ "
        rf"R \ge {rounded_down(proof.reach)}^\circ",
        r"$\sigma_\gamma$, $\sigma_\varepsilon$: the spreads of the vote’s turns and of its pixel noise. *R*: no turn by less "
        "changes the answer.",
    )


def _link() -> Link:
    proof = certificate()
    parameters: Parameters = {
        "rotation_sigma": f"{proof.parameter_sigma:g}",
        "certify_pixel_sigma": f"{proof.pixel_sigma:g}",
        "rotation_limit": f"{proof.limit:g}",
        "n_cell": str(proof.n_cell),
        "n_total": str(proof.n_total),
        "alpha": f"{proof.alpha:g}",
        "seed": str(proof.seed),
    }
    return link("explore/certify.py", "Compute this proof on the page Certify", ALONE, parameters)


STEP = Lesson(
    "guarantee",
    "Votes, and a bound for every sample, make this proof for our 2. What does it speak about?",
    _ask,
    _show,
    "A certificate is about one picture, one smoothed classifier and one kind of attack; about these it leaves no angle out.",
    _link,
)
