"""Weights of a trained model, for a new one that begins with them."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

Params = Mapping[str, Any]
Rows = Sequence[int | None]

_TABLE = "canvas_encoder/table"  # a row for each channel
_KNOWN = "conditions/hidden/weights/kernel"  # rows for the channels of the label-set, the moves, those of the target


def transferred(fresh: Params, trained: Params, channels: Rows) -> tuple[Params, float]:
    """Parameters of a new hierarchical model that begins with those of a trained one.

    An array is taken if it has the same name and shape in both. Where an array has a row for each class, the row of the
    same class is taken, whichever channel that is; classes that the trained model lacks keep their fresh rows.

    Args:
      fresh: the parameters of the new model, on the host.
      trained: those of the trained one.
      channels: for each channel of the new model, that of the same class in the trained one, or None.

    Returns:
      the parameters, and the share of the new model's numbers that are in arrays which were taken.
    """
    ours, theirs = _by_name(fresh), _by_name(trained)
    rows = {_TABLE: channels, _KNOWN: _rows_of_known(ours, theirs, channels)}
    result = {name: _taken(array, theirs.get(name), rows.get(name)) for name, array in ours.items()}
    taken = sum(array.size for name, array in ours.items() if result[name] is not array)
    whole = jax.tree.unflatten(jax.tree.structure(fresh), result.values())
    return whole, taken / sum(array.size for array in ours.values())


def _taken(fresh: np.ndarray, trained: np.ndarray | None, rows: Rows | None) -> np.ndarray:
    """The array of the trained model, or these rows of it; the fresh one itself if it does not fit."""
    if trained is None or trained.shape[1:] != fresh.shape[1:]:
        return fresh
    if rows is None:
        return trained if trained.shape == fresh.shape else fresh
    known = np.array([row is not None for row in rows]).reshape(-1, *[1] * (fresh.ndim - 1))
    return np.where(known, trained[np.array([row or 0 for row in rows])], fresh)


def _rows_of_known(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray], channels: Rows) -> Rows:
    """Rows of what the trained model knows of a map. Moves that only one of the models knows are fresh."""
    count, other = len(ours[_TABLE]), len(theirs[_TABLE])
    moves, others = len(ours[_KNOWN]) - 2 * count, len(theirs[_KNOWN]) - 2 * other
    of_target = [None if channel is None else other + others + channel for channel in channels]
    return [*channels, *(other + move if moves == others else None for move in range(moves)), *of_target]


def _by_name(params: Params) -> dict[str, Float[np.ndarray, "..."]]:
    """The arrays in the order of the tree."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): array for path, array in leaves}
