"""Pictures from people, read safely, and what the rest of the package calls an image.

An image is a float32 tensor (C, H, W), C = 1 (grey) or 3 (RGB), with values k/255 for k = 0..255: an 8-bit picture
divided by 255. A picture is what came before: a Pillow image of mode "L" or "RGB".
"""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, TiffImagePlugin
from torch import Tensor

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_BYTES = 20_000_000
MAX_PIXELS = 20_000_000
"""That are decoded; of a larger JPEG, which a camera may have made, every second, fourth or eighth in either direction."""
MAX_REDUCED, MAX_PROGRESSIVE = 80_000_000, 40_000_000
"""Pixels of such a JPEG; a progressive one is held as a whole while it is decoded."""
DIGIT_SIDE, DIGIT_INK = 28, 20
"""Pixels of MNIST's digits along a side: all, and what their ink may take."""
NEARLY_WHITE = 240
DARKEST_WHITE = 16  # of 255: the least that the brightest pixel becomes where a file does not say which value is white
SMAX_SAMPLE_VALUE = 341  # TIFF's tag for the largest value that a pixel can have


class Decoded(NamedTuple):
    """A picture out of a file, and what had to be decided to show it.

    Attributes:
        picture: a Pillow image of mode "L" (grey) or "RGB", 8 bits.
        remark: for captions: what was decided that the file does not say by itself, such as "16-bit values 0 to 200,
            read as 0 to 255"; empty where there was nothing to decide.
    """

    picture: Image.Image
    remark: str


def read_image(data: bytes | Path, formats: Sequence[str] = FORMATS) -> Image.Image:
    """The picture that `decode_image` finds, without the remark; raises what that raises."""
    return decode_image(data, formats).picture


