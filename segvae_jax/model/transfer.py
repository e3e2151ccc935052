"""Weights of a trained model, for a new one that begins with them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

Params = Mapping[str, Any]
Rows = Sequence[int | None]

_TABLE = "canvas_encoder/table"  # a row for each channel
_KNOWN = "conditions/hidden/weights/kernel"  # rows for the channels of the label-set, the moves, those of the target
_FROM_FINEST = re.compile(r"((?:canvas_encoder/blocks|shape_encoder/block)_)(\d+)")  # the decoder counts from 4 px


def transferred(fresh: Params, trained: Params, channels: Rows) -> tuple[Params, float]:
    """Parameters of a new hierarchical model that begins with those of a trained one.

    An array is taken if both have one of its shape in the same place. Networks at a resolution are in the same place if
    they are equally far from the coarsest one, so that a model of larger maps begins with one of smaller maps. Where an
    array has a row for each class, the row of the same class is taken, whichever channel that is; classes that the
    trained model lacks keep their fresh rows.

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
    return [*channels, *(other + move if move < others else None for move in range(moves)), *of_target]


def _by_name(params: Params) -> dict[str, Float[np.ndarray, "..."]]:
    """The arrays in the order of the tree; numbers that count from the finest resolution count from the coarsest."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in leaves]
    numbered = [match for name in names if (match := _FROM_FINEST.match(name))]
    last = {of: max(int(match[2]) for match in numbered if match[1] == of) for of in {match[1] for match in numbered}}
    from_coarsest = lambda match: f"{match[1]}{last[match[1]] - int(match[2])}"
    return {_FROM_FINEST.sub(from_coarsest, name): array for name, (_, array) in zip(names, leaves, strict=True)}
