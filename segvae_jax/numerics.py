"""The settings of JAX on which numbers depend, fixed by the project."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def fixed_numerics() -> Iterator[None]:
    """Computes with the project's types, precision and random bits, in this thread; also a decorator.

    Samples, training and exports are so the same whatever the environment (`JAX_ENABLE_X64`, `JAX_DEFAULT_PRNG_IMPL`,
    ...) or the program around them (`jax.config`) says. Every public function that computes with JAX is decorated. What
    JAX offers no such setting for, `segvae_jax.streams` avoids.
    """
    with (
        jax.enable_x64(False),
        jax.numpy_dtype_promotion("standard"),
        jax.default_matmul_precision(None),  # JAX's default: TF32 on a recent GPU, see docs/performance.md
        jax.default_prng_impl("threefry2x32"),
        jax.threefry_partitionable(True),
    ):
        yield
