import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segvae_jax import maps
from segvae_jax.labels import CELEBAMASK_HQ, CELEBAMASK_RELEASE, HUMAN_PARSING, LabelSpace

FACE = LabelSpace(
    ("nose", "skin", "hat"), paint_order=("hat", "skin", "nose"), covered_by=(("skin", ("nose",)),)
)  # the channels are not in painting order
HATTED = dataclasses.replace(FACE, accessories=("hat",), pairs=(("nose", "hat"),))
FACIAL_PARTS = "nose eye_g l_eye r_eye l_brow r_brow mouth u_lip l_lip".split()
WILD = settings(deadline=None, derandomize=True, max_examples=60)

celeba_index = hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 18))
# Multiples of 1/16: their sums are exact, and none of them equals the background threshold.
soft_maps = hnp.arrays(np.float32, (2, 3, 5, 4), elements=st.integers(0, 16).map(lambda n: n / 16))


def painted_pixel(values, space):
    """The class of one pixel, computed from the definition."""
    if sum(values[1:]) <= 0.4:
        return 0
    covers = dict(space.covered_by)
    winner, best = 0, -1.0
    for name in space.paint_order:
        score = values[space.channel(name)]
        if any(values[space.channel(cover)] >= 0.5 for cover in covers.get(name, ())):
            score = 0
        score += name in space.accessories and score >= 0.5
        if score >= best:
            winner, best = space.channel(name), score
    return winner


def painted(class_maps, space):
    return np.apply_along_axis(painted_pixel, -1, class_maps, space)


@pytest.mark.parametrize(("channels", "size"), [(1, 1), (7, 1), (8, 1), (9, 2), (16, 2), (19, 3)])
def test_packed_channels(channels, size):
    assert maps.packed_channels(channels) == size
    assert maps.pack(np.zeros((8, 6, channels), bool)).shape == (8, 6, size)


@WILD
@given(data=st.data(), channels=st.sampled_from([1, 3, 8, 9, 19]), lead=st.sampled_from([(), (2,)]))
def test_unpack_inverts_pack(data, channels, lead):
    class_maps = data.draw(hnp.arrays(bool, (*lead, 4, 3, channels)))
    packed = maps.pack(class_maps)
    assert packed.dtype == np.uint8
    unpacked = maps.unpack(jnp.asarray(packed), channels)
    assert unpacked.dtype == jnp.float32
    np.testing.assert_array_equal(unpacked, class_maps)
    np.testing.assert_array_equal(maps.pack(class_maps.astype(np.float32)), packed)


def test_unpack_inside_jit_in_another_type():
    class_maps = np.random.default_rng(0).random((2, 8, 6, 11)) < 0.5
    unpack = jax.jit(lambda packed: maps.unpack(packed, 11, jnp.bfloat16))
    unpacked = unpack(jnp.asarray(maps.pack(class_maps)))
    assert unpacked.dtype == jnp.bfloat16
    np.testing.assert_array_equal(unpacked.astype(bool), class_maps)


@WILD
@given(index=celeba_index)
def test_class_maps_of_an_index_map_are_one_hot_without_background(index):
    class_maps = maps.index_to_class_maps(index, 19)
    expected = np.zeros((5, 7, 19), bool)
    for y, x in np.ndindex(5, 7):
        expected[y, x, index[y, x]] = index[y, x] > 0
    np.testing.assert_array_equal(class_maps, expected)


@pytest.mark.parametrize("xp", [np, jnp])
def test_label_set_counts_pixels_from_one_half_and_never_background(xp):
    class_maps = np.zeros((2, 8, 6, 4), np.float32)
    class_maps[..., 0] = 1
    class_maps[0, 7, 5, 1] = 0.5
    class_maps[0, :, :, 2] = 0.499
    class_maps[1, 0, 0, 3] = 1
    label_set = maps.label_set_of(xp.asarray(class_maps))
    assert label_set.dtype == bool
    np.testing.assert_array_equal(label_set, [[False, True, False, False], [False, False, False, True]])
    np.testing.assert_array_equal(maps.label_set_of(xp.asarray(class_maps[1] > 0.7)), [False, False, False, True])


