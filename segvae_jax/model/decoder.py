"""The decoder D: shapes from a context feature and a latent."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.layers import Weights, base_size, double, level_widths, normalise, unflatten


class Decoder(nn.Module):
    """D: no spectral norm; InstanceNorm after every level but the first and the last."""

    image_size: tuple[int, int]
    ngf: int
    gain: float = 0.02
    dtype: str = "float32"
    shapes: int = 1

    @nn.compact
    def __call__(self, context: Float[Array, "B F"], z: Float[Array, "B Z"]) -> Float[Array, "B H W S"]:
        """Logits of the shapes; the spec's decoder ends in the sigmoid of a single one."""
        weights = lambda name, *shape: Weights(shape, gain=self.gain, name=name)()
        widths = level_widths(self.image_size, self.ngf)
        x = jnp.concatenate([context, z], axis=-1).astype(self.dtype)
        x = unflatten(x, weights("unflatten", *base_size(self.image_size), x.shape[-1], widths[-1]))
        for level, width in enumerate(reversed(widths[:-1])):
            x = normalise(double(x, weights(f"up_{level}", 3, 3, x.shape[-1], width)))
        return double(x, weights(f"up_{len(widths) - 1}", 3, 3, x.shape[-1], self.shapes)).astype(jnp.float32)
