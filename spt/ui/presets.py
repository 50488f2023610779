"""Presets: views worth seeing, as links to a page with its controls set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """A card of the start page. ``page`` is relative to pages/, ``parameters`` are the controls' values in the address."""

    icon: str
    title: str
    text: str
    page: str
    parameters: dict[str, str]


PRESETS = (
    Preset(
        ":material/how_to_vote:",
        "Votes",
        "Pick an image, turn or shift it, attack it, and watch the smoothed classifier count its votes.",
        "explore/votes.py",
        {},
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
        ":material/balance:",
        "Abstain: too few samples",
        "A 6 or a 9? Turned by 90° neither wins clearly with 200 votes, and the vote says so.",
        "explore/votes.py",
        {"digits_image": "36", "angle": "90", "n": "200"},
    ),
    Preset(
        ":material/vital_signs:",
        "Why rotations do not compose",
        "Turning twice is not turning once: see the interpolation error, and how far it is bounded.",
        "explore/interpolation.py",
        {},
    ),
    Preset(
        ":material/verified:",
        "A proof",
        "DistSPT bounds that error for every sample and certifies the digit against all attacks up to 30°.",
        "explore/certify.py",
        {},
    ),
)
