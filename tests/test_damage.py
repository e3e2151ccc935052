"""A small part of the campaign of damage: what is damaged is refused, or has the right value all the same."""

import numpy as np
import pytest
from damage import KINDS, REFUSED, RIGHT, damaged, trial

# Once a read has failed, Orbax leaves other reads behind that nobody awaits.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FEWER = {"export, run by the example": 6, "shards of ArrayRecord": 3, "shards of PNG": 3, "interrupted preparation": 2}


@pytest.mark.parametrize("name", KINDS)
def test_no_damage_is_wrong_and_unnoticed(name, tmp_path):
    KINDS[name].write(tmp_path)
    outcomes = [trial(name, tmp_path, seed) for seed in range(FEWER.get(name, 12))]
    assert set(outcomes) <= {REFUSED, RIGHT}


def test_a_damage_always_changes_the_content():
    rng = np.random.default_rng(0)
    for content in (b"", b"\0" * 9, b"aaaa", bytes(range(200))):
        assert all(damaged(content, rng) != content for _ in range(50))
