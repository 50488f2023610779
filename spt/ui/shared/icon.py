"""The picture in the browser's tab."""

from spt.bundled import bundled

ICON = str(bundled("assets") / "icon.png")
