"""Two discriminators, alike in their arguments.

The default is a U-Net that names the class of every pixel or calls it fake, after OASIS (Sushko et al. 2021). The other
one says of patches of a map and its picture whether the picture is real, after pix2pixHD (Wang et al. 2018) and SPADE
(Park et al. 2019).
"""

import flax.linen as nn
import jax.numpy as jnp
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
    def __call__(
        self, picture: Float[Array, "B H W 3"], class_maps: Float[Array, "B H W C"]
    ) -> Float[Array, "B H W L"]:
        """L = C + 1 logits, "fake" last; the picture is in [-1, 1]. It has to name the maps, so it sees none."""
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


class PatchDiscriminator(nn.Module):
    """One logit for each patch of a picture and its map, above 0 for real ones, at two scales.

    Attributes:
      widths: channels at each resolution, the finest first; the coarsest has one pixel a patch.
      patch: see `Discriminator`.
    """

    widths: tuple[int, ...] = (32, 64, 64)
    patch: int = 2

    @nn.compact
    def __call__(self, picture: Float[Array, "B H W 3"], class_maps: Float[Array, "B H W C"]) -> Float[Array, "B L"]:
        """L logits of patches; the picture is in [-1, 1]."""
        seen, logits = to_patches(jnp.concatenate([picture, class_maps], -1), self.patch), []
        for scale in range(2):
            x = seen = pool(seen) if scale else seen
            for stage, width in enumerate(self.widths):
                x = Conv(width, size=1, name=f"enter_{scale}_{stage}")(pool(x) if stage else x)
                x = ResidualBlock(name=f"down_{scale}_{stage}")(x)
            x = Conv(1, size=1, name=f"out_{scale}")(nn.leaky_relu(x, _SLOPE))
            logits.append(x.reshape(len(x), -1))
        return jnp.concatenate(logits, -1)


class ResidualBlock(nn.Module):
    """Two convolutions with spectral norm, each after a leaky ReLU, beside the identity."""

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"]) -> Float[Array, "B h w I"]:
        """Keeps the size."""
        y = x
        for number in range(2):
            y = Conv(x.shape[-1], spectral_norm=True, name=f"conv_{number}")(nn.leaky_relu(y, _SLOPE))
        return x + y
