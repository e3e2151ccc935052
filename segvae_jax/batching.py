"""Calls compiled functions on any number of rows, in batches of few sizes, so that few programs are compiled."""

import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

BATCH = 16  # rows at once


def padded_size(num: int) -> int:
    """The next power of two."""
    return 1 << max(num - 1, 0).bit_length()


def batches(rows: Shaped[np.ndarray, "N ..."]) -> Iterator[tuple[int, Shaped[np.ndarray, "B ..."]]]:
    """At most `BATCH` rows at a time, each batch with the number of its first row."""
    return ((start, rows[start : start + BATCH]) for start in range(0, len(rows), BATCH))


def call_on_label_sets(
    function: Callable[..., Array],
    variables: Any,
    label_sets: Bool[np.ndarray, "N C"],
    seed: int,
    temperature: Float[np.ndarray, "*Z"],
    first: int,
) -> Shaped[np.ndarray, "N ..."]:
    """The output of a function of `segvae_jax.sampling` for label-sets, computed as one padded batch.

    Args:
      function: of variables, label-sets, seed, numbers of the samples, and temperature; compiled.
      variables: of the model.
      label_sets: one per sample.
      seed, temperature: of the noise.
      first: number of the first sample.
    """
    size = padded_size(len(label_sets))
    padded = np.pad(label_sets, ((0, size - len(label_sets)), (0, 0)), mode="edge").astype(np.float32)
    output = function(variables, padded, seed, first + np.arange(size), temperature)
    return np.asarray(output)[: len(label_sets)]


def call_on_maps(function: Callable[..., Any], variables: Any, class_maps: Bool[np.ndarray, "N H W C"]) -> Any:
    """The output of a function of `segvae_jax.sampling` for given maps, one padded batch at a time.

    Args:
      function: of variables and class maps; compiled.
      variables: of the model.
      class_maps: any number of them.

    Returns:
      what the function returns, with N rows, as NumPy arrays.
    """
    rows = []
    for _, batch in batches(class_maps):
        padded = np.pad(batch, ((0, padded_size(len(batch)) - len(batch)), (0, 0), (0, 0), (0, 0)))
        output = jax.device_get(function(variables, padded.astype(np.float32)))
        rows.append(jax.tree.map(operator.itemgetter(slice(len(batch))), output))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *rows)