def decode_image(data: bytes | Path, formats: Sequence[str] = FORMATS) -> Decoded:
    """The picture in the given file content or file, 8 bits, and a remark on how it was read.

    Reads PNG, JPEG, WebP, BMP, GIF and TIFF. Turns the picture upright as its EXIF orientation says, takes the first
    frame of an animation (and says so) and puts transparent pictures on white, or on black if all that can be seen is
    nearly white (a white digit on nothing would vanish otherwise), and says which. Colour profiles are not applied.

    More than 8 bits become 8 by scaling and rounding, and the remark says from which range:

    - Grey values go up to what the file says: TIFF by 12 bits per sample, or by SMaxSampleValue, which, as many write
      the largest value that occurs, is taken as the next of 255, 1023, 4095, 16383 and 65535 if it is not the largest of
      a number of bits itself (1 or 255 for floating-point values). Where it says nothing, whole numbers go up to 255 if
      all do, else to 65535 (32767 if signed), and floating-point numbers up to 1 if all do, else to 255. So read, the
      brightest pixel must be at least grey `DARKEST_WHITE` of 255 (all 0 is black), otherwise nobody knows which value
      is white and the picture is refused, as are negative and larger values and NaN.
    - Of 16 bits per channel in colours the upper 8 are taken (Pillow decodes no more); a picture that is nearly black
      or quite transparent then is refused, because its values probably fill the lower ones only.

    Looks at the size before decoding; JPEGs of more than `MAX_PIXELS` are decoded smaller, and the remark says so. Raises
    ValueError, one sentence, for anything that is no whole picture of at most `MAX_BYTES` bytes and `MAX_PIXELS` pixels in
    one of the formats; other errors only for a path that cannot be opened (OSError).
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
    reduced = _reduce(picture)
    if picture.width * picture.height > MAX_PIXELS:
        raise ValueError(_too_large(name, f"{picture.width} x {picture.height}"))
    try:
        depth = _depth(picture)
        animated = picture.format != "MPO" and getattr(picture, "is_animated", False)  # MPO: a phone's JPEG
        picture.load()
    except Exception as error:
        raise ValueError(f"{name} is damaged or incomplete and cannot be decoded; save or copy it again.") from error
    try:
        upright = ImageOps.exif_transpose(picture)
    except Exception:  # an unreadable EXIF block: the pixels are there all the same
        upright = picture
    try:
        shallow, scaled = _to_8_bits_a_channel(upright, depth)
    except ValueError as error:
        raise ValueError(f"{name} {error}; save it as an 8-bit PNG or JPEG.") from error
    try:
        grey_or_rgb, background = _grey_or_rgb(shallow)
    except ValueError as error:
        raise ValueError(
            f"{name} has pixels of a kind that is not supported (mode {picture.mode}); save it as an 8-bit PNG or JPEG."
        ) from error
    remarks = ("first of several frames" if animated else "", reduced, scaled, background)
    return Decoded(grey_or_rgb, "; ".join(filter(None, remarks)))


def _reduce(picture: Image.Image) -> str:
    """Have a JPEG of too many pixels decoded at half its size, a quarter or an eighth; says so."""
    width, height = picture.size
    if width * height <= MAX_PIXELS or picture.format not in ("JPEG", "MPO"):
        return ""
    if width * height > (MAX_PROGRESSIVE if picture.info.get("progressive") else MAX_REDUCED):
        return ""
    divisor = next((each for each in (2, 4) if width * height <= MAX_PIXELS * each**2), 8)
    picture.draft(None, (width // divisor, height // divisor))
    return f"read at {picture.width} x {picture.height} of {width} x {height} pixels"


def _too_large(name: str, size: str) -> str:
    return (
        f"{name} has too many pixels ({size}), at most {MAX_PIXELS / 1e6:.0f} million are read; make it smaller first."
    )


class _Depth(NamedTuple):
    """What a file says about its values: bits in a channel, the largest value (None: unknown), what 0 and bits mean."""

    bits: int
    largest: float | None = None
    white_is_zero: bool = False
    signed: bool = False


def _depth(picture: Image.Image) -> _Depth:
    """Of a picture that is not loaded yet."""
    if picture.format == "PPM":  # Pillow has scaled its values, whose largest such a file names
        return _Depth(16, 65535) if picture.mode == "I" else _Depth(8)
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _Depth(16 if ";16" in str(getattr(picture, "tile", "")) else 8)
    tags = picture.tag_v2
    bits = max(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    said = tags.get(SMAX_SAMPLE_VALUE)
    largest = max(said) if isinstance(said, tuple) else said
    if largest is None and bits == 12:
        largest = 4095
    white_is_zero = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0
    signed = bits <= 16 and tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,))[0] == 2  # 32 bits: Pillow writes all as signed
    return _Depth(bits, largest, white_is_zero, signed)


def _to_8_bits_a_channel(picture: Image.Image, depth: _Depth) -> tuple[Image.Image, str]:
    """The picture with 8 bits a channel, and a remark if it had more.

    Raises ValueError, the end of a sentence that begins with the file's name, where nobody knows how.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        kind = "floating-point" if picture.mode == "F" else f"{depth.bits}-bit"
        usual = (1, 255) if picture.mode == "F" else (255, 32767 if depth.signed else 65535)
        pixels, remark = _scaled(values, kind, usual, depth.largest)
        grey = Image.fromarray(255 - pixels if depth.white_is_zero else pixels)
        if isinstance(transparent := picture.info.get("transparency"), int):
            grey.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
        return grey, remark
    if depth.bits <= 8:
        if depth.signed and np.asarray(picture).max() > 127:
            raise ValueError("has signed 8-bit values, and negative ones have no grey")
        return picture, ""
    channels = np.asarray(picture)
    colours, opacity = (channels[..., :3], channels[..., 3:]) if picture.mode == "RGBA" else (channels, channels[:0])
    if colours.max() < DARKEST_WHITE or (opacity.size and opacity.max() < DARKEST_WHITE):
        raise ValueError(f"has {depth.bits} bits a channel, but no values that need more than 12 of them")
    if isinstance(picture.info.get("transparency"), tuple):
        raise ValueError(f"has {depth.bits} bits a channel and a transparent colour, which is not supported")
    return picture, f"the upper 8 of {depth.bits} bits a channel"


