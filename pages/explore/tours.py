"""Tours: walks through the pages, for a lecture or alone."""

from spt.ui.shared import title
from spt.ui.tours import page

title.show(
    "Tours: where shall we go?",
    "A tour goes from page to page, each in a state worth seeing, says what is to be seen there, and asks before it tells. "
    "**J** goes on, **K** goes back; every step has an address of its own. *Present* makes it large for a lecture hall.",
)
page.show()
