"""Resizing and padding of class maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segvae_jax import maps
from segvae_jax.errors import MapError

WILD = settings(deadline=None, derandomize=True, max_examples=60)

sides = st.integers(1, 9)


def resized(class_maps, size):
    """Resizing by definition, in integers: each pixel is split into as many parts as the other size has pixels."""
    (height, width, channels), (h, w) = class_maps.shape, size
    fine = class_maps.repeat(h, axis=0).repeat(w, axis=1).astype(int)
    covered, whole = fine.reshape(h, height, w, width, channels).sum(axis=(1, 3)), height * width
    threshold = np.minimum(whole, covered.max(axis=(0, 1)))
    most = np.zeros(covered.shape, bool)
    for c in range(channels):
        most[..., c].flat[covered[..., c].argmax()] = covered[..., c].any()
    return np.where(covered.sum(axis=(0, 1)) < whole, most, 2 * covered >= threshold)


@settings(WILD, max_examples=150)
@given(data=st.data(), source=st.tuples(sides, sides), target=st.tuples(sides, sides), block=st.sampled_from([1, 3]))
def test_resize_follows_its_definition(data, source, target, block):
    class_maps = data.draw(hnp.arrays(bool, (*source, 2))).repeat(block, axis=0).repeat(block, axis=1)
    result = maps.resize(class_maps, target)
    assert result.shape == (*target, 2) and result.dtype == bool
    np.testing.assert_array_equal(result, class_maps if class_maps.shape[:2] == target else resized(class_maps, target))


def test_resize_of_a_large_map_by_a_ratio_that_is_not_whole():
    class_maps = maps.index_to_class_maps(
        np.random.default_rng(0).integers(0, 4, (11, 17)).astype(np.uint8).repeat(5, 0).repeat(5, 1), 4
    )
    np.testing.assert_array_equal(maps.resize(class_maps, (16, 24)), resized(class_maps, (16, 24)))


def test_resize_to_the_same_size_changes_nothing():
    class_maps = np.random.default_rng(0).random((8, 6, 3)) < 0.1
    np.testing.assert_array_equal(maps.resize(class_maps, (8, 6)), class_maps)


@pytest.mark.parametrize("factor", [2, 3])
def test_enlarging_by_a_whole_factor_repeats_pixels_and_shrinking_undoes_it(factor):
    class_maps = np.random.default_rng(0).random((8, 6, 3)) < 0.5
    large = maps.resize(class_maps, (8 * factor, 6 * factor))
    np.testing.assert_array_equal(large, class_maps.repeat(factor, axis=0).repeat(factor, axis=1))
    np.testing.assert_array_equal(maps.resize(large, (8, 6)), class_maps)


def test_a_thin_part_survives_in_one_piece_where_others_keep_their_shape():
    class_maps = np.zeros((64, 96, 3), bool)
    class_maps[:32, :, 1] = True
    class_maps[41, :, 2] = True
    small = maps.resize(class_maps, (8, 12))
    np.testing.assert_array_equal(small[..., 1].nonzero()[0], np.arange(4).repeat(12))
    np.testing.assert_array_equal(small[..., 2].nonzero()[0], [5] * 12)
    assert not small[..., 0].any()


def test_a_class_of_less_than_one_target_pixel_keeps_the_one_it_covers_most():
    class_maps = np.zeros((9, 9, 4), bool)
    class_maps[3:6, 3:6, 1] = True
    class_maps[[0, 1, 4, 4, 8], [0, 4, 6, 7, 8], 2] = True
    class_maps[[0, 8], [8, 0], 3] = True
    small = maps.resize(class_maps, (3, 3))
    assert small[1, 1, 1] and small[1, 2, 2] and small[0, 2, 3] and small.sum() == 3


@settings(WILD, max_examples=50)
@given(
    data=st.data(), source=st.tuples(sides, sides), target=st.tuples(sides, sides), share=st.sampled_from([2, 9, 40])
)
def test_resize_keeps_the_label_set(data, source, target, share):
    class_maps = data.draw(hnp.arrays(np.uint8, (*source, 3))) % share == 1
    class_maps[..., 0] = False
    resized_maps = maps.resize(class_maps, target)
    np.testing.assert_array_equal(maps.label_set_of(resized_maps), maps.label_set_of(class_maps))


def test_a_pixel_split_evenly_belongs_to_both_classes():
    class_maps = np.zeros((12, 12, 3), bool)
    class_maps[:3, :, 1], class_maps[3:, :, 2] = True, True
    small = maps.resize(class_maps, (2, 2))
    np.testing.assert_array_equal(small[0, :, 1:], [[True, True], [True, True]])
    np.testing.assert_array_equal(small[1, :, 1:], [[False, True], [False, True]])


def test_each_class_is_resized_as_if_alone():
    class_maps = np.random.default_rng(0).random((17, 13, 4)) < [0, 0.1, 0.5, 0.9]
    together = maps.resize(class_maps, (5, 6))
    for c in range(4):
        np.testing.assert_array_equal(together[..., [c]], maps.resize(class_maps[..., [c]], (5, 6)))


@pytest.mark.parametrize("shape", [(0, 6, 3), (8, 0, 3)])
def test_a_map_without_pixels_is_refused(shape):
    with pytest.raises(MapError, match=f"a map of {shape[0]} x {shape[1]} pixels cannot be resized"):
        maps.resize(np.zeros(shape, bool), (4, 4))


@pytest.mark.parametrize("source", [(12, 7), (9, 9), (12, 9), (5, 7)])
@pytest.mark.parametrize("target", [(9, 3), (1, 8), (5, 3), (10, 4), (7, 4)])
def test_exact_halves_and_whole_pixels_are_not_lost_to_rounding(source, target):
    index = np.random.default_rng(0).integers(0, 3, (20, *source)).astype(np.uint8)
    for class_maps in maps.index_to_class_maps(index, 3):
        np.testing.assert_array_equal(maps.resize(class_maps, target), resized(class_maps, target))


@pytest.mark.parametrize(
    ("size", "shape"),
    [((64, 64), (8, 8)), ((128, 64), (8, 4)), ((64, 16), (16, 4)), ((3, 5), (8, 13)), ((1, 1), (8, 8))],
)
def test_padding_to_an_aspect_ratio_adds_background_on_both_sides(size, shape):
    padded = maps.pad_to_ratio(np.ones((8, 4, 2), bool), size)
    assert padded.shape == (*shape, 2) and padded.sum() == 8 * 4 * 2
    top, left = (shape[0] - 8) // 2, (shape[1] - 4) // 2
    assert padded[top : top + 8, left : left + 4].all()


@pytest.mark.parametrize("shape", [(8, 3), (5, 12), (8, 6)])
def test_a_padded_map_gets_its_size_back(shape):
    """At the size of the padded map nothing is scaled, so that what comes back is what was there."""
    class_maps = np.random.default_rng(0).integers(0, 2, (*shape, 3)).astype(bool)
    padded = maps.fitted(class_maps, (8, 6), "pad")
    given = padded[None].astype(np.float32)
    assert abs(padded.shape[0] / padded.shape[1] - 8 / 6) < 0.1
    np.testing.assert_array_equal(maps.resize_soft_to(given, shape, "pad")[0], class_maps)


def test_maps_with_many_pixels_are_resized_in_parts_of_their_classes(monkeypatch):
    class_maps = np.random.default_rng(0).random((9, 7, 5)) < 0.4
    whole = maps.resize(class_maps, (4, 5))
    monkeypatch.setattr(maps, "_FLOATS_AT_ONCE", 2 * 9 * 7)
    np.testing.assert_array_equal(maps.resize(class_maps, (4, 5)), whole)
