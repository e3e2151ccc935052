"""Computes only those rows of a batch whose results are needed."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.export
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool


def for_rows(
    module: nn.Module,
    needed: Bool[Array, "B"],
    compute: Callable[..., Any],
    inputs: tuple[Any, ...],
    otherwise: Any = None,
) -> Any:
    """`compute(module, *inputs)` in the rows that need it, and `otherwise` in the other rows.

    On a CPU most of the other rows are left out: those that need it are computed in portions of a quarter of the batch.
    On other devices this would cost more than it saves, and `jax.export`'s symbolic sizes do not allow it.

    Args:
      module: a bound module.
      needed: the rows.
      compute: of rows; it maps rows to rows.
      inputs: arrays `[B, ...]`, as trees.
      otherwise: like the result; zeros if None.
    """
    if otherwise is None:
        otherwise = _zeros_like_result(lambda *inputs: compute(module, *inputs), inputs)
    keep = lambda new, old: jnp.where(needed.reshape(-1, *[1] * (new.ndim - 1)), new, old)
    if jax.default_backend() != "cpu" or jax.export.is_symbolic_dim(needed.shape[0]):
        return jax.tree.map(keep, compute(module, *inputs), otherwise)
    return _in_portions(module, needed, compute, inputs, otherwise)


def _in_portions(
    module: nn.Module, needed: Bool[Array, "B"], compute: Callable[..., Any], inputs: tuple[Any, ...], otherwise: Any
) -> Any:
    """The needed rows first, a quarter of the batch at a time: one program for any number of them."""
    batch, size = len(needed), -(-len(needed) // 4)
    rows = jnp.pad(jnp.argsort(~needed), (0, -batch % size), constant_values=batch)

    def portion(module: nn.Module, state: tuple[Array, Any]) -> tuple[Array, Any]:
        number, result = state
        some = lax.dynamic_slice(rows, (number * size,), (size,))
        computed = compute(module, *jax.tree.map(lambda x: x.at[some].get(mode="clip"), inputs))
        wanted = jnp.where(needed.at[some].get(mode="fill", fill_value=False), some, batch)
        return number + 1, jax.tree.map(lambda old, new: old.at[wanted].set(new, mode="drop"), result, computed)

    unfinished = lambda module, state: state[0] * size < needed.sum()
    return nn.while_loop(unfinished, portion, module, (jnp.int32(0), otherwise))[1]


def _zeros_like_result(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    structures = []

    def leaves(*inputs: Any) -> list[Array]:
        found, structure = jax.tree.flatten(function(*inputs))
        structures.append(structure)
        return found

    zeros = [jnp.zeros(a.shape, a.dtype) for a in jax.eval_shape(leaves, *inputs)]
    return jax.tree.unflatten(structures[0], zeros)
