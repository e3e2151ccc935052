"""Features of class maps from untrained networks: convolutions with fixed random weights."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from segvae_jax.streams import seed_key

SEEDS = (0, 1, 2)
WIDTHS = (16, 16, 16)  # each layer halves the map: the last one has a receptive field of 15 x 15 pixels
BATCH_SIZE = 64


def random_cnn(seed: int, num_classes: int) -> list[Float[Array, "3 3 _ _"]]:
    """3 x 3 kernels of one network without biases, He-normal from `seed`, always with Threefry.

    The fan-in of the first layer counts one class, as at most one is set in a pixel.
    """
    keys = jax.random.split(seed_key(seed), len(WIDTHS))
    inputs = (num_classes, *WIDTHS[:-1])
    active = (1, *WIDTHS[:-1])
    return [
        jax.random.normal(key, (3, 3, inputs[i], width)) * (2 / (9 * active[i])) ** 0.5
        for i, (key, width) in enumerate(zip(keys, WIDTHS, strict=True))
    ]


def random_cnn_features(
    class_maps: Bool[np.ndarray, "N H W C"], seed: int, batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, "N D"]:
    """Mean and standard deviation over all positions of every layer of `random_cnn(seed)`: D = 96.

    The network reads the classes as one-hot channels, without the background. The features of a map do not depend on
    the batch size.
    """
    kernels = random_cnn(seed, class_maps.shape[-1] - 1)
    return in_batches(functools.partial(_pooled_layers, kernels), class_maps[..., 1:], batch_size=batch_size)


def in_batches(function: Callable[..., Any], *arrays: Shaped[np.ndarray, "N ..."], batch_size: int = BATCH_SIZE) -> Any:
    """Applies a function to batches of rows, all of one size: the last one is padded with zeros.

    Args:
      function: takes arrays `[batch_size, ...]`; returns such arrays, or a tree of them.
      arrays: with the same number of rows.
      batch_size: rows per batch.

    Returns:
      what `function` returns for all rows, `[N, ...]`, on the host, without the padding.
    """
    count = len(arrays[0])
    fill = lambda rows: np.pad(rows, [(0, batch_size - len(rows)), *[(0, 0)] * (rows.ndim - 1)])
    starts = range(0, count, batch_size)
    parts = [jax.device_get(function(*(fill(a[start : start + batch_size]) for a in arrays))) for start in starts]
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count], *parts)


@jax.jit
def _pooled_layers(kernels: list[Float[Array, "3 3 _ _"]], class_maps: Bool[Array, "B H W K"]) -> Float[Array, "B D"]:
    x = class_maps.astype(jnp.float32)
    pooled = []
    for kernel in kernels:
        # without full precision, a GPU rounds the products, and its scores differ from those of a CPU
        x = jax.lax.conv_general_dilated(
            x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"), precision="highest"
        )
        x = jax.nn.relu(x)
        pooled += [x.mean(axis=(1, 2)), x.std(axis=(1, 2))]
    return jnp.concatenate(pooled, axis=-1)
