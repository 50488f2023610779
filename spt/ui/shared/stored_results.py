"""Results of a page's default settings that were computed beforehand: shown at once, and said to be stored; Run computes them live.

One is shown only under exactly the key that it was computed for (image, network, settings, and the device that answered), in this
format. What it concludes is concluded anew from its evidence.
"""

import json
from dataclasses import asdict, is_dataclass
from typing import Any

from spt.classifiers import Classifier
from spt.ui.shared import first_views
from spt.ui.shared.session import Key

FORMAT = 1
NOTE = (
    ":blue-badge[STORED] computed beforehand, for exactly these settings, with `python assets/make_first_views.py`; "
    "**{button}** computes it live."
)
"""For Markdown, with the name of the button."""


def as_text(key: Key, classifier: Classifier, content: Any) -> str:
    """A result as the text of a file."""
    stored = {"format": FORMAT, "key": _plain(_whole(key, classifier)), "content": content}
    return json.dumps(stored, ensure_ascii=False, separators=(",", ":")) + "\n"


def file_of(name: str, classifier: Classifier) -> str:
    """The file of a result: networks that compute in other numbers have others."""
    return f"{name}-{classifier.number_format}.json"


def find(name: str, key: Key, classifier: Classifier) -> Any:
    """What was stored under this name for exactly this key; None if nothing was."""
    try:
        stored = json.loads(first_views.read(file_of(name, classifier)) or "{}")
    except ValueError:
        return None
    if not isinstance(stored, dict) or stored.get("format") != FORMAT:
        return None
    same = stored.get("key") == _plain(_whole(key, classifier))
    return stored.get("content") if same else None


def _whole(key: Key, classifier: Classifier) -> Key:
    return (*key, classifier.device.type, classifier.number_format)


def _plain(value: Any) -> Any:
    """A key as JSON gives it back."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    return json.loads(json.dumps(value, default=_plain))
