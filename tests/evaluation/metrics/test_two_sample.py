import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.two_sample import grid_areas, two_sample_test


def _noise(rng, count, density):
    maps = rng.random((count, 8, 6, 4)) < density
    maps[..., 0] = False
    return maps


def test_grid_areas_by_hand():
    maps = np.zeros((2, 8, 6, 3), bool)
    maps[0, :3, 2:, 1] = True  # of cells of 4 x 3 pixels: 3 x 1 and 3 x 3
    maps[1, 5, 5, 2] = True
    areas = grid_areas(maps, cells=2).reshape(2, 2, 2, 2)
    np.testing.assert_array_equal(areas[0, ..., 0], [[3, 9], [0, 0]])
    np.testing.assert_array_equal(areas[1, ..., 1], [[0, 0], [0, 1]])
    assert areas.sum() == maps.sum()


def test_the_grid_covers_maps_that_it_does_not_divide_and_is_no_finer_than_the_map():
    maps = _noise(np.random.default_rng(0), 3, 0.5)
    areas = grid_areas(maps, cells=5).reshape(3, 5, 5, 3)
    np.testing.assert_array_equal(areas.sum(axis=(1, 2)), maps[..., 1:].sum(axis=(1, 2)))
    np.testing.assert_array_equal(grid_areas(maps).reshape(3, 8, 6, 3), maps[..., 1:])


def test_like_sets_cannot_be_told_apart_and_unlike_ones_can():
    rng = np.random.default_rng(0)
    real, same, other = _noise(rng, 60, 0.3), _noise(rng, 60, 0.3), _noise(rng, 60, 0.6)
    like, unlike = two_sample_test(same, real, seed=0), two_sample_test(other, real, seed=0)
    assert 0.35 < like.auc.mean() < 0.65
    assert like.auc.shape == (5,)
    assert unlike.logistic_regression.mean() > 0.95 and unlike.boosted_trees.mean() > 0.95
    np.testing.assert_allclose(unlike.auc, (unlike.logistic_regression + unlike.boosted_trees) / 2)


def test_the_seed_decides_the_folds():
    rng = np.random.default_rng(1)
    maps, real = _noise(rng, 25, 0.3), _noise(rng, 25, 0.35)
    first, again, other = (two_sample_test(maps, real, seed=seed).logistic_regression for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_too_few_maps():
    with pytest.raises(DataError, match="at least 5"):
        two_sample_test(np.zeros((4, 8, 6, 4), bool), np.zeros((9, 8, 6, 4), bool), seed=0)
