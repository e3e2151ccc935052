import dataclasses

import numpy as np
import pytest

from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.drawing_order import by_area
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.splits import split_of
from segvae_jax.data.sources.source import Source
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("rare", "never", "b", "a", "wide"), palette=((1, 2, 3),) * 6, pairs=(("a", "b"),))


def test_classes_follow_by_mean_area_then_by_name():
    #                  rare never b  a  wide
    areas = np.array([[0, 12, 0, 3, 2, 8], [0, 0, 0, 3, 2, 9], [0, 0, 0, 0, 2, 7]])
    ordered = by_area(SPACE, areas)
    assert ordered.drawing_order == ordered.paint_order == ("wide", "rare", "a", "b", "never")
    assert (ordered.classes, ordered.palette, ordered.pairs) == (SPACE.classes, SPACE.palette, SPACE.pairs)
    assert by_area(SPACE, areas[::-1]) == ordered


@pytest.mark.parametrize("order_by_area", [False, True])
def test_the_order_is_found_when_maps_are_prepared_from_those_to_be_trained_on(tmp_path, order_by_area):
    ids = tuple(f"{i:02d}" for i in range(30))

    def read(example_id, size):
        """`small` is small in training, but large elsewhere."""
        class_maps = np.zeros((*size, 3), bool)
        class_maps[: 1 if split_of(example_id) == "train" else 8, 0, 1] = True
        class_maps[1:4, int(example_id) % 8, 2] = True
        class_maps[4, int(example_id) // 8, 2] = True
        return class_maps

    space = LabelSpace(("small", "large"))
    source = Source("toy", space, ids, read, "1", order_by_area=order_by_area)
    prepared = prepare(source, Recipe((8, 8)), tmp_path)
    expected = ("large", "small") if order_by_area else space.drawing_order
    assert prepared.space.drawing_order == expected and prepared.space.classes == space.classes
    assert prepare(source, Recipe((8, 8)), tmp_path) == prepared
    other = prepare(dataclasses.replace(source, order_by_area=not order_by_area), Recipe((8, 8)), tmp_path)
    assert other.space.drawing_order != expected
