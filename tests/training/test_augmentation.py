import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax import maps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.packing import demand
from segvae_jax.training.augmentation import Augmentation, affine, augment

SPACE = LabelSpace(("a", "b", "c"), pairs=(("a", "c"),))
EVERYTHING = Augmentation(SPACE, rotate=30.0, scale=0.3, shift=0.3, drop_classes=0.4)


def random_maps(count: int = 64, size: tuple[int, int] = (8, 6)) -> np.ndarray:
    class_maps = np.random.default_rng(0).random((count, *size, 4)) < 0.3
    class_maps[..., 0] = False
    return class_maps.astype(np.float32)


def moved(class_maps: np.ndarray, degrees: float = 0.0, factor: float = 1.0, shift: tuple = (0, 0)) -> np.ndarray:
    every = lambda value: jnp.full(len(class_maps), value, jnp.float32)
    where = jnp.tile(jnp.array([shift], jnp.float32), (len(class_maps), 1))
    return np.asarray(affine(jnp.asarray(class_maps), every(np.deg2rad(degrees)), every(factor), where))


def test_by_default_nothing_is_done():
    class_maps = jnp.asarray(random_maps())
    same, moves = augment(Augmentation(), class_maps, 0, 0)
    assert same is class_maps and not moves.any()


def test_half_of_the_maps_are_mirrored_anew_at_each_step_which_is_told():
    straight, flips = random_maps(), []
    for step in range(2):
        class_maps, moves = augment(Augmentation(SPACE), jnp.asarray(straight), 0, step)
        flips.append(np.any(class_maps != straight, axis=(1, 2, 3)))
        np.testing.assert_array_equal(moves, np.outer(flips[-1], [0, 0, 0, 0, 1]))
        np.testing.assert_array_equal(class_maps[flips[-1]], maps.mirror(straight, SPACE)[flips[-1]])
    assert all(20 <= flip.sum() <= 44 for flip in flips) and np.any(flips[0] != flips[1])


@pytest.mark.parametrize("size", [(8, 6), (5, 7), (1, 1)])
def test_no_movement_is_the_identity(size):
    class_maps = random_maps(size=size)
    np.testing.assert_array_equal(moved(class_maps), class_maps)


def test_a_shift_moves_pixels_down_and_right_and_edges_go_on():
    class_maps = random_maps()
    shifted = moved(class_maps, shift=(2, -1))
    beyond = ((0, 0), (2, 0), (0, 1), (0, 0))
    np.testing.assert_array_equal(shifted, np.pad(class_maps, beyond, mode="edge")[:, :8, 1:])
    far = np.broadcast_to(class_maps[:, :1], class_maps.shape)
    np.testing.assert_array_equal(moved(class_maps, shift=(8, 0)), far)


def test_a_quarter_turn_is_counter_clockwise_about_the_centre():
    square = random_maps(size=(7, 7))
    np.testing.assert_array_equal(moved(square, degrees=90), np.rot90(square, axes=(1, 2)))
    oblong = random_maps(size=(8, 6))
    np.testing.assert_array_equal(moved(oblong, degrees=180), np.rot90(oblong, 2, axes=(1, 2)))
    turned = moved(oblong, degrees=90)
    np.testing.assert_array_equal(turned[:, 1:-1], np.rot90(oblong[:, 1:-1], axes=(1, 2)))
    beyond = np.pad(oblong, ((0, 0), (0, 0), (1, 1), (0, 0)), mode="edge")
    np.testing.assert_array_equal(turned, np.rot90(beyond, axes=(1, 2))[:, :, 1:-1])


def test_a_scale_enlarges_about_the_centre():
    class_maps = random_maps(size=(8, 8))
    enlarged = class_maps[:, 2:6, 2:6].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(moved(class_maps, factor=2.0), enlarged)
    np.testing.assert_array_equal(moved(enlarged, factor=0.5)[:, 2:6, 2:6], class_maps[:, 2:6, 2:6])


def test_movements_keep_within_their_bounds_and_differ_from_map_to_map():
    dot = np.zeros((64, 41, 41, 4), np.float32)
    dot[:, 20, 30, 1] = 1
    places = lambda **settings: np.argwhere(np.asarray(augment(Augmentation(**settings), jnp.asarray(dot), 0, 0)[0]))
    rows, columns = places(shift=0.2)[:, 1:3].T
    assert {abs(rows - 20).max(), abs(columns - 30).max()} == {8} and len(set(zip(rows, columns, strict=True))) > 50
    rows, columns = places(rotate=90.0)[:, 1:3].T
    np.testing.assert_allclose(np.hypot(rows - 20, columns - 20), 10, atol=1)
    assert columns.min() >= 20 and rows.min() <= 12 and rows.max() >= 28
    rows, columns = places(scale=0.5)[:, 1:3].T
    assert abs(rows - 20).max() <= 1 and columns.min() < 27 and columns.max() > 33


