"""Memorisation: how close maps come to the nearest training map."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from segvae_jax.evaluation.metrics.overlap import mean_iou_matrix

CHUNK = 1024  # training maps at a time: 16 MiB a class at 64 x 64
CLOSEST = 8


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest training map of each map: its mIoU in 0..1 and its row."""

    overlap: Float[np.ndarray, "N"]
    row: Int[np.ndarray, "N"]


def nearest_training(maps: Bool[np.ndarray, "N H W C"], train: Bool[np.ndarray, "T H W C"]) -> Nearest:
    """The training map of the largest mIoU with each map; the first of equals."""
    overlap, row = np.full(len(maps), -1.0), np.zeros(len(maps), np.int64)
    for start in range(0, len(train), CHUNK):
        matrix = mean_iou_matrix(maps, train[start : start + CHUNK])
        best = matrix.argmax(axis=1)
        closeness = matrix[np.arange(len(maps)), best]
        closer = closeness > overlap
        overlap[closer], row[closer] = closeness[closer], best[closer] + start
    return Nearest(overlap, row)


def copied(overlap: Float[np.ndarray, "N"], held_out_overlap: Float[np.ndarray, "M"]) -> Bool[np.ndarray, "N"]:
    """Which maps are closer to training than 99 % of held-out real maps are (about 1 % of honest maps)."""
    return overlap > np.quantile(held_out_overlap, 0.99)


def closest(nearest: Nearest, count: int = CLOSEST) -> Int[np.ndarray, "P 2"]:
    """Rows of the `count` closest pairs of a map and a training map, the closest first: those to look at."""
    maps = np.argsort(-nearest.overlap, kind="stable")[:count]
    return np.stack([maps, nearest.row[maps]], axis=1)
