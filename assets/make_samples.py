"""Makes assets/samples: handwritten digits in MNIST's format and twelve photographs, all free to ship.

    python assets/make_samples.py [--gcompris DIR]

Needs scikit-learn, scikit-image and scipy, which the explorer itself does not need. DIR holds the files erase.rcc,
explore_farm_animals.rcc, explore_monuments.rcc and explore_world_animals.rcc of GCompris 3.1 (share/gcompris-qt/rcc,
as in Debian's package gcompris-qt-data); without it only the digits are made. Licences: assets/samples/LICENSES.md.
"""

from __future__ import annotations

import argparse
import io
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).resolve().parent / "samples"
SIDE = 320  # of the photographs, in pixels
DESCRIBED = ("title", "label", "cifar10", "author", "source", "licence")  # in natural.json
COMMONS = "https://commons.wikimedia.org/wiki/File:"

# Positions in scikit-learn's load_digits, four of each class: legible to a person, and written in different ways.
DIGITS = {
    0: (256, 464, 772, 571),
    1: (407, 777, 797, 726),
    2: (310, 538, 207, 986),
    3: (279, 385, 519, 908),
    4: (520, 1001, 998, 650),
    5: (15, 281, 432, 910),
    6: (34, 262, 581, 989),
    7: (393, 413, 438, 317),
    8: (8, 309, 913, 722),
    9: (275, 655, 348, 765),
}


