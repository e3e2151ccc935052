import numpy as np

from segvae_jax.evaluation.marginals import area_fractions, segmentation_distance


def test_area_fractions_by_hand():
    maps = np.zeros((1, 8, 6, 3), bool)
    maps[0, :4, :, 1] = True
    maps[0, 3:5, :, 2] = True  # one of its rows is shared
    np.testing.assert_allclose(area_fractions(maps), [[3 / 8, 1 / 2, 1 / 4]])


def test_distance_of_shifted_areas_is_the_squared_shift_in_the_stated_scale():
    areas = np.random.default_rng(0).uniform(size=(20, 3))
    np.testing.assert_allclose(segmentation_distance(areas, areas + np.array([[0.01, 0.02, 0]])), 1 + 4, atol=1e-6)
