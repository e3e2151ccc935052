"""Memorisation: how close maps are to the nearest training map."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from segvae_jax.evaluation.metrics.overlap import mean_iou_matrix

CHUNK = 1024  # training maps per chunk: 16 MiB per class at 64 x 64
CLOSEST = 8


@dataclasses.dataclass(frozen=True)
class Nearest:
    """For each map, the nearest training map.

    Attributes:
      overlap: its mIoU with the map, in 0..1.
      row: its row in the training maps.
    """

    overlap: Float[np.ndarray, "N"]
    row: Int[np.ndarray, "N"]


def nearest_training(maps: Bool[np.ndarray, "N H W C"], train: Bool[np.ndarray, "T H W C"]) -> Nearest:
    """For each map, the training map with the largest mIoU; the first one if several are equal."""
    overlap, row = np.full(len(maps), -1.0), np.zeros(len(maps), np.int64)
    for start in range(0, len(train), CHUNK):
        matrix = mean_iou_matrix(maps, train[start : start + CHUNK])
        best = matrix.argmax(axis=1)
        closeness = matrix[np.arange(len(maps)), best]
        closer = closeness > overlap
        overlap[closer], row[closer] = closeness[closer], best[closer] + start
    return Nearest(overlap, row)


def copied(overlap: Float[np.ndarray, "N"], held_out_overlap: Float[np.ndarray, "M"]) -> Bool[np.ndarray, "N"]:
    """Which maps are closer to a training map than 99 % of the held-out real maps: about 1 % if nothing is copied."""
    return overlap > np.quantile(held_out_overlap, 0.99)


def closest(nearest: Nearest, count: int = CLOSEST) -> Int[np.ndarray, "P 2"]:
    """Rows of the `count` closest pairs of a map and a training map, closest first."""
    maps = np.argsort(-nearest.overlap, kind="stable")[:count]
    return np.stack([maps, nearest.row[maps]], axis=1)
