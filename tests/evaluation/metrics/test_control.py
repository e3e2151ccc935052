import numpy as np

from segvae_jax.evaluation.metrics.control import area_threshold, label_control


def _maps(*areas, size=(8, 6)):
    """Maps in which class i + 1 fills the given number of pixels of a channel of its own."""
    pixels = np.arange(size[0] * size[1])
    maps = [[np.zeros_like(pixels, bool), *(pixels < area for area in row)] for row in areas]
    return np.moveaxis(np.array(maps), 1, 2).reshape(len(areas), *size, -1)


def test_by_hand():
    requested = np.array([[0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]], bool)
    result = label_control(requested, _maps((9, 9, 0), (9, 9, 0), (0, 0, 0)), threshold=2)
    np.testing.assert_allclose(result.precision, [1, 1 / 2, 0])
    np.testing.assert_allclose(result.recall, [1, 1 / 2, 0])
    np.testing.assert_allclose(result.exact, [1, 0, 0])
    np.testing.assert_allclose(result.miss_rate, [np.nan, 0, 1 / 2, 1])


def test_a_class_counts_from_the_threshold_on():
    requested = np.array([[0, 1, 1, 0]], bool)
    maps = _maps((4, 3, 3))
    np.testing.assert_allclose(label_control(requested, maps, threshold=3).exact, [0])
    np.testing.assert_allclose(label_control(requested, maps, threshold=4).recall, [1 / 2])
    assert label_control(requested, maps).threshold == 1


def test_the_background_does_not_count():
    maps = _maps((5, 0, 0))
    maps[..., 0] = True
    np.testing.assert_allclose(label_control(np.array([[1, 1, 0, 0]], bool), maps).exact, [1])


def test_nothing_requested_is_no_miss():
    result = label_control(np.zeros((1, 4), bool), _maps((5, 0, 0)))
    assert (result.precision, result.recall, result.exact) == (0, 1, 0)
    assert np.isnan(result.miss_rate).all()


def test_the_threshold_follows_the_area():
    assert [area_threshold(s, s) for s in (8, 64, 128)] == [1, 1, 4]
    assert area_threshold(64, 128) == 2
