"""Reconstruction: how well the posterior reconstructs maps."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """IoU of reconstructions with the true maps, in 0..1.

    Attributes:
      mean_iou: for each map, the mean over the classes present in truth or reconstruction.
      per_class: for each class, the mean over the maps in which truth or reconstruction has it; NaN if there is none.
    """

    mean_iou: Float[np.ndarray, "N"]
    per_class: Float[np.ndarray, "C"]


def reconstruction_iou(
    truth: Bool[np.ndarray, "N H W C"], reconstructed: Bool[np.ndarray, "N H W C"]
) -> Reconstruction:
    """Compares each reconstruction with its true map, both of visible classes."""
    iou = class_iou(truth, reconstructed)
    count = np.isfinite(iou).sum(axis=0)
    per_class = np.divide(np.nansum(iou, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    return Reconstruction(mean_iou(truth, reconstructed), per_class)
