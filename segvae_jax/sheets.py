"""Pictures side by side: how many in a row, and how large each pixel."""

import math

import numpy as np
from jaxtyping import UInt8

_GAP = 2  # pixels between the pictures of a sheet
_LEGIBLE = 192  # pixels: height up to which small pictures are magnified
_LONGEST_SIDE = 3  # times the other side, of a sheet without blank cells


def enlarged(rgb: UInt8[np.ndarray, "*b H W 3"], scale: int | None) -> UInt8[np.ndarray, "*b h w 3"]:
    """Pictures of which each pixel becomes a square of side `scale`; None magnifies small ones."""
    scale = scale or max(1, _LEGIBLE // rgb.shape[-3])
    return rgb.repeat(scale, -3).repeat(scale, -2)


def grid(rgb: UInt8[np.ndarray, "N H W 3"], columns: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures in rows of `columns`; if None, of as many as leave the fewest cells blank in a nearly square sheet."""
    count, height, width, _ = rgb.shape
    columns = columns or _near_square(count, height, width)
    rows = math.ceil(count / columns)
    canvas = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for i, picture in enumerate(rgb):
        top, left = (i // columns) * (height + _GAP) + _GAP, (i % columns) * (width + _GAP) + _GAP
        canvas[top : top + height, left : left + width] = picture
    return canvas


def _near_square(count: int, height: int, width: int) -> int:
    """The number of columns with the fewest blank cells among sheets whose sides differ by `_LONGEST_SIDE` at most.

    Of several, that of the sheet nearest to a square, the wider one of two. If no sheet is such, the nearest one.
    """

    def cost(columns: int) -> tuple[bool, int, float, int]:
        rows = math.ceil(count / columns)
        oblong = round(abs(math.log(columns * width / (rows * height))), 6)
        fits = oblong <= round(math.log(_LONGEST_SIDE), 6)
        return not fits, (rows * columns - count) * fits, oblong, -columns

    return min(range(1, count + 1), key=cost)
