"""From layers to class maps, without slivers of a part and without narrow gaps between parts."""

import functools
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax.data.cartoon.shapes import Area, Layer
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_shapes

Mask = Bool[np.ndarray, "H W"]
_DETAILED = 48  # pixels: below this height, parts one pixel wide and gaps two pixels wide are meant


def compose(
    layers: Sequence[Layer], size: tuple[int, int], space: LabelSpace, solid: Iterable[str]
) -> Bool[np.ndarray, "H W C"]:
    """Class maps of layers, which are given from back to front: a layer hides those behind it.

    Classes that continue under others, by the label space's `covered_by`, are filled in under them. Slivers of the
    `solid` classes, less than two pixels wide, and pieces of any class of one or two pixels go to their neighbours, and
    so does background between parts that is at most two pixels wide. Below a height of 48 px, slivers and small pieces
    stay, and only gaps of one pixel are filled.
    """
    index = _painted([layer for layer in layers if layer.area], size, space)
    if min(size) > 3:
        detailed = size[0] >= _DETAILED
        if detailed:
            solid_channels = np.isin(np.arange(space.num_channels), [space.channel(name) for name in solid])
            stray = _slivers(index, solid_channels) | _specks(index, space.num_channels)
            index = _spread(index, stray, np.minimum, 255)
        index = _without_gaps(index, 3 if detailed else 2)
    return index_to_shapes(index, space)


def _painted(layers: Sequence[Layer], size: tuple[int, int], space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    """The channel of the foremost layer at each pixel."""
    cut = [number for number, layer in enumerate(layers) if layer.holes]
    masks = rasterise([layer.area for layer in layers] + [layers[number].holes for number in cut], size)
    shown, holes = masks[: len(layers)], masks[len(layers) :]
    shown[cut] &= ~holes
    foremost = (shown * np.arange(1, len(layers) + 1, dtype=np.uint8)[:, None, None]).max(axis=0)
    return np.array([0, *(space.channel(layer.name) for layer in layers)], np.uint8)[foremost]


def rasterise(areas: Sequence[Area], size: tuple[int, int]) -> Bool[np.ndarray, "N H W"]:
    """The pixels whose centres lie in each area. All edges of all polygons are traced at once, for speed."""
    height, width = size
    polygons = [polygon for area in areas for polygon in area]
    lengths = np.array([len(polygon) for polygon in polygons])
    plane = np.repeat(np.repeat(np.arange(len(areas)), [len(area) for area in areas]), lengths)
    x, y = np.concatenate(polygons).T
    starts = lengths.cumsum() - lengths
    after = np.arange(1, len(x) + 1)
    after[starts + lengths - 1] = starts
    clockwise = np.sign(np.add.reduceat(x * y[after] - x[after] * y, starts)).astype(np.int8)
    first = np.minimum(np.maximum(np.ceil(y), 0), height).astype(np.intp)  # row at or below each corner
    rise = first[after] - first
    count = np.abs(rise)
    edge = np.repeat(np.arange(len(x)), count)
    row = np.arange(len(edge)) + (np.minimum(first, first[after]) - count.cumsum() + count)[edge]
    run = (x[after] - x)[edge] / (y[after] - y)[edge]
    crossing = np.minimum(np.maximum(x[edge] + (row - y[edge]) * run, 0), width)
    cell = (plane[edge] * height + row) * (width + 1) + np.ceil(crossing).astype(np.intp)
    turns = np.zeros(len(areas) * height * (width + 1), np.int8)
    np.add.at(turns, cell, (np.sign(rise).astype(np.int8) * np.repeat(clockwise, lengths))[edge])
    inside = turns.cumsum(dtype=np.int8).reshape(len(areas), height, width + 1)  # the turns of a row sum to 0
    return inside[:, :, :width] != 0


def _slivers(index: UInt8[np.ndarray, "H W"], solid: Bool[np.ndarray, "C"]) -> Mask:
    """Pixels of solid classes that no 2 x 2 block of their class contains; never a part as a whole."""
    across, down = index[:, 1:] == index[:, :-1], index[1:] == index[:-1]
    wide = _framed(across[1:] & across[:-1] & down[:, 1:], False)
    kept = wide[1:, 1:] | wide[1:, :-1] | wide[:-1, 1:] | wide[:-1, :-1]
    lasting = np.bincount(index[kept], minlength=len(solid)) > 0
    return ~kept & (solid & lasting)[index]


def _specks(index: UInt8[np.ndarray, "H W"], num_channels: int) -> Mask:
    """Pixels of pieces of one or two pixels, where the class has a larger piece as well."""
    inner = np.sum([index == near for near in _neighbours(index)], axis=0, dtype=np.uint8) > 1
    of_inner = np.where(inner, index, np.uint8(255))
    beside_inner = np.logical_or.reduce([index == near for near in _neighbours(of_inner)])
    lasting = np.bincount(index[inner], minlength=num_channels) > 0
    return ~inner & ~beside_inner & lasting[index]


def _neighbours(index: UInt8[np.ndarray, "H W"]) -> list[UInt8[np.ndarray, "H W"]]:
    """The eight pixels around each pixel; 255 outside the picture."""
    padded = _framed(index, 255)
    height, width = index.shape
    return [padded[i : i + height, j : j + width] for i in range(3) for j in range(3) if (i, j) != (1, 1)]


def _without_gaps(index: UInt8[np.ndarray, "H W"], width: int) -> UInt8[np.ndarray, "H W"]:
    """Background that no block of `width` x `width` background pixels contains takes the class of a neighbour."""
    blank = np.pad(index == 0, width - 1, mode="edge")
    for combine in (np.logical_and, np.logical_or):
        for _ in ("down", "across"):
            last = len(blank) - width + 1
            blank = functools.reduce(combine, [blank[i : i + last] for i in range(width)]).T
    return _spread(index, (index == 0) & ~blank, np.maximum, 0)


def _spread(index: UInt8[np.ndarray, "H W"], open_pixels: Mask, choose: np.ufunc, unknown: int) -> np.ndarray:
    """Open pixels take a class from beside, above or below, chosen from the closest ones that are not open."""
    padded = _framed(np.where(open_pixels, np.uint8(unknown), index), unknown)
    inner = padded[1:-1, 1:-1]
    for _ in range(3):
        near = choose.reduce([padded[1:-1, 2:], padded[1:-1, :-2], padded[2:, 1:-1], padded[:-2, 1:-1]])
        inner[...] = np.where(open_pixels & (inner == unknown), near, inner)
    return np.where(inner == unknown, index, inner)


def _framed(values: np.ndarray, border: int) -> np.ndarray:
    """The values in a border that is one pixel wide; `np.pad` takes much longer."""
    height, width = values.shape
    framed = np.full((height + 2, width + 2), border, values.dtype)
    framed[1:-1, 1:-1] = values
    return framed
