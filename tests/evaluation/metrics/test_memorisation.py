import numpy as np

from segvae_jax.evaluation.metrics import memorisation
from segvae_jax.evaluation.metrics.memorisation import Nearest, closest, copied, nearest_training
from segvae_jax.evaluation.metrics.overlap import mean_iou


def _noise(seed, count):
    return np.random.default_rng(seed).random((count, 8, 6, 4)) < 0.4


def test_a_copy_is_found_whatever_the_chunks(monkeypatch):
    train = _noise(0, 11)
    nearest = nearest_training(train[[7, 2]], train)
    np.testing.assert_allclose(nearest.overlap, 1)
    np.testing.assert_array_equal(nearest.row, [7, 2])
    monkeypatch.setattr(memorisation, "CHUNK", 3)
    np.testing.assert_array_equal(nearest_training(train[[7, 2]], train).row, [7, 2])


def test_nearest_is_the_best_of_a_loop(monkeypatch):
    maps, train = _noise(1, 3), _noise(2, 7)
    monkeypatch.setattr(memorisation, "CHUNK", 2)
    table = np.array([[mean_iou(x[None], y[None])[0] for y in train] for x in maps])
    nearest = nearest_training(maps, train)
    np.testing.assert_allclose(nearest.overlap, table.max(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(nearest.row, table.argmax(axis=1))


def test_maps_unlike_any_training_map_have_no_overlap():
    maps = np.zeros((1, 8, 6, 4), bool)
    maps[..., 1] = True
    np.testing.assert_array_equal(nearest_training(maps, np.roll(maps, 1, axis=-1)).overlap, [0])


def test_a_copy_is_closer_than_99_percent_of_held_out_maps():
    held_out = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(copied(np.array([0.5, 0.985, 0.995, 1.0]), held_out), [0, 0, 1, 1])


def test_the_closest_pairs_come_first():
    nearest = Nearest(np.array([0.2, 0.9, 0.5, 0.9]), np.array([4, 3, 2, 1]))
    np.testing.assert_array_equal(closest(nearest, 3), [[1, 3], [3, 1], [2, 2]])
    assert len(closest(nearest)) == 4
