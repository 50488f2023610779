"""What a step of a tour may name: the pages, the settings that their addresses know, and the parts that can be pointed at."""

from dataclasses import dataclass

from spt.ui.shared.state import PIN, WITH_PIN

IMAGE_NUMBER = "_image"
"""The number of an image: the name of its data set with this ending."""
OF_AN_EXPERIMENT = ("_result", "_row", "_images", "_stage")
"""Settings of one experiment: its name with one of these endings."""


@dataclass(frozen=True)
class PagePart:
    """A part of a page.

    Attributes:
        words: what it is, after "Look at". selector: where it is, of CSS.
    """

    words: str
    selector: str


@dataclass(frozen=True)
class TourPage:
    """A page that a step can open: its title in the menu, the names of its settings in the address, and its parts by name."""

    title: str
    settings: tuple[str, ...]
    parts: dict[str, PagePart]


def knows(page: str, name: str) -> bool:
    """Whether the address of a page can have a setting of this name."""
    known = PAGES[page].settings
    return (
        name in known
        or (name == PIN and page in WITH_PIN)
        or ("source" in known and name.endswith(IMAGE_NUMBER))
        or ("experiment" in known and name.endswith(OF_AN_EXPERIMENT))
    )


def _names(words: str, *others: tuple[str, ...]) -> tuple[str, ...]:
    return (*words.split(), *(name for more in others for name in more))


def _of(transforms: tuple[str, ...], ending: str) -> tuple[str, ...]:
    return tuple(f"{name}_{ending}" for name in transforms)


_MOVES = _names("rotation translation")
_PATHS = _names("scaling shear", _MOVES)
_ALL = _names("brightness contrast rotation-brightness rotation-scaling", _PATHS)
_IMAGE = _names("source classifier network network_about invert upload camera drawing centred transform")
_PROCEDURE = _names("certify_pixel_sigma n_gamma n0 alpha seed attacker")
_RANGE = _names("angle dx dy interp_range interp_range_px beta beta_dx beta_dy")

_MAIN, _ROW, _COLUMN = (f'[data-testid="{name}"]' for name in ("stMain", "stHorizontalBlock", "stColumn"))
_BARS, _CHART, _TABLE = (f'[data-testid="{name}"]' for name in ("stVegaLiteChart", "stPlotlyChart", "stTable"))
_CONTROLS = PagePart("the controls in the side bar", '[data-testid="stSidebar"]')
_VOTE = f"{_MAIN} {_ROW}:has({_BARS}):not(:has(.st-key-votes_images))"

PAGES = {
    "start": TourPage("Start", (), {"pictures": PagePart("the turning digit", ".st-key-turning")}),
    "learn": TourPage(
        "Learn",
        _names(
            "step guess_angle guess_votes there_and_back guess_twice guess_error guess_possible guess_guarantee see_attack "
            "see_vote see_twice see_bound see_received see_guarantee"
        ),
        {
            "controls": PagePart("the choice of a step", ".st-key-step"),
            "answer": PagePart("the right half", f'{_MAIN} {_ROW}:has([class*="st-key-see_"]) > {_COLUMN}:last-child'),
        },
    ),
    "votes": TourPage(
        "Votes",
        _names(
            "angle dx dy scale shear brightness contrast pixel_sigma n n0 alpha seed pace",
            _IMAGE,
            _of(_ALL, "sigma"),
            _of(_ALL, "range"),
        ),
        {
            "controls": _CONTROLS,
            "pictures": PagePart("the pictures", ".st-key-votes_images"),
            "figure": PagePart("the histogram of votes", f"{_VOTE} {_BARS}"),
            "answer": PagePart("what PREDICT and CERTIFY say", f"{_VOTE} > {_COLUMN}:last-child"),
            "curve": PagePart("the response curve", f"{_MAIN} {_CHART}"),
            "attack": PagePart("the attack", f"{_MAIN} {_ROW}:has(> {_COLUMN} .st-key-attack_button)"),
        },
    ),
    "certify": TourPage(
        "Certify",
        _names(
            "form n_cell n_total n_slices cell_width every_cell cell cell_sample ball "
            "rotation-brightness_brightness_limit rotation-scaling_scale_limit",
            _IMAGE,
            _PROCEDURE,
            _of(_ALL, "limit"),
            _of(_PATHS, "sigma"),
        ),
        {
            "controls": _CONTROLS,
            "pictures": PagePart("the picture", ".st-key-certify_image"),
            "figure": PagePart("the dial", ".st-key-certify_dial"),
            "answer": PagePart("what is certified", f"{_MAIN} {_ROW}:has(.st-key-certify_dial) > {_COLUMN}:last-child"),
            "attack": PagePart("the attack on the certificate", f"{_MAIN} {_COLUMN}:has(.st-key-certify_border)"),
        },
    ),
    "interpolation": TourPage(
        "Interpolation error",
        _names(
            "vignette blur splits splits_px split enclosed loose loose_bound sample sample_dx sample_dy pixel_sigma",
            _IMAGE,
            _RANGE,
            _of(_MOVES, "sigma"),
        ),
        {
            "controls": _CONTROLS,
            "pictures": PagePart("the pictures", ".st-key-moved_images"),
            "figure": PagePart(
                "the size of the error over Γ", f"{_MAIN} {_COLUMN}:has(.st-key-to_worst) :is({_BARS}, {_CHART})"
            ),
            "answer": PagePart(
                "the proved bounds",
                f'{_MAIN} [data-testid="stElementContainer"]:has(+ [data-testid="stLayoutWrapper"] > .st-key-refine_controls)',
            ),
            "split": PagePart("one split", ".st-key-enclosure"),
            "vignette": PagePart("the table of P’s parts", f'{_MAIN} [data-testid="stDataFrame"]'),
            "ball": PagePart("the ball of one vote", f"{_MAIN} {_COLUMN}:not(:has(.st-key-to_worst)) {_CHART}"),
        },
    ),
    "inverse": TourPage(
        "Inverse",
        _names(
            "inverse_input inverse_size inverse_splits inverse_splits_px inverse_refinements inverse_naive inverse_grid "
            "inverse_row inverse_column inverse_part inverse_split inverse_pass inverse_step inverse_before inverse_channel "
            "crop_row crop_column indiv_form indiv_error indiv_betas n_cell n_total",
            _IMAGE,
            _RANGE,
            _PROCEDURE,
            _of(_MOVES, "sigma"),
        ),
        {
            "controls": _CONTROLS,
            "pictures": PagePart("the pictures", ".st-key-inverse_pixels"),
            "figure": PagePart("Figure 3", ".st-key-inverse_figure"),
            "answer": PagePart("what survives of Γ", f"{_MAIN} {_COLUMN}:has(.st-key-inverse_pass)"),
            "steps": PagePart("the pixel’s interval, step by step", ".st-key-inverse_steps"),
            "bounds": PagePart("the bounds on the error", ".st-key-inverse_bounds"),
        },
    ),
    "experiments": TourPage(
        "Experiments",
        _names("experiment results transform experiment_dataset experiment_classifier seed"),
        {
            "controls": _CONTROLS,
            "figure": PagePart("the figure", f"{_MAIN} {_CHART}"),
            "answer": PagePart("our numbers beside the paper’s", f"{_MAIN} {_COLUMN} {_TABLE}"),
        },
    ),
}
"""By their names in the address."""