def test_what_would_leave_the_picture_stays():
    dot = np.zeros((64, 8, 8, 4), np.float32)
    dot[:, 1, 1, 1] = 1
    away, moves = augment(Augmentation(shift=1.0), jnp.asarray(dot), 0, 0)
    np.testing.assert_array_equal(away.sum(axis=(1, 2, 3)), 1)
    stays = ~np.asarray(moves).any(axis=1)
    assert 0 < stays.sum() < 64
    np.testing.assert_array_equal(away[stays], dot[stays])
    blank, moves = augment(EVERYTHING, jnp.zeros((8, 8, 8, 4)), 0, 0)
    assert not blank.any() and not moves[:, :-1].any()


def test_how_maps_were_moved_is_told_and_the_others_stay():
    class_maps = jnp.asarray(random_maps(count=400, size=(9, 7)))
    how = Augmentation(rotate=40.0, scale=0.3, shift=0.2, moved_share=0.3)
    after, moves = augment(how, class_maps, 0, 0)
    assert moves.min() < -0.9 and moves.max() > 0.9
    np.testing.assert_allclose(np.asarray(moves).any(axis=1).mean(), 0.3, atol=0.07)
    angle, factor = jnp.deg2rad(40.0) * moves[:, 0], 1 + 0.3 * moves[:, 1]
    shift = 0.2 * jnp.array([[9, 7]]) * moves[:, 2:4]
    np.testing.assert_array_equal(after, affine(class_maps, angle, factor, shift))


@pytest.mark.parametrize(("kind", "told"), [("rotate", [0]), ("scale", [1]), ("shift", [2, 3])])
def test_movements_that_are_not_made_are_not_told(kind, told):
    _, moves = augment(Augmentation(**{kind: 0.2}), jnp.asarray(random_maps(count=16)), 0, 0)
    assert np.flatnonzero(np.asarray(moves).any(axis=0)).tolist() == told


def test_classes_are_taken_out_as_often_as_asked_but_never_all():
    class_maps = np.zeros((2000, 2, 2, 4), np.float32)
    class_maps[:1000, 0, 0, 1:] = 1
    class_maps[1000:, 1, 1, 2] = 1
    thinned = np.asarray(augment(Augmentation(drop_classes=0.2), jnp.asarray(class_maps), 0, 0)[0])
    present = maps.label_set_of(thinned)
    np.testing.assert_allclose(1 - present[:1000, 1:].mean(axis=0), 0.2 - 0.2**3 / 3, atol=0.035)
    np.testing.assert_array_equal(present[1000:], maps.label_set_of(class_maps[1000:]))
    np.testing.assert_array_equal(thinned, class_maps * present[:, None, None])
    alone = maps.label_set_of(augment(Augmentation(drop_classes=1.0), jnp.asarray(class_maps), 0, 0)[0])
    assert set(alone.sum(axis=1).tolist()) == {1} and alone[:1000].any(axis=0)[1:].all()


def test_maps_stay_binary_and_the_same_seed_and_step_give_the_same():
    class_maps = jnp.asarray(random_maps())
    of = lambda seed, step: np.asarray(jax.jit(augment, static_argnums=(0, 2))(EVERYTHING, class_maps, seed, step)[0])
    first = of(0, 3)
    assert set(np.unique(first)) == {0.0, 1.0} and first.dtype == np.float32 and first.shape == class_maps.shape
    np.testing.assert_array_equal(of(0, 3), first)
    for other in (of(0, 4), of(1, 3), class_maps):
        assert np.mean(np.any(other != first, axis=(1, 2, 3))) > 0.9


def test_a_map_that_loses_classes_asks_for_no_more_slots():
    for present in itertools.product([False, True], repeat=6):
        fewer = np.array(list(itertools.product(*([False, True] if has else [False] for has in present))))
        assert np.all(demand(fewer) <= demand(np.array([present])))


def test_what_packing_foresees_holds_for_augmented_maps():
    space = LabelSpace(("a", "b", "c"), drawing_order=("b", "c", "a"), pairs=(("a", "b"),))
    everything = Augmentation(space, 60.0, 0.5, 0.5, 0.3)
    class_maps = random_maps() * (np.random.default_rng(1).random((64, 1, 1, 4)) < 0.5)
    asked = lambda label_sets: demand(np.asarray(label_sets)[:, np.array(space.order)])
    straight = maps.label_set_of(class_maps)
    foreseen = np.maximum(asked(straight), asked(straight[:, np.array(space.mirrored)]))
    for step in range(20):
        assert np.all(asked(maps.label_set_of(augment(everything, jnp.asarray(class_maps), 0, step)[0])) <= foreseen)
