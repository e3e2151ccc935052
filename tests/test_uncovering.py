"""What an edit uncovers: no class that was not named gains a piece, and no object grows where a surface was."""

import hypothesis
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import strategies as st
from small_face import EYE, FACE, GLASSES, HAT, SIZE, SPACE, a_map

from segvae_jax import uncovering
from segvae_jax.editing import Change, compose
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace

HEAD = LabelSpace(("skin", "hair", "cap", "eye", "brow"), covered_by=(("skin", ("eye", "brow")),))
SKIN, HAIR, CAP, IRIS, BROW = range(1, 6)
NO_SHAPES = np.zeros((1, 8, 5, 6), np.float32)


@pytest.mark.parametrize(
    "space, names",
    [
        (CELEBAMASK_HQ, {"skin", "l_ear", "r_ear", "hair", "hat", "neck", "cloth"}),
        (LabelSpace(("roof", "wall")), {"roof", "wall"}),
    ],
)
def test_surfaces_are_neither_accessories_nor_on_another_class(space, names):
    assert set(space.decode(uncovering.surfaces(space))) == names and not uncovering.surfaces(space)[0]


def test_a_piece_is_new_where_no_pixel_showed_its_class():
    before, after = np.zeros((2, 5, 7), np.uint8)
    before[0, :3], before[4, 6] = 1, 2
    after[0, :2] = after[1, 2] = 1  # has grown over a corner
    after[3, 0], after[3, 4], after[4, 5], after[4, 6] = 1, 1, 1, 1  # two new ones: two pixels touch at a corner
    after[0, 6] = 2
    new = uncovering.new_pieces(before, after)
    expected = np.array(
        [[after[y, x] > 0 and (y, x) not in ((0, 0), (0, 1), (1, 2)) for x in range(7)] for y in range(5)]
    )
    np.testing.assert_array_equal(new > 0, expected)
    assert len(np.unique(new[new > 0])) == 3 and new[3, 4] == new[4, 5] == new[4, 6]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1)])
def test_maps_of_a_single_row_are_filled(shape):
    index = np.full(shape, HAIR, np.uint8)
    index[0, 0] = CAP
    nothing = np.zeros((1, *shape, 6), np.float32)
    edits = compose(Change(HEAD, index, remove="cap"), nothing, nothing)
    np.testing.assert_array_equal(edits.index_maps[0], np.full(shape, HAIR if index.size > 1 else 0))


def pieces_without_a_pixel_of_before(before, after, channel) -> int:
    """How many pieces of a class have no pixel that showed it before; pixels that touch at a corner are connected."""
    unvisited, count = {tuple(pixel) for pixel in np.argwhere(after == channel).tolist()}, 0
    while unvisited:
        piece, front = set(), {unvisited.pop()}
        while front:
            piece |= front
            around = {(y + dy, x + dx) for y, x in front for dy in (-1, 0, 1) for dx in (-1, 0, 1)}
            front = around & unvisited
            unvisited -= front
        count += not any(before[pixel] == channel for pixel in piece)
    return count


@hypothesis.given(
    seed=st.integers(0, 10_000), covered=st.booleans(), accessory=st.booleans(), regional=st.booleans(),
    coarse=st.integers(1, 3),
)  # fmt: skip
@hypothesis.settings(max_examples=100)
def test_no_edit_gives_a_class_that_was_not_named_a_new_piece(seed, covered, accessory, regional, coarse):
    """Nor does an object grow beside a surface or where one was, whatever the map, the model and the label space."""
    rng = np.random.default_rng(seed)
    space = LabelSpace(
        (*SPACE.classes, "ring"),
        drawing_order=tuple(rng.permutation([*SPACE.classes, "ring"]).tolist()),
        covered_by=SPACE.covered_by if covered else (),
        accessories=("glasses", "ring") if accessory else (),
    )
    index = rng.integers(0, 6, (5, 7)).astype(np.uint8).repeat(coarse, 0).repeat(coarse, 1)
    index[index == HAT] = 0
    hypothesis.assume({FACE, EYE, GLASSES} <= set(np.unique(index)))
    region = rng.random(index.shape) < 0.8 if regional else None
    named = rng.permutation([FACE, EYE, GLASSES])[:2]
    removed, restyled = (space.names[channel] for channel in named)
    change = Change(space, index, add=("hat",), remove=(removed,), restyle=(restyled,), region=region)
    drawn = rng.random((2, 5, 7, 6), np.float32) * change.generated
    edits = compose(change, drawn, rng.random((2, 5, 7, 6), np.float32) ** 3 * (np.arange(6) > 0))
    objects = [space.channel(name) for name in {*space.accessories, *dict(space.covered_by).get("face", ())}]
    for after, uncovered in zip(edits.index_maps, edits.uncovered, strict=True):
        for channel in set(range(1, 6)) - {HAT, *named}:
            assert pieces_without_a_pixel_of_before(index, after, channel) == 0
        surface = ~np.isin(after, [0, space.channel(removed), *objects])
        kept_off = scipy.ndimage.binary_dilation(surface) | ~np.isin(index, objects)
        assert not (uncovered & np.isin(after, objects) & kept_off).any()


