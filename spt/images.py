"""Pictures from people, read safely, and what the rest of the package calls an image.

An image is a float32 tensor (C, H, W), C = 1 (grey) or 3 (RGB), with values k/255 for k = 0..255: an 8-bit picture
divided by 255. A picture is what came before: a Pillow image of mode "L" or "RGB".
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_BYTES = 20_000_000
MAX_PIXELS = 50_000_000
NEARLY_WHITE = 240


def read_image(data: bytes | Path, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The picture in the given file content or file, decoded: a Pillow image of mode "L" (grey) or "RGB", 8 bits.

    Reads PNG, JPEG, WebP, BMP, GIF and TIFF. Turns the picture upright as its EXIF orientation says, takes the first
    frame of an animation, scales 16 bits to 8 (divided by 257, rounded) and puts transparent pictures on white, or on
    black if all that can be seen is nearly white (a white digit on nothing would vanish otherwise).

    Looks at the size before decoding. Raises ValueError, one sentence, for anything that is no whole picture of at
    most `MAX_BYTES` bytes and `MAX_PIXELS` pixels in one of the formats; other errors only for a path that cannot be
    opened (OSError).
    """
    name = "This file" if isinstance(data, bytes) else str(data)
    size = len(data) if isinstance(data, bytes) else data.stat().st_size
    if size == 0:
        raise ValueError(f"{name} is empty; a picture is expected ({', '.join(formats)}).")
    if size > MAX_BYTES:
        raise ValueError(
            f"{name} has {size / 1e6:.1f} MB, but at most {MAX_BYTES / 1e6:.0f} MB are read; make it smaller first."
        )
    content = data if isinstance(data, bytes) else data.read_bytes()
    # What Pillow's decoders raise on hostile bytes is open-ended (struct.error, SyntaxError, IndexError, ...).
    try:
        picture = Image.open(io.BytesIO(content), formats=list(formats))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(_too_large(name, "more than that")) from error
    except Exception as error:
        raise ValueError(
            f"{name} is not a picture that can be read; save it as one of {', '.join(formats)}."
        ) from error
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(_too_large(name, f"{picture.width} x {picture.height}"))
    try:
        picture.load()
    except Exception as error:
        raise ValueError(f"{name} is damaged or incomplete and cannot be decoded; save or copy it again.") from error
    try:
        upright = ImageOps.exif_transpose(picture)
    except Exception:  # an unreadable EXIF block: the pixels are there all the same
        upright = picture
    try:
        return _grey_or_rgb(upright)
    except ValueError as error:
        raise ValueError(
            f"{name} has pixels of a kind that is not supported (mode {picture.mode}); save it as an 8-bit PNG or JPEG."
        ) from error


def _too_large(name: str, size: str) -> str:
    return (
        f"{name} has too many pixels ({size}), at most {MAX_PIXELS / 1e6:.0f} million are read; make it smaller first."
    )


def _grey_or_rgb(picture: Image.Image) -> Image.Image:
    """The picture in mode "L" if it is grey and "RGB" if it has colours."""
    if picture.mode.startswith("I"):  # 16 bits (I;16, I;16B, ...), or 32 bits that hold 16
        values = np.asarray(picture).astype(np.int32)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError("more than 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if picture.has_transparency_data:
        grey = picture.mode in ("1", "L", "LA", "La")
        return _without_transparency(picture.convert("RGBA")).convert("L" if grey else "RGB")
    if picture.mode == "F":
        raise ValueError("floating-point values have no agreed range")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _without_transparency(picture: Image.Image) -> Image.Image:
    """RGBA -> RGBA on an opaque white background, or a black one if what can be seen is nearly white."""
    pixels = np.asarray(picture)
    visible = pixels[pixels[..., 3] > 0]
    background = "black" if visible.size and visible[:, :3].min() >= NEARLY_WHITE else "white"
    return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture)


def fit_image(picture: Image.Image, shape: tuple[int, int, int], invert: bool = False) -> Tensor:
    """The centre of a picture as an image of shape (C, H, W), float32 (C, H, W), values k/255.

    The largest centred part with the aspect of H x W is scaled to it (Lanczos, anti-aliased); where the size is right
    already, no value changes. C = 1 makes it grey (ITU-R 601 luma), C = 3 repeats grey values. `invert` swaps black
    and white: for dark ink on light paper where a classifier knows MNIST's light ink on black. Raises ValueError for
    a shape that is no image's.
    """
    channels, height, width = shape
    if channels not in (1, 3) or height < 1 or width < 1:
        raise ValueError(f"An image has shape (1 or 3, height, width), but {tuple(shape)} was asked for.")
    picture = picture.convert("L" if channels == 1 else "RGB")
    scale = min(picture.height / height, picture.width / width)
    left, top = max(0.0, (picture.width - scale * width) / 2), max(0.0, (picture.height - scale * height) / 2)
    # The box is cut and scaled in one step: a picture of 1 x 50,000,000 pixels is never enlarged as a whole.
    box = (left, top, picture.width - left, picture.height - top)
    fitted = picture.resize((width, height), Image.Resampling.LANCZOS, box)
    pixels = np.asarray(ImageOps.invert(fitted) if invert else fitted)
    return image_from_pixels(pixels.reshape(height, width, channels))


def image_from_pixels(pixels: np.ndarray) -> Tensor:
    """8-bit pixels (..., H, W, C), C = 1 or 3, as images (..., C, H, W): float32, divided by 255.

    Raises ValueError for another type or shape.
    """
    if pixels.dtype != np.uint8 or pixels.ndim < 3 or pixels.shape[-1] not in (1, 3):
        raise ValueError(
            f"Pixels must be uint8 with 1 or 3 channels on the last axis, but are {pixels.dtype} {pixels.shape}."
        )
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3), np.float32)).div_(255)


def to_8_bit(images: Tensor) -> Tensor:
    """Images as a person receives them: values rounded to multiples of 1/255 and clipped to [0, 1]."""
    return (images.clamp(0, 1) * 255).round() / 255


def to_png(image: Tensor) -> bytes:
    """An image (C, H, W) as a PNG file, rounded to 8 bits; what lies outside [0, 1] (noise) is clipped."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"An image has shape (1 or 3, height, width), but this one has {tuple(image.shape)}.")
    pixels = image.detach().cpu().float().clamp(0, 1).mul(255).round().byte().movedim(0, -1).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


def image_digest(image: Tensor) -> str:
    """SHA-256 (hexadecimal) of an image's shape and all its values as float32: a key for caches.

    Two images share it only if they have the same shape and, to float32, the same values.
    """
    values = np.ascontiguousarray(image.detach().cpu().float().numpy(), dtype="<f4")
    return hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
