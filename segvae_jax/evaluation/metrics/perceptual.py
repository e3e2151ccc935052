"""Perceptual distance between maps in the layers of a network: LPIPS, with or without learned weights."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped

_TINY = 1e-10


def perceptual_distance(
    a: Sequence[Shaped[np.ndarray, "N _ _ _"]],
    b: Sequence[Shaped[np.ndarray, "N _ _ _"]],
    weights: Sequence[Float[np.ndarray, "_"]] | None = None,
) -> Float[np.ndarray, "N"]:
    """Distance between `a[i]` and `b[i]`, given their layers `[N, h, w, D]`; 0 to 2 per layer if none is negative.

    At every position, features are scaled to unit length. Squared differences are then summed over the channels with
    their weights (1 if None), averaged over the positions and summed over the layers (Zhang et al. 2018, "The
    unreasonable effectiveness of deep features").
    """
    weights = weights or [np.ones(layer.shape[-1]) for layer in a]
    layers = zip(a, b, weights, strict=True)
    return np.sum([(np.square(_unit(x) - _unit(y)) @ weight).mean(axis=(1, 2)) for x, y, weight in layers], axis=0)


def _unit(layer: Shaped[np.ndarray, "N h w D"]) -> Float[np.ndarray, "N h w D"]:
    layer = np.asarray(layer, np.float64)
    return layer / (np.linalg.norm(layer, axis=-1, keepdims=True) + _TINY)
