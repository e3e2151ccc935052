"""Diversity: how different the maps of one label-set, or the pictures of one map, are.

Noise maximises it, so never report it alone. Maps come in groups, one group per label-set, one after another; `sizes`
holds the number of maps in each group.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou_matrix
from segvae_jax.evaluation.metrics.perceptual import perceptual_distance


def pairwise_diversity(class_maps: Bool[np.ndarray, "N H W C"], sizes: Sequence[int]) -> Float[np.ndarray, "L"]:
    """For each group, the mean of 1 - mIoU over all pairs of its maps, in 0..1.

    Raises:
      DataError: if a group has fewer than two maps.
    """
    starts = _starts(sizes)
    groups = [class_maps[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    return np.array([1.0 - mean_iou_matrix(maps, maps)[np.triu_indices(len(maps), k=1)].mean() for maps in groups])


def class_diversity(class_maps: Bool[np.ndarray, "N H W C"], sizes: Sequence[int]) -> Float[np.ndarray, "C"]:
    """For each class, the mean of 1 - IoU over the pairs of all groups in which a map has it; NaN if there is none.

    Raises:
      DataError: as `pairwise_diversity`.
    """
    total, count = np.zeros(class_maps.shape[-1]), np.zeros(class_maps.shape[-1], int)
    for left, right in _pairs(sizes):
        iou = class_iou(class_maps[left], class_maps[right])
        total, count = total + np.nansum(1 - iou, axis=0), count + np.isfinite(iou).sum(axis=0)
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def pixel_diversity(pictures: UInt8[np.ndarray, "N H W 3"], sizes: Sequence[int]) -> Float[np.ndarray, "L"]:
    """For each group, the mean absolute difference of the pixels over all pairs of its pictures, as a share of 255.

    Raises:
      DataError: as `pairwise_diversity`.
    """
    difference = lambda i, j: np.abs(pictures[i].astype(np.float32) - pictures[j]).mean() / 255
    return np.array([np.mean([difference(i, j) for i, j in pairs.T]) for pairs in _pairs(sizes)])


def perceptual_diversity(
    layers: Sequence[Shaped[np.ndarray, "N _ _ _"]],
    sizes: Sequence[int],
    weights: Sequence[Float[np.ndarray, "_"]] | None = None,
) -> Float[np.ndarray, "L"]:
    """For each group, the mean `perceptual_distance` over all pairs of its maps.

    Args:
      layers: features of all maps, one array per layer of a network.
      sizes: number of maps in each group.
      weights: of the channels of each layer; 1 if None.

    Raises:
      DataError: as `pairwise_diversity`.
    """
    chosen = lambda rows: [layer[rows] for layer in layers]
    distance = lambda left, right: perceptual_distance(chosen(left), chosen(right), weights)
    return np.array([distance(left, right).mean() for left, right in _pairs(sizes)])


def _pairs(sizes: Sequence[int]) -> list[Int[np.ndarray, "2 P"]]:
    """For each group, the rows of the first and of the second map of all its pairs."""
    return [start + np.array(np.triu_indices(size, k=1)) for start, size in zip(_starts(sizes), sizes, strict=True)]


def _starts(sizes: Sequence[int]) -> Int[np.ndarray, "L"]:
    if min(sizes) < 2:
        raise DataError(f"{min(sizes)} samples of a label-set make no pair: generate at least 2")
    return np.cumsum([0, *sizes[:-1]])


def real_groups(
    label_sets: Bool[np.ndarray, "L C"], map_label_sets: Bool[np.ndarray, "N C"], rng: np.random.Generator, samples: int
) -> tuple[list[Int[np.ndarray, "_"]], bool]:
    """Rows of real maps to compare with one another, and whether the maps of a group share their label-set.

    There is one group for each label-set that at least two maps have: up to `samples` random maps with it. If there
    is no such label-set, the groups are L random pairs of maps.

    Raises:
      DataError: if there are fewer than two maps.
    """
    if len(map_label_sets) < 2:
        raise DataError(f"{len(map_label_sets)} real maps make no pair: pass at least 2")
    matches = [np.flatnonzero((map_label_sets == label_set).all(axis=1)) for label_set in label_sets]
    chosen = [rng.permutation(rows)[:samples] for rows in matches if len(rows) > 1]
    if chosen:
        return chosen, True
    return [rng.choice(len(map_label_sets), 2, replace=False) for _ in label_sets], False
