"""Alternatives of an edit that differ visibly: the most different of many candidates."""

import numpy as np
from jaxtyping import Int, UInt8

from segvae_jax import maps
from segvae_jax.evaluation.metrics.overlap import mean_iou_matrix

PER_ALTERNATIVE = 4  # candidates that are generated for each alternative that is shown
LIKELIEST_OF = 2  # samples, of which each candidate is the likeliest; times `PER_ALTERNATIVE`, as many as edits take


def most_different(index_maps: UInt8[np.ndarray, "N H W"], num: int, num_channels: int) -> Int[np.ndarray, "M"]:
    """Numbers of the maps that differ most, the most typical one first.

    It is the map with the highest mIoU with the others, on average. Each further map is the one whose highest mIoU with
    those before it is lowest (farthest-point sampling, Gonzalez 1985).

    Args:
      index_maps: candidates.
      num: how many are chosen; M is `num`, or N if there are fewer.
      num_channels: of the maps, C with background.
    """
    class_maps = maps.index_to_class_maps(np.asarray(index_maps), num_channels)
    overlap = mean_iou_matrix(class_maps, class_maps)
    chosen = [int(overlap.sum(axis=1).argmax())]
    nearest = overlap[chosen[0]]
    while len(chosen) < min(num, len(index_maps)):
        left = np.where(np.isin(np.arange(len(overlap)), chosen), np.inf, nearest)
        chosen.append(int(left.argmin()))
        nearest = np.maximum(nearest, overlap[chosen[-1]])
    return np.array(chosen)
