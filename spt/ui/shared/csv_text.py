"""Numbers of a page as CSV: first the settings that made them, as lines that begin with #."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spt.experiments.files import json_text


def csv_text(settings: Mapping[str, Any], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The text: settings, columns, and one line for each row."""
    file = io.StringIO()
    for name, value in settings.items():
        file.write(f"# {name}: {json_text(value)}\n")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def settings_of(record: str) -> dict[str, Any]:
    """What a certificate's JSON says that is no list: its settings, and what it concludes."""
    return {name: value for name, value in json.loads(record).items() if not isinstance(value, list | dict)}
