"""Slow, obvious reference code: float64, one pixel at a time, plain Python arithmetic, written from the definitions.

Images are numpy arrays (H, W); nothing here uses torch's or scipy's own interpolation or filters.
"""

import functools
import math
from collections.abc import Callable

import numpy as np


def bilinear(image: np.ndarray, x: float, y: float) -> float:
    """I(x, y): the interpolant at a centred position, 0 outside the image."""
    height, width = image.shape
    column, row = x + (width - 1) / 2, y + (height - 1) / 2
    left, top = math.floor(column), math.floor(row)
    total = 0.0
    for r in (top, top + 1):
        for c in (left, left + 1):
            if 0 <= r < height and 0 <= c < width:
                total += float(image[r, c]) * (1 - abs(column - c)) * (1 - abs(row - r))
    return total


def warp(image: np.ndarray, source: Callable[[float, float], tuple[float, float]]) -> np.ndarray:
    """Output pixel p reads the input at source(p)."""
    height, width = image.shape
    result = np.zeros((height, width))
    for r in range(height):
        for c in range(width):
            result[r, c] = bilinear(image, *source(c - (width - 1) / 2, r - (height - 1) / 2))
    return result


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotation, counter-clockwise as displayed for positive angles."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return warp(image, lambda x, y: (cosine * x - sine * y, sine * x + cosine * y))


