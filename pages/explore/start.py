"""Start: what is this, in three sentences and one live example, and where does it lead?"""

from spt.ui.shared import title
from spt.ui.start import page

title.show(
    "How far can you turn an image before a classifier fails?",
    "Turn this digit, and the network that reads it upright is fooled. A *smoothed* classifier turns what it receives many "
    "times at random and lets the network **vote**; from the counts, and from a bound on what turning twice does to an image, "
    "follows how far anyone may turn it without changing the answer. SPT Explorer runs these votes in front of you, on real "
    "classifiers, and says exactly what is proved and what is not.",
)
page.show()
