import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.two_sample import JUDGES, TwoSampleTest, grid_areas, held_out_auc, layout_test


def _noise(rng, count, density):
    maps = rng.random((count, 8, 6, 4)) < density
    maps[..., 0] = False
    return maps


def _boxes(seed, count):
    """Maps of 16 x 14: a box of each of three classes anywhere."""
    rng = np.random.default_rng(seed)
    index = np.zeros((count, 16, 14), int)
    for one in index:
        for channel in (1, 2, 3):
            (top, left), (height, width) = rng.integers(0, 10, 2), rng.integers(3, 7, 2)
            one[top : top + height, left : left + width] = channel
    return index[..., None] == np.arange(4)


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
    like, unlike = layout_test(same, real, seed=0), layout_test(other, real, seed=0)
    assert 0.35 < like.auc.mean() < 0.65
    assert like.auc.shape == (5,)
    logistic_regression, boosted_trees = unlike.by_classifier.values()
    assert logistic_regression.mean() > 0.95 and boosted_trees.mean() > 0.95
    np.testing.assert_allclose(unlike.auc, (logistic_regression + boosted_trees) / 2)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("count, least", [(10, 0.9), (20, 0.95), (40, 0.95)])
def test_maps_without_variety_never_pass_for_real(judge, count, least):
    real, other = _boxes(0, count), _boxes(1, count)
    for maps in (np.zeros_like(real), other[np.zeros(count, int)], other[np.arange(count) % 5]):
        assert JUDGES[judge](maps, real, seed=0).auc.mean() >= least


@pytest.mark.parametrize("judge", JUDGES)
def test_few_real_maps_pass_for_real_on_average(judge):
    tests = [JUDGES[judge](_boxes(2 * seed, 10), _boxes(2 * seed + 1, 10), seed=0) for seed in range(6)]
    assert abs(TwoSampleTest.pooled(tests).auc.mean() - 0.5) < 0.15  # 0.13 is the standard deviation of each


def test_few_maps_are_split_several_times():
    sizes = {count: len(layout_test(_boxes(0, count), _boxes(1, 2 * count), seed=0).auc) for count in (10, 20, 31)}
    assert sizes == {10: 15, 20: 10, 31: 5}


@pytest.mark.parametrize("judge", JUDGES)
def test_sides_may_differ_in_size_and_classes_may_be_missing(judge):
    maps, real = _boxes(0, 12), _boxes(1, 30)
    assert 0 <= JUDGES[judge](maps, real, seed=0).auc.mean() <= 1
    blank = np.zeros_like(real)
    assert JUDGES[judge](blank[:12], blank, seed=0).auc.mean() == 0.5


def test_the_seed_decides_the_folds():
    rng = np.random.default_rng(1)
    maps, real = _noise(rng, 25, 0.3), _noise(rng, 25, 0.35)
    tests = [layout_test(maps, real, seed=seed) for seed in (0, 0, 1)]
    first, again, other = (test.by_classifier["logistic_regression"] for test in tests)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_each_fold_is_scored_by_a_classifier_that_has_not_seen_it():
    asked = []

    def classify(fit, side, held):
        asked.append((set(fit), set(held)))
        np.testing.assert_array_equal(side, fit >= 100)
        return held

    auc = held_out_auc(classify, np.arange(100, 110), np.arange(15), seed=0, repeats=2)
    np.testing.assert_array_equal(auc, np.ones(10))
    assert all(not fit & held and len(fit | held) == 25 for fit, held in asked)


@pytest.mark.parametrize("judge", JUDGES)
def test_too_few_maps(judge):
    with pytest.raises(DataError, match="9 against 12 maps: pass at least 10"):
        JUDGES[judge](np.zeros((9, 8, 6, 4), bool), np.zeros((12, 8, 6, 4), bool), seed=0)
