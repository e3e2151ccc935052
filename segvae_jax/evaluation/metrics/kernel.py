"""Kernel distance (KID) between features: an unbiased estimate, so that small sets can be compared."""

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.metrics.pairwise import polynomial_kernel

from segvae_jax.errors import DataError

SUBSETS = 100
SUBSET_SIZE = 1000  # at most half of the smaller side, or all subsets would be the same


def kernel_distances(
    a: Shaped[np.ndarray, "N D"], b: Shaped[np.ndarray, "M D"], *, seed: int
) -> Float[np.ndarray, "S"]:
    """Unbiased squared MMD of 100 random subsets of both sides. Their mean is the KID, which may be below 0.

    Cubic polynomial kernel `(x . y / D + 1)^3` (Binkowski et al. 2018, "Demystifying MMD GANs").

    Raises:
      DataError: if a side has fewer than four samples.
    """
    size = min(SUBSET_SIZE, len(a) // 2, len(b) // 2)
    if size < 2:
        raise DataError(f"a KID of {len(a)} against {len(b)} samples: pass at least 4 of each")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    within_a, within_b, between = polynomial_kernel(a), polynomial_kernel(b), polynomial_kernel(a, b)
    rng = np.random.default_rng(seed)
    choices = [(rng.permutation(len(a))[:size], rng.permutation(len(b))[:size]) for _ in range(SUBSETS)]
    return np.array([
        _off_diagonal_mean(within_a[np.ix_(i, i)])
        + _off_diagonal_mean(within_b[np.ix_(j, j)])
        - 2 * between[np.ix_(i, j)].mean()
        for i, j in choices
    ])  # fmt: skip


def _off_diagonal_mean(matrix: Float[np.ndarray, "S S"]) -> float:
    size = len(matrix)
    return float((matrix.sum() - np.trace(matrix)) / (size * (size - 1)))
