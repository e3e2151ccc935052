import jax
import numpy as np

from segvae_jax.evaluation.networks.random_cnn import WIDTHS, random_cnn, random_cnn_features

MAPS = np.random.default_rng(0).random((7, 8, 6, 4)) < 0.3


def test_features_do_not_depend_on_the_batch():
    whole = random_cnn_features(MAPS, 0)
    assert whole.shape == (7, 2 * sum(WIDTHS)) and (whole >= 0).all() and (whole.std(axis=0) > 0).any()
    for batch_size in (1, 3, 7):
        np.testing.assert_allclose(random_cnn_features(MAPS, 0, batch_size), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(random_cnn_features(MAPS[4:5], 0)[0], whole[4], rtol=1e-5, atol=1e-6)


def test_the_first_layer_against_a_loop():
    kernel = np.asarray(random_cnn(3, 3)[0])
    padded = np.pad(MAPS[0, ..., 1:].astype(np.float32), ((0, 1), (0, 1), (0, 0)))
    patches = [[padded[y : y + 3, x : x + 3] for x in range(0, 6, 2)] for y in range(0, 8, 2)]
    layer = np.maximum(np.einsum("yxijc,ijco->yxo", patches, kernel), 0)
    expected = np.concatenate([layer.mean((0, 1)), layer.std((0, 1))])
    np.testing.assert_allclose(random_cnn_features(MAPS, 3)[0, :32], expected, rtol=1e-4, atol=1e-5)


def test_the_background_channel_is_not_read():
    filled = MAPS.copy()
    filled[..., 0] = True
    np.testing.assert_array_equal(random_cnn_features(filled, 0), random_cnn_features(MAPS, 0))
    assert not random_cnn_features(np.zeros_like(MAPS), 0).any()


def test_networks_differ_by_seed_only():
    assert not np.allclose(random_cnn_features(MAPS, 0), random_cnn_features(MAPS, 1))
    with jax.default_prng_impl("rbg"):
        np.testing.assert_array_equal(random_cnn(0, 3)[1], random_cnn(0, 3)[1])
        under_another_default = random_cnn(0, 3)
    for kernel, same in zip(random_cnn(0, 3), under_another_default, strict=True):
        np.testing.assert_array_equal(kernel, same)
