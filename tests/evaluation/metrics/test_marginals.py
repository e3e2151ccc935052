import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from segvae_jax.evaluation.metrics.marginals import (
    area_fractions,
    axis_distances,
    circular_wasserstein,
    line_distances,
    segmentation_distance,
)


def test_area_fractions_by_hand():
    maps = np.zeros((1, 8, 6, 3), bool)
    maps[0, :4, :, 1] = True
    maps[0, 3:5, :, 2] = True  # one of its rows is shared
    np.testing.assert_allclose(area_fractions(maps), [[3 / 8, 1 / 2, 1 / 4]])


def test_distance_of_shifted_areas_is_the_squared_shift_in_the_stated_scale():
    areas = np.random.default_rng(0).uniform(size=(20, 3))
    np.testing.assert_allclose(segmentation_distance(areas, areas + np.array([[0.01, 0.02, 0]])), 1 + 4, atol=1e-6)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 6))
def test_distance_on_a_circle_is_that_of_the_best_cut(seed, size_a, size_b):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-5, 20, size_a) / 5, rng.integers(-5, 20, size_b) / 5  # ties and several turns
    cuts = [wasserstein_distance((a - c) % 2, (b - c) % 2) for c in np.arange(-0.05, 2, 0.1)]
    np.testing.assert_allclose(circular_wasserstein(a, b, 2.0), min(cuts), atol=1e-9)


def test_axes_on_either_side_of_the_seam_are_close():
    up, down = np.full(4, np.pi / 2 - 0.1), np.full(3, -np.pi / 2 + 0.1)
    np.testing.assert_allclose(circular_wasserstein(up, down), 0.2)
    np.testing.assert_allclose(circular_wasserstein(up, up - np.pi), 0, atol=1e-12)


def test_a_shift_of_a_class_is_its_distance_over_the_maps_that_have_it():
    a = np.random.default_rng(0).uniform(-0.3, 0.3, (9, 3))
    a[:, 0], a[6:, 1], a[4:, 2] = np.nan, np.nan, np.nan
    b = np.concatenate([a, np.full((2, 3), np.nan)]) + 0.25
    # four maps are too few
    np.testing.assert_allclose(line_distances(a, b), [np.nan, 0.25, np.nan])
    np.testing.assert_allclose(axis_distances(a, b + np.pi), [np.nan, 0.25, np.nan])
