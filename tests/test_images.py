import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, PngImagePlugin

from spt import images
from spt.images import FORMATS, decode_image, fit_image, image_digest, image_from_pixels, read_image, to_8_bit, to_png


def encode(picture: Image.Image, kind: str = "PNG", **settings) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **settings)
    return file.getvalue()


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


PNG_BEGIN = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_header(width: int, height: int) -> bytes:
    """A whole PNG of that size, whose few bytes of pixel data are nowhere near enough."""

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG_BEGIN + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")


def deep_png(values: np.ndarray, colour_type: int, *chunks: bytes) -> bytes:
    """A PNG with 16 bits a channel, which Pillow does not write in colours: values (H, W, C)."""
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"".join(
        [PNG_BEGIN, chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )


def deep_tiff(values: np.ndarray, bits: int, **tags: tuple[int, str, float]) -> bytes:
    """An uncompressed grey TIFF, little-endian; further tags as number, struct's letter and value."""
    kinds = {"H": 3, "I": 4, "f": 11}
    data = values.tobytes()
    entries = [(256, "I", values.shape[1]), (257, "I", values.shape[0]), (258, "H", bits), (259, "H", 1)]
    entries += [(262, "H", 1), (277, "H", 1), (278, "I", values.shape[0]), (279, "I", len(data))]
    entries = [entry for entry in entries if entry[0] not in {tag[0] for tag in tags.values()}] + list(tags.values())
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    directory = b"".join(
        struct.pack("<HHI", number, kinds[letter], 1) + struct.pack("<" + letter, value).ljust(4, b"\0")
        for number, letter, value in sorted([*entries, (273, "I", start)])
    )
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries) + 1) + directory + bytes(4) + data


PHOTO = Image.fromarray(noise(12, 20, 3))


