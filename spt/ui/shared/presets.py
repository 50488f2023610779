"""Presets: views worth seeing, as links to a page with its controls set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A card of the start page, or a button on its own page.

    ``page`` is relative to pages/, ``parameters`` are the controls' values in the address.
    """

    icon: str
    title: str
    text: str
    page: str
    parameters: dict[str, str | list[str]]


Parameters = dict[str, str | list[str]]
_SEVEN: Parameters = {"source": "digits", "digits_image": "7"}
_TURNED: Parameters = {"angle": "25", "beta": "20", "interp_range": ["-30", "30"], "splits": "40"}
INTERPOLATION = (
    Preset(
        ":material/rotate_right:",
        "Rotations do not compose",
        "Turned by 25° and then by 20°, a digit is not what it is when turned by 45° once: see the error, and how far it is "
        "bounded.",
        "explore/interpolation.py",
        _SEVEN | _TURNED,
    ),
    Preset(
        ":material/blur_on:",
        "Vignette and blur",
        "A photograph, without P’s vignette and blur: the error is several times as large. Turn both on again; the table "
        "compares all four.",
        "explore/interpolation.py",
        _TURNED | {"source": "natural", "natural_image": "3", "vignette": "false", "blur": "false"},
    ),
    Preset(
        ":material/compare_arrows:",
        "Two bounds, one error",
        "With the same 40 splits the interval bound is nearly twice the error, the chord bound little more than the error. "
        "Press Refine and watch both.",
        "explore/interpolation.py",
        _SEVEN | _TURNED | {"angle": "-20"},
    ),
    Preset(
        ":material/filter_center_focus:",
        "Recentred",
        "All that a vote at b′ = 45° may be shown fits into a ball around the image at γ = 0, and into one nearly half as large "
        "around a better centre (in the last part of the page).",
        "explore/interpolation.py",
        _SEVEN | _TURNED | {"angle": "10", "beta": "35", "sample": "45"},
    ),
    Preset(
        ":material/open_with:",
        "Translation is exact",
        "For shifts no search is needed: the largest error is at a crossing of the white lines, and the bound is the maximum.",
        "explore/interpolation.py",
        _SEVEN
        | {"transform": "translation", "classifier": "mnist-translation", "dx": "0.5", "dy": "0.25", "beta_dx": "0.3"}
        | {"beta_dy": "0.7", "interp_range_px": ["-2", "2"], "splits_px": "8"},
    ),
)
"""The guided tour of the page "Interpolation error"."""

_EXPLAINED: Parameters = {"angle": "25", "interp_range": ["-30", "30"], "inverse_splits": "600"}
INVERSE = (
    Preset(
        ":material/explore:",
        "The image gives its angle away",
        "A digit turned by 25°: of all angles within ±30° less than one in a hundred can explain what was received.",
        "explore/inverse.py",
        _SEVEN | _EXPLAINED,
    ),
    Preset(
        ":material/grid_on:",
        "The paper’s Figure 3",
        "Γ = [23°, 26°]: what the received pixel (5, 1) says about the original pixel (3, 3), at least 0.731 in one cell and "
        "0.726 in the other.",
        "explore/inverse.py",
        {
            "inverse_input": "the paper’s example",
            "interp_range": ["23", "26"],
            "angle": "24.5",
            "inverse_splits": "1",
            "attacker": "exact",
            "inverse_naive": "true",
            "inverse_grid": "true",
            "inverse_row": "5",
            "inverse_column": "5",
            "inverse_step": "2",
        },
    ),
    Preset(
        ":material/photo_camera:",
        "A photograph",
        "On a photograph of 32 × 32 the angle is found as well, but many pixels keep wide intervals: nothing around them is "
        "black.",
        "explore/inverse.py",
        _EXPLAINED | {"source": "natural", "natural_image": "3", "inverse_size": "32 × 32", "angle": "5"},
    ),
    Preset(
        ":material/open_with:",
        "Shifted",
        "A shift gives less of itself away: within ±1 px about a ninth of all shifts can explain what was received.",
        "explore/inverse.py",
        _SEVEN
        | {
            "classifier": "mnist-translation",
            "transform": "translation",
            "dx": "0.5",
            "dy": "0.25",
            "interp_range_px": ["-1", "1"],
            "inverse_splits_px": "20",
        },
    ),
    Preset(
        ":material/block:",
        "Inconsistent with Γ",
        "The same digit as it is: no image turned by 5° to 20° looks like this, and one pixel proves it.",
        "explore/inverse.py",
        _SEVEN | {"inverse_input": "received as it is", "interp_range": ["5", "20"], "inverse_splits": "120"},
    ),
)
"""The guided tour of the page "Inverse"."""

