"""Specks: pieces of one or two pixels, of which whole maps have few and maps of an unfinished model are full."""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

# Of the pixels of a set of maps, four times the share in the real set with the most specks, see docs/evaluation.md.
MOST = 0.02
SMALLEST = 32  # px; in smaller maps an eye has one or two pixels itself
_FAR_BEYOND_REAL = 4.0
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx)


def speck_share(index_maps: UInt8[np.ndarray, "N H W"]) -> Float[np.ndarray, "N"]:
    """The share of each map's pixels, 0..1, that lie in pieces of one or two pixels of equal class.

    Pixels that touch at a corner are connected, so that thin oblique lines, such as brows, are no specks. The
    background counts as a class: holes of one pixel are specks.
    """
    equal = {shift: _equal_neighbour(index_maps, shift) for shift in _NEIGHBOURS}
    count: Int[np.ndarray, "N H W"] = np.sum(list(equal.values()), axis=0)
    ends = count == 1
    pairs = [ends & neighbour & _moved(ends, shift) for shift, neighbour in equal.items()]
    return ((count == 0) | np.any(pairs, axis=0)).mean(axis=(1, 2))


def looks_like_noise(share: float, of_real: float = 0.0) -> bool:
    """Whether a set of maps has so many specks as only maps of an unfinished model have.

    Args:
      share: the mean `speck_share` of the maps.
      of_real: that of real maps of this kind, if it is known.
    """
    return share > max(MOST, _FAR_BEYOND_REAL * of_real)


def speck_warning(index_maps: UInt8[np.ndarray, "N H W"]) -> str:
    """One line if maps look like those of an unfinished model; empty if not, or if they are smaller than 32 px."""
    share = float(speck_share(index_maps).mean()) if min(index_maps.shape[1:]) >= SMALLEST else 0.0
    if not looks_like_noise(share):
        return ""
    return (
        f"specks of one or two pixels are {share:.1%} of all pixels, up to {MOST:.0%} are usual: the maps are noisy:"
        " train the model longer, or lower the temperature"
    )


def _equal_neighbour(index_maps: UInt8[np.ndarray, "N H W"], shift: tuple[int, int]) -> Bool[np.ndarray, "N H W"]:
    """Where the neighbour in a direction lies in the map and has the same class."""
    return _moved(np.ones_like(index_maps, bool), shift) & (_moved(index_maps, shift) == index_maps)


def _moved(maps: np.ndarray, shift: tuple[int, int]) -> np.ndarray:
    """The value of each pixel's neighbour in a direction; 0 beyond the border."""
    height, width = maps.shape[1:]
    framed = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    return framed[:, 1 + shift[0] : 1 + shift[0] + height, 1 + shift[1] : 1 + shift[1] + width]
