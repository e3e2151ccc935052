"""Bootstrap intervals over samples."""

from collections.abc import Callable
from typing import TypedDict

import numpy as np
from jaxtyping import Shaped

LEVEL = 0.95


class Estimate(TypedDict):
    """A figure and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def bootstrap(
    statistic: Callable[..., float], *samples: Shaped[np.ndarray, "_ ..."], seed: int, resamples: int = 1000
) -> Estimate:
    """`statistic(*samples)` with a 95 % bootstrap interval, each array resampled by rows on its own.

    The interval has the percentiles of the resampled figures, moved so that their mean is the figure
    itself. Without this the interval of a Frechet distance misses the figure, as resampled rows repeat
    and so add to its finite-sample bias. The interval tells how far the figure scatters at this N,
    bias included.
    """
    rng = np.random.default_rng(seed)
    draw = lambda rows: rows[rng.integers(len(rows), size=len(rows))]
    value = float(statistic(*samples))
    resampled = np.array([statistic(*map(draw, samples)) for _ in range(resamples)])
    low, high = value + np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - resampled.mean()
    return Estimate(value=value, low=float(low), high=float(high))
