"""Learn: the story of the paper in six steps, each a question first."""

from spt.ui.learn import page
from spt.ui.shared import title

title.show(
    "Learn: what does it take to prove an answer?",
    "A network reads a handwritten digit, and somebody may turn the picture before it does. When can its answer be trusted? "
    "Six steps, about eight minutes, nothing to know beforehand: guess first, then see.",
)
page.show()