def gradient(width: int, height: int) -> Image.Image:
    """Smooth colours, so that lossy formats stay close."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([x * 255 // width, y * 255 // height, (x + y) * 255 // (width + height)], 2).astype("u1")
    )


class TestReads:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF"])
    def test_lossless_formats_keep_every_pixel(self, kind):
        settings = {"lossless": True, "exact": True} if kind == "WEBP" else {}
        assert np.array_equal(read_image(encode(PHOTO, kind, **settings)), PHOTO)

    def test_jpeg(self):
        picture = gradient(64, 48)
        read = read_image(encode(picture, "JPEG", quality=95, subsampling=0))
        assert read.mode == "RGB"
        assert np.abs(np.asarray(read, int) - np.asarray(picture, int)).max() <= 8

    def test_from_a_file(self, tmp_path):
        (tmp_path / "a.png").write_bytes(encode(PHOTO))
        assert np.array_equal(read_image(tmp_path / "a.png"), PHOTO)

    def test_grey_stays_grey(self):
        grey = Image.fromarray(noise(5, 7))
        read = read_image(encode(grey))
        assert read.mode == "L"
        assert np.array_equal(read, grey)

    def test_one_pixel(self):
        assert read_image(encode(Image.new("RGB", (1, 1), (1, 2, 3)))).getpixel((0, 0)) == (1, 2, 3)

    def test_one_bit_is_black_and_white(self):
        bits = Image.fromarray(noise(6, 9) > 127)
        read = read_image(encode(bits))
        assert (bits.mode, read.mode) == ("1", "L")
        assert np.array_equal(np.asarray(read), np.asarray(bits) * np.uint8(255))

    def test_palette(self):
        picture = PHOTO.quantize(16)
        assert np.array_equal(read_image(encode(picture)), picture.convert("RGB"))

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_16_bits_become_8_by_rounding(self, kind):
        values = np.array([[0, 128, 129, 257, 32768, 65407, 65535]], np.uint16)
        read = read_image(encode(Image.fromarray(values), kind))
        assert read.mode == "L"
        assert np.asarray(read).tolist() == [[0, 0, 1, 1, 128, 255, 255]]

    def test_32_bits_that_hold_16(self):
        assert read_image(encode(Image.new("I", (2, 1), 65535), "TIFF")).getpixel((1, 0)) == 255

    def test_cmyk_jpeg(self):
        read = read_image(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"))
        red, green, blue = read.getpixel((8, 8))
        assert (read.mode, red > 200, green < 60, blue < 60) == ("RGB", True, True, True)

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_frame_of_an_animation(self, kind):
        frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
        settings = {"lossless": True} if kind == "WEBP" else {}
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **settings)
        assert Image.open(io.BytesIO(data)).n_frames == 3
        assert read_image(data).getpixel((3, 3)) == (255, 0, 0)

    def test_photograph_with_a_second_picture_behind_it(self):
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        assert read_image(encode(frames[0], "MPO", save_all=True, append_images=frames[1:])).getpixel((3, 3))[0] > 250


class TestTransparency:
    def transparent_digit(self, ink: int, mode: str = "RGBA") -> bytes:
        alpha = Image.new("L", (9, 9), 0)
        alpha.paste(255, (4, 1, 5, 8))
        picture = Image.new(mode[:-1], (9, 9), ink if mode == "LA" else (ink,) * 3)
        picture.putalpha(alpha)
        return encode(picture)

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_dark_ink_is_put_on_white(self, mode):
        read = read_image(self.transparent_digit(0, mode)).convert("L")
        assert (read.getpixel((0, 0)), read.getpixel((4, 4))) == (255, 0)

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_white_ink_is_put_on_black(self, mode):
        read = read_image(self.transparent_digit(255, mode)).convert("L")
        assert (read.getpixel((0, 0)), read.getpixel((4, 4))) == (0, 255)

    def test_modes(self):
        assert read_image(self.transparent_digit(0, "LA")).mode == "L"
        assert read_image(self.transparent_digit(0, "RGBA")).mode == "RGB"

    def test_half_transparent_red(self):
        assert read_image(encode(Image.new("RGBA", (2, 2), (255, 0, 0, 128)))).getpixel((0, 0)) == (255, 127, 127)

    def test_nothing_visible_is_white(self):
        assert read_image(encode(Image.new("RGBA", (2, 2), (0, 0, 0, 0)))).getpixel((0, 0)) == (255, 255, 255)

    def test_palette_with_a_transparent_entry(self):
        picture = Image.new("P", (2, 1), 0)
        picture.putpalette([10, 20, 30, 40, 50, 60])
        picture.putpixel((1, 0), 1)
        read = read_image(encode(picture, transparency=0))
        assert (read.getpixel((0, 0)), read.getpixel((1, 0))) == ((255, 255, 255), (40, 50, 60))


FLOATS, SIGNED, WHITE_IS_ZERO = (339, "H", 3), (339, "H", 2), (262, "H", 0)
AS_8_BIT = "16-bit values 0 to 200, read as 0 to 255"


def largest(value: float, letter: str = "H") -> tuple[int, str, float]:
    """TIFF's tag SMaxSampleValue."""
    return 341, letter, value


