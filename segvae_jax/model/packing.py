"""Packing: the convolutions compute only those (sample, step) pairs of a batch whose results differ.

Most maps lack some classes. All steps of absent classes show the posterior the same blank shape, and their decoded
shapes are not used. Consecutive absent steps of a sample also share their context, because canvas and (blank) target
stay the same. The remaining pairs are gathered into a number of slots that is fixed beforehand, so that array shapes
are static, and the results are scattered back. Results do not change; with too few slots they would be NaN, so
`demand` tells beforehand how many are needed.
"""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped


@dataclasses.dataclass(frozen=True)
class Budget:
    """Number of slots for the convolutions of a batch.

    Attributes:
      groups: equal parts of the batch that are packed separately; one per device, so that no data move.
      shapes: slots of a group for pairs with a shape, including one slot that all pairs without a shape share.
      contexts: slots of a group for pairs with different contexts; nothing is packed if there is one per pair.
    """

    groups: int
    shapes: int
    contexts: int


@flax.struct.dataclass
class Slots:
    """The slot of each of P pairs, and a pair for each of N slots, in each of G groups."""

    slot: Int[Array, "G P"]  # in 0..N-1; pairs that share a slot share the result
    pair: Int[Array, "G N"]  # P in unused slots


def gather_slots(x: Shaped[Array, "B K ..."], slots: Slots | None) -> Shaped[Array, "N ..."]:
    """One row per slot, that of the last pair in unused ones; without slots, one row per pair."""
    if slots is None:
        return x.reshape(-1, *x.shape[2:])
    grouped = x.reshape(*slots.slot.shape, *x.shape[2:])
    rows = jax.vmap(lambda x, i: x.at[i].get(mode="clip"))(grouped, slots.pair)
    return rows.reshape(-1, *x.shape[2:])


def scatter_slots(rows: Float[Array, "N ..."], shape: tuple[Any, ...], slots: Slots | None) -> Float[Array, "B K ..."]:
    """Gives each pair the row of its slot; `shape` is (B, K), as numbers or symbolic sizes of `jax.export`."""
    if slots is None:
        return rows.reshape(*shape, *rows.shape[1:])
    grouped = rows.reshape(*slots.pair.shape, *rows.shape[1:])
    pairs = jax.vmap(lambda rows, i: rows.at[i].get(mode="fill", fill_value=jnp.nan))(grouped, slots.slot)
    return pairs.reshape(*shape, *rows.shape[1:])


def shape_slots(present: Float[Array, "B K"], budget: Budget | None) -> Slots | None:
    """Slots of the pairs that have a shape; the pairs of a group without a shape share the slot of the first one."""
    if budget is None:
        return None
    has = present.reshape(budget.groups, -1) > 0
    first = jnp.argmin(has, axis=1, keepdims=True)
    own = has | (jnp.arange(has.shape[1])[None] == first)
    order = jnp.cumsum(own, axis=1) - 1
    return Slots(jnp.where(has, order, jnp.take_along_axis(order, first, axis=1)), _pairs(own, budget.shapes))


def context_slots(present: Float[Array, "B K"], budget: Budget | None) -> Slots | None:
    """Slots of the pairs that have a target or follow one that has; consecutive absent steps share a slot."""
    if budget is None or budget.groups * budget.contexts >= present.size:
        return None
    own = _has_new_context(present).reshape(budget.groups, -1)
    return Slots(jnp.cumsum(own, axis=1) - 1, _pairs(own, budget.contexts))


def demand(present: Shaped[np.ndarray, "N K"]) -> Int[np.ndarray, "N 2"]:
    """Slots that each label-set needs for shapes and for contexts, without the slot for blank shapes (host).

    Args:
      present: whether the label-set has the class of each step, in drawing order.
    """
    return np.stack([(present > 0).sum(axis=1), _has_new_context(present).sum(axis=1)], axis=1)


def _has_new_context(present):
    """Marks pairs with a target, and the first of consecutive absent steps."""
    xp = present.__array_namespace__()
    has = present > 0
    return has | xp.concat([xp.ones_like(has[:, :1]), has[:, :-1]], axis=1)


def _pairs(own: Shaped[Array, "G P"], size: int) -> Int[Array, "G N"]:
    return jax.vmap(lambda row: jnp.nonzero(row, size=size, fill_value=row.size)[0])(own)
