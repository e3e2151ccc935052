"""Resizing pictures for networks that read one size, and their features in batches."""

import numpy as np

from segvae_jax.evaluation.networks.resized import clean_resize, features_of_resized


def test_resizing_keeps_colours_apart_and_does_not_round():
    flat = np.broadcast_to(np.array([10, 128, 250], np.uint8), (5, 4, 3))
    np.testing.assert_allclose(clean_resize(flat, 299), np.broadcast_to([10, 128, 250], (299, 299, 3)), rtol=1e-5)
    ramp = clean_resize(np.repeat(np.arange(0, 8, dtype=np.uint8)[None, :, None], 3, axis=2), 299)
    assert np.unique(ramp).size > 256


def test_resizing_clips_the_overshoot_at_edges():
    edge = np.zeros((6, 8, 3), np.uint8)
    edge[:, 4:] = 255
    resized = clean_resize(edge, 299)
    assert resized.min() == 0 and resized.max() == 255


def test_shrinking_averages():
    board = 255 * (np.indices((598, 598)).sum(axis=0) % 2).astype(np.uint8)
    resized = clean_resize(np.repeat(board[..., None], 3, axis=2), 299)
    np.testing.assert_allclose(resized[5:-5, 5:-5], 127.5, atol=1)


def test_features_of_a_picture_are_its_own_and_the_last_batch_may_be_partial():
    pictures = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    means = lambda batch: batch.mean(axis=(1, 2))
    found = features_of_resized(means, pictures, side=7, num_features=3, batch_size=2)
    np.testing.assert_allclose(found, [clean_resize(picture, 7).mean(axis=(0, 1)) for picture in pictures], rtol=1e-5)
    assert features_of_resized(means, pictures[:0], side=7, num_features=3).shape == (0, 3)