PRESETS = (
    Preset(
        ":material/how_to_vote:",
        "Votes",
        "Pick an image, turn or shift it, attack it, and watch the smoothed classifier count its votes.",
        "explore/votes.py",
        {"source": "digits"},
    ),
    Preset(
        ":material/rotate_right:",
        "The angle that fools it",
        "Turned by −54°, a 2 is an 8 for the ordinary network. The vote of the same network still says 2.",
        "explore/votes.py",
        {"classifier": "mnist-plain", "digits_image": "2", "angle": "-54"},
    ),
    Preset(
        ":material/open_with:",
        "A shift that fools it",
        "Two and a half pixels to the left make an 8 of this 4, for the network alone, not for its vote.",
        "explore/votes.py",
        {"classifier": "mnist-plain", "transform": "translation", "digits_image": "4", "dx": "-2.5", "dy": "-1.5"},
    ),
    Preset(
        ":material/pets:",
        "A shepherd that becomes a bloodhound",
        "Turned by 121°, this photograph is a bloodhound for an ImageNet network of 2020. Its vote still says German shepherd.",
        "explore/votes.py",
        {
            "classifier": "imagenet-lite0",
            "source": "natural",
            "natural_image": "7",
            "angle": "121",
            "rotation_sigma": "50",
            "n": "200",
        },
    ),
    Preset(
        ":material/balance:",
        "Abstain: too few samples",
        "A 6 or a 9? Turned by 90° neither wins clearly with 200 votes, and the vote says so.",
        "explore/votes.py",
        {"digits_image": "36", "angle": "90", "n": "200"},
    ),
    INTERPOLATION[0],
    Preset(
        ":material/verified:",
        "A proof",
        "DistSPT bounds that error for every sample and certifies the digit, cell by cell, against all attacks up to 30°.",
        "explore/certify.py",
        {"source": "digits"},
    ),
    Preset(
        ":material/flutter_dash:",
        "A proof for a photograph",
        "A kingfisher at 32 × 32 pixels, in colour: errors are as large as the pixel noise, and still it is certified within ±10°.",
        "explore/certify.py",
        {
            "classifier": "cifar10-smooth",
            "source": "natural",
            "natural_image": "6",
            "rotation_limit": "10",
            "certify_pixel_sigma": "0.15",
        },
    ),
    INVERSE[0],
    INVERSE[1],
    INVERSE[4],
    Preset(
        ":material/table_chart:",
        "Beside the paper",
        "Every table of the paper, measured again image by image: stored results, or a quick run while you watch.",
        "explore/experiments.py",
        {"experiment": "table4"},
    ),
    Preset(
        ":material/palette:",
        "Photographs beside the paper",
        "CIFAR-10, Γ = ±30°: what a proof costs on natural images, image by image, beside the paper’s numbers.",
        "explore/experiments.py",
        {"experiment": "table4", "table4_result": "cifar10-rotation-30"},
    ),
    Preset(
        ":material/shield_question:",
        "Is the heuristic true?",
        "BaseSPT’s radius is not proved. Attack digits within it and around it, and count how often g changes its mind.",
        "explore/experiments.py",
        {"experiment": "radius", "results": "quick"},
    ),
    Preset(
        ":material/blur_on:",
        "The paper’s Table 11",
        "How large the interpolation error gets without the vignette and without the blur, over many digits.",
        "explore/experiments.py",
        {"experiment": "table11", "results": "quick"},
    ),
)