class TestDepth:
    """Values of more than 8 bits: never a picture that is black or cut off without a word."""

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_16_bits_that_hold_8(self, kind):
        values = np.array([[0, 1, 128, 200]], np.uint16)
        decoded = decode_image(encode(Image.fromarray(values), kind))
        assert np.asarray(decoded.picture).tolist() == values.tolist()
        assert decoded.remark == AS_8_BIT

    def test_16_bits_say_so(self):
        decoded = decode_image(encode(Image.fromarray(np.array([[5, 65535]], np.uint16))))
        assert decoded.remark == "16-bit values 5 to 65535, read as 0 to 65535"

    def test_32_bits_that_hold_8(self):
        decoded = decode_image(encode(Image.fromarray(np.array([[0, 7, 200]], np.int32)), "TIFF"))
        assert np.asarray(decoded.picture).tolist() == [[0, 7, 200]]
        assert decoded.remark == "32-bit values 0 to 200, read as 0 to 255"

    @pytest.mark.parametrize("signed", [False, True])
    def test_signed_and_unsigned_16_bits(self, signed):
        data = deep_tiff(np.array([[0, 200]], np.uint16), 16, **({"format": SIGNED} if signed else {}))
        assert (np.asarray(read_image(data)).tolist(), decode_image(data).remark) == ([[0, 200]], AS_8_BIT)

    def test_signed_values(self):
        decoded = decode_image(deep_tiff(np.array([[0, 32767]], np.int16), 16, format=SIGNED))
        assert np.asarray(decoded.picture).tolist() == [[0, 255]]
        assert decoded.remark == "16-bit values 0 to 32767, read as 0 to 32767"
        for values, bits in ((np.array([[0, -5]], np.int16), 16), (np.array([[0, -5]], np.int8), 8)):
            with pytest.raises(ValueError, match="negative ones have no grey"):
                read_image(deep_tiff(values, bits, format=SIGNED))
        assert np.asarray(read_image(deep_tiff(np.array([[0, 5]], np.int8), 8, format=SIGNED))).tolist() == [[0, 5]]

    @pytest.mark.parametrize("white", [255, 4095, 16383, 32767, 65535])
    def test_every_value_is_rounded_to_the_nearest(self, white):
        values = np.arange(white + 1, dtype=np.uint16)[None]
        read = read_image(deep_tiff(values, 16, largest=largest(white)))
        assert np.array_equal(read, (values.astype(int) * 510 + white) // (2 * white))

    @pytest.mark.parametrize("high", [1, 15, 256, 3071, 4095])
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_where_nobody_knows_which_value_is_white(self, kind, high):
        values = np.array([[0, high]], np.uint16)
        with pytest.raises(ValueError, match=f"16-bit values from 0 to {high} and does not say .*8-bit PNG"):
            read_image(encode(Image.fromarray(values), kind))

    @pytest.mark.parametrize("high", [16, 255, 4112, 65535])
    def test_what_is_read_is_not_nearly_black(self, high):
        read = read_image(encode(Image.fromarray(np.array([[0, high]], np.uint16))))
        assert np.asarray(read).max() >= 16

    def test_black(self):
        assert not np.asarray(read_image(encode(Image.new("I;16", (3, 2))))).any()

    @pytest.mark.parametrize(
        ("said", "white"), [(200, 255), (1023, 1023), (2047, 2047), (3000, 4095), (32767, 32767), (65535, 65535)]
    )
    def test_a_tiff_says_how_far_its_values_go(self, said, white):
        values = np.array([[0, 100, 150, 200]], np.uint16)
        decoded = decode_image(deep_tiff(values, 16, largest=largest(said)))
        assert np.asarray(decoded.picture).tolist() == np.rint(values * 255 / white).astype(int).tolist()
        assert decoded.remark == f"16-bit values 0 to 200, read as 0 to {white}, as the file says"

    def test_a_tiff_that_contradicts_itself(self):
        with pytest.raises(ValueError, match="values up to 700, but says that they go up to 255 only"):
            read_image(deep_tiff(np.array([[0, 700]], np.uint16), 16, largest=largest(255)))

    def test_12_bits_of_a_tiff(self):
        # Two values of 12 bits in three bytes: 0xFFF and 0x800.
        decoded = decode_image(deep_tiff(np.array([[0xFF, 0xF8, 0x00]], np.uint8), 12, width=(256, "I", 2)))
        assert np.asarray(decoded.picture).tolist() == [[255, 128]]
        assert decoded.remark == "12-bit values 2048 to 4095, read as 0 to 4095, as the file says"

    @pytest.mark.parametrize("compression", [None, "tiff_lzw"])
    def test_white_is_zero(self, compression):
        values = np.array([[0, 257, 65535]], np.uint16)
        data = encode(Image.fromarray(values), "TIFF", compression=compression, tiffinfo={262: 0})
        assert np.asarray(read_image(data)).tolist() == [[255, 254, 0]]

    @pytest.mark.parametrize("factor", [1, 255])
    def test_floats(self, factor):
        grey = noise(5, 4)
        values = grey.astype(np.float32) / np.float32(255) if factor == 1 else grey.astype(np.float32)
        decoded = decode_image(encode(Image.fromarray(values), "TIFF"))
        assert np.array_equal(decoded.picture, grey)
        assert decoded.remark.startswith("floating-point values ")
        assert decoded.remark.endswith(f", read as 0 to {factor}")

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([0, 0.05], "does not say which value is white"),
            ([0, 1.01], "does not say which value is white"),
            ([0, 300], "does not say which value is white"),
            ([-0.1, 0.9], "negative ones have no grey"),
            ([0, np.nan], "infinite or no numbers"),
            ([0, np.inf], "infinite or no numbers"),
        ],
    )
    def test_floats_that_are_no_picture(self, values, message):
        with pytest.raises(ValueError, match=message):
            read_image(encode(Image.fromarray(np.array([values], np.float32)), "TIFF"))

    def test_floats_with_a_range(self):
        data = deep_tiff(np.array([[0, 0.02]], np.float32), 32, format=FLOATS, largest=largest(1.0, "f"))
        assert np.asarray(read_image(data)).tolist() == [[0, 5]]

    @pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
    def test_16_bits_a_channel(self, colour_type, channels):
        values = np.full((2, 3, channels), 65535, np.uint16)
        values[0, 0, 0] = 256 * 77
        decoded = decode_image(deep_png(values, colour_type))
        assert decoded.remark == "the upper 8 of 16 bits a channel"
        assert decoded.picture.getpixel((0, 0)) == ((77, 255, 255) if channels != 2 else (77, 77, 77))
        with pytest.raises(ValueError, match="16 bits a channel, but no values that need more than 12"):
            read_image(deep_png(values // 257, colour_type))

    def test_only_the_opacity_has_8_bits(self):
        values = np.full((2, 3, 4), 65535, np.uint16)
        values[..., 3] = 255
        with pytest.raises(ValueError, match="16 bits a channel"):
            read_image(deep_png(values, 6))

    def test_a_transparent_value_of_16_bits(self):
        values = np.array([[[0], [3000], [65535]]], np.uint16)
        decoded = decode_image(deep_png(values, 0, chunk(b"tRNS", struct.pack(">H", 3000))))
        assert np.asarray(decoded.picture).tolist() == [[0, 255, 255]]
        with pytest.raises(ValueError, match="transparent colour"):
            read_image(deep_png(values.repeat(3, 2), 2, chunk(b"tRNS", struct.pack(">HHH", 0, 0, 0))))


class TestRemarks:
    @pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "JPEG"])
    def test_nothing_to_say(self, kind):
        assert decode_image(encode(PHOTO, kind)).remark == ""

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
    def test_first_of_several_frames(self, kind):
        frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
        settings = {"lossless": True} if kind == "WEBP" else {}
        decoded = decode_image(encode(frames[0], kind, save_all=True, append_images=frames[1:], **settings))
        assert (decoded.remark, decoded.picture.getpixel((3, 3))) == ("first of several frames", (255, 0, 0))

    @pytest.mark.parametrize(("grey", "background"), [(0, "white"), (255, "black")])
    def test_background_of_transparent_parts(self, grey, background):
        picture = Image.new("LA", (2, 1), (grey, 255))
        assert decode_image(encode(picture)).remark == ""
        picture.putpixel((0, 0), (grey, 0))
        decoded = decode_image(encode(picture))
        assert decoded.remark == f"transparent parts on {background}"
        assert np.asarray(decoded.picture).tolist() == [[255 - grey, grey]]

    def test_lab_and_cmyk_become_rgb(self):
        lab = Image.merge("LAB", [Image.new("L", (4, 4), value) for value in (128, 128, 128)])
        read = read_image(encode(lab, "TIFF"))
        assert read.mode == "RGB"
        assert np.ptp(np.asarray(read)) <= 2 and 100 < np.asarray(read).mean() < 140
        assert read_image(encode(Image.new("CMYK", (4, 4), (0, 0, 0, 255)), "TIFF")).getpixel((0, 0)) == (0, 0, 0)


