import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.kernel import kernel_distances


def _by_loops(a, b):
    """The unbiased estimate of equation 4 of Binkowski et al. 2018."""
    k = lambda x, y: (x @ y / len(x) + 1) ** 3
    apart = lambda s: np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j])
    return apart(a) + apart(b) - 2 * np.mean([k(x, y) for x in a for y in b])


def test_the_mean_over_subsets_is_the_estimate_of_all():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(16, 3)), rng.normal(0.8, size=(12, 3))
    values = kernel_distances(a, b, seed=0)
    assert len(set(values)) == len(values) == 100
    np.testing.assert_allclose(values.mean(), _by_loops(a, b), atol=4 * values.std() / 10)


def test_a_subset_of_all_distinct_rows_against_loops():
    rng = np.random.default_rng(1)
    a, b = np.repeat(rng.normal(size=(1, 3)), 8, axis=0), np.repeat(rng.normal(size=(1, 3)), 8, axis=0)
    np.testing.assert_allclose(kernel_distances(a, b, seed=0), _by_loops(a[:4], b[:4]))


def test_unbiased_on_samples_of_one_law_and_above_zero_on_others():
    rng = np.random.default_rng(2)
    same = [kernel_distances(*rng.normal(size=(2, 30, 4)), seed=0).mean() for _ in range(40)]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(40) and min(same) < 0
    assert kernel_distances(rng.normal(size=(30, 4)), rng.normal(1, 1, (30, 4)), seed=0).mean() > 1


def test_one_seed_one_figure():
    a, b = np.random.default_rng(3).normal(size=(2, 9, 2)).astype(np.float32)
    first, again, other = (kernel_distances(a, b, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_too_few():
    with pytest.raises(DataError, match="at least 4"):
        kernel_distances(np.zeros((3, 2)), np.zeros((9, 2)), seed=0)
