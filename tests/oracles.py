"""Slow, obvious reference code: float64, one pixel at a time, plain Python arithmetic, written from the definitions.

Images are numpy arrays (H, W); nothing here uses torch's or scipy's own interpolation or filters.
"""

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


TRANSFORMS: dict[str, Callable[..., np.ndarray]] = {"rotation": rotate, "translation": translate}


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