def _scaled(values: np.ndarray, kind: str, usual: tuple[int, int], said: float | None) -> tuple[np.ndarray, str]:
    """Grey values of more than 8 bits as uint8, scaled from the range described at `decode_image`, and a remark.

    White is what the file ``said``, or one of the two ``usual`` values.
    """
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"has {kind} values that are infinite or no numbers")
    if low < 0:
        raise ValueError(f"has {kind} values from {low:g} to {high:g}, and negative ones have no grey")
    if said is None:
        possible = [float(white) for white in usual if DARKEST_WHITE / 255 <= high / white <= 1 or high == 0]
    elif usual[0] == 255 and said in [2**bits - 1 for bits in range(8, 17)]:
        possible = [said]
    else:
        ranges = usual if usual[0] == 1 else (255, 1023, 4095, 16383, 65535)
        possible = [float(white) for white in ranges if white >= said][:1]
    if not possible:
        raise ValueError(
            f"has {kind} values from {low:g} to {high:g} and does not say which value is white (read as 0 to {usual[0]} "
            f"or 0 to {usual[1]} it would be cut off or nearly black)"
        )
    white = possible[0]
    if high > white:
        raise ValueError(f"has {kind} values up to {high:g}, but says that they go up to {said:g} only")
    scaled = values.astype(np.float64)
    scaled *= 255 / white
    np.rint(scaled, out=scaled)
    source = "" if said is None else ", as the file says"
    return scaled.astype(np.uint8), f"{kind} values {low:g} to {high:g}, read as 0 to {white:g}{source}"


def _grey_or_rgb(picture: Image.Image) -> tuple[Image.Image, str]:
    """The picture in mode "L" if it is grey and "RGB" if it has colours, and a remark if parts were transparent."""
    if picture.has_transparency_data:
        grey = picture.mode in ("1", "L", "LA", "La")
        opaque, remark = _without_transparency(picture.convert("RGBA"))
        return opaque.convert("L" if grey else "RGB"), remark
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB"), ""


def _without_transparency(picture: Image.Image) -> tuple[Image.Image, str]:
    """RGBA -> RGBA on an opaque white background, or a black one if what can be seen is nearly white; and a remark."""
    pixels = np.asarray(picture)
    visible = pixels[pixels[..., 3] > 0]
    background = "black" if visible.size and visible[:, :3].min() >= NEARLY_WHITE else "white"
    remark = f"transparent parts on {background}" if pixels[..., 3].min() < 255 else ""
    return Image.alpha_composite(Image.new("RGBA", picture.size, background), picture), remark


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


def centre_digit(picture: Image.Image) -> Image.Image:
    """Light ink on black, centred and scaled as the digits of MNIST were: grey, 28x28.

    What is not black is scaled (anti-aliased) so that its longer side has 20 pixels, and put where its centre of mass is nearest
    to the middle, as far as all of it stays within (LeCun et al., http://yann.lecun.com/exdb/mnist). A black picture stays black.
    """
    grey, centred = picture.convert("L"), Image.new("L", (DIGIT_SIDE, DIGIT_SIDE))
    box = grey.getbbox()
    if box is None:
        return centred
    width, height = box[2] - box[0], box[3] - box[1]
    scale = DIGIT_INK / max(width, height)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    ink = grey.resize(size, Image.Resampling.BICUBIC, box)
    mass = np.asarray(ink, np.float64)
    if mass.sum() == 0:  # too faint to be left after scaling
        return centred
    corner = []
    for axis, side in ((0, size[0]), (1, size[1])):
        centre = (mass.sum(axis=axis) * (np.arange(side) + 0.5)).sum() / mass.sum()
        corner.append(min(max(0, round(DIGIT_SIDE / 2 - centre)), DIGIT_SIDE - side))
    centred.paste(ink, (corner[0], corner[1]))
    return centred


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
