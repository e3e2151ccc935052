"""Marginals: the areas of the classes, as one vector per map, and the geometry of each class on its own."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import wasserstein_distance

from segvae_jax.evaluation.metrics.frechet import frechet_distance

FSD_SCALE = 1e4
MIN_PARTS = 5  # parts of a class that each side needs for a comparison


def area_fractions(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N C"]:
    """Share of the map that each class covers, in 0..1; channel 0 is the share that no class covers."""
    areas = class_maps.mean(axis=(1, 2), dtype=np.float64)
    areas[:, 0] = 1 - class_maps[..., 1:].any(axis=-1).mean(axis=(1, 2))
    return areas


def segmentation_distance(areas_a: Float[np.ndarray, "N C"], areas_b: Float[np.ndarray, "M C"]) -> float:
    """FSD x 1e4: Frechet distance between area fractions (Bau et al. 2019, "Seeing what a GAN cannot generate").

    Raises:
      DataError: if a set has fewer than two maps.
    """
    return FSD_SCALE * frechet_distance(areas_a, areas_b)


def line_distances(a: Float[np.ndarray, "N C"], b: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "C"]:
    """For each class, the Wasserstein-1 distance of one quantity of `part_geometry`, in the unit of the quantity.

    Only maps that have the class count; NaN if fewer than 5 maps of a side have it.
    """
    return _class_distances(wasserstein_distance, a, b)


def axis_distances(a: Float[np.ndarray, "N C"], b: Float[np.ndarray, "M C"]) -> Float[np.ndarray, "C"]:
    """As `line_distances`, for orientations: they repeat after half a turn, so they lie on a circle of length pi."""
    return _class_distances(circular_wasserstein, a, b)


def _class_distances(distance: Callable[..., float], a: np.ndarray, b: np.ndarray) -> Float[np.ndarray, "C"]:
    distances = np.full(a.shape[1], np.nan)
    for channel in range(a.shape[1]):
        parts = [side[~np.isnan(side[:, channel]), channel] for side in (a, b)]
        if min(map(len, parts)) >= MIN_PARTS:
            distances[channel] = distance(*parts)
    return distances


def circular_wasserstein(a: Float[np.ndarray, "N"], b: Float[np.ndarray, "M"], period: float = np.pi) -> float:
    """Wasserstein-1 distance on a circle: mass moves the shorter way round.

    It is the integral of |F_a - F_b - m|, where m is the median of F_a - F_b over the circle (Rabin, Delon &
    Gousseau 2011, "Transportation distances on the circle").
    """
    a, b = np.sort(a % period), np.sort(b % period)
    points = np.sort(np.concatenate([a, b]))
    gaps = np.diff(points, append=points[0] + period)
    share = lambda values: np.searchsorted(values, points, side="right") / len(values)
    difference = share(a) - share(b)
    order = np.argsort(difference)
    middle = np.searchsorted(np.cumsum(gaps[order]), gaps.sum() / 2)
    return float((gaps * np.abs(difference - difference[order][middle])).sum())
