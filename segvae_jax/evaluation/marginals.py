"""Marginals: the areas of the classes, each map a vector."""

import numpy as np
from jaxtyping import Bool, Float

from segvae_jax.evaluation.frechet import frechet_distance

FSD_SCALE = 1e4


def area_fractions(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C"]:
    """Share of the map in 0..1 that each class covers; channel 0 is what no class covers."""
    areas = class_maps.mean(axis=(1, 2), dtype=np.float64)
    areas[:, 0] = 1 - class_maps[..., 1:].any(axis=-1).mean(axis=(1, 2))
    return areas


def segmentation_distance(areas_a: Float[np.ndarray, "N C"], areas_b: Float[np.ndarray, "M C"]) -> float:
    """FSD x 1e4: Frechet distance of area fractions (Bau et al. 2019, "Seeing what a GAN cannot generate").

    Raises:
      DataError: if a set has fewer than two maps.
    """
    return FSD_SCALE * frechet_distance(areas_a, areas_b)
