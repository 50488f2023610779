"""Odd pictures that must work and bad ones that must be refused, as the bytes of files."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encode(picture: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    """The picture as a file of that kind."""
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def odd_pictures() -> dict[str, bytes]:
    """Animated, CMYK, 16-bit, palette, transparent, EXIF-rotated and 1x1 pictures: each must work."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    colour = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112] = 6
    transparent = colour.convert("RGBA")
    transparent.putalpha(128)
    return {
        "animated.gif": encode(colour.convert("P"), "GIF", save_all=True, append_images=[colour.convert("P")] * 2),
        "cmyk.jpg": encode(colour.convert("CMYK"), "JPEG"),
        "sixteen.png": encode(Image.fromarray(noise[..., 0].astype(np.uint16) * 257)),
        "palette.png": encode(colour.convert("P")),
        "transparent.png": encode(transparent),
        "turned.jpg": encode(colour, "JPEG", exif=exif),
        "one.png": encode(Image.new("L", (1, 1), 200)),
    }


def bad_pictures() -> dict[str, bytes]:
    """Truncated, bomb, text and empty files: each must be refused in one sentence."""
    whole = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    bomb = b"".join(struct.pack(">I", len(b)) + a + b + struct.pack(">I", zlib.crc32(a + b)) for a, b in chunks)
    return {
        "truncated.png": whole[: len(whole) // 2],
        "bomb.png": b"\x89PNG\r\n\x1a\n" + bomb,
        "text.png": b"this is no picture",
    }
