"""A network and a data set of a person's own whose names hold markup of every kind that a page might follow."""

from pathlib import Path

from PIL import Image

CALLS_OUT = "![p](http://192.0.2.1/p.png)"
NAMES = (
    CALLS_OUT,
    '<img src="http://192.0.2.1/i.png">',
    "[link](http://192.0.2.1/l)",
    "<script>fetch('http://192.0.2.1/s')</script>",
    "$\\href{http://192.0.2.1/t}{x}$ `code` **bold** :red[red]",
    "</text><image href='http://192.0.2.1/v.png'/>",
    '<a href="http://192.0.2.1/a">%{x}</a>',
    "# heading - list",
    "![q][r] [r]: http://192.0.2.1/r.png",
    "&lt;&#60;img src=http://192.0.2.1/e&gt;",
)
"""Addresses are of the net that is kept for documents (RFC 5737): nobody answers there."""


def hostile(folder: Path) -> tuple[Path, Path]:
    """A file with a network of these classes that answers the first, and a folder of pictures with such names."""
    network = folder / "own_network.py"
    network.write_text(
        "import torch\nfrom spt import Classifier\n\n\n"
        "class First(torch.nn.Module):\n"
        "    def forward(self, images):\n"
        "        return torch.arange(10.0, 0.0, -1.0).expand(len(images), 10).contiguous()\n\n\n"
        f"def classifier():\n    return Classifier('**name** ![n](http://192.0.2.1/n.png)', First(), {NAMES!r}, (1, 28, 28))\n",
        encoding="utf-8",
    )
    pictures = folder / "![d](data)"
    for number, name in enumerate(("![c](c)", "<b>c")):
        (pictures / name).mkdir(parents=True)
        Image.new("L", (28, 28), 40 + 100 * number).save(pictures / name / "![f](x)<i>.png")
    return network, pictures
