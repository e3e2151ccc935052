"""Alternatives that differ visibly."""

import itertools

import numpy as np
import pytest
from toy import SPACE, toy_generator

from segvae_jax import maps
from segvae_jax.app.alternatives import most_different
from segvae_jax.app.session import Session, repeat, widely
from segvae_jax.evaluation.metrics.overlap import mean_iou_matrix

FACE = np.ones((8, 16), np.uint8)


def square(left, size=4):
    index_map = np.zeros((5, 15), np.uint8)
    index_map[:4, left : left + size] = 1
    return index_map


def test_the_most_typical_comes_first_and_then_what_differs_most():
    candidates = np.stack([square(0), square(1), square(1), square(2), square(9)])
    assert most_different(candidates, 2, SPACE.num_channels).tolist() == [1, 4]
    assert most_different(candidates, 3, SPACE.num_channels).tolist()[:2] == [1, 4]


@pytest.mark.parametrize("num", [1, 3, 5, 9])
def test_each_is_chosen_once_even_if_all_are_alike(num):
    chosen = most_different(np.stack([square(3)] * 5), num, SPACE.num_channels)
    assert len(chosen) == len(set(chosen)) == min(num, 5)


def closest(index_maps):
    class_maps = maps.index_to_class_maps(np.asarray(index_maps), SPACE.num_channels)
    overlap = mean_iou_matrix(class_maps, class_maps)
    return max(overlap[i, j] for i, j in itertools.combinations(range(len(overlap)), 2))


def test_an_edit_shows_alternatives_that_differ_more_than_as_many_samples():
    generator = toy_generator()
    start = Session().apply(generator, {"call": "generate", "labels": ["face", "hat"], "num": 1, "seed": 3})
    wide, plain = [], []
    for seed in range(8):
        asked = {"call": "edit", "restyle": ["hat"], "seed": seed, "temperature": 1.0}
        session = start.apply(generator, {**asked, **widely(4)})
        assert session.step.index_maps.shape == (4, 8, 16)
        wide.append(closest(session.step.index_maps))
        plain.append(closest(start.apply(generator, {**asked, "num": 4, "candidates": 2}).step.index_maps))
    assert np.mean(wide) < np.mean(plain)
    record = session.pick(2).record("toy", generator.fingerprint())
    np.testing.assert_array_equal(repeat(generator, record), session.pick(2).index_map)


def test_an_edit_without_samples_has_one_alternative():
    generator = toy_generator()
    session = Session().apply(generator, {"call": "generate", "labels": ["face"], "num": 1, "seed": 3})
    assert len(session.apply(generator, {"call": "edit", "remove": ["face"], **widely(4)}).step.index_maps) == 1
