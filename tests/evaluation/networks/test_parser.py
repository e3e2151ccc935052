"""The parser: it learns to segment pictures it has not seen, whatever their size, and augmentation keeps pairs."""

import jax.numpy as jnp
import numpy as np
import pytest
from picture_toys import COLOURS, SPACE, toy_pairs

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.overlap import mean_iou
from segvae_jax.evaluation.networks import parser
from segvae_jax.evaluation.networks.parser import train_parser
from segvae_jax.evaluation.pairs import Pairs
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps

MIXED = np.array([0, 2, 1, 3])  # left and right exchanged


@pytest.fixture(autouse=True, scope="module")
def _narrow():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "WIDTHS", (8, 12))
        yield


@pytest.fixture(scope="module")
def trained():
    # without sides: the toys tell hands apart by their colour, which a flip leaves as it is
    return train_parser(toy_pairs(0, 40), space=LabelSpace(SPACE.classes), seed=1, steps=200)


def overlap(index_maps, pairs):
    return mean_iou(*(index_to_class_maps(maps, SPACE.num_channels) for maps in (index_maps, pairs.index_maps))).mean()


def test_unseen_pictures_are_segmented(trained):
    unseen = toy_pairs(7, 37)
    found = trained.predict(unseen.pictures)
    assert found.shape == unseen.index_maps.shape and found.dtype == np.uint8
    assert overlap(found, unseen) > 0.65 > 0.3 > overlap(found[::-1], unseen)


def test_pictures_of_another_size_are_segmented_too(trained):
    assert (
        overlap(trained.predict((other := toy_pairs(8, 5, (16, 11))).pictures), other) > 0.45
    )  # the norms span another picture


def test_equal_seeds_give_equal_parsers_and_other_seeds_others():
    train = lambda seed: train_parser(toy_pairs(0, 9), space=SPACE, seed=seed, steps=3)
    kernels = [train(seed).params["classes"]["weights"]["kernel"] for seed in (1, 1, 2)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0.01


def test_every_set_has_an_equal_share_of_each_batch():
    of_value = lambda count, value: Pairs(np.zeros((count, 2, 2), np.uint8), np.full((count, 2, 2, 3), value, np.uint8))
    batch = parser._batch((of_value(2, 0), of_value(90, 9)), np.random.default_rng(0))
    assert len(batch) == parser.BATCH_SIZE and (batch.pictures[:, 0, 0, 0] == 9).mean() == 0.5


def test_rare_classes_weigh_more_and_all_weights_average_to_one():
    index_maps = np.zeros((2, 8, 8), np.uint8)
    index_maps[0, 0, :2] = 1
    pairs = Pairs(index_maps, np.zeros((2, 8, 8, 3), np.uint8))
    weights = parser._class_weights((pairs,), 4)
    assert weights[1] == pytest.approx(weights[0] * np.sqrt(126 / 2)) and np.isfinite(weights).all()
    assert weights[index_maps].mean() == pytest.approx(1, abs=0.2)  # classes that are absent count as one pixel


def test_maps_and_pictures_move_together_and_a_flip_exchanges_sides():
    pairs = toy_pairs(3, 64)
    pictures = COLOURS[pairs.index_maps].astype(np.uint8)
    index_maps, moved = parser._augmented(
        SPACE, jnp.asarray(pairs.index_maps), jnp.asarray(pictures), jnp.int32(0), jnp.int32(5)
    )
    index_maps, moved = np.asarray(index_maps), np.asarray(moved)
    plain, flipped = ((COLOURS[kind[index_maps]] == moved).all(axis=(1, 2, 3)) for kind in (np.arange(4), MIXED))
    assert (plain | flipped).all() and plain.sum() > 15 < flipped.sum()
    assert (index_maps != pairs.index_maps).any(axis=(1, 2)).all()


def test_without_pairs_nothing_is_learned():
    with pytest.raises(DataError, match="no pairs to learn from"):
        train_parser(toy_pairs(0, 3)[:0], space=SPACE, seed=0)
