"""Diversity: how different the maps of one label-set are. Noise maximises it, so never quote it alone."""

import numpy as np
from jaxtyping import Bool, Float

from segvae_jax.errors import DataError
from segvae_jax.evaluation.overlap import mean_iou, mean_iou_matrix


def pairwise_diversity(samples: Bool[np.ndarray, "L S H W C"]) -> Float[np.ndarray, "L"]:
    """Mean 1 - mIoU in 0..1 over all pairs of the S samples of each label-set.

    Raises:
      DataError: if there are fewer than two samples of a label-set.
    """
    if samples.shape[1] < 2:
        raise DataError(f"{samples.shape[1]} samples of a label-set make no pair: draw at least 2")
    pairs = np.triu_indices(samples.shape[1], k=1)
    return np.array([1.0 - mean_iou_matrix(maps, maps)[pairs].mean() for maps in samples])


def real_diversity(
    label_sets: Bool[np.ndarray, "L C"],
    class_maps: Bool[np.ndarray, "N H W C"],
    map_label_sets: Bool[np.ndarray, "N C"],
    rng: np.random.Generator,
    samples: int = 10,
) -> tuple[Float[np.ndarray, "P"], bool]:
    """The same measure on real maps, and whether its pairs share a label-set.

    One value for each of the label-sets that two or more maps have, over up to `samples` random ones
    of these maps. If there is no such label-set, one value for each of L random pairs of maps.

    Raises:
      DataError: if there are fewer than two maps.
    """
    if len(class_maps) < 2:
        raise DataError(f"{len(class_maps)} real maps make no pair: pass at least 2")
    matches = [np.flatnonzero((map_label_sets == label_set).all(axis=1)) for label_set in label_sets]
    chosen = [rng.permutation(rows)[:samples] for rows in matches if len(rows) > 1]
    if chosen:
        return np.array([pairwise_diversity(class_maps[None, rows])[0] for rows in chosen]), True
    pairs = np.array([rng.choice(len(class_maps), 2, replace=False) for _ in label_sets])
    return 1.0 - mean_iou(class_maps[pairs[:, 0]], class_maps[pairs[:, 1]]), False
