"""Arrays of index maps: arrays for all code, and pictures in a notebook."""

import copy
import io
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from segvae_jax import pictures
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("face", "hat"))
PLAIN = (np.arange(30, dtype=np.uint8) % 3).reshape(2, 3, 5)


@pytest.fixture
def index_maps() -> IndexMaps:
    return IndexMaps(PLAIN.copy(), SPACE)


def shown(array) -> np.ndarray:
    with Image.open(io.BytesIO(array._repr_png_())) as image:
        return np.asarray(image)


def test_a_notebook_shows_the_sheet_with_its_legend(index_maps):
    np.testing.assert_array_equal(shown(index_maps), pictures.sheet_with_legend(PLAIN, SPACE))
    assert (
        shown(IndexMaps(np.zeros((100, 8, 8), np.uint8), SPACE)).shape
        == shown(IndexMaps(np.zeros((64, 8, 8), np.uint8), SPACE)).shape
    ), "the picture has a bounded size"


@pytest.mark.parametrize(
    "select", [lambda a: a[1], lambda a: a[:1], lambda a: a[[0, 1]], np.ndarray.copy, copy.deepcopy]
)
def test_what_is_selected_shows_itself(index_maps, select):
    selected = select(index_maps)
    np.testing.assert_array_equal(selected, select(PLAIN))
    assert selected.space == SPACE
    np.testing.assert_array_equal(shown(selected), pictures.sheet_with_legend(select(PLAIN).reshape(-1, 3, 5), SPACE))


@pytest.mark.parametrize(
    "compute",
    [
        lambda a: a == 1, lambda a: a + 1, lambda a: a.sum(axis=0), lambda a: np.stack([a, a]), np.unique,
        lambda a: np.concatenate([a, a]), lambda a: np.where(a > 1, a, 0), np.asarray, lambda a: (a > 0).any((1, 2)),
    ],
)  # fmt: skip
def test_what_is_computed_is_a_plain_array(index_maps, compute):
    result, expected = compute(index_maps), compute(PLAIN)
    assert type(result) is np.ndarray and result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def test_pixels_and_sums_are_scalars(index_maps):
    assert type(index_maps[0, 1, 2]) is np.uint8 and type(index_maps.max()) is np.uint8
    assert index_maps.sum() == PLAIN.sum() and (index_maps == PLAIN).all() and index_maps.tolist() == PLAIN.tolist()


def test_pixels_can_be_changed(index_maps):
    index_maps[0] = 2
    assert (np.asarray(index_maps)[0] == 2).all() and (index_maps[1] == PLAIN[1]).all()


def test_jax_takes_it_as_an_array(index_maps):
    np.testing.assert_array_equal(jax.jit(lambda a: a + 1)(index_maps), PLAIN + 1)
    np.testing.assert_array_equal(jnp.asarray(index_maps), PLAIN)


def test_pickling_keeps_the_label_space(index_maps):
    again = pickle.loads(pickle.dumps(index_maps))
    assert type(again) is IndexMaps and again.space == SPACE and again.dtype == np.uint8
    np.testing.assert_array_equal(again, PLAIN)


@pytest.mark.parametrize("convert", [lambda a: a.astype(float), lambda a: a.ravel(), lambda a: a[:0]])
def test_what_is_no_map_has_no_picture(index_maps, convert):
    assert convert(index_maps)._repr_png_() is None
