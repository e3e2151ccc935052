import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.diversity import (
    class_diversity,
    pairwise_diversity,
    perceptual_diversity,
    pixel_diversity,
    real_groups,
)
from segvae_jax.evaluation.metrics.perceptual import perceptual_distance


def _maps(*rows):
    """Class maps of one-row index maps, two classes and a background."""
    return np.array(rows)[:, None, :, None] == np.arange(3)


def _label_sets(maps):
    return maps.any(axis=(1, 2)) & (np.arange(3) > 0)


def test_by_hand():
    maps = _maps([1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0])
    # of the first three pairs one is the same and two overlap by half; the last two maps do not overlap
    np.testing.assert_allclose(pairwise_diversity(maps, [3, 2]), [1 / 3, 1])


def test_pictures_differ_by_their_pixels():
    pictures = np.repeat(np.array([0, 51, 255, 200, 200], np.uint8), 12).reshape(5, 2, 2, 3)
    np.testing.assert_allclose(pixel_diversity(pictures, [3, 2]), [(0.2 + 1 + 0.8) / 3, 0], rtol=1e-6)
    with pytest.raises(DataError, match="make no pair"):
        pixel_diversity(pictures, [4, 1])


def test_of_each_class_over_the_pairs_that_hold_it():
    maps = _maps([1, 1, 2], [1, 0, 2], [0, 0, 2], [0, 1, 0], [0, 1, 0])
    # class 1: 1/2, 1, 1 and, in the other group, 0; class 2: 0 three times, and no map of the other group holds it
    np.testing.assert_allclose(class_diversity(maps, [3, 2]), [np.nan, 2.5 / 4, 0])
    assert np.isnan(class_diversity(maps[3:], [2])[2])


def test_in_features_pairs_stay_in_their_group():
    layers = [np.random.default_rng(0).random((5, 2, 2, 3))]
    distance = lambda i, j: perceptual_distance([layers[0][[i]]], [layers[0][[j]]])[0]
    expected = [np.mean([distance(0, 1), distance(0, 2), distance(1, 2)]), distance(3, 4)]
    np.testing.assert_allclose(perceptual_diversity(layers, [3, 2]), expected)


def test_real_groups_share_the_label_set():
    maps = _maps([1, 1, 0], [1, 0, 0], [1, 2, 0], [2, 0, 0])
    wanted = np.array([[0, 1, 0], [0, 1, 1]], bool)
    groups, same = real_groups(wanted, _label_sets(maps), np.random.default_rng(0), 10)
    assert same and [sorted(group) for group in groups] == [[0, 1]]
    many = np.tile(wanted[:1], (30, 1))
    groups, _ = real_groups(wanted, many, np.random.default_rng(0), 10)
    assert [len(set(group)) for group in groups] == [10]


def test_random_pairs_where_no_label_set_repeats():
    label_sets = _label_sets(_maps([1, 0, 0], [1, 2, 0], [0, 2, 0]))
    groups, same = real_groups(label_sets, label_sets, np.random.default_rng(0), 10)
    assert not same and [len(set(group)) for group in groups] == [2, 2, 2]


def test_too_few_maps():
    with pytest.raises(DataError, match="at least 2"):
        pairwise_diversity(_maps([1, 0, 0]), [1])
    with pytest.raises(DataError, match="at least 2"):
        real_groups(np.ones((1, 3), bool), np.ones((1, 3), bool), np.random.default_rng(0), 10)
