"""What a step of a tour may name: the pages, the settings that their addresses know, and the parts that can be pointed at."""

from dataclasses import dataclass

_IMAGE = ("source", "classifier", "invert", "upload", "camera")
_TRANSFORM = ("transform", "angle", "dx", "dy", "scale", "shear", "brightness", "contrast")
_SIGMAS = tuple(
    f"{name}_sigma"
    for name in ("rotation", "translation", "scaling", "shear", "brightness", "contrast", "rotation-brightness")
)
_PROCEDURE = ("certify_pixel_sigma", "n_gamma", "n0", "alpha", "seed", "attacker")
_RANGE = ("interp_range", "interp_range_px")
_BETA = ("beta", "beta_dx", "beta_dy")
IMAGE_NUMBER = "_image"
"""The number of an image: the name of its data set with this ending."""


@dataclass(frozen=True)
class Part:
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
    parts: dict[str, Part]

    @property
    def shows_images(self) -> bool:
        """Whether an image is chosen on it."""
        return "source" in self.settings


_MAIN = '[data-testid="stMain"] '
_ROW, _COLUMN = '[data-testid="stHorizontalBlock"]', '[data-testid="stColumn"]'
_CONTROLS = Part("the controls in the side bar", '[data-testid="stSidebar"]')
_VOTES_ROW = f'{_MAIN}{_ROW}:has([data-testid="stVegaLiteChart"]):not(:has(.st-key-votes_images))'

PAGES = {
    "start": TourPage(
        "Start",
        (),
        {
            "pictures": Part("the turning digit", ".st-key-turning"),
        },
    ),
    "learn": TourPage(
        "Learn",
        ("step", "guess_angle", "guess_votes", "there_and_back", "guess_twice", "guess_error", "guess_possible")
        + ("guess_guarantee",)
        + tuple(f"see_{name}" for name in ("attack", "vote", "twice", "bound", "received", "guarantee")),
        {
            "controls": Part("the choice of a step", ".st-key-step"),
            "answer": Part(
                "the right half", f'{_MAIN}{_ROW}:has([class*="st-key-see_"]) > {_COLUMN}:last-child'
            ),
        },
    ),
    "votes": TourPage(
        "Votes",
        (*_IMAGE, *_TRANSFORM, *_SIGMAS, "pixel_sigma", "n", "n0", "alpha", "seed", "pace")
        + tuple(name.replace("_sigma", "_range") for name in _SIGMAS),
        {
            "controls": _CONTROLS,
            "pictures": Part("the pictures", ".st-key-votes_images"),
            "figure": Part("the histogram of votes", f'{_VOTES_ROW} [data-testid="stVegaLiteChart"]'),
            "answer": Part("what PREDICT and CERTIFY say", f"{_VOTES_ROW} > {_COLUMN}:last-child"),
            "curve": Part("the response curve", f'{_MAIN}[data-testid="stPlotlyChart"]'),
            "attack": Part("the attack", f"{_MAIN}{_ROW}:has(> {_COLUMN} .st-key-attack_button)"),
        },
    ),
    "certify": TourPage(
        "Certify",
        (*_IMAGE, "transform", *_SIGMAS, *_PROCEDURE)
        + tuple(name.replace("_sigma", "_limit") for name in _SIGMAS)
        + ("rotation-brightness_brightness_limit", "form", "n_cell", "n_total", "n_slices", "cell_width", "every_cell", "cell"),
        {
            "controls": _CONTROLS,
            "pictures": Part("the picture", ".st-key-certify_image"),
            "figure": Part("the dial", ".st-key-certify_dial"),
            "answer": Part("what is certified", f"{_MAIN}{_ROW}:has(.st-key-certify_dial) > {_COLUMN}:last-child"),
            "attack": Part("the attack on the certificate", f"{_MAIN}{_COLUMN}:has(> * > .st-key-certify_attack)"),
        },
    ),
    "interpolation": TourPage(
        "Interpolation error",
        (*_IMAGE, *_TRANSFORM, *_RANGE, *_BETA, "vignette", "blur", "splits", "splits_px", "split", "enclosed", "sample"),
        {
            "controls": _CONTROLS,
            "pictures": Part("the pictures", ".st-key-moved_images"),
            "figure": Part("the curve of the error", f'{_MAIN}{_COLUMN}:has(.st-key-to_worst) [data-testid="stVegaLiteChart"]'),
            "answer": Part(
                "the proved bounds",
                f'{_MAIN}[data-testid="stElementContainer"]:has(+ * > .st-key-refine_controls)',
            ),
            "split": Part("one split", ".st-key-enclosure"),
            "vignette": Part("the table of P’s parts", f'{_MAIN}[data-testid="stTable"]'),
            "ball": Part("the ball of one vote", f'{_MAIN}[data-testid="stPlotlyChart"]'),
        },
    ),
    "inverse": TourPage(
        "Inverse",
        (*_IMAGE, *_TRANSFORM, *_RANGE, *_BETA, *_SIGMAS, *_PROCEDURE)
        + tuple(
            f"inverse_{name}"
            for name in ("input", "size", "splits", "splits_px", "refinements", "naive", "grid", "row", "column", "part")
            + ("split", "pass", "step", "before", "channel")
        )
        + ("crop_row", "crop_column", "indiv_form", "indiv_error", "indiv_betas", "n_cell", "n_total"),
        {
            "controls": _CONTROLS,
            "pictures": Part("the pictures", ".st-key-inverse_pixels"),
            "figure": Part("Figure 3", ".st-key-inverse_figure"),
            "answer": Part(
                "what survives of Γ", f"{_MAIN}{_COLUMN}:has(.st-key-inverse_pass)"
            ),
            "steps": Part("the pixel’s interval, step by step", ".st-key-inverse_steps"),
            "bounds": Part("the bounds on the error", ".st-key-inverse_bounds"),
        },
    ),
    "experiments": TourPage(
        "Experiments",
        ("experiment", "results", "transform", "experiment_dataset", "experiment_classifier", "seed"),
        {
            "controls": _CONTROLS,
            "figure": Part("the figure", f'{_MAIN}[data-testid="stPlotlyChart"]'),
            "answer": Part(
                "our numbers beside the paper’s", f'{_MAIN}{_COLUMN} [data-testid="stTable"]'
            ),
        },
    ),
}
"""By their names in the address. Experiments have settings of their own, see `EXPERIMENT_SETTINGS`."""
EXPERIMENT_SETTINGS = ("_result", "_row", "_images", "_stage")
"""A setting of one experiment: its name with one of these endings."""


def knows(page: str, name: str) -> bool:
    """Whether the address of a page can have a setting of this name."""
    found = PAGES[page]
    return (
        name in found.settings
        or (found.shows_images and name.endswith(IMAGE_NUMBER))
        or (page == "experiments" and name.endswith(EXPERIMENT_SETTINGS))
    )
