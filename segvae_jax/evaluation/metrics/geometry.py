"""Geometry of parts: where each class of a map lies, how large it is and how it is turned."""

import numpy as np
from jaxtyping import Bool, Float

QUANTITIES = ("log_area", "centroid_y", "centroid_x", "height", "width", "orientation")
CENTROID = slice(1, 3)
CHUNK = 256  # maps per chunk: 80 MB of floats at 64 x 64 x 19
_ROUND = 0.1  # anisotropy below which a part has no orientation


def part_geometry(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C 6"]:
    """The `QUANTITIES` of every part; NaN if the map lacks the class, and for the background.

    The log-area is the natural logarithm of the share of the map that the class covers. The centroid and the bounding
    box (height, width) are in shares of the map's height and width, 0..1. The orientation is the angle in radians from
    the x axis (downwards) to the long axis of the second moments in pixels. As an axis has no sign, it lies in
    (-pi/2, pi/2]. It is NaN if the moments differ by less than 10 % of their sum.
    """
    chunks = np.split(class_maps, range(CHUNK, len(class_maps), CHUNK))
    geometry = np.concatenate([_geometry(chunk) for chunk in chunks])
    geometry[:, 0] = np.nan
    return geometry


def _geometry(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C 6"]:
    parts = np.moveaxis(class_maps, -1, 1)
    height, width = parts.shape[2:]
    rows, columns = parts.sum(axis=3), parts.sum(axis=2)
    y, x = np.arange(height) + 0.5, np.arange(width) + 0.5
    area = rows.sum(axis=2).astype(np.float64)
    area[area == 0] = np.nan
    top, left = rows @ y / area, columns @ x / area
    spread_y, spread_x = rows @ y**2 / area - top**2, columns @ x**2 / area - left**2
    # multiples of one half, and their sums, are exact in float32
    joint = (parts.astype(np.float32) @ x.astype(np.float32)) @ y / area - top * left
    angle = _orientation(spread_y, spread_x, joint)
    box = _extent(rows) / height, _extent(columns) / width
    return np.stack([np.log(area / (height * width)), top / height, left / width, *box, angle], axis=-1)


def _extent(counts: np.ndarray) -> Float[np.ndarray, "N C"]:
    """Number of pixels from the first to the last that is not empty; NaN if all are empty."""
    filled = counts > 0
    extent = counts.shape[-1] - filled.argmax(axis=-1) - filled[..., ::-1].argmax(axis=-1)
    return np.where(filled.any(axis=-1), extent, np.nan)


def _orientation(spread_y: np.ndarray, spread_x: np.ndarray, joint: np.ndarray) -> Float[np.ndarray, "N C"]:
    along, across = spread_x - spread_y, 2 * joint
    turned = np.hypot(along, across) > _ROUND * (spread_x + spread_y)
    return np.where(turned, np.arctan2(across, along) / 2, np.nan)
