import numpy as np

from segvae_jax.evaluation.metrics.perceptual import perceptual_distance


def _layers(seed):
    rng = np.random.default_rng(seed)
    return [
        rng.random((3, *shape)).astype(np.float32) * (rng.random((3, *shape)) < 0.5) for shape in ((4, 3, 5), (2, 2, 7))
    ]


def test_against_loops():
    a, b = _layers(0), _layers(1)
    expected = np.zeros(3)
    for i in range(3):
        for x, y in zip(a, b, strict=True):
            for place in np.ndindex(x.shape[1:3]):
                u, v = x[i][place].astype(float), y[i][place].astype(float)
                u, v = (w / np.sqrt((w**2).sum()) if w.any() else w for w in (u, v))
                expected[i] += ((u - v) ** 2).sum() / (x.shape[1] * x.shape[2])
    np.testing.assert_allclose(perceptual_distance(a, b), expected, rtol=1e-6)


def test_weights_are_those_of_channels():
    a, b = _layers(0), _layers(1)
    channels = [(x, y, channel) for x, y in zip(a, b, strict=True) for channel in np.eye(x.shape[-1])]
    each = [perceptual_distance([x], [y], [channel]) for x, y, channel in channels]
    np.testing.assert_allclose(np.sum(each, axis=0), perceptual_distance(a, b), rtol=1e-9)
    twice = [2 * np.ones(layer.shape[-1]) for layer in a]
    np.testing.assert_allclose(perceptual_distance(a, b, twice), 2 * perceptual_distance(a, b), rtol=1e-9)


def test_it_sees_directions_and_not_lengths():
    a = _layers(0)
    np.testing.assert_allclose(perceptual_distance(a, [3 * layer for layer in a]), 0, atol=1e-12)
    one, other = (np.eye(2)[[channel]][:, None, None] * np.ones((1, 2, 2, 1)) for channel in (0, 1))
    np.testing.assert_allclose(perceptual_distance([one], [other]), 2)
