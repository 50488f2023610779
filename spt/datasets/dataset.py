"""What a data set is: pictures with labels and captions."""

import contextlib
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from spt.images import FORMATS, Decoded, decode_image, fit_image, image_from_pixels

UNKNOWN_LABEL = -100  # in tensors of labels: what torch's losses ignore

Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures with labels; files are read when their image is asked for.

    Attributes:
        name: what people see, such as "mnist test".
        class_names: what the labels mean.
        pictures: uint8 (N, H, W, C), or N files.
        labels: for each picture its position in class_names, or None where no class fits.
        shape: (C, H, W) to which `spt.images.fit_image` brings every picture, or None to leave them as they are.
        notes: for some pictures a remark (title, author) that belongs into their caption.
        aliases: for some pictures another name of their class, in another list of classes.
        missing: for some pictures one sentence on why there is none; they keep their number, and so do all others.
    """

    name: str
    class_names: tuple[str, ...]
    pictures: np.ndarray | Sequence[Path]
    labels: Sequence[int | None] | np.ndarray
    shape: Shape | None = None
    notes: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[int, str] = field(default_factory=dict)
    missing: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    def image(self, index: int) -> Tensor:
        """The image at a position: float32 (C, H, W), values k/255. Raises ValueError if it cannot be read."""
        self._check(index)
        if index in self.missing:
            raise ValueError(self.missing[index])
        source = self.pictures[index]
        if isinstance(source, Path):
            picture = _decode(source).picture
        else:
            picture = Image.fromarray(source[..., 0] if source.shape[-1] == 1 else source)
        return fit_image(picture, self.shape or (len(picture.getbands()), picture.height, picture.width))

    def label(self, index: int) -> int | None:
        """The class of the image at a position, as a position in class_names; None where no class fits."""
        self._check(index)
        label = self.labels[index]
        return None if label is None else int(label)

    def label_among(self, index: int, class_names: Sequence[str]) -> int | None:
        """The class of the image at a position, as a position in a classifier's class names.

        With the same class names this is `label`; otherwise names are compared letter by letter, aliases too. None
        where the classifier has no class of that name, or two.
        """
        label = self.label(index)
        if tuple(class_names) == self.class_names:
            return label
        names = {self.aliases.get(index), None if label is None else self.class_names[label]}
        found = [position for position, name in enumerate(class_names) if name in names]
        return found[0] if len(found) == 1 else None

    def caption(self, index: int) -> str:
        """One line on the image at a position: data set, number, class, note and what `decode_image` remarks.

        A picture that cannot be read has a caption, too.
        """
        label = self.label(index)
        caption = f"{self.name} {index}" if label is None else f"{self.name} {index}: {self.class_names[label]}"
        notes = [self.notes[index]] if index in self.notes else []
        source = self.pictures[index]
        if isinstance(source, Path) and index not in self.missing:
            with contextlib.suppress(ValueError):
                notes += filter(None, [_decode(source).remark])
        return f"{caption} ({'; '.join(notes)})" if notes else caption

    def batch(self, indices: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) and labels (N,), int64, `UNKNOWN_LABEL` where there is none.

        Raises ValueError where images differ in shape: load the data set with a ``shape`` then.
        """
        chosen = list(indices)
        labels = [UNKNOWN_LABEL if (label := self.label(i)) is None else label for i in chosen]
        array = self.pictures if isinstance(self.pictures, np.ndarray) else None
        if array is not None and self.shape in (None, (array.shape[3], *array.shape[1:3])):
            images = image_from_pixels(array[np.array(chosen, dtype=np.int64)])
        else:
            single = [self.image(i) for i in chosen]
            shapes = sorted({tuple(image.shape) for image in single})
            if len(shapes) != 1:
                raise ValueError(
                    f"A batch has images of one shape, but these {len(single)} images of {self.name} have the shapes "
                    f"{shapes}; load the data set with a shape, such as shape=(3, 224, 224)."
                )
            images = torch.stack(single)
        return images, torch.tensor(labels, dtype=torch.int64)

    def _check(self, index: int) -> None:
        if not 0 <= index < len(self):
            raise ValueError(f"{self.name} has images 0 to {len(self) - 1}, but number {index} was asked for.")


def _decode(file: Path) -> Decoded:
    """The picture in a file of a data set. Raises ValueError, one sentence, if there is none that can be read."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ValueError(f"{file} is no file but something else; put a picture there.")
        return _decode_unchanged(file, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        raise ValueError(f"{file} cannot be opened ({error.strerror}); put the picture back there.") from error


@lru_cache(maxsize=1)
def _decode_unchanged(file: Path, size: int, changed: int) -> Decoded:
    """Once for a file's image and its caption, which are asked for one after the other."""
    return decode_image(file, formats=(*FORMATS, "PPM"))
