"""Computes only those rows of a batch whose results are needed."""

import functools
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
    run, structures = _traced_once(module, compute)
    batch = needed.shape[0]
    portions = jax.default_backend() == "cpu" and not jax.export.is_symbolic_dim(batch)
    size = -(-batch // 4) if portions else batch
    if otherwise is None:
        some = jax.tree.map(lambda a: jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype), inputs)
        old = [jnp.zeros((batch, *a.shape[1:]), a.dtype) for a in jax.eval_shape(run, *some)]
    else:
        old = jax.tree.leaves(otherwise)
    if portions:
        new = _in_portions(needed, size, run, inputs, old)
    else:
        keep = lambda new, old: jnp.where(needed.reshape(-1, *[1] * (new.ndim - 1)), new, old)
        new = list(map(keep, run(*inputs), old))
    return jax.tree.unflatten(structures[0], new)


def _traced_once(module: nn.Module, compute: Callable[..., Any]) -> tuple[Callable[..., list[Array]], list[Any]]:
    """A function of inputs to the leaves of the result, and a list that gets the structure of the result.

    The program traces it once, though its shapes are needed before its values. Tracing takes most of the time before a
    first map whose program is compiled already.
    """
    unbound, variables = module.unbind()
    structures: list[Any] = []

    def leaves(variables: Any, *inputs: Any) -> list[Array]:
        found, structure = jax.tree.flatten(unbound.apply(variables, *inputs, method=compute))
        structures.append(structure)
        return found

    return functools.partial(jax.jit(leaves, inline=True), variables), structures


def _in_portions(
    needed: Bool[Array, "B"], size: int, run: Callable[..., list[Array]], inputs: tuple[Any, ...], old: list[Array]
) -> list[Array]:
    """The needed rows first, `size` at a time: one program for any number of them."""
    batch = len(needed)
    rows = jnp.pad(jnp.argsort(~needed), (0, -batch % size), constant_values=batch)

    def portion(state: tuple[Array, list[Array]]) -> tuple[Array, list[Array]]:
        number, result = state
        some = lax.dynamic_slice(rows, (number * size,), (size,))
        computed = run(*jax.tree.map(lambda x: x.at[some].get(mode="clip"), inputs))
        wanted = jnp.where(needed.at[some].get(mode="fill", fill_value=False), some, batch)
        return number + 1, [a.at[wanted].set(b, mode="drop") for a, b in zip(result, computed, strict=True)]

    return lax.while_loop(lambda state: state[0] * size < needed.sum(), portion, (jnp.int32(0), old))[1]
