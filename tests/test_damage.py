"""A small part of the campaign of damage: what is damaged is refused, or has the right value all the same."""

import collections

import pytest
from damage import CRASH, FOREIGN, KINDS, OUTCOMES, REFUSED, RIGHT, damaged, trial
import numpy as np

TRIALS = {"export, run by the example": 6, "shards of ArrayRecord": 3, "shards of PNG": 3, "interrupted preparation": 2}


@pytest.mark.parametrize("name", KINDS)
def test_no_damage_is_wrong_and_unnoticed(name, tmp_path):
    KINDS[name].write(tmp_path)
    outcomes = [trial(name, tmp_path, seed) for seed in range(TRIALS.get(name, 12))]
    assert set(outcomes) <= {REFUSED, RIGHT}