@WILD
@given(index=celeba_index, space=st.sampled_from([CELEBAMASK_HQ, CELEBAMASK_RELEASE]))
def test_restored_maps_paint_back_to_the_index_map(index, space):
    class_maps = maps.index_to_class_maps(index, 19)
    restored = maps.restore_covered(class_maps, space)
    np.testing.assert_array_equal(maps.paint(restored, space), index)
    np.testing.assert_array_equal(maps.restore_covered(restored, space), restored)
    skin = space.channel("skin")
    others = np.arange(19) != skin
    np.testing.assert_array_equal(restored[..., others], class_maps[..., others])
    below = np.isin(index, [skin, *map(space.channel, FACIAL_PARTS)]) & (index == skin).any()
    np.testing.assert_array_equal(restored[..., skin], below)


def test_restoring_looks_at_each_map_of_a_batch_alone_and_leaves_its_input():
    index = np.full((2, 8, 6), CELEBAMASK_HQ.channel("nose"), np.uint8)
    index[0, 0, 0] = CELEBAMASK_HQ.channel("skin")
    class_maps = maps.index_to_class_maps(index, 19)
    before = class_maps.copy()
    skin = maps.restore_covered(class_maps, CELEBAMASK_HQ)[..., CELEBAMASK_HQ.channel("skin")]
    assert skin[0].all() and not skin[1].any()
    np.testing.assert_array_equal(class_maps, before)


def test_nothing_is_restored_where_classes_do_not_overlap():
    index = np.random.default_rng(0).integers(0, 18, (2, 8, 6)).astype(np.uint8)
    class_maps = maps.index_to_class_maps(index, 18)
    np.testing.assert_array_equal(maps.restore_covered(class_maps, HUMAN_PARSING), class_maps)


@WILD
@given(class_maps=soft_maps, hard=st.booleans(), space=st.sampled_from([FACE, HATTED]))
def test_paint_follows_its_definition_on_numpy_and_jax(class_maps, hard, space):
    class_maps = np.round(class_maps) if hard else class_maps
    expected = painted(class_maps, space)
    for array in (class_maps, jnp.asarray(class_maps)):
        index = maps.paint(array, space)
        assert index.dtype == np.uint8 and type(index).__module__.split(".")[0] == type(array).__module__.split(".")[0]
        np.testing.assert_array_equal(index, expected)


def test_paint_of_many_overlapping_classes_follows_its_definition():
    rng = np.random.default_rng(0)
    for space in (CELEBAMASK_HQ, CELEBAMASK_RELEASE, HUMAN_PARSING):
        class_maps = rng.random((8, 6, space.num_channels)) < 0.15
        index = maps.paint(class_maps, space)
        np.testing.assert_array_equal(index, painted(class_maps.astype(np.float32), space))
        assert len(np.unique(index)) > 8


def test_paint_inside_jit():
    class_maps = jax.random.uniform(jax.random.key(0), (2, 8, 6, 4))
    np.testing.assert_array_equal(jax.jit(maps.paint, static_argnums=1)(class_maps, FACE), maps.paint(class_maps, FACE))


def pixel(**values):
    class_maps = np.zeros((1, 1, 4), np.float32)
    for name, value in values.items():
        class_maps[..., FACE.channel(name)] = value
    return class_maps


@pytest.mark.parametrize(
    ("values", "winner"),
    [
        ({"nose": 0.5, "skin": 1}, "nose"),
        ({"nose": 0.49, "skin": 1}, "skin"),
        ({"nose": 0.49, "skin": 0.48}, "nose"),
        ({"nose": 0.5, "skin": 1, "hat": 0.9}, "hat"),
        ({"hat": 0.9, "skin": 1}, "skin"),
        ({"hat": 1, "skin": 1}, "skin"),
        ({"hat": 1, "nose": 1}, "nose"),
        ({"hat": 1, "nose": 1, "skin": 1}, "nose"),
        ({"hat": 0.21, "nose": 0.2}, "hat"),
    ],
)
@pytest.mark.parametrize("xp", [np, jnp])
def test_covered_classes_yield_from_one_half_and_ties_go_to_the_later_painted(values, winner, xp):
    assert int(maps.paint(xp.asarray(pixel(**values)), FACE)[0, 0]) == FACE.channel(winner)


