"""Computes only those rows of a batch whose results are needed."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.export
import jax.numpy as jnp
from jaxtyping import Array, Bool


def for_rows(
    module: nn.Module,
    needed: Bool[Array, "B"],
    compute: Callable[..., Any],
    inputs: tuple[Any, ...],
    otherwise: Any = None,
) -> Any:
    """`compute(module, *inputs)` in the rows that need it, and `otherwise` in the other rows.

    On a CPU most of the other rows are left out: the rows that need it are gathered into one of few batch sizes. On
    other devices the choice would cost more than it saves, and `jax.export`'s symbolic sizes allow none.

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
    rows = jnp.argsort(~needed)

    def of(size: int) -> Callable[[nn.Module], Any]:
        some = rows[:size]
        put = lambda old, new: keep(old.at[some].set(new), old)
        return lambda module: jax.tree.map(put, otherwise, compute(module, *jax.tree.map(lambda x: x[some], inputs)))

    sizes = sorted({-(-len(needed) * quarter // 4) for quarter in range(1, 5)})
    branches = [lambda module: otherwise, *map(of, sizes)]
    return nn.switch(jnp.searchsorted(jnp.array([0, *sizes]), needed.sum()), branches, module)


def _zeros_like_result(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    structures = []

    def leaves(*inputs: Any) -> list[Array]:
        found, structure = jax.tree.flatten(function(*inputs))
        structures.append(structure)
        return found

    zeros = [jnp.zeros(a.shape, a.dtype) for a in jax.eval_shape(leaves, *inputs)]
    return jax.tree.unflatten(structures[0], zeros)
