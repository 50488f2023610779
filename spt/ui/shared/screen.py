"""How every page sits on the screen: one stylesheet, `screen.css`, for all of them, in the page's head: it is there before anything
is drawn, so that nothing jumps."""

from spt.ui.shared.components import style

STYLE = style(__file__)
