"""Calls compiled functions on any number of rows, in batches of few sizes, so that few programs are compiled."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

BATCH = 16  # rows at once


def padded_size(num: int, most: int = BATCH) -> int:
    """The size of the batches that hold `num` rows: 4, 16, 64, ..., and not above `most`, which is one of these."""
    size = 4
    while size < min(num, most):
        size *= 4
    return size


def batches(rows: Shaped[np.ndarray, "N ..."], size: int = 0) -> Iterator[tuple[int, Float[np.ndarray, "B ..."]]]:
    """The rows in batches of one size, each with the number of its first row; blank rows fill the last batch."""
    size = size or padded_size(len(rows))
    for start in range(0, len(rows), size):
        batch = rows[start : start + size].astype(np.float32)
        yield start, np.pad(batch, ((0, size - len(batch)), *[(0, 0)] * (rows.ndim - 1)))


def call_on_label_sets(
    function: Callable[..., Array],
    variables: Any,
    label_sets: Bool[np.ndarray, "N C"],
    seed: int,
    temperature: Float[np.ndarray, "*Z"],
    first: int = 0,
) -> Shaped[np.ndarray, "N ..."]:
    """The output of a function of `segvae_jax.sampling` for label-sets, computed one padded batch at a time.

    Args:
      function: of variables, label-sets, seed, numbers of the samples, and temperature; compiled.
      variables: of the model.
      label_sets: one per sample.
      seed, temperature: of the noise.
      first: number of the first sample.
    """
    call = lambda start, batch: function(variables, batch, seed, first + start + np.arange(len(batch)), temperature)
    return np.concatenate([np.asarray(call(*batch)) for batch in batches(label_sets)])[: len(label_sets)]


def call_on_maps(function: Callable[..., Any], variables: Any, class_maps: Bool[np.ndarray, "N H W C"]) -> Any:
    """The output of a function of `segvae_jax.sampling` for given maps, one padded batch at a time.

    Args:
      function: of variables and class maps; compiled.
      variables: of the model.
      class_maps: any number of them.

    Returns:
      what the function returns, with N rows, as NumPy arrays.
    """
    outputs = [jax.device_get(function(variables, batch)) for _, batch in batches(class_maps)]
    return jax.tree.map(lambda *arrays: np.concatenate(arrays)[: len(class_maps)], *outputs)