def translate(image: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Translation, right for positive dx and down for positive dy."""
    return warp(image, lambda x, y: (x - dx, y - dy))


def scale(image: np.ndarray, log_percent: float) -> np.ndarray:
    """Scaling about the centre by exp(log_percent / 100), larger for positive ones."""
    factor = math.exp(log_percent / 100)
    return warp(image, lambda x, y: (x / factor, y / factor))


def shear(image: np.ndarray, percent: float) -> np.ndarray:
    """Shear: what is above the centre moves to the right for positive ones."""
    return warp(image, lambda x, y: (x + percent / 100 * y, y))


def change_values(image: np.ndarray, change: Callable[[float], float]) -> np.ndarray:
    """Every pixel by itself, and what leaves [0, 1] at its nearer end."""
    return np.array([[min(max(change(float(value)), 0.0), 1.0) for value in row] for row in image]).reshape(image.shape)


def brighten(image: np.ndarray, percent: float) -> np.ndarray:
    """Adds a percentage of the whole range."""
    return change_values(image, lambda value: value + percent / 100)


def stretch(image: np.ndarray, log_percent: float) -> np.ndarray:
    """Contrast: multiplies by e^(log_percent / 100)."""
    return change_values(image, lambda value: value * math.exp(min(max(log_percent / 100, -700), 700)))


def rotate_and_brighten(image: np.ndarray, degrees: float, percent: float) -> np.ndarray:
    """Rotation, then brightness."""
    return brighten(rotate(image, degrees), percent)


def turn_and_scale(image: np.ndarray, degrees: float, log_percent: float) -> np.ndarray:
    """Rotation and scaling at once: interpolated once."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    factor = math.exp(min(max(log_percent / 100, -700), 700))
    return warp(image, lambda x, y: ((cosine * x - sine * y) / factor, (sine * x + cosine * y) / factor))


TRANSFORMS: dict[str, Callable[..., np.ndarray]] = {
    "rotation": rotate,
    "translation": translate,
    "scaling": scale,
    "shear": shear,
    "brightness": brighten,
    "contrast": stretch,
    "rotation-brightness": rotate_and_brighten,
    "rotation-scaling": turn_and_scale,
}


def circle_vignette(height: int, width: int, margin: float) -> np.ndarray:
    """True for the pixels whose distance from the centre is at most ((n - 1) / 2 - margin), n the short side."""
    radius = (min(height, width) - 1) / 2 - margin
    keep = np.zeros((height, width), bool)
    for r in range(height):
        for c in range(width):
            x, y = c - (width - 1) / 2, r - (height - 1) / 2
            keep[r, c] = radius >= 0 and x * x + y * y <= radius * radius
    return keep


def rectangle_vignette(height: int, width: int, margin: int) -> np.ndarray:
    """True for the pixels that are at least ``margin`` pixels away from each side."""
    keep = np.zeros((height, width), bool)
    for r in range(height):
        for c in range(width):
            keep[r, c] = margin <= r <= height - 1 - margin and margin <= c <= width - 1 - margin
    return keep


def blur(image: np.ndarray, size: int, scale: float) -> np.ndarray:
    """Gaussian blur by the full two-dimensional kernel exp(-(i² + j²) / scale), normalised to sum 1; zeros outside."""
    half = size // 2
    offsets = range(-half, half + 1)
    total = sum(math.exp(-(i * i + j * j) / scale) for i in offsets for j in offsets)
    height, width = image.shape
    result = np.zeros((height, width))
    for r in range(height):
        for c in range(width):
            for i in offsets:
                for j in offsets:
                    if 0 <= r + i < height and 0 <= c + j < width:
                        result[r, c] += image[r + i, c + j] * math.exp(-(i * i + j * j) / scale) / total
    return result


def matrix(linear_map: Callable[[np.ndarray], np.ndarray], height: int, width: int) -> np.ndarray:
    """The matrix of a linear map of images (N, H, W) -> (N, H', W'): column i is the map of unit image i, flattened."""
    units = np.eye(height * width).reshape(-1, height, width)
    return linear_map(units).reshape(height * width, -1).T


Ends = tuple[float, float]


def source_hull(name: str, x: float, y: float, ranges: list[Ends]) -> tuple[Ends, Ends]:
    """The smallest box that contains the sources of (x, y) for parameters in these ranges."""
    if name == "translation":
        (left, right), (up, down) = ranges
        return (x - right, x - left), (y - down, y - up)
    low, high = ranges[0]
    radius, phase = math.hypot(x, y), math.degrees(math.atan2(y, x))
    angles = [low, high]  # the extremes are at the ends, or where the arc crosses an axis
    angles += [quarter * 90 - phase for quarter in range(-12, 13) if low < quarter * 90 - phase < high]
    points = [(radius * math.cos(math.radians(a + phase)), radius * math.sin(math.radians(a + phase))) for a in angles]
    for i, angle in enumerate((low, high)):  # as exact as rotate() at the ends
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        points[i] = cosine * x - sine * y, sine * x + cosine * y
    return (min(p[0] for p in points), max(p[0] for p in points)), (
        min(p[1] for p in points),
        max(p[1] for p in points),
    )


def inverse_pass(
    name: str,
    ranges: list[Ends],
    received: tuple[np.ndarray, np.ndarray],
    known: tuple[np.ndarray, np.ndarray],
    least_weight: float = 1e-3,
) -> tuple[np.ndarray, np.ndarray]:
    """One pass of the inverse for parameters in one split, as the paper writes it, cell by cell in pixels of pitch 1.

    ``received`` and ``known`` are lower and upper ends of x' and of x, (H, W). The result has one more pixel on each
    side: pixels outside the frame, which are 0.
    """
    height, width = received[0].shape
    lower, upper = (np.pad(end, 1) for end in known)
    result = lower.copy(), upper.copy()
    for r in range(height):
        for c in range(width):
            box = source_hull(name, c - (width - 1) / 2, r - (height - 1) / 2, ranges)
            value = float(received[0][r, c]), float(received[1][r, c])
            for (row, column), (low, high) in _unions(box, value, lower, upper, least_weight).items():
                result[0][row, column] = max(result[0][row, column], low)
                result[1][row, column] = min(result[1][row, column], high)
    return result


def _unions(
    box: tuple[Ends, Ends], value: Ends, lower: np.ndarray, upper: np.ndarray, least_weight: float
) -> dict[tuple[int, int], Ends]:
    """What one received pixel says of each original pixel (row, column) that it constrains, outside pixels included."""
    height, width = lower.shape
    # positions in the array with the ring; beyond the ring all is 0 as on it
    xl, xu = (min(max(x + (width - 1) / 2, 0), width - 1) for x in box[0])
    yl, yu = (min(max(y + (height - 1) / 2, 0), height - 1) for y in box[1])
    cells = [
        (v, w)
        for v in range(width - 1)
        for w in range(height - 1)
        if xl <= v + 1 and xu >= v and yl <= w + 1 and yu >= w
    ]
    unions: dict[tuple[int, int], Ends] = {}
    for row, column in {(w + j, v + i) for v, w in cells for i in (0, 1) for j in (0, 1)}:
        found = []
        for v, w in cells:
            if column not in (v, v + 1) or row not in (w, w + 1):
                break
            opposite_column, opposite_row = 2 * v + 1 - column, 2 * w + 1 - row
            for x in (max(xl, v), min(xu, v + 1)):
                for y in (max(yl, w), min(yu, w + 1)):
                    s, t = abs(x - column), abs(y - row)
                    if min(1 - s, 1 - t) < least_weight:
                        found.append((-math.inf, math.inf))
                        continue
                    own = (1 - s) * (1 - t)
                    others = [
                        (s * (1 - t), (row, opposite_column)),
                        ((1 - s) * t, (opposite_row, column)),
                        (s * t, (opposite_row, opposite_column)),
                    ]
                    low = (value[0] - sum(weight * upper[pixel] for weight, pixel in others)) / own
                    high = (value[1] - sum(weight * lower[pixel] for weight, pixel in others)) / own
                    found.append((low, high))
        else:
            unions[row, column] = min(end[0] for end in found), max(end[1] for end in found)
    return unions


# ------------------------------------------------------------------------------------------- many parameters at a time
#
# The same definitions with numpy instead of loops. A parameter is an exact sum of numbers (beta + gamma, b' - gamma), and angles
# are reduced to an eighth of a turn before a cosine is taken, so that sources are exact to a few units of 1e-16 of their size.


def _reduced(degrees: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quarter turns (whole numbers) and the exact rest in degrees, at most 45 or about so."""
    turns = np.round(degrees / 90)
    return turns, degrees - 90 * turns


def sources(name: str, height: int, width: int, *summands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where every pixel reads for K parameters, each a sum of the summands (K, d): x and y, (K, H, W), centred."""
    x = (np.arange(width) - (width - 1) / 2)[None, None, :]
    y = (np.arange(height) - (height - 1) / 2)[None, :, None]
    if name == "translation":
        for summand in summands:
            x, y = x - summand[:, 0, None, None], y - summand[:, 1, None, None]
        return np.broadcast_arrays(x, y)
    if name in ("scaling", "shear"):
        hundredths = np.array(
            [math.fsum(each) / 100 for each in zip(*(s[:, 0].tolist() for s in summands), strict=True)]
        )
        hundredths = hundredths[:, None, None]
        if name == "shear":
            return np.broadcast_arrays(x + hundredths * y, y)
        return x / np.exp(hundredths), y / np.exp(hundredths)
    if name == "rotation-scaling":
        x, y = sources("rotation", height, width, *(summand[:, :1] for summand in summands))
        factor = np.exp(sum(summand[:, 1] for summand in summands) / 100)[:, None, None]
        return x / factor, y / factor
    parts = [_reduced(summand[:, 0]) for summand in summands]
    more, rest = _reduced(sum(part[1] for part in parts))
    turns = ((sum(part[0] for part in parts) + more) % 4).astype(int)
    cosine, sine = np.cos(np.radians(rest)), np.sin(np.radians(rest))
    for _ in range(3):
        cosine, sine = np.where(turns > 0, -sine, cosine), np.where(turns > 0, cosine, sine)
        turns = turns - 1
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    return cosine * x - sine * y, sine * x + cosine * y


def warp_many(images: np.ndarray, name: str, *summands: np.ndarray) -> np.ndarray:
    """T_p of images (K, C, H, W), or of one image (1, C, H, W), for K parameters: see `sources`."""
    height, width = images.shape[-2:]
    x, y = sources(name, height, width, *summands)
    column = np.clip(x + (width - 1) / 2, -1, width)
    row = np.clip(y + (height - 1) / 2, -1, height)
    left, top = np.floor(column), np.floor(row)
    s, t = (column - left)[:, None], (row - top)[:, None]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 2), (1, 2)))
    place = (top.astype(int) + 1) * (width + 3) + left.astype(int) + 1  # (K, H, W)
    flat = padded.reshape(*images.shape[:2], -1)
    image = np.arange(len(place)) if len(images) > 1 else np.zeros(len(place), int)

    def corner(offset: int) -> np.ndarray:
        return np.moveaxis(flat[image[:, None, None], :, place + offset], -1, 1)

    upper = (1 - s) * corner(0) + s * corner(1)
    return (1 - t) * upper + t * ((1 - s) * corner(width + 3) + s * corner(width + 4))


@functools.lru_cache(maxsize=256)
def preprocessing_matrix(
    height: int, width: int, vignette: str | None, margin: int, blur_size: int, blur_scale: float
) -> np.ndarray:
    """P for images that are not resized, as a matrix (H * W, H * W), from the slow functions above."""
    masks = {"circle": circle_vignette, "rectangle": rectangle_vignette}
    mask = masks[vignette](height, width, margin) if vignette else np.ones((height, width), bool)

    def apply(units: np.ndarray) -> np.ndarray:
        shown = units * mask
        if blur_size > 1:
            shown = np.stack([blur(unit, blur_size, blur_scale) for unit in shown]) * mask
        return shown

    return matrix(apply, height, width)