@pytest.mark.parametrize(
    ("values", "winner"),
    [({"hat": 0.5, "nose": 1}, "hat"), ({"hat": 0.49, "nose": 1}, "nose"), ({"hat": 0.49, "nose": 0.3}, "hat")],
)
@pytest.mark.parametrize("xp", [np, jnp])
def test_accessories_show_from_one_half_on(values, winner, xp):
    assert int(maps.paint(xp.asarray(pixel(**values)), HATTED)[0, 0]) == FACE.channel(winner)


@pytest.mark.parametrize("xp", [np, jnp])
def test_faint_classes_are_raised_to_a_peak_of_one(xp):
    soft = np.zeros((2, 2, 3, 4), np.float32)
    soft[0, 0, :, 1] = 0.1, 0.4, 0.2  # faint
    soft[0, 1, :, 2] = 0.1, 0.5, 0.2  # reaches one half
    soft[0, 1, :, 3] = 0.015, 0.01, 0.0  # nowhere
    soft[1, 1, :, 1] = 0.9, 0.4, 0.2  # the same class, sure of itself in another map
    expected = soft.copy()
    expected[0, 0, :, 1] = 0.25, 1, 0.5
    raised = maps.raise_faint(xp.asarray(soft))
    assert isinstance(raised, type(xp.asarray(soft)))
    np.testing.assert_allclose(raised, expected, rtol=1e-6)


@WILD
@given(class_maps=hnp.arrays(bool, (2, 3, 5, 4)))
def test_mirroring_flips_columns_and_exchanges_pairs(class_maps):
    for array in (class_maps, jnp.asarray(class_maps)):
        mirrored = maps.mirror(array, HATTED)
        np.testing.assert_array_equal(
            mirrored[..., HATTED.channel("hat")], class_maps[:, :, ::-1, HATTED.channel("nose")]
        )
        np.testing.assert_array_equal(
            mirrored[..., HATTED.channel("skin")], class_maps[:, :, ::-1, HATTED.channel("skin")]
        )
        np.testing.assert_array_equal(maps.mirror(mirrored, HATTED), class_maps)


@pytest.mark.parametrize("xp", [np, jnp])
def test_background_is_where_the_classes_sum_to_four_tenths_or_less(xp):
    edge = np.float32(0.4)
    above = np.nextafter(edge, np.float32(1))
    for value, index, background in ((edge, 0, 1), (above, 3, 0), (np.float32(0), 0, 1)):
        class_maps = xp.asarray(pixel(hat=value))
        assert int(maps.paint(class_maps, FACE)[0, 0]) == index
        completed = maps.with_background(class_maps)
        assert float(completed[0, 0, 0]) == background and completed.dtype == class_maps.dtype
        np.testing.assert_array_equal(completed[..., 1:], class_maps[..., 1:])


def test_what_the_background_channel_holds_does_not_count():
    class_maps = pixel(hat=0.3)
    class_maps[..., 0] = 1
    assert maps.paint(class_maps, FACE)[0, 0] == 0
    class_maps[..., FACE.channel("hat")] = 0.5
    assert maps.paint(class_maps, FACE)[0, 0] == FACE.channel("hat")
    assert maps.with_background(class_maps)[0, 0, 0] == 0


def test_colour_looks_up_the_palette():
    index = np.array([[[0, 1], [3, 2]]], np.uint8)
    rgb = maps.colour(index, FACE)
    assert rgb.shape == (1, 2, 2, 3) and rgb.dtype == np.uint8
    assert [tuple(p) for p in rgb.reshape(-1, 3).tolist()] == [FACE.palette[i] for i in (0, 1, 3, 2)]
