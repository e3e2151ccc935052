import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.neighbours import neighbours


def _figures_by_loops(generated, real):
    """Kynkaanniemi et al. 2019, equations 1 to 3, and Naeem et al. 2020, equations 4 and 6, word by word."""

    def radius(points, i, k):
        return sorted(np.linalg.norm(points[i] - x) for j, x in enumerate(points) if j != i)[k - 1]

    near = lambda x, points, k: sum(np.linalg.norm(x - p) <= radius(points, i, k) for i, p in enumerate(points))
    holds = lambda i, k: any(np.linalg.norm(y - real[i]) <= radius(real, i, k) for y in generated)
    return (
        np.mean([near(y, real, 3) > 0 for y in generated]),
        np.mean([near(x, generated, 3) > 0 for x in real]),
        np.mean([near(y, real, 5) / 5 for y in generated]),
        np.mean([holds(i, 5) for i in range(len(real))]),
    )


def _means(result):
    return result.precision.mean(), result.recall.mean(), result.density.mean(), result.coverage.mean()


def test_against_the_equations():
    rng = np.random.default_rng(0)
    generated, real = rng.normal(1.0, 1.0, (17, 3)), rng.normal(size=(14, 3))
    expected = _figures_by_loops(generated, real)
    assert all(0 < figure < 1 for figure in expected)
    np.testing.assert_allclose(_means(neighbours(generated, real)), expected)


def test_ties_count():
    points = np.repeat(np.arange(4.0), 10)[:, None] * np.ones(3)
    precision, recall, density, coverage = _means(neighbours(points, points))
    assert precision == recall == coverage == 1 and density == 2
    assert _means(neighbours(points[:10], points)) == (1, 1 / 4, 2, 1 / 4)


def test_sets_far_apart_share_nothing():
    points = np.random.default_rng(1).normal(size=(8, 2))
    assert _means(neighbours(points, points + 100)) == (0, 0, 0, 0)


def test_too_few():
    with pytest.raises(DataError, match="at least 6"):
        neighbours(np.zeros((5, 2)), np.zeros((9, 2)))
