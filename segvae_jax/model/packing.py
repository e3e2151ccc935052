"""Packing: the convolutions see only those (sample, step) pairs of a batch whose results differ.

Most maps lack some classes. A step whose class is absent decodes nothing and shows the posterior a blank
shape, the same for all; and it looks at the canvas with no target in mind, as do the absent steps that
follow it. The pairs that are left fit into a number of slots that is fixed ahead, so that shapes stay
static. Results do not change; with too few slots they would be NaN, so `demand` is asked first.
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
    """Slots for the convolutions of a batch.

    Attributes:
      groups: equal parts of the batch that are packed on their own: one a device, or data would have to move.
      shapes: slots of a group for pairs with a shape, one of them for all without.
      contexts: slots of a group for pairs that look at the canvas in different ways; as many as there are
        pairs, and none is packed.
    """

    groups: int
    shapes: int
    contexts: int


@flax.struct.dataclass
class Slots:
    """The slot of each pair, and a pair for each slot, in each of G groups."""

    slot: Int[Array, "G P"]  # in 0..N-1; pairs that share a slot have one result
    pair: Int[Array, "G N"]  # P in slots that are left over


def take(x: Shaped[Array, "B K ..."], slots: Slots | None) -> Shaped[Array, "N ..."]:
    """One row for each slot, zeros in those left over; without slots, one for each pair."""
    if slots is None:
        return x.reshape(-1, *x.shape[2:])
    grouped = x.reshape(*slots.slot.shape, *x.shape[2:])
    rows = jax.vmap(lambda x, i: x.at[i].get(mode="fill", fill_value=0))(grouped, slots.pair)
    return rows.reshape(-1, *x.shape[2:])


def give(rows: Float[Array, "N ..."], shape: tuple[Any, ...], slots: Slots | None) -> Float[Array, "B K ..."]:
    """To each pair the row of its slot; `shape` is B, K, numbers or `jax.export`'s symbols of them."""
    if slots is None:
        return rows.reshape(*shape, *rows.shape[1:])
    grouped = rows.reshape(*slots.pair.shape, *rows.shape[1:])
    pairs = jax.vmap(lambda rows, i: rows.at[i].get(mode="fill", fill_value=jnp.nan))(grouped, slots.slot)
    return pairs.reshape(*shape, *rows.shape[1:])


def shape_slots(present: Float[Array, "B K"], budget: Budget | None) -> Slots | None:
    """Slots of the pairs that have a shape; those without share the slot of the first of their group."""
    if budget is None:
        return None
    has = present.reshape(budget.groups, -1) > 0
    first = jnp.argmin(has, axis=1, keepdims=True)
    own = has | (jnp.arange(has.shape[1])[None] == first)
    order = jnp.cumsum(own, axis=1) - 1
    return Slots(jnp.where(has, order, jnp.take_along_axis(order, first, axis=1)), _pairs(own, budget.shapes))


def context_slots(present: Float[Array, "B K"], budget: Budget | None) -> Slots | None:
    """Slots of the pairs that have a target or follow one that has; absent steps in a row share a slot."""
    if budget is None or budget.groups * budget.contexts >= present.size:
        return None
    own = _looks_anew(present).reshape(budget.groups, -1)
    return Slots(jnp.cumsum(own, axis=1) - 1, _pairs(own, budget.contexts))


def demand(present: Shaped[np.ndarray, "N K"]) -> Int[np.ndarray, "N 2"]:
    """Slots that each label-set needs for shapes and for contexts, besides the one slot for no shape (host).

    Args:
      present: whether the class of each step is asked for, in drawing order.
    """
    return np.stack([(present > 0).sum(axis=1), _looks_anew(present).sum(axis=1)], axis=1)


def _looks_anew(present):
    """Pairs with a target, and absent ones that begin a row of them."""
    xp = present.__array_namespace__()
    has = present > 0
    return has | xp.concat([xp.ones_like(has[:, :1]), has[:, :-1]], axis=1)


def _pairs(own: Shaped[Array, "G P"], size: int) -> Int[Array, "G N"]:
    return jax.vmap(lambda row: jnp.nonzero(row, size=size, fill_value=row.size)[0])(own)
