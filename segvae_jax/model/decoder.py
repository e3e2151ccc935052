"""The decoder D: shapes from a context feature and a latent."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.layers import (
    Weights,
    base_size,
    instance_norm_leaky_relu,
    level_widths,
    strided_conv_transpose,
    vector_to_map,
)


class Decoder(nn.Module):
    """D: no spectral norm, and an instance norm after every level but the first and the last."""

    image_size: tuple[int, int]
    ngf: int
    gain: float = 0.02
    dtype: str = "float32"
    shapes: int = 1

    @nn.compact
    def __call__(self, context: Float[Array, "B F"], z: Float[Array, "B Z"]) -> Float[Array, "B H W S"]:
        """Logits of S shapes; the decoder of the paper ends in the sigmoid of a single one."""
        weights = lambda name, *shape: Weights(shape, gain=self.gain, name=name)()
        widths = level_widths(self.image_size, self.ngf)
        x = jnp.concatenate([context, z], axis=-1).astype(self.dtype)
        x = vector_to_map(x, weights("unflatten", *base_size(self.image_size), x.shape[-1], widths[-1]))
        for level, width in enumerate(reversed(widths[:-1])):
            x = instance_norm_leaky_relu(strided_conv_transpose(x, weights(f"up_{level}", 3, 3, x.shape[-1], width)))
        return strided_conv_transpose(x, weights(f"up_{len(widths) - 1}", 3, 3, x.shape[-1], self.shapes)).astype(
            jnp.float32
        )
