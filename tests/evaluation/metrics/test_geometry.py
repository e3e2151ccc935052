import numpy as np

from segvae_jax.evaluation.metrics import geometry
from segvae_jax.evaluation.metrics.geometry import QUANTITIES, part_geometry


def _bar(length, dy, dx):
    """A line of pixels through the middle of a 16 x 12 map, in channel 1 of 3."""
    maps = np.zeros((1, 16, 12, 3), bool)
    for step in range(length):
        maps[0, 8 + dy * step, 2 + dx * step, 1] = True
    return maps


def test_a_box_by_hand():
    maps = np.zeros((1, 16, 12, 3), bool)
    maps[0, 4:6, 3:9, 1] = True
    expected = [np.log(12 / 192), 5 / 16, 6 / 12, 2 / 16, 6 / 12, 0]
    np.testing.assert_allclose(part_geometry(maps)[0, 1], expected, atol=1e-12)


def test_the_axis_of_bars():
    turn = QUANTITIES.index("orientation")
    angles = [part_geometry(_bar(6, *step))[0, 1, turn] for step in ((0, 1), (1, 1), (-1, 1), (1, 0))]
    np.testing.assert_allclose(angles, [0, np.pi / 4, -np.pi / 4, np.pi / 2], atol=1e-12)


def test_moments_against_the_covariance_of_the_pixels():
    maps = np.random.default_rng(0).random((5, 9, 7, 4)) < np.array([0.9, 0.1, 0.2, 0.3])
    quantities = part_geometry(maps)
    for i, c in np.ndindex(5, 3):
        y, x = np.nonzero(maps[i, ..., c + 1])
        values, vectors = np.linalg.eigh(np.cov(x, y, bias=True))
        assert values[1] - values[0] > 0.1 * values.sum() or np.isnan(quantities[i, c + 1, 5])
        if not np.isnan(quantities[i, c + 1, 5]):
            axis = np.array([np.cos(quantities[i, c + 1, 5]), np.sin(quantities[i, c + 1, 5])])
            np.testing.assert_allclose(abs(axis @ vectors[:, 1]), 1)
        np.testing.assert_allclose(quantities[i, c + 1, 1:3], [(y.mean() + 0.5) / 9, (x.mean() + 0.5) / 7])


def test_what_is_absent_or_points_nowhere_has_no_figure():
    maps = np.zeros((2, 16, 12, 3), bool)
    maps[:, :3, :3, 1] = True
    maps[1, 5, 5, 2] = True
    quantities = part_geometry(maps)
    assert np.isnan(quantities[:, 0]).all() and np.isnan(quantities[0, 2]).all()
    assert np.isnan(quantities[:, 1:, 5]).all() and np.isfinite(quantities[1, 1:, :5]).all()


def test_chunks_change_nothing(monkeypatch):
    maps = np.random.default_rng(1).random((5, 8, 6, 4)) < 0.3
    whole = part_geometry(maps)
    monkeypatch.setattr(geometry, "CHUNK", 2)
    np.testing.assert_array_equal(part_geometry(maps), whole)
