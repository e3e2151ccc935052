"""Bootstrap confidence intervals over maps.

`scipy.stats.bootstrap` differs in the last digit, refuses a single value, and is slower from about a thousand maps on.
"""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from jaxtyping import Float, Shaped
from threadpoolctl import threadpool_limits

TAILS = (0.025, 0.975)


class Estimate(TypedDict):
    """A value and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def bootstrap_mean(values: Float[np.ndarray, "N"], *, seed: int, resamples: int = 1000) -> Estimate:
    """Mean of one value per map, with the percentile interval of the means of resampled values."""
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
    """`distance(a, b)`, which is at least 0, with an interval from resampling the rows of both sides.

    Resampled rows repeat. This adds to the finite-sample bias of a Frechet distance (between samples of one
    distribution it doubles the bias), so plain percentiles would miss the value. They are therefore scaled so that
    the mean of the resampled distances is the value. The interval tells how much the value varies at this sample size,
    bias included. Resampled rows whose distance is NaN, as they have too few of a class, do not count; the interval is
    NaN if the value is.
    """
    rng = np.random.default_rng(seed)
    value = distance(a, b)
    drawn = np.array([distance(a[_resampled(a, rng)], b[_resampled(b, rng)]) for _ in range(resamples)])
    resampled = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(resampled):
        return Estimate(value=value, low=np.nan, high=np.nan)
    scale = value / max(np.mean(resampled), np.finfo(np.float64).tiny)
    low, high = np.quantile(resampled, TAILS) * scale
    return Estimate(value=value, low=float(low), high=float(high))


def _resampled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(len(rows), size=len(rows))