def draw_digit(counts: np.ndarray, cell: int = 16, radius: float = 0.55) -> np.ndarray:
    """An 8x8 digit of ink counts 0..16, redrawn as MNIST draws its digits: uint8 [28, 28], ink 255.

    The counts are enlarged by cubic splines (`cell` pixels a cell), sharpened so that small loops stay open, and
    thinned to their centre line, which a round pen of `radius` cells draws again: blown up as they are, the strokes
    would be twice as thick and much softer than MNIST's. Then MNIST's own recipe: scaled with its aspect kept into a
    20x20 box, that put with its centre of mass at the centre of 28x28.
    """
    from scipy import ndimage
    from skimage.morphology import skeletonize

    ink = ndimage.zoom(np.pad(counts / 16.0, 2), cell, order=3, grid_mode=True, mode="grid-constant")
    sharp = ink + 2 * (ink - ndimage.gaussian_filter(ink, 0.7 * cell))
    strokes = ndimage.gaussian_filter((sharp > 0.7).astype(float), 0.2 * cell) > 0.5
    distance = ndimage.distance_transform_edt(~skeletonize(strokes)) / cell
    pen = 1 / (1 + np.exp((distance - radius) * 16))

    rows, columns = np.nonzero(pen > 0.5)
    pen = pen[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = (max(1, round(20 * side / max(pen.shape))) for side in pen.shape)
    box = np.asarray(Image.fromarray(pen.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
    y, x = ndimage.center_of_mass(box)
    top, left = (int(np.clip(round(13.5 - c), 0, 28 - n)) for c, n in ((y, height), (x, width)))
    digit = np.zeros((28, 28), np.uint8)
    digit[top : top + height, left : left + width] = np.round(255 * np.clip(box, 0, 1))
    return digit


def make_digits() -> None:
    """Writes digits.npz: images uint8 [40, 28, 28], labels int64, class_names, source_index."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    index = np.array([i for row in zip(*DIGITS.values(), strict=True) for i in row])  # 0..9, 0..9, ...
    labels = bunch.target[index].astype(np.int64)
    if labels.tolist() != list(DIGITS) * 4:
        raise ValueError("load_digits has another order than the one DIGITS was chosen from")
    np.savez_compressed(
        SAMPLES / "digits.npz",
        images=np.stack([draw_digit(bunch.images[i]) for i in index]),
        labels=labels,
        class_names=np.array([str(c) for c in range(10)]),
        source_index=index,
    )


class Photograph(NamedTuple):
    name: str
    origin: str  # folder or archive / file
    crop: tuple[float, float, float]  # of a square: left and top as fractions of width and height, side of the shorter
    title: str
    label: str | None  # the ImageNet class, where there is one
    cifar10: str | None  # the CIFAR-10 class, where there is one
    author: str
    source: str
    licence: str


PHOTOGRAPHS = (
    Photograph(
        "giant_panda",
        "explore_world_animals.rcc/panda.webp",
        (0.17, 0.0, 1.0),
        "Giant panda",
        label="giant panda",
        cifar10=None,
        author="Jeff Kubina",
        source=COMMONS + "Giant_Panda_2004-03-2.jpg",
        licence="public domain",
    ),
    Photograph(
        "lesser_panda",
        "erase.rcc/red_panda.webp",
        (0.27, 0.0, 1.0),
        "Lesser (red) panda",
        label="lesser panda",
        cifar10=None,
        author="Mathias Appel",
        source=COMMONS + "Red_Panda_(30324056733).jpg",
        licence="CC0 1.0",
    ),
    Photograph(
        "polar_bear",
        "explore_world_animals.rcc/polar_bear.webp",
        (0.2, 0.08, 0.86),
        "Polar bear, Churchill Wildlife Management Area",
        label="ice bear",
        cifar10=None,
        author="unknown",
        source=COMMONS + "Churchill_Wildlife_Management_Area_polar_bear30.JPG",
        licence="public domain",
    ),
    Photograph(
        "bison",
        "explore_world_animals.rcc/bison.webp",
        (0.12, 0.0, 1.0),
        "American bison",
        label="bison",
        cifar10=None,
        author="Kurt Kaiser",
        source=COMMONS + "American_Bison_9.jpg",
        licence="CC0 1.0",
    ),
    Photograph(
        "koala",
        "explore_world_animals.rcc/koala.webp",
        (0.0, 0.12, 1.0),
        "Koala, Perth Zoo",
        label="koala",
        cifar10=None,
        author="BurningWell",
        source=COMMONS + "Koala_Perth_Zoo.jpg",
        licence="public domain",
    ),
    Photograph(
        "macaw",
        "explore_world_animals.rcc/scarlet_macaw.webp",
        (0.18, 0.0, 1.0),
        "Scarlet macaw",
        label="macaw",
        cifar10="bird",
        author="Dcoetzee",
        source=COMMONS + "Scarlet_macaw_at_Cougar_Mountain_Zoological_Park.jpg",
        licence="CC0 1.0",
    ),
    Photograph(
        "kingfisher",
        "erase.rcc/kingfisher.webp",
        (0.19, 0.0, 1.0),
        "Kingfisher",
        label=None,
        cifar10="bird",
        author="Frank-2.0",
        source=COMMONS + "Eisvogel_kingfisher.jpg",
        licence="CC0 1.0",
    ),
    Photograph(
        "german_shepherd",
        "explore_farm_animals.rcc/dog.webp",
        (0.18, 0.0, 1.0),
        "German shepherd",
        label="German shepherd",
        cifar10="dog",
        author="Hans Kemperman",
        source=COMMONS + "German-shepherd-4040871920._(2).jpg",
        licence="public domain",
    ),
    Photograph(
        "cat",
        "skimage/chelsea.png",
        (0.16, 0.0, 1.0),
        "Chelsea the cat",
        label="tabby",
        cifar10="cat",
        author="Stefan van der Walt",
        source="scikit-image, skimage.data.chelsea",
        licence="CC0 1.0",
    ),
    Photograph(
        "castle",
        "explore_monuments.rcc/neuschwansteinCastle.webp",
        (0.17, 0.0, 1.0),
        "Neuschwanstein Castle",
        label="castle",
        cifar10=None,
        author="cameralends",
        source=COMMONS + "Neuschwanstein_Castle_(532850).jpg",
        licence="CC0 1.0",
    ),
    Photograph(
        "coffee",
        "skimage/coffee.png",
        (0.19, 0.0, 1.0),
        "Cup of coffee, Pikolo Espresso Bar",
        label="espresso",
        cifar10=None,
        author="Rachel Michetti",
        source="scikit-image, skimage.data.coffee",
        licence="CC0 1.0",
    ),
    Photograph(
        "astronaut",
        "skimage/astronaut.png",
        (0.0, 0.0, 1.0),
        "Eileen Collins, astronaut",
        label=None,
        cifar10=None,
        author="NASA",
        source="https://flic.kr/p/r9qvLn (NASA Great Images), by way of scikit-image, skimage.data.astronaut",
        licence="public domain",
    ),
)


def qt_resources(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file in a Qt binary resource (.rcc) that is stored plainly or with zlib."""
    data = path.read_bytes()
    if data[:4] != b"qres":
        raise ValueError(f"{path} is not a Qt resource file")
    version, tree, contents, names = struct.unpack(">4I", data[4:20])
    entry = 22 if version > 1 else 14

    def visit(node: int) -> Iterator[tuple[str, bytes]]:
        start = tree + node * entry
        name_offset, flags = struct.unpack(">IH", data[start : start + 6])
        if flags & 2:  # a folder
            count, first = struct.unpack(">II", data[start + 6 : start + 14])
            for child in range(first, first + count):
                yield from visit(child)
        elif not flags & 4:
            (at,) = struct.unpack(">I", data[start + 10 : start + 14])
            (size,) = struct.unpack(">I", data[contents + at : contents + at + 4])
            content = data[contents + at + 4 : contents + at + 4 + size]
            (length,) = struct.unpack(">H", data[names + name_offset : names + name_offset + 2])
            name = data[names + name_offset + 6 : names + name_offset + 6 + 2 * length].decode("utf-16-be")
            yield name, zlib.decompress(content[4:]) if flags & 1 else content

    yield from visit(0)


def make_photographs(gcompris: Path) -> None:
    """Writes the photographs as square JPEGs, and natural.json with what is known of each."""
    import skimage

    described = []
    for photograph in PHOTOGRAPHS:
        folder, file = photograph.origin.split("/")
        if folder == "skimage":
            picture = Image.open(Path(skimage.__file__).parent / "data" / file)
        else:
            picture = Image.open(io.BytesIO(dict(qt_resources(gcompris / folder))[file]))
        left, top, part = photograph.crop
        x, y, side = left * picture.width, top * picture.height, part * min(picture.size)
        if x + side > picture.width + 1 or y + side > picture.height + 1:
            raise ValueError(f"the crop of {photograph.name} leaves the picture")
        square = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, (x, y, x + side, y + side))
        square.save(SAMPLES / f"{photograph.name}.jpg", quality=90, optimize=True)
        known = photograph._asdict()
        described.append({"file": f"{photograph.name}.jpg"} | {k: known[k] for k in DESCRIBED})
    (SAMPLES / "natural.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gcompris", type=Path, help="folder with the .rcc files of GCompris 3.1")
    arguments = parser.parse_args()
    SAMPLES.mkdir(exist_ok=True)
    make_digits()
    if arguments.gcompris is not None:
        make_photographs(arguments.gcompris)
