import numpy as np
import pytest

from segvae_jax.data.feed.batches import batch_indices
from segvae_jax.labels import LabelSpace
from segvae_jax.model.packing import Budget
from segvae_jax.training.packing import Packing, foreseen_batches

SPACE = LabelSpace(("a", "b", "c"), drawing_order=("b", "c", "a"), pairs=(("a", "b"),))
FULL, ONLY_A, BLANK = [0, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]


def packing(rows, batches, groups=1, parts=1, flip=False, foreseen=None):
    return Packing(np.array(rows, bool), SPACE, foreseen or batches, batches, groups, parts, flip)


def test_the_budget_meets_the_most_demanding_batch_of_every_group_and_part():
    rows = [FULL, ONLY_A, BLANK, FULL]
    batch = np.array([0, 1, 2, 3])
    # Slots for shapes 3, 1, 0, 3 and one for none; for contexts 3, 2 (before a, and a), 1, 3.
    assert packing(rows, [batch]).budget == Budget(1, 8, 9)
    assert packing(rows, [batch], groups=2).budget == Budget(2, 5, 5)
    assert packing(rows, [batch], parts=2).budget == Budget(1, 5, 5)  # of maps 0 and 2, 1 and 3
    assert packing([FULL, ONLY_A, ONLY_A, BLANK], [batch], groups=2).budget == Budget(2, 5, 5)


def test_what_saves_less_than_a_tenth_is_not_packed():
    b_absent, batch = [0, 1, 0, 1], np.array([0, 1])  # 2 shapes, and 3 looks
    assert packing([b_absent, b_absent], [batch]).budget == Budget(1, 5, 6)
    assert packing([b_absent, FULL], [batch]).budget is None  # 6 slots for 6 pairs


def test_a_mirrored_map_may_ask_for_more():
    rows, batch = [[0, 1, 0, 1], BLANK], np.array([0, 1])
    assert packing(rows, [batch]).budget == Budget(1, 3, 4)  # b absent; c and a follow: 3 looks
    assert packing([[0, 1, 0, 0], BLANK], [batch]).budget == Budget(1, 2, 3)
    assert packing([[0, 0, 1, 0], BLANK], [batch]).budget == Budget(1, 2, 3)
    assert packing([[0, 0, 1, 1], BLANK], [batch]).budget == Budget(1, 3, 4)


def test_a_batch_that_was_not_foreseen_is_not_packed():
    batches = [np.array([1, 2]), np.array([0, 3])]
    plan = packing([FULL, ONLY_A, BLANK, FULL], batches, foreseen=batches[:1])
    assert plan.budget == Budget(1, 2, 3)
    assert plan.of(0) == plan.budget and plan.of(1) is None


def test_maps_that_hold_every_class_are_not_packed():
    plan = packing([FULL, FULL], [np.array([0, 1])])
    assert plan.budget is None and plan.of(0) is None


@pytest.mark.parametrize("seed", [0, 3])
def test_it_knows_the_batches_of_a_run(seed):
    rng = np.random.default_rng(seed)
    label_sets = np.pad(rng.random((20, 3)) < 0.3, ((0, 0), (1, 0)))
    batches = batch_indices(20, 4, seed)
    needed = [label_sets[batches[step]].sum() + 1 for step in range(30)]
    plan = packing(label_sets, batches, foreseen=[batches[step] for step in range(30)])
    assert max(needed) == plan.budget.shapes
    assert [plan.of(step) for step in range(30)] == [plan.budget] * 30


def test_foreseen_batches_are_those_of_epochs_and_enough_for_long_runs():
    foreseen = foreseen_batches(20, 4)
    epochs = foreseen[:250].reshape(-1, 20)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(20), (50, 1)))
    np.testing.assert_array_equal(foreseen, foreseen_batches(20, 4))
    label_sets = np.pad(np.random.default_rng(1).random((20, 3)) < 0.3, ((0, 0), (1, 0)))
    for seed in (0, 1):
        plan = Packing(label_sets, SPACE, foreseen, batch_indices(20, 4, seed), 1, 1)
        assert all(plan.of(step) == plan.budget for step in range(1_000))


def test_more_maps_in_a_batch_than_there_are():
    assert foreseen_batches(3, 8).shape == (10_000, 8)
