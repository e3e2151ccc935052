import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.linalg import sqrtm

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.frechet import fid, frechet_distance, frechet_from_moments, moments


def _sqrtm_distance(a, b):
    (mean_a, covariance_a), (mean_b, covariance_b) = ((x.mean(0), np.cov(x, rowvar=False)) for x in (a, b))
    root = sqrtm(covariance_a @ covariance_b).real
    return np.square(mean_a - mean_b).sum() + np.trace(covariance_a + covariance_b - 2 * root)


def test_agrees_with_the_matrix_square_root():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 7)), rng.normal(1.0, 2.0, size=(40, 7)) @ rng.normal(size=(7, 7))
    np.testing.assert_allclose(frechet_distance(a, b), _sqrtm_distance(a, b), rtol=1e-9)


def test_singular_covariances_need_no_offset():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(4, 9)), rng.normal(size=(5, 9))
    inner = np.linalg.svd((a - a.mean(0)) @ (b - b.mean(0)).T / np.sqrt(3 * 4), compute_uv=False)
    trace = a.var(0, ddof=1).sum() + b.var(0, ddof=1).sum() - 2 * inner.sum()
    np.testing.assert_allclose(frechet_distance(a, b), np.square(a.mean(0) - b.mean(0)).sum() + trace)


@pytest.mark.parametrize("counts", [(4, 5), (8, 3), (12, 5)])
def test_fewer_samples_than_features_give_what_their_covariances_give(counts):
    rng = np.random.default_rng(3)
    a, b = (rng.normal(i, 1 + i, size=(count, 9)) for i, count in enumerate(counts))
    np.testing.assert_allclose(frechet_distance(a, b), frechet_from_moments(moments(a), moments(b)), rtol=1e-6)


def test_one_dimension_by_hand():
    # means 1 and 4, standard deviations sqrt(2) and 3 sqrt(2)
    a, b = np.array([[0.0], [2.0]]), np.array([[1.0], [7.0]])
    np.testing.assert_allclose(frechet_distance(a, b), 3**2 + (np.sqrt(2) - 3 * np.sqrt(2)) ** 2)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(-10, 10)), st.floats(-5, 5))
def test_a_shift_costs_its_square_and_order_does_not_matter(features, shift):
    assert frechet_distance(features, features) < 1e-4
    np.testing.assert_allclose(frechet_distance(features, features + shift), 3 * shift**2, atol=1e-4)
    other = features[:, ::-1] + shift
    forth, back = frechet_distance(features, other), frechet_distance(other, features)
    np.testing.assert_allclose(forth, back, atol=1e-4)


def test_float32_features_are_compared_in_float64():
    features = (1000 + np.random.default_rng(2).normal(size=(30, 4))).astype(np.float32)
    _, covariance = moments(features)
    assert covariance.dtype == np.float64
    np.testing.assert_allclose(covariance, np.cov(features.astype(np.float64), rowvar=False))
    assert frechet_from_moments(moments(features), moments(features)) < 1e-10


def test_mistakes_are_named():
    with pytest.raises(DataError, match="at least 2"):
        frechet_distance(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(np.zeros((4, 3)), np.full((4, 3), np.nan))


def test_fid_is_a_frechet_distance_of_equally_many_pictures():
    features = np.random.default_rng(0).normal(size=(9, 5))
    assert fid(features, features + 0.5) == pytest.approx(5 * 0.25)
    with pytest.raises(DataError, match="9 against 3"):
        fid(features, features[:3])
