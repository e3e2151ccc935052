"""The generator: a label map, noise at every pixel and a style to a picture.

After SPADE (Park et al. 2019), CLADE (Tan et al. 2021) and OASIS (Sushko et al. 2021). The style reaches a pixel
through its class, as in SEAN (Zhu et al. 2020), so that hair can be of one colour and clothes of another. Features are
normalised per picture, so that a picture does not depend on its batch.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.layers import BASE, base_size
from segvae_jax.model.unet import Conv, Dense, group_normal, pool, repeat, to_patches

SLOPE = 0.2  # of LeakyReLU below zero


class Generator(nn.Module):
    """The generator.

    Attributes:
      num_channels: C, of the label map, background included.
      image_size: H and W; a short side of 8, 16, ..., 256 pixels.
      widths: channels at each resolution, the finest first; the last one is repeated down to a short side of 4.
      noise_channels: Z, of the noise at every pixel.
      style_dim: S, of the style.
      class_style: channels that each class gets from the style.
      convolved: resolutions of at most so many pixels on the short side are modulated by convolutions of the map
        (SPADE), finer ones by a table of classes (CLADE), at a tenth of the cost.
      hidden: channels of these convolutions.
    """

    num_channels: int
    image_size: tuple[int, int]
    widths: tuple[int, ...] = (16, 32, 64, 64)
    noise_channels: int = 8
    style_dim: int = 32
    class_style: int = 8
    convolved: int = 16
    hidden: int = 32

    @nn.compact
    def __call__(
        self, class_maps: Float[Array, "B H W C"], noise: Float[Array, "B H W Z"], style: Float[Array, "B S"]
    ) -> Float[Array, "B H W 3"]:
        """Pictures in [-1, 1].

        Args:
          class_maps: one-hot, channel 0 for the background.
          noise: standard normal.
          style: standard normal, or a sample of `StyleEncoder`.
        """
        height, width = base_size(self.image_size)
        widths = widths_down_to_base(self.widths, self.image_size)
        table = Dense(self.num_channels * self.class_style, name="table")(style)
        table = table.reshape(-1, self.num_channels, self.class_style)
        seen = jnp.concatenate([class_maps, noise, jnp.einsum("bhwc,bcs->bhws", class_maps, table)], -1)
        x = Dense(height * width * widths[-1], name="enter")(style).reshape(-1, height, width, widths[-1])
        for stage in reversed(range(len(widths))):
            if stage < len(widths) - 1:
                x = repeat(Conv(widths[stage], size=1, name=f"narrow_{stage}")(x))
            here = seen[:, 2**stage // 2 :: 2**stage, 2**stage // 2 :: 2**stage]
            x = ModulatedBlock(self.hidden if min(x.shape[1:3]) <= self.convolved else 0, name=f"block_{stage}")(
                x, here
            )
        return jnp.tanh(Conv(3, name="out")(nn.leaky_relu(x, SLOPE)))


class ModulatedBlock(nn.Module):
    """Residual block of two convolutions, each after a modulation and a leaky ReLU."""

    hidden: int  # of the modulation; 0 for tables

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"], seen: Float[Array, "B h w M"]) -> Float[Array, "B h w I"]:
        """The features at the resolution of the map that is seen."""
        y = x
        for number in range(2):
            y = nn.leaky_relu(Modulation(self.hidden, name=f"modulation_{number}")(y, seen), SLOPE)
            y = Conv(x.shape[-1], name=f"conv_{number}")(y)
        return x + y


class Modulation(nn.Module):
    """Group norm without parameters, then a scale and a shift for each pixel and channel, from what is seen there.

    `hidden` is the width of the convolutions that compute them (SPADE). 0 is for an affine function of each pixel: a
    table of classes (CLADE) plus noise.
    """

    hidden: int

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"], seen: Float[Array, "B h w M"]) -> Float[Array, "B h w I"]:
        """The modulated features."""
        if self.hidden:
            seen = nn.relu(Conv(self.hidden, name="hidden")(seen))
        made = Conv(2 * x.shape[-1], size=3 if self.hidden else 1, name="made")(seen)
        gamma, beta = jnp.split(made, 2, axis=-1)
        return group_normal(x) * (1 + gamma) + beta


class StyleEncoder(nn.Module):
    """The Gaussian of the style of a reference picture, as in SPADE.

    Attributes:
      style_dim: S.
      widths: channels at each resolution, the finest first; the last one is repeated down to a short side of 4.
    """

    style_dim: int = 32
    widths: tuple[int, ...] = (16, 32, 64)

    @nn.compact
    def __call__(self, picture: Float[Array, "B H W 3"]) -> tuple[Float[Array, "B S"], Float[Array, "B S"]]:
        """Mean and log variance, from a picture in [-1, 1]."""
        x = to_patches(picture, 2)
        for number, width in enumerate(widths_down_to_base(self.widths, picture.shape[1:3])[:-1]):
            x = nn.leaky_relu(Conv(width, name=f"conv_{number}")(pool(x) if number else x), SLOPE)
        mu, logvar = jnp.split(Dense(2 * self.style_dim, name="out")(x.reshape(len(x), -1)), 2, axis=-1)
        return mu, jnp.clip(logvar, -8.0, 4.0)


def widths_down_to_base(widths: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """Channels at each resolution of a picture of `size` down to a short side of 4; the last width is repeated."""
    count = int(math.log2(min(size) // BASE)) + 1
    return (*widths, *widths[-1:] * count)[:count]