class TestOrientation:
    @pytest.mark.parametrize(
        ("orientation", "upright"),
        [
            (1, lambda a: a),
            (2, lambda a: a[:, ::-1]),
            (3, lambda a: a[::-1, ::-1]),
            (4, lambda a: a[::-1]),
            (5, lambda a: a.swapaxes(0, 1)),
            (6, lambda a: np.rot90(a, -1)),
            (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
            (8, lambda a: np.rot90(a)),
        ],
    )
    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_picture_is_turned_upright(self, orientation, upright, kind):
        exif = Image.Exif()
        exif[0x0112] = orientation
        read = read_image(encode(PHOTO, kind, exif=exif))
        assert np.array_equal(read, upright(np.asarray(PHOTO)))

    def test_jpeg_of_a_phone_held_upright(self):
        # The sensor's picture has the sky (white) at its left; orientation 6 says: turn clockwise.
        sensor = Image.new("RGB", (64, 48), "black")
        sensor.paste("white", (0, 0, 32, 48))
        exif = Image.Exif()
        exif[0x0112] = 6
        read = read_image(encode(sensor, "JPEG", exif=exif))
        assert read.size == (48, 64)
        assert (read.getpixel((24, 10))[0] > 250, read.getpixel((24, 54))[0] < 5) == (True, True)

    def test_unreadable_exif_does_not_hide_the_pixels(self):
        assert np.array_equal(read_image(encode(PHOTO, exif=b"Exif\0\0nonsense")), PHOTO)


UNUSABLE = {
    "empty": (b"", "is empty"),
    "text": (b"hello", "not a picture"),
    "only a signature": (b"\x89PNG\r\n\x1a\n", "not a picture"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>', "not a picture"),
    "pdf": (b"%PDF-1.7\n", "not a picture"),
    "pickle": (b"\x80\x04\x95(cposix\nsystem\n", "not a picture"),
    "ppm, known to Pillow but not taken": (b"P6 2 2 255\n" + bytes(12), "not a picture"),
    "icon, known to Pillow but not taken": (encode(PHOTO, "ICO", sizes=[(12, 12)]), "not a picture"),
    "too little pixel data": (png_header(20, 20), "damaged"),
    "25 megapixels": (png_header(5000, 5000), r"too many pixels \(5000 x 5000\), at most 20 million"),
    "81 megapixels": (png_header(9000, 9000), r"too many pixels \(9000 x 9000\)"),
    "144 megapixels, Pillow warns": (png_header(12000, 12000), "too many pixels"),
    "3.6 gigapixels, Pillow refuses": (png_header(60000, 60000), "too many pixels"),
    "20 megabytes": (bytes(images.MAX_BYTES + 1), "20.0 MB, but at most 20 MB"),
    "floating point": (encode(Image.new("F", (2, 2), 1.5), "TIFF"), "floating-point values from 1.5 to 1.5"),
    "more than 16 bits": (encode(Image.new("I", (2, 2), 70000), "TIFF"), "32-bit values from 70000 to 70000"),
    "negative": (encode(Image.new("I", (2, 2), -1), "TIFF"), "negative ones have no grey"),
}


class TestRefuses:
    @pytest.mark.parametrize("case", UNUSABLE)
    def test_what_is_no_usable_picture(self, case):
        data, message = UNUSABLE[case]
        with pytest.raises(ValueError, match=message) as caught:
            read_image(data)
        assert str(caught.value).endswith(".")
        assert ". " not in str(caught.value)  # one sentence

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
    @pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
    def test_truncated(self, kind, part):
        data = encode(Image.fromarray(noise(64, 64, 3)), kind)
        with pytest.raises(ValueError, match=r"damaged|not a picture"):
            read_image(data[: int(part * len(data))])

    def test_huge_picture_is_refused_without_decoding(self, monkeypatch):
        monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
        with pytest.raises(ValueError, match="too many pixels"):
            read_image(png_header(9000, 9000))

    def test_a_large_photograph_is_read_smaller_and_says_so(self, monkeypatch):
        data = encode(gradient(64, 96), "JPEG")
        whole = read_image(data)
        monkeypatch.setattr("spt.images.MAX_PIXELS", 96 * 64 // 4)
        found = decode_image(data)
        assert found.picture.size == (32, 48) and found.remark == "read at 32 x 48 of 64 x 96 pixels"
        assert torch.allclose(fit_image(found.picture, (3, 24, 16)), fit_image(whole, (3, 24, 16)), atol=0.03)
        monkeypatch.setattr("spt.images.MAX_PIXELS", 50)
        with pytest.raises(ValueError, match=r"too many pixels \(8 x 12\)"):
            read_image(data)

    def test_a_photograph_beyond_reason_is_refused(self, monkeypatch):
        """Of a progressive one all is held while it is decoded, so it may have less."""
        monkeypatch.setattr("spt.images.MAX_PIXELS", 1000)
        monkeypatch.setattr("spt.images.MAX_REDUCED", 6000)
        monkeypatch.setattr("spt.images.MAX_PROGRESSIVE", 3000)
        plain, progressive = io.BytesIO(), io.BytesIO()
        gradient(64, 64).save(plain, "JPEG")
        gradient(64, 64).save(progressive, "JPEG", progressive=True)
        assert decode_image(plain.getvalue()).picture.size == (16, 16)
        for data in (progressive.getvalue(), encode(gradient(100, 64), "JPEG")):
            with pytest.raises(ValueError, match="too many pixels"):
                read_image(data)

    def test_names_the_file(self, tmp_path):
        (tmp_path / "broken.png").write_bytes(b"hello")
        with pytest.raises(ValueError, match=r"broken\.png is not a picture"):
            read_image(tmp_path / "broken.png")

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("kind", [*FORMATS, "16-bit PNG", "16-bit TIFF"])
    @given(data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_damaged_bytes_give_a_picture_or_a_value_error(self, kind, data):
        deep = Image.fromarray(np.asarray(gradient(16, 16))[..., 0].astype(np.uint16) * 257)
        picture = deep if kind.startswith("16-bit") else gradient(16, 16)
        content = bytearray(encode(picture, kind.removeprefix("16-bit ")))
        positions = st.integers(0, len(content) - 1)
        for position in data.draw(st.lists(positions, min_size=1, max_size=8)):
            content[position] = data.draw(st.integers(0, 255))
        try:
            assert read_image(bytes(content)).mode in ("L", "RGB")
        except ValueError as error:
            assert str(error).startswith("This file")


class TestFit:
    @given(pixels=arrays(np.uint8, (5, 4, 3)))
    def test_right_size_changes_nothing(self, pixels):
        fitted = fit_image(Image.fromarray(pixels), (3, 5, 4))
        assert torch.equal(fitted, torch.from_numpy(pixels).movedim(-1, 0).float() / 255)

    @given(
        height=st.integers(1, 40),
        width=st.integers(1, 40),
        shape=st.tuples(st.sampled_from([1, 3]), st.integers(1, 30), st.integers(1, 30)),
        mode=st.sampled_from(["L", "RGB"]),
    )
    def test_always_an_8_bit_image_of_that_shape(self, height, width, shape, mode):
        picture = Image.fromarray(noise(height, width, 3)).convert(mode)
        fitted = fit_image(picture, shape)
        assert (tuple(fitted.shape), fitted.dtype, fitted.is_contiguous()) == (shape, torch.float32, True)
        assert torch.equal(fitted, (fitted * 255).round() / 255)
        assert 0 <= fitted.min() <= fitted.max() <= 1

    @given(colour=st.tuples(*[st.integers(0, 255)] * 3), shape=st.sampled_from([(3, 8, 8), (3, 5, 31), (3, 40, 2)]))
    def test_one_colour_stays_that_colour(self, colour, shape):
        fitted = fit_image(Image.new("RGB", (23, 11), colour), shape)
        assert torch.equal(fitted, (torch.tensor(colour).view(3, 1, 1) / 255).expand(shape))

    def test_keeps_the_centre_of_the_longer_side(self):
        wide = Image.new("L", (60, 20), 0)
        wide.paste(255, (20, 0, 40, 20))
        assert fit_image(wide, (1, 20, 20)).min() == 1
        assert fit_image(wide.transpose(Image.Transpose.ROTATE_90), (1, 20, 20)).min() == 1

    def test_shrinking_averages(self):
        checkerboard = Image.fromarray(((np.indices((64, 64)).sum(0) % 2) * 255).astype(np.uint8))
        assert (fit_image(checkerboard, (1, 8, 8)) - 0.5).abs().max() < 0.02

    def test_grey_repeats_and_colour_becomes_luma(self):
        grey = Image.fromarray(noise(6, 6))
        assert torch.equal(fit_image(grey, (3, 6, 6)), fit_image(grey, (1, 6, 6)).expand(3, 6, 6))
        assert fit_image(Image.new("RGB", (2, 2), (0, 255, 0)), (1, 2, 2))[0, 0, 0] == torch.tensor(150) / 255

    def test_invert(self):
        plain, inverted = (fit_image(PHOTO, (3, 12, 20), invert=invert) for invert in (False, True))
        assert torch.equal((inverted * 255).round(), 255 - (plain * 255).round())

    def test_extreme_aspect_is_not_enlarged_as_a_whole(self):
        # Scaled until its short side fits, this picture would have 224 x 224,000,000 pixels.
        assert fit_image(Image.new("L", (1, 1_000_000), 9), (1, 224, 224)).unique().tolist() == [pytest.approx(9 / 255)]

    @pytest.mark.parametrize("shape", [(2, 5, 5), (0, 5, 5), (3, 0, 5), (1, 5, -1)])
    def test_no_such_shape(self, shape):
        with pytest.raises(ValueError, match=r"was asked for"):
            fit_image(PHOTO, shape)


class TestTensors:
    def test_pixels_and_png_are_inverse(self):
        for channels in (1, 3):
            image = image_from_pixels(noise(7, 5, channels))
            assert torch.equal(fit_image(read_image(to_png(image)), (channels, 7, 5)), image)

    def test_pixels_of_a_batch(self):
        pixels = noise(4, 7, 5, 3)
        batch = image_from_pixels(pixels)
        assert batch.shape == (4, 3, 7, 5)
        assert batch[2, 1, 6, 4] == torch.tensor(int(pixels[2, 6, 4, 1])) / 255

    @pytest.mark.parametrize("pixels", [noise(7, 5), noise(7, 5, 4), noise(7, 5, 3) / 255.0])
    def test_no_pixels(self, pixels):
        with pytest.raises(ValueError, match="Pixels must be uint8"):
            image_from_pixels(pixels)

    def test_png_rounds_and_clips_noise(self):
        values = torch.tensor([[[-9.1, -1.2, -0.2, 0.0, 0.498, 0.61, 1.0, 1.003, 1.7, 9.1, -torch.inf, torch.inf]]])
        assert np.asarray(read_image(to_png(values))).tolist() == [[0, 0, 0, 0, 127, 156, 255, 255, 255, 255, 0, 255]]

    def test_8_bit_is_what_a_png_would_keep(self):
        values = torch.randn(3, 9, 7, generator=torch.Generator().manual_seed(0))
        assert torch.equal(to_8_bit(values), fit_image(read_image(to_png(values)), (3, 9, 7)))
        assert torch.equal(to_8_bit(to_8_bit(values)), to_8_bit(values))

    def test_png_of_no_image(self):
        with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
            to_png(torch.zeros(2, 4, 4))

    def test_digest_sees_every_value_and_the_shape(self):
        image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
        digest = image_digest(image)
        assert len(digest) == 64
        assert image_digest(image.clone()) == digest
        changed = image.clone()
        changed[2, 63, 63] = torch.nextafter(changed[2, 63, 63], torch.tensor(2.0))
        assert image_digest(changed) != digest
        assert image_digest(image.reshape(3, 32, 128)) != digest

    def test_digest_does_not_depend_on_the_layout(self):
        image = torch.rand(3, 6, 5, generator=torch.Generator().manual_seed(0))
        assert image_digest(image.movedim(0, -1).contiguous().movedim(-1, 0)) == image_digest(image)
