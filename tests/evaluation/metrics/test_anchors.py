import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.anchors import independent_parts, mean_shape, real_rows, retrieval

TRAIN_LABEL_SETS = np.array([[0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 1, 0], [0, 1, 1, 0]], bool)


def _train():
    """Noise in the classes of `TRAIN_LABEL_SETS`: no two channels are alike."""
    return (np.random.default_rng(0).random((5, 8, 6, 4)) < 0.5) & TRAIN_LABEL_SETS[:, None, None]


def _row_of(class_map, train):
    rows = np.flatnonzero((train == class_map).all(axis=(1, 2, 3)))
    assert len(rows) == 1
    return rows[0]


def test_retrieval_returns_every_map_of_the_label_set_and_no_other():
    train = _train()
    wanted = np.tile([False, True, True, False], (40, 1))
    maps = retrieval(wanted, train, TRAIN_LABEL_SETS, np.random.default_rng(0))
    assert {_row_of(class_map, train) for class_map in maps} == {1, 2, 4}


def test_retrieval_falls_back_on_the_nearest_label_set():
    train = _train()
    wanted = np.array([[0, 0, 1, 1], [0, 0, 0, 0]] * 10, bool)
    rows = [_row_of(x, train) for x in retrieval(wanted, train, TRAIN_LABEL_SETS, np.random.default_rng(0))]
    assert set(rows[::2]) == {3}
    assert set(rows[1::2]) == {0, 3}


def test_mean_shape_by_hand():
    train = np.zeros((3, 1, 4, 3), bool)
    train[0, 0, :3, 1] = train[1, 0, :2, 1] = train[2, 0, :1, 1] = True  # means 1, 2/3, 1/3, 0
    train[0, 0, 0, 2] = train[1, 0, 1, 2] = True  # means 1/2, 1/2 over the two that have it
    held = np.array([[0, 1, 1], [0, 1, 1], [0, 1, 0]], bool)
    wanted = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 0]], bool)
    first, second, third = mean_shape(wanted, train, held)
    np.testing.assert_array_equal(first[0, :, 1], [1, 1, 0, 0])
    np.testing.assert_array_equal(first[0, :, 2], [1, 1, 0, 0])
    np.testing.assert_array_equal(second, first & wanted[1])
    assert not third.any()


def test_independent_parts_are_cut_from_maps_that_have_them():
    train = _train()
    wanted = np.array([[0, 1, 1, 1]] * 40, bool)
    maps = independent_parts(wanted, train, TRAIN_LABEL_SETS, np.random.default_rng(0))
    donors = []
    for channel, holders in ((1, {0, 1, 2, 4}), (2, {1, 2, 3, 4})):
        source = [np.flatnonzero((train[..., channel] == x[..., channel]).all((1, 2)))[0] for x in maps]
        assert set(source) == holders
        donors.append(source)
    assert any(a != b for a, b in zip(*donors, strict=True))
    assert not maps[..., [0, 3]].any()


def test_only_wanted_parts_are_cut():
    wanted = np.array([[0, 1, 0, 0], [0, 0, 1, 0]], bool)
    maps = independent_parts(wanted, _train(), TRAIN_LABEL_SETS, np.random.default_rng(0))
    np.testing.assert_array_equal(maps.any(axis=(1, 2)), wanted)


def test_real_rows_come_from_validation_first_and_never_twice():
    validation, fill = real_rows(7, 5, 9, np.random.default_rng(0))
    assert sorted(validation) == [0, 1, 2, 3, 4]
    assert len(set(fill)) == len(fill) == 2
    validation, fill = real_rows(3, 5, 9, np.random.default_rng(0))
    assert len(set(validation)) == 3 and len(fill) == 0


def test_too_few_real_maps():
    with pytest.raises(DataError, match="5 validation and 2 training maps"):
        real_rows(7, 5, 2, np.random.default_rng(0))
