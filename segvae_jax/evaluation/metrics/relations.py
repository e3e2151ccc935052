"""Relations between the parts of a map: their offsets, which of them touch, and left-right symmetry."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import wasserstein_distance

from segvae_jax import maps
from segvae_jax.evaluation.metrics.geometry import CENTROID, CHUNK
from segvae_jax.evaluation.metrics.marginals import MIN_PARTS
from segvae_jax.evaluation.metrics.overlap import mean_iou
from segvae_jax.labels import LabelSpace

COMMON = 0.5  # share of the maps that have both classes of a common pair


def common_pairs(geometry: Float[np.ndarray, "N C 6"]) -> Int[np.ndarray, "P 2"]:
    """Pairs of channels that are both present in at least half of the maps."""
    held = (~np.isnan(geometry[..., 0])).astype(np.float64)
    return np.argwhere(np.triu(held.T @ held >= COMMON * len(held), k=1))


def offset_distances(
    a: Float[np.ndarray, "N C 6"], b: Float[np.ndarray, "M C 6"], pairs: Int[np.ndarray, "P 2"]
) -> Float[np.ndarray, "P"]:
    """For each pair of classes, the Wasserstein-1 distance of the offset between their centroids.

    The distances of the vertical and the horizontal component are averaged, in shares of the map's sides. Only maps
    that have both classes count; NaN if fewer than 5 maps of a side have both.
    """
    return np.array([_offset_distance(_offsets(a, *pair), _offsets(b, *pair)) for pair in pairs.tolist()])


def _offsets(geometry: Float[np.ndarray, "N C 6"], first: int, second: int) -> Float[np.ndarray, "P 2"]:
    offsets = geometry[:, second, CENTROID] - geometry[:, first, CENTROID]
    return offsets[~np.isnan(offsets[:, 0])]


def _offset_distance(a: Float[np.ndarray, "P 2"], b: Float[np.ndarray, "Q 2"]) -> float:
    if min(len(a), len(b)) < MIN_PARTS:
        return np.nan
    return float(np.mean([wasserstein_distance(a[:, axis], b[:, axis]) for axis in (0, 1)]))


def touching(class_maps: Bool[np.ndarray, "N H W C"]) -> Bool[np.ndarray, "N C C"]:
    """Which classes touch in each map: a pixel of one lies beside, above or below a pixel of the other one."""
    chunks = np.split(class_maps, range(CHUNK, len(class_maps), CHUNK))
    return np.concatenate([_touching(chunk) for chunk in chunks])


def _touching(class_maps: Bool[np.ndarray, "N H W C"]) -> Bool[np.ndarray, "N C C"]:
    pixels = class_maps.astype(np.float32)
    flat = lambda part: part.reshape(len(part), -1, part.shape[-1])
    beside = flat(pixels[:, :, :-1]).mT @ flat(pixels[:, :, 1:])
    below = flat(pixels[:, :-1]).mT @ flat(pixels[:, 1:])
    counts = beside + below
    return counts + counts.mT > 0


def adjacency_distance(a: Bool[np.ndarray, "N C C"], b: Bool[np.ndarray, "M C C"]) -> float:
    """Mean over all pairs of classes of the difference between the shares of maps in which they touch, in 0..1."""
    pairs = np.triu_indices(a.shape[1] - 1, k=1)
    difference = np.abs(a.mean(axis=0) - b.mean(axis=0))[1:, 1:]
    return float(difference[pairs].mean()) if len(pairs[0]) else 0.0


def symmetry(class_maps: Bool[np.ndarray, "N H W C"], space: LabelSpace) -> Float[np.ndarray, "N"]:
    """mIoU of each map with its mirror image, in 0..1; left and right classes are exchanged, so 1 is symmetric."""
    return mean_iou(class_maps, maps.mirror(class_maps, space))
