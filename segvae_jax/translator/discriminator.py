"""The discriminator: a U-Net that names the class of every pixel or calls it fake, after OASIS (Sushko et al. 2021)."""

import flax.linen as nn
from jaxtyping import Array, Float

from segvae_jax.model.unet import Conv, from_patches, pool, repeat, to_patches

_SLOPE = 0.2  # of LeakyReLU below zero


class Discriminator(nn.Module):
    """Logits of the C classes and of "fake" for every pixel.

    Attributes:
      num_channels: C, background included.
      widths: channels at each resolution, the finest first; each next one has half of the sides.
      patch: pixels on a side that are channels of one at the finest resolution, as whole pictures are slow on a CPU.
    """

    num_channels: int
    widths: tuple[int, ...] = (32, 64, 64)
    patch: int = 2

    @nn.compact
    def __call__(self, picture: Float[Array, "B H W 3"]) -> Float[Array, "B H W L"]:
        """L = C + 1 logits, "fake" last; the picture is in [-1, 1]."""
        x, skips = to_patches(picture, self.patch), []
        for stage, width in enumerate(self.widths):
            x = Conv(width, size=1, name=f"enter_{stage}")(pool(x) if stage else x)
            x = ResidualBlock(name=f"down_{stage}")(x)
            skips.append(x)
        for stage in reversed(range(len(self.widths) - 1)):
            x = repeat(Conv(self.widths[stage], size=1, name=f"narrow_{stage}")(x)) + skips[stage]
            x = ResidualBlock(name=f"up_{stage}")(x)
        logits = Conv(self.patch**2 * (self.num_channels + 1), size=1, name="out")(nn.leaky_relu(x, _SLOPE))
        return from_patches(logits, self.patch)


class ResidualBlock(nn.Module):
    """Two convolutions with spectral norm, each after a leaky ReLU, beside the identity."""

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"]) -> Float[Array, "B h w I"]:
        """Keeps the size."""
        y = x
        for number in range(2):
            y = Conv(x.shape[-1], spectral_norm=True, name=f"conv_{number}")(nn.leaky_relu(y, _SLOPE))
        return x + y
