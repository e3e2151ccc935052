"""Random keys by name: folded from (seed, stream, index), so that no random state is ever stored.

Streams: `init`, `data`, `flip`, `affine`, `drop_classes`, `order`, `classes`, `posterior`, `prior`, `generate`,
`label_sets`, `candidate_N` of edits, and of translators `pixels`, `style`, `styles`, `view`. An index is a training
step or the number of a sample; the noise of a sample therefore never depends on its batch.
"""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Integer

_LOW_WORD = 0xFFFF_FFFF

Seed = int | np.uint32 | Integer[Array, ""]


def seed_key(seed: Seed) -> jax.Array:
    """The Threefry key of a seed, as `jax.random.key` makes it if no setting adds an offset to all seeds.

    Args:
      seed: 0 to 2^32 - 1; or an array of type int32 or uint32, whose bits are taken.
    """
    low = np.uint32(seed & _LOW_WORD) if isinstance(seed, int) else jnp.asarray(seed).astype(jnp.uint32)
    return jax.random.wrap_key_data(jnp.stack([jnp.zeros_like(low), low]), impl="threefry2x32")


def stream_key(seed: Seed, stream: str, index: int | Int[Array, ""] = 0) -> jax.Array:
    """The key of one stream at one index; equal arguments give equal keys on every machine."""
    return jax.random.fold_in(jax.random.fold_in(seed_key(seed), zlib.crc32(stream.encode())), index)


def sample_noise(seed: Seed, stream: str, indices: Int[Array, "B"], shape: tuple[int, ...]) -> Float[Array, "B ..."]:
    """Standard normal noise of numbered samples, each from its own key; `shape` is that of one sample."""
    noise = lambda index: jax.random.normal(stream_key(seed, stream, index), shape, jnp.float32)
    return jax.vmap(noise)(jnp.asarray(indices))


def slerp(
    start: Float[Array, "... Z"], end: Float[Array, "... Z"], share: Float[Array, "... 1"]
) -> Float[Array, "... Z"]:
    """Spherical interpolation from `start` (share 0) to `end` (share 1); linear where the vectors are parallel."""
    unit = lambda vector: vector / jnp.linalg.norm(vector, axis=-1, keepdims=True)
    angle = jnp.arccos(jnp.clip((unit(start) * unit(end)).sum(axis=-1, keepdims=True), -1, 1))
    parallel = jnp.sin(angle) < 1e-3
    safe = jnp.where(parallel, 1.0, angle)
    weight = lambda part: jnp.where(parallel, part, jnp.sin(part * safe) / jnp.sin(safe))
    return weight(1 - share) * start + weight(share) * end
