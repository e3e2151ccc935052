import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segvae_jax.evaluation.metrics.overlap import class_iou, mean_iou, mean_iou_matrix


def _maps(*rows):
    """Class maps of one-row index maps, three classes and a background."""
    return np.array(rows)[:, None, :, None] == np.arange(4)


def test_by_hand():
    a, b = _maps([1, 1, 2, 0]), _maps([1, 2, 2, 0])
    np.testing.assert_allclose(class_iou(a, b), [[np.nan, 1 / 2, 1 / 2, np.nan]])
    np.testing.assert_allclose(mean_iou(a, b), [1 / 2])
    np.testing.assert_allclose(mean_iou(a, _maps([1, 1, 2, 3])), [2 / 3])
    np.testing.assert_allclose(mean_iou(a, _maps([0, 0, 3, 3])), [0])


def test_blank_maps_are_alike_and_unlike_any_other():
    blank, drawn = _maps([0, 0, 0, 0]), _maps([0, 1, 0, 0])
    assert mean_iou(blank, blank) == 1 == mean_iou_matrix(blank, blank)
    assert mean_iou(blank, drawn) == 0 == mean_iou_matrix(blank, drawn)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 1))
def test_the_matrix_holds_every_pair_of_overlapping_classes(seed, density):
    rng = np.random.default_rng(seed)
    a, b = (rng.random((n, 8, 6, 4)) < density for n in (2, 3))
    expected = [[mean_iou(x[None], y[None])[0] for y in b] for x in a]
    np.testing.assert_allclose(mean_iou_matrix(a, b), expected, rtol=1e-5)
