import numpy as np

from segvae_jax.evaluation.metrics.outline import FEATURES, outline_features


def _features(masks, channel=1):
    """Features of one class of maps that show it where `masks` is set, and the background elsewhere."""
    blank = np.zeros_like(masks)
    features = outline_features(np.stack([blank, masks, blank], axis=-1))
    return features.reshape(len(masks), 3, len(FEATURES))[:, channel]


def _blank(count=1):
    return np.zeros((count, 7, 9), bool)


def test_a_square_and_a_ring():
    masks = _blank(2)
    masks[:, 2:5, 3:6] = True
    masks[1, 3, 4] = False
    np.testing.assert_allclose(_features(masks), [[9 / 63, 4, 1, 0], [8 / 63, 16 / 8**0.5, 1, 1]])
    np.testing.assert_array_equal(_features(masks, 0)[:, 2:], [[1, 1], [2, 1]])  # pieces and holes of the background


def test_what_touches_at_a_corner_is_one_piece_and_encloses():
    masks = _blank(2)
    masks[0, [1, 2, 3], [1, 2, 3]] = True
    masks[1, [1, 2, 2, 3], [2, 1, 3, 2]] = True  # a diamond around one pixel
    np.testing.assert_array_equal(_features(masks)[:, 2:], [[1, 0], [1, 1]])


def test_the_border_of_the_map_is_no_hole_but_counts_as_outline():
    masks = _blank(2)
    masks[0, :3, 3:6] = True
    masks[0, :2, 4] = False
    masks[1] = True
    np.testing.assert_allclose(_features(masks), [[7 / 63, 16 / 7**0.5, 1, 0], [1, 32 / 63**0.5, 1, 0]])


def test_an_absent_class_differs_from_every_present_one():
    np.testing.assert_array_equal(_features(_blank()), [[0, -1, -1, -1]])
    np.testing.assert_array_equal(_features(_blank(), 2), [[0, -1, -1, -1]])


def test_maps_do_not_depend_on_their_neighbours():
    masks = np.random.default_rng(0).random((300, 7, 9)) < 0.5
    alone = np.concatenate([_features(one[None]) for one in masks])
    np.testing.assert_array_equal(_features(masks), alone)
