"""Pairs that are read from a prepared data set, and data sets and translators that do not fit."""

import dataclasses

import numpy as np
import pytest
from picture_toys import SPACE, ToyTranslator

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map, cartoon_picture
from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import DataError
from segvae_jax.evaluation.pairs import check_translator, read_pairs
from segvae_jax.pictures import resize_rgb

SIZE = (18, 14)
FACES = CARTOON_SPACES["faces"]


@pytest.fixture(scope="module")
def prepare_cartoons(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pairs")
    return lambda image_size: prepare(cartoon("faces", 30, 0), Recipe(size=SIZE, image_size=image_size), directory)


@pytest.mark.parametrize("image_size", [SIZE, (36, 28)])
def test_pairs_are_those_of_the_drawings(image_size, prepare_cartoons):
    prepared = prepare_cartoons(image_size)
    pairs, examples = read_pairs(prepared, "train"), prepared.split("train")
    assert len(pairs) == len(examples) > 5
    number = int(examples[3]["id"])
    np.testing.assert_array_equal(pairs.index_maps[3], maps.paint(cartoon_map("faces", 0, number, SIZE), FACES))
    picture = cartoon_picture("faces", 0, number, image_size)
    np.testing.assert_array_equal(pairs.pictures[3], picture if image_size == SIZE else resize_rgb(picture, SIZE))
    assert len(read_pairs(prepared, "train", 4)) == 4 and len(pairs[np.array([1, 2, 5])]) == 3


def test_a_set_without_pictures_says_so_in_a_line(prepare_cartoons):
    with pytest.raises(DataError, match="has maps only, no pictures: prepare it with --image_size"):
        read_pairs(prepare_cartoons(None), "train")


def test_a_translator_of_other_classes_or_another_size_is_refused(prepare_cartoons):
    prepared = prepare_cartoons(SIZE)
    check_translator(ToyTranslator(prepared.space, SIZE), prepared)
    with pytest.raises(DataError, match="classes are not those of the translator"):
        check_translator(ToyTranslator(SPACE, SIZE), prepared)
    with pytest.raises(DataError, match="maps of 18 x 14 pixels: expected 16 x 14, as the translator takes"):
        check_translator(ToyTranslator(prepared.space, (16, 14)), prepared)
    shuffled = dataclasses.replace(prepared.space, classes=prepared.space.classes[::-1])
    with pytest.raises(DataError, match="classes"):
        check_translator(ToyTranslator(shuffled, SIZE), prepared)
