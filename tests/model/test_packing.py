"""Compares packing with its definition, and the packed forward pass for training with the unpacked one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segvae_jax.model.losses import reduce_losses
from segvae_jax.model.packing import Budget, context_slots, demand, gather_slots, scatter_slots, shape_slots
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE

label_sets = hnp.arrays(bool, (4, 5))


def needed(present: np.ndarray, groups: int) -> Budget:
    """The smallest budget that suffices."""
    shapes, contexts = demand(present).reshape(groups, -1, 2).sum(axis=1).max(axis=0)
    return Budget(groups, int(shapes) + 1, int(contexts))


def what_is_looked_at(present: np.ndarray) -> list[tuple]:
    """Sample, canvas and target for each pair."""
    seen = []
    for row, has in enumerate(present):
        canvas: tuple = ()
        for step, there in enumerate(has):
            seen.append((row, canvas, step if there else None))
            canvas += (step,) if there else ()
    return seen


@settings(deadline=None, derandomize=True, max_examples=25)
@given(present=label_sets, groups=st.sampled_from([1, 2]))
def test_pairs_share_a_slot_where_nothing_differs(present, groups):
    budget = needed(present, groups)
    assume(budget.contexts * groups < present.size)  # else no context is packed
    looks, draws = (slots(jnp.float32(present), budget) for slots in (context_slots, shape_slots))
    for slots, kinds in (
        (looks, what_is_looked_at(present)),
        (draws, [(i if there else None) for i, there in enumerate(present.ravel())]),
    ):
        slot = np.asarray(slots.slot)
        kinds = [kinds[i : i + slot.shape[1]] for i in range(0, present.size, slot.shape[1])]
        assert slot.max() < slots.pair.shape[1]
        for group in range(groups):
            assert len(set(slot[group])) == len(set(kinds[group]))
            assert len(set(zip(slot[group], kinds[group], strict=True))) == len(set(kinds[group]))
            for pair, (own, kind) in enumerate(zip(slot[group], kinds[group], strict=True)):
                assert kinds[group][slots.pair[group, own]] == kind, pair


@pytest.mark.parametrize("slots_of", [context_slots, shape_slots])
def test_rows_come_back_to_their_pairs(slots_of):
    present = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 0, 0]], np.float32)
    values = jnp.arange(24, dtype=jnp.float32).reshape(4, 3, 2)
    slots = slots_of(jnp.asarray(present), Budget(2, 5, 6))
    back = scatter_slots(gather_slots(values, slots), (4, 3), slots)
    np.testing.assert_array_equal(back[present > 0], values[present > 0])
    np.testing.assert_array_equal(scatter_slots(gather_slots(values, None), (4, 3), None), values)


def test_too_small_a_budget_gives_nan_and_no_wrong_number():
    slots = shape_slots(jnp.ones((2, 3)), Budget(1, 4, 6))
    back = scatter_slots(gather_slots(jnp.ones((2, 3, 1)), slots), (2, 3), slots)
    np.testing.assert_array_equal(np.isnan(back[..., 0]), [[0, 0, 0], [0, 1, 1]])


@pytest.mark.parametrize(("groups", "spare"), [(1, 0), (2, 1)])
def test_packing_changes_no_loss_and_no_gradient(groups, spare):
    order = (3, 1, 2, 4)
    model = SegVAE(5, order, (8, 16), 2, 6, 7, 3)
    rng = np.random.default_rng(0)
    variables = jax.jit(lambda: init_variables(model, 0))()
    variables = {**variables, "params": jax.tree.map(
        lambda a: jnp.asarray(rng.normal(size=a.shape, scale=0.4), jnp.float32), variables["params"]
    )}  # fmt: skip
    label_set = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 1, 1, 1, 1]], np.float32)
    label_set, present = jnp.asarray(label_set), label_set[:, order]
    class_maps = jnp.float32((rng.random((4, 8, 16, 5)) < 0.4) * np.asarray(label_set)[:, None, None])
    eps = jnp.asarray(rng.normal(size=(4, 4, 3)), jnp.float32)

    def loss(params, budget):
        output = model.apply({**variables, "params": params}, class_maps, label_set, eps, budget)
        shapes = jnp.moveaxis(class_maps[..., jnp.asarray(order)], -1, 1)
        terms = model.loss_terms(output, shapes, "bce_dice")
        return reduce_losses(terms, output.present, kl_weight=0.1).total, (
            output.context,
            output.posterior,
            output.shapes,
        )

    budget = needed(present, groups)
    budget = Budget(groups, budget.shapes + spare, budget.contexts + spare)
    run = jax.jit(jax.value_and_grad(loss, has_aux=True), static_argnums=1)
    (total, outputs), grads = run(variables["params"], budget)
    (expected, expected_outputs), expected_grads = run(variables["params"], None)
    assert budget.shapes < 16 // groups
    np.testing.assert_allclose(total, expected, rtol=1e-6)
    largest = max(float(jnp.abs(g).max()) for g in jax.tree.leaves(expected_grads))
    close = lambda ours, theirs, atol: [
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    ]
    close(grads, expected_grads, 1e-6 * largest)
    close(outputs, expected_outputs, 1e-5)
