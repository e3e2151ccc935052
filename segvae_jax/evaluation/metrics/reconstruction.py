"""Reconstruction: how well maps come back from the posterior."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """IoU in 0..1 of reconstructions with the truth.

    Attributes:
      mean_iou: of each map, over the classes present in truth or reconstruction.
      per_class: mean over the maps whose truth or reconstruction holds the class; NaN where none does.
    """

    mean_iou: Float[np.ndarray, "N"]
    per_class: Float[np.ndarray, "C"]


def reconstruction_iou(
    truth: Bool[np.ndarray, "N H W C"], reconstructed: Bool[np.ndarray, "N H W C"]
) -> Reconstruction:
    """Compares painted reconstructions with painted truth, map by map."""
    iou = class_iou(truth, reconstructed)
    count = np.isfinite(iou).sum(axis=0)
    per_class = np.divide(np.nansum(iou, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)
    return Reconstruction(mean_iou(truth, reconstructed), per_class)
