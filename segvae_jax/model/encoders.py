"""Convolutional encoders: the context encoder E_c and the shape encoder of the posterior, E_phi."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.layers import Dense, Down, Flatten, level_widths


class LabelEmbedding(nn.Module):
    """A label vector as one more input channel (section "Networks": Linear, ReLU, Linear, ReLU)."""

    image_size: tuple[int, int]
    hidden_dim: int
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self, labels: Float[Array, "B C"]) -> Float[Array, "B H W 1"]:
        """Spreads labels over the map, row-major."""
        height, width = self.image_size
        x = nn.relu(Dense(self.hidden_dim, self.spectral_norm, self.gain)(labels))
        x = nn.relu(Dense(height * width, self.spectral_norm, self.gain)(x))
        return x.reshape(-1, height, width, 1)


class ContextEncoder(nn.Module):
    """E_c: what has been drawn, what shall be drawn in all, and what now, as one feature vector."""

    image_size: tuple[int, int]
    ngf: int
    context_dim: int
    hidden_dim: int
    spectral_norm: bool = True
    gain: float = 0.02

    @nn.compact
    def __call__(
        self, canvas: Float[Array, "B H W C"], label_set: Float[Array, "B C"], target: Float[Array, "B C"]
    ) -> Float[Array, "B F"]:
        """Context feature of one step; `target` is all zeros in rows that lack the step's class."""
        norm, gain = self.spectral_norm, self.gain
        embed = lambda name: LabelEmbedding(self.image_size, self.hidden_dim, norm, gain, name=name)
        channels = [canvas, embed("embed_label_set")(label_set), embed("embed_target")(target)]
        x = jnp.concatenate(channels, axis=-1)
        for width in level_widths(self.image_size, self.ngf):
            x = Down(width, norm, gain)(x)
        return Flatten(self.context_dim, norm, gain)(x)


class ShapeEncoder(nn.Module):
    """E_phi: the ground-truth shape of one class, for the posterior. Its embedding has no spectral norm."""

    image_size: tuple[int, int]
    ngf: int
    hidden_dim: int
    spectral_norm: bool = True
    gain: float = 0.02

    @nn.compact
    def __call__(self, shape: Float[Array, "B H W 1"], target: Float[Array, "B C"]) -> Float[Array, "B D"]:
        """Feature of a shape and the class it belongs to."""
        embed = LabelEmbedding(self.image_size, self.hidden_dim, gain=self.gain, name="embed_target")
        x = jnp.concatenate([shape, embed(target)], axis=-1)
        for width in level_widths(self.image_size, self.ngf):
            x = Down(width, self.spectral_norm, self.gain)(x)
        return Flatten(self.hidden_dim, self.spectral_norm, self.gain)(x)
