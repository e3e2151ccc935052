"""What models of pixels as tokens share: painted maps, the U-Net, and samples from its probabilities."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from segvae_jax.model.layers import BASE, CONVOLUTION
from segvae_jax.model.protocol import MapModel

_HALVINGS = 3


class UNet(nn.Module):
    """Logits of every pixel at full resolution from one-hot tokens, under a condition for the whole map.

    It uses pooling and repetition instead of strided convolutions, whose gradients are slow on a CPU.
    """

    image_size: tuple[int, int]
    ngf: int
    hidden_dim: int
    outputs: int
    dtype: str = "float32"

    @nn.compact
    def __call__(self, tokens: Float[Array, "B H W T"], condition: Float[Array, "B D"]) -> Float[Array, "B H W O"]:
        """Logits; the coarsest maps have a learned bias per pixel, since maps are aligned."""
        levels = min(_HALVINGS, int(math.log2(min(self.image_size) / BASE)))
        condition = nn.silu(nn.Dense(self.hidden_dim, name="condition")(condition))
        block = lambda name, x, level: _Block(self.ngf * 2**level, self.dtype, name=name)(x, condition)
        skips = [x := block("down_0", tokens.astype(self.dtype), 0)]
        for level in range(1, levels + 1):
            skips.append(x := block(f"down_{level}", nn.avg_pool(x, (2, 2), (2, 2)), level))
        x = x + self.param("position", nn.initializers.normal(0.02), (1, *x.shape[1:])).astype(self.dtype)
        for level in reversed(range(levels)):
            x = jnp.concatenate([_repeated(block(f"middle_{level}", x, level + 1)), skips[level]], axis=-1)
            x = block(f"up_{level}", x, level)
        logits = nn.Conv(self.outputs, (1, 1), name="logits")(x.astype(jnp.float32))
        return checkpoint_name(logits, CONVOLUTION)


class _Block(nn.Module):
    """Two convolutions with a shortcut; the condition scales and shifts the features between them."""

    width: int
    dtype: str

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"], condition: Float[Array, "B D"]) -> Float[Array, "B H W O"]:
        layer = lambda size, name: nn.Conv(self.width, (size, size), dtype=self.dtype, name=name)
        conv = lambda size, name, x: checkpoint_name(layer(size, name)(x), CONVOLUTION)
        norm = lambda name: nn.GroupNorm(math.gcd(8, self.width), dtype=self.dtype, name=name)
        scale, shift = jnp.split(nn.Dense(2 * self.width, name="modulation")(condition)[:, None, None], 2, axis=-1)
        y = norm("norm_0")(conv(3, "conv_0", x))
        y = nn.silu(y * (1 + scale.astype(y.dtype)) + shift.astype(y.dtype))
        return nn.silu(norm("norm_1")(conv(3, "conv_1", y)) + conv(1, "shortcut", x))


def _repeated(x: Float[Array, "B h w I"]) -> Float[Array, "B 2*h 2*w I"]:
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


class PixelModel(MapModel):
    """A model of painted maps: one class per pixel, or background.

    Attributes:
      ngf: width of the U-Net at full resolution; it doubles with every halving of the map.
      hidden_dim: width of the embedded condition.
      draw_steps: S, number of calls of the network per sample.
      dtype: as in `SegVAE`.
    """

    ngf: int = 64
    hidden_dim: int = 256
    draw_steps: int = 24
    dtype: str = "float32"

    def setup(self):
        """One network."""
        self.unet = UNet(self.image_size, self.ngf, self.hidden_dim, self.num_channels, self.dtype)

    def logits(
        self, tokens: Float[Array, "B H W T"], time: Float[Array, "B"], label_set: Float[Array, "B C"]
    ) -> Float[Array, "B H W C"]:
        """Logits of the classes of each pixel; classes outside of the label-set get -1e9.

        Args:
          tokens: one-hot.
          time: in [0, 1], from a finished map (0) to an unknown one (1).
          label_set: in {0, 1}.
        """
        angles = jnp.pi * time[:, None] * 2.0 ** jnp.arange(-1, 3)[None]
        condition = jnp.concatenate([label_set, jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return jnp.where(allowed(label_set) > 0, self.unet(tokens, condition), -1e9)

    @nn.nowrap
    def painted(self, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        """One-hot class of each pixel: the topmost one, or the background."""
        stack = class_maps[..., np.asarray(self.stack)]
        above = jnp.cumsum(stack[..., ::-1], axis=-1)[..., ::-1] - stack
        seen = jnp.zeros_like(class_maps).at[..., np.asarray(self.stack)].set(stack * (above == 0))
        return seen.at[..., 0].set(1 - seen.sum(-1))


def allowed(label_set: Float[Array, "B C"]) -> Float[Array, "B 1 1 C"]:
    """1 for the classes of the label-set and the background."""
    return label_set.at[:, 0].set(1)[:, None, None]


def cross_entropy(logits: Float[Array, "B H W C"], truth: Float[Array, "B H W C"]) -> Float[Array, "B H W"]:
    """Cross-entropy of each pixel, in nats."""
    return -(truth * jax.nn.log_softmax(logits)).sum(-1)


def sampled(probabilities: Float[Array, "*b C"], eps: Float[Array, "*b"]) -> Float[Array, "*b C"]:
    """One-hot samples, by inverting the distribution function at the uniform number that each normal one stands for."""
    total = jnp.cumsum(probabilities, axis=-1)
    index = (total < ndtr(eps)[..., None] * total[..., -1:]).sum(-1)
    return jax.nn.one_hot(index, probabilities.shape[-1])


def softened(logits: Float[Array, "*b C"], temperature: float | Float[Array, ""]) -> Float[Array, "*b C"]:
    """Probabilities at a temperature; the most likely class at 0."""
    return jax.nn.softmax(logits / jnp.maximum(temperature, 1e-3))


def class_maps_of(painted: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Class maps of a painted map: channel 0 blank."""
    return painted.at[..., 0].set(0)
