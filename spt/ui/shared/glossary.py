"""The words and symbols of the screen, each with its meaning; the same as in docs/terms.md and docs/mathematics.md.

A label says the words first and then the symbol. Every symbol that stands in a label is here (tests/test_glossary.py).
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """One entry: its symbol ("" for a word alone), what it is called, and what it means in a sentence."""

    symbol: str
    words: str
    meaning: str


SYMBOLS = (
    Entry("x", "original image", "The image before anybody transforms it."),
    Entry("x′", "received image", "What the attacker hands over: x transformed by γ, as a rule rounded to 8 bits."),
    Entry(
        "T",
        "transformation",
        "A rotation, a translation, a scaling or a shear; pixels between pixels are interpolated bilinearly.",
    ),
    Entry("γ", "attack", "The angle (or the shift: γ₁ across, γ₂ down) by which the attacker moves the image."),
    Entry("Γ", "attack range", "All the attacks γ that the attacker may choose from, ±30° say."),
    Entry("f", "classifier", "The network that is protected. Alone it can be fooled by turning the image."),
    Entry("g", "smoothed classifier", "Answers what f answers most often when the image is moved at random."),
    Entry("h", "f smoothed over pixel noise", "Answers what f answers most often when noise ε is added to the pixels."),
    Entry(
        "P",
        "preprocessing",
        "What an image goes through before the network: a blur, and a vignette that blackens corners.",
    ),
    Entry("β", "move of a vote", "The random angle (or shift) by which one vote moves the received image."),
    Entry("σ_γ", "smoothing noise", "How widely the moves β of the votes are spread: their standard deviation."),
    Entry("ε", "pixel noise", "Random noise that is added to every pixel, where a proof needs it."),
    Entry("σ_ε", "strength of the pixel noise", "The standard deviation of ε; pixel values lie in [0, 1]."),
    Entry("b′", "landing point", "Where attack and vote land together: b′ = β + γ. One sample of a certificate."),
    Entry(
        "K(b′)",
        "what a landing point can show",
        "All the images that f can be shown at b′, whatever γ in Γ was chosen.",
    ),
    Entry("w", "reach of a cell", "No attack γ in a cell is farther than this from the cell’s centre γᵢ."),
    Entry(
        "q₀",
        "what a cell costs",
        "Φ(w/σ_γ): if more than this share of samples pass, g answers the same on the whole cell.",
    ),
    Entry("r", "error radius", "The radius of a ball around one image that holds all of K(b′)."),
    Entry(
        "e",
        "interpolation error",
        "Moving by γ and then by β is not moving by β + γ at once; e is the difference after P.",
    ),
    Entry("‖e‖", "size of the interpolation error", "The Euclidean norm of e over all pixels."),
    Entry("E", "bound on the interpolation error", "One number that ‖e‖ does not exceed."),
    Entry("ρ", "share beyond E", "At most so probable is a β whose error exceeds E."),
    Entry("q_E", "share of images that keep to E", "Of a distribution of images."),
    Entry("n", "number of votes", "How many votes the answer rests on."),
    Entry("n₀", "selection votes", "Other votes, which only choose the class that is then certified."),
    Entry("n_γ", "number of samples", "How many landing points b′ a certificate rests on."),
    Entry(
        "α", "failure probability", "How probable it may be that a statement is wrong, because sampling was unlucky."
    ),
    Entry(
        "p", "share of votes", "The probability that a vote is for the class; p ≥ … is a bound that holds with 1 − α."
    ),
    Entry("R", "certified radius", "Up to which angle (or shift) the answer cannot change."),
    Entry("θ", "any angle", "Of a curve over all angles (or shifts): the place along it."),
    Entry("Φ", "normal distribution", "Its distribution function, from 0 to 1; Φ⁻¹ is the inverse of that."),
    Entry("p(row, column)", "pixel of the original", "On the page Inverse: a value known only between two ends."),
    Entry("c", "source box", "On the page Inverse: where a received pixel can have been read."),
)

WORDS = (
    Entry("", "CERTIFIED", "Proved: no attack within the range changes the answer; wrong with probability at most α."),
    Entry("", "PROVED", "A bound that holds for every attack of the range, by calculation and not by trying."),
    Entry(
        "", "HEURISTIC", "A number that would be a proof if moving twice were moving once; it is not, so it is none."
    ),
    Entry("", "SAMPLED", "Found by trying; the true largest value may be larger."),
    Entry("", "PROVISIONAL", "A run that is still going on or was stopped: it concludes nothing."),
    Entry("", "ABSTAIN", "The votes do not decide, so no answer is given, or nothing is certified."),
    Entry("", "cell", "A part of the range Γ that is proved by itself, from samples around its own centre."),
    Entry(
        "",
        "pointwise",
        "Proved of any one attack γ that is chosen beforehand, but not of several together: no part of a radius.",
    ),
    Entry("", "split", "A part of the range Γ. Bounds are found for each, and are sharper for narrow ones."),
    Entry("", "pass", "One round over all pixels on the page Inverse; each uses what the one before found."),
    Entry("", "vignette", "A black frame or ring, so that what turns out of sight makes no difference."),
    Entry(
        "", "inner test", "Whether f keeps its answer on the whole ball of one sample; enough passes are a certificate."
    ),
    Entry(
        "",
        "8-bit attacker",
        "Stores the moved image with 256 grey levels, as files do; an exact one stores real numbers.",
    ),
)
