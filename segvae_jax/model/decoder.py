"""The decoder D: a shape from a context feature and a latent."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.layers import Unflatten, Up, base_size, instance_norm_leaky_relu, level_widths


class Decoder(nn.Module):
    """D: no spectral norm; InstanceNorm after every level but the first and the last."""

    image_size: tuple[int, int]
    ngf: int
    gain: float = 0.02

    @nn.compact
    def __call__(self, context: Float[Array, "B F"], z: Float[Array, "B Z"]) -> Float[Array, "B H W"]:
        """Logits of the shape; the spec's decoder ends in their sigmoid."""
        widths = level_widths(self.image_size, self.ngf)
        x = Unflatten(base_size(self.image_size), widths[-1], self.gain)(jnp.concatenate([context, z], axis=-1))
        for width in reversed(widths[:-1]):
            x = instance_norm_leaky_relu(Up(width, self.gain)(x))
        return Up(1, self.gain)(x)[..., 0]
