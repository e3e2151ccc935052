"""Generated maps beside training maps: both judges, and the outlines of each class."""

import re

import numpy as np
import pytest

from experiments.training_maps import compared
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("wall", "door", "ghost"))


def houses(seed, count=40, *, windows=0):
    """Visible maps of a wall with a door beside it; `windows` are holes in the wall, in every second map."""
    rng = np.random.default_rng(seed)
    class_maps = np.zeros((count, 17, 13, SPACE.num_channels), bool)
    for number, house in enumerate(class_maps):
        top = rng.integers(1, 5)
        house[top : top + 10, 1:8, 1] = True
        house[top + 5 : top + 10, 9:12, 2] = rng.random() < 0.5
        for window in range(windows if number % 2 else 0):
            house[top + 2, 2 + 2 * window, 1] = False
    class_maps[..., 0] = ~class_maps[..., 1:].any(axis=-1)
    return class_maps


def test_equal_maps_are_hard_to_tell_and_have_equal_outlines():
    aucs, _, wall = compared([houses(1), houses(2)], houses(0), SPACE, ["wall"])
    assert aucs.startswith("2 x 40 generated maps against training maps: layout AUC ")
    assert all(float(auc) < 0.7 for auc in re.findall(r"AUC ([\d.]+)", aucs))
    sides = "4.06 (0.00) -> 4.06 (0.00)", "1.00 (0.00) -> 1.00 (0.00)", "0.00 (0.00) -> 0.00 (0.00)"
    assert wall == "wall: perimeter {}, pieces {}, holes {}".format(*sides)


def test_planted_holes_are_seen_by_the_outline_judge_and_in_their_class_alone():
    aucs, _, wall, door = compared([houses(1, windows=2)], houses(0), SPACE, ["wall", "door"])
    assert float(re.search(r"outline AUC ([\d.]+)", aucs)[1]) > 0.7
    assert wall.endswith("holes 0.00 (0.00) -> 1.00 (1.00)") and door.endswith("holes 0.00 (0.00) -> 0.00 (0.00)")


@pytest.mark.parametrize("classes", [["ghost"], ["ghost", "wall"]])
def test_a_class_that_no_map_has_is_said_to_be_absent(classes):
    lines = list(compared([houses(1)], houses(0), SPACE, classes))
    assert lines[2] == "ghost: absent from a side" and len(lines) == 2 + len(classes)
