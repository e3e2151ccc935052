import functools

import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.evaluation.metrics.two_sample import held_out_auc
from segvae_jax.evaluation.networks import map_classifier
from segvae_jax.evaluation.networks.map_classifier import classify_maps, outlines


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch):
    monkeypatch.setattr(map_classifier, "STEPS", 15)


def _maps(seed, count, side):
    """Squares of 9 x 11 maps: of class 1 on side 0, of class 2 on side 1."""
    corners = np.random.default_rng(seed).integers(0, 6, (count, 2))
    maps = np.zeros((count, 9, 11, 3), bool)
    for one, (y, x), channel in zip(maps, corners, 1 + np.broadcast_to(side, count), strict=True):
        one[y : y + 4, x : x + 4, channel] = True
    return maps


def test_outlines_by_hand():
    classes = np.zeros((1, 3, 4, 2), np.float32)
    classes[0, :2, 1, 0] = classes[0, :2, 2, 1] = 1
    below, right = np.moveaxis(np.asarray(outlines(jnp.asarray(classes)))[0], -1, 0)
    np.testing.assert_array_equal(below, [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(right, [[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]])


def test_unseen_maps_are_told_apart_and_the_seed_decides_the_scores():
    side = np.arange(40) % 2
    fit, held = _maps(0, 40, side), _maps(1, 70, np.arange(70) % 2)
    scores, again, other = (classify_maps(fit, side, held, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(scores, again)
    assert (scores != other).any() and scores.shape == (70,)
    assert scores[1::2].min() > scores[::2].max()


def test_ten_blank_maps_do_not_pass_for_real():
    real = _maps(0, 10, 0)
    assert held_out_auc(functools.partial(classify_maps, seed=0), 0 * real > 0, real, seed=0).mean() >= 0.9


def test_repeated_and_blank_maps_are_told_from_real_ones():
    real = _maps(0, 20, 0)
    for maps in (np.zeros_like(real), real[np.zeros(20, int)]):
        scores = classify_maps(
            np.concatenate([maps, real]), np.repeat([1, 0], 20), np.concatenate([maps, real]), seed=0
        )
        assert np.isfinite(scores).all() and scores[:20].mean() > scores[20:].mean()