def test_what_the_model_expects_is_no_piece_of_its_own_and_no_object():
    """Under a hat that goes: not the glasses, nor the face apart from the face, that the model expects."""
    index = a_map()
    index[5, 6:10], index[3, 14] = GLASSES, FACE
    expected = np.zeros((1, *SIZE, 5), np.float32)
    expected[0, 1, 3:13, GLASSES], expected[0, 0, 3:6, FACE], expected[0, 1, 8:12, FACE] = 1, 0.8, 0.8
    edits = compose(Change(SPACE, index, remove="hat"), 0 * expected, expected)
    shown = np.where(index == HAT, 0, index)
    shown[1, 8:12] = FACE
    np.testing.assert_array_equal(edits.index_maps[0], shown)


def test_what_continues_under_a_class_is_no_piece_of_its_own():
    """A frame that reaches over the hat leaves no face there, though annotations have face under glasses."""
    index = np.where(a_map() == EYE, FACE, a_map())
    index[4, 4:12] = index[0, 4] = GLASSES
    nothing = np.zeros((1, *SIZE, 5), np.float32)
    edits = compose(Change(SPACE, index, remove="glasses"), nothing, nothing)
    assert (edits.index_maps[0, 4, 4:12] == FACE).all() and edits.index_maps[0, 0, 4] != FACE
    index[0, 4], index[1, 6] = HAT, GLASSES
    edits = compose(Change(SPACE, index, remove="glasses"), nothing, nothing)
    assert edits.index_maps[0, 1, 6] == FACE  # it touches the face
    index[:3, 4:12], index[1, 6] = HAT, GLASSES
    edits = compose(Change(SPACE, index, remove="glasses"), nothing, nothing)
    assert edits.index_maps[0, 1, 6] == HAT  # around it


def test_holes_are_filled_by_the_surfaces_around_them():
    """Hair between a cap and a face with an eye at its border: both sides grow into the hole, the eye does not."""
    index = np.repeat(np.array([CAP, CAP, HAIR, HAIR, HAIR, HAIR, SKIN, SKIN], np.uint8), 5).reshape(8, 5)
    index[6, 2] = IRIS
    edits = compose(Change(HEAD, index, remove="hair"), NO_SHAPES, NO_SHAPES)
    np.testing.assert_array_equal(edits.index_maps[0, :, 0], [CAP] * 4 + [SKIN] * 4)
    np.testing.assert_array_equal(edits.index_maps[0] == IRIS, index == IRIS)


def test_objects_fill_what_they_enclose_only_where_an_object_was():
    """A lens closes over an eye; through a ring one sees what is behind it, though skin touches it at a corner."""
    index = np.full((8, 5), BROW, np.uint8)
    index[3, 2], index[7] = IRIS, SKIN
    edits = compose(Change(HEAD, index, remove="eye"), NO_SHAPES, NO_SHAPES)
    np.testing.assert_array_equal(edits.index_maps[0], np.where(index == IRIS, BROW, index))
    index[3, 2], index[2, 1] = HAIR, SKIN
    edits = compose(Change(HEAD, index, remove="hair"), NO_SHAPES, NO_SHAPES)
    np.testing.assert_array_equal(edits.index_maps[0], np.where(index == HAIR, 0, index))


def test_of_objects_the_edited_ones_fill_what_they_enclose():
    index = np.full((8, 5), IRIS, np.uint8)
    index[3, 1:4], index[7, 0] = BROW, SKIN
    drawn = NO_SHAPES.copy()
    drawn[0, 3, 1, BROW] = 1
    edits = compose(Change(HEAD, index, restyle="brow"), drawn, NO_SHAPES)
    np.testing.assert_array_equal(edits.index_maps[0], index)  # not the skin that annotations have under a brow
