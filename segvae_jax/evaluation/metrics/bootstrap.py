"""Bootstrap intervals over maps."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Shaped
from threadpoolctl import threadpool_limits

TAILS = (0.025, 0.975)


class Estimate(TypedDict):
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Float[np.ndarray, "N"], *, seed: int, resamples: int = 1000) -> Estimate:
    """Mean of one value a map, with the percentile interval of resampled means."""
    rng = np.random.default_rng(seed)
    means = [values[_resampled(values, rng)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, TAILS)
    return Estimate(value=float(values.mean()), low=float(low), high=float(high))


@threadpool_limits.wrap(limits=1)  # the matrices are small: on busy cores threads only wait for each other
def bootstrap_distance(
    distance: Callable[..., float],
    a: Shaped[np.ndarray, "N ..."],
    b: Shaped[np.ndarray, "M ..."],
    *,
    seed: int,
    resamples: int = 100,
) -> Estimate:
    """`distance(a, b)`, at least 0, with an interval from resampling the rows of both.

    Resampled rows repeat, which adds to the finite-sample bias of a Frechet distance (it doubles it
    between samples of one distribution), so plain percentiles miss the figure. They are scaled to the
    figure as their mean. The interval tells how far the figure scatters at this N, bias included.
    """
    rng = np.random.default_rng(seed)
    value = distance(a, b)
    resampled = [distance(a[_resampled(a, rng)], b[_resampled(b, rng)]) for _ in range(resamples)]
    scale = value / max(np.mean(resampled), np.finfo(np.float64).tiny)
    low, high = np.quantile(resampled, TAILS) * scale
    return Estimate(value=value, low=float(low), high=float(high))


def _resampled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(len(rows), size=len(rows))
