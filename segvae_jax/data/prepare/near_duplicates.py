"""Near duplicates: perceptual hashes of maps and pictures, and the pairs whose hashes are close.

A hash has 255 bits. They say which of the lowest 16 x 16 frequencies (without the constant) of the cosine transform of
a 64 x 64 picture are above their median. For a map, the picture shows where classes change, so neither the colours nor
the numbering of the classes matter. Two maps are near duplicates if their hashes differ in at most `NEAR_MAPS` bits,
two pictures if theirs differ in at most `NEAR_PICTURES` bits.

`NEAR_MAPS` was set on 841 annotated faces: the closest of the 353,220 pairs differ in 56 bits; a face and the same face
moved by one pixel of 512, or halved in size, differ in 12 bits at the median and 26 at most.

`NEAR_PICTURES` was set on coloured cartoons, 300 faces and 300 people of 128 pixels, because no photographs were
available: the closest of the 179,700 pairs differ in 34 bits; a picture and the same picture as a JPEG of quality 20,
at a quarter of its size, or at 0.7 or 1.2 of its brightness, differ in 20 bits at most. Of pictures that are moved by
one pixel, nine in ten are recognised.
`tests/data/prepare/test_near_duplicates.py` checks this on some of them.
"""

import functools
from collections.abc import Iterator

import numpy as np
import scipy.fft
from jaxtyping import Bool, Float, Int, UInt8, UInt64

HASH_SIZE = (64, 64)  # of the picture that is hashed
NEAR_MAPS = 36
NEAR_PICTURES = 24
_FREQUENCIES = 16
_ROWS_AT_ONCE = 256


def map_hash(class_maps: Bool[np.ndarray, "H W C"]) -> UInt64[np.ndarray, "4"]:
    """Perceptual hash of a map: of where its classes change."""
    small = class_maps[_sampled(class_maps.shape[0], HASH_SIZE[0])][:, _sampled(class_maps.shape[1], HASH_SIZE[1])]
    down = np.pad((small[1:] != small[:-1]).sum(axis=-1), ((0, 1), (0, 0)))
    right = np.pad((small[:, 1:] != small[:, :-1]).sum(axis=-1), ((0, 0), (0, 1)))
    return _low_frequencies((down + right > 0).astype(np.float64))


def picture_hash(rgb: UInt8[np.ndarray, "H W 3"]) -> UInt64[np.ndarray, "4"]:
    """Perceptual hash of the brightness of a picture."""
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    return _low_frequencies(_shrunk(_shrunk(grey, HASH_SIZE[0]).T, HASH_SIZE[1]).T)


def near_pairs(hashes: UInt64[np.ndarray, "N 4"], distance: int) -> Int[np.ndarray, "M 2"]:
    """Sorted pairs (i, j), i < j, of the rows whose hashes differ in at most `distance` bits."""
    blocks = range(0, len(hashes), _ROWS_AT_ONCE)
    found = [pair for begin in blocks for pair in _near_pairs_of(hashes, begin, distance)]
    return np.array(found, np.int64).reshape(-1, 2)


def _near_pairs_of(hashes: UInt64[np.ndarray, "N 4"], begin: int, distance: int) -> Iterator[tuple[int, int]]:
    """The pairs whose first row is in the block from `begin`; blocks bound the memory."""
    rows, others = hashes[begin : begin + _ROWS_AT_ONCE], hashes[begin:]
    differing = np.zeros((len(rows), len(others)), np.uint16)
    for word in range(hashes.shape[1]):
        differing += np.bitwise_count(rows[:, None, word] ^ others[None, :, word])
    for i, j in np.argwhere(differing <= distance):
        if i < j:
            yield begin + int(i), begin + int(j)


def _low_frequencies(picture: Float[np.ndarray, "h w"]) -> UInt64[np.ndarray, "4"]:
    cosines = _cosines(len(picture))
    # Rounded, so that equal values stay equal in any order of summation.
    spectrum = (cosines @ picture @ cosines.T).ravel()[1:].round(6)
    bits = np.append(spectrum > np.median(spectrum), False)
    return np.packbits(bits).view(np.uint64)


@functools.cache
def _cosines(size: int) -> Float[np.ndarray, "F N"]:
    """The lowest frequencies of the cosine transform, as a matrix."""
    return scipy.fft.dct(np.eye(size), axis=0, norm="ortho")[:_FREQUENCIES]


def _sampled(source: int, target: int) -> Int[np.ndarray, "_"]:
    """The centres of `target` equal cells along an axis of `source` pixels."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _shrunk(values: Float[np.ndarray, "H W"], target: int) -> Float[np.ndarray, "h W"]:
    """Means of `target` stripes along the first axis."""
    edges = np.arange(target) * len(values) // target
    counts = np.maximum(1, np.diff(np.append(edges, len(values))))
    return np.add.reduceat(values, edges) / counts[:, None]
