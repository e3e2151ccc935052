"""A translator: its three networks, and their first weights."""

import dataclasses
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from segvae_jax.model.layers import level_widths
from segvae_jax.streams import Seed, sample_noise, stream_key
from segvae_jax.translator.discriminator import Discriminator, PatchDiscriminator
from segvae_jax.translator.generator import Generator, StyleEncoder
from segvae_jax.translator.losses import BY_PIXEL, HINGE, Adversarial

TRANSLATOR = "translator"  # the name of the kind in configurations and model cards
_KEPT = 512  # styles of training pictures


@dataclasses.dataclass(frozen=True)
class Networks:
    """The networks of a translator, from sizes alone.

    Attributes:
      num_channels: C, of the maps, background included.
      image_size: H and W, of maps and pictures.
      widths, noise_channels, style_dim, class_style, convolved, hidden: see `Generator`.
      discriminator_widths: see `Discriminator`.
      patch_discriminator: whether patches are judged, with the hinge loss, in place of pixels.
    """

    num_channels: int
    image_size: tuple[int, int] = (64, 64)
    widths: tuple[int, ...] = (16, 32, 64, 64)
    noise_channels: int = 8
    style_dim: int = 32
    class_style: int = 8
    convolved: int = 16
    hidden: int = 32
    discriminator_widths: tuple[int, ...] = (32, 64, 64)
    patch_discriminator: bool = False

    @property
    def generator(self) -> Generator:
        """From map, noise and style to a picture."""
        sizes = self.widths, self.noise_channels, self.style_dim, self.class_style, self.convolved, self.hidden
        return Generator(self.num_channels, self.image_size, *sizes)

    @property
    def style(self) -> StyleEncoder:
        """From a picture to its style."""
        return StyleEncoder(self.style_dim)

    @property
    def discriminator(self) -> Discriminator | PatchDiscriminator:
        """From a picture and its map to logits of pixels or of patches."""
        if self.patch_discriminator:
            return PatchDiscriminator(self.discriminator_widths)
        return Discriminator(self.num_channels, self.discriminator_widths)

    @property
    def adversarial(self) -> Adversarial:
        """The losses that go with the discriminator."""
        return HINGE if self.patch_discriminator else BY_PIXEL

    def translate(
        self,
        params: Any,
        class_maps: Float[Array, "B H W C"],
        noise: Float[Array, "B H W Z"],
        style: Float[Array, "B S"],
    ) -> Float[Array, "B H W 3"]:
        """Pictures in [-1, 1]; arguments as of `Generator`, `params` of all networks."""
        pictures: Any = self.generator.apply({"params": params["generator"]}, class_maps, noise, style)
        return pictures

    def encode(self, params: Any, pictures: Float[Array, "B H W 3"]) -> tuple[Float[Array, "B S"], Float[Array, "B S"]]:
        """Mean and log variance of the styles of pictures in [-1, 1]."""
        moments: Any = self.style.apply({"params": params["style"]}, pictures)
        return moments

    def sample_pixels(self, seed: Seed, numbers: Int[Array, "B"]) -> Float[Array, "B H W Z"]:
        """Noise of the pixels of numbered samples, each from its own key."""
        return sample_noise(seed, "pixels", numbers, (*self.image_size, self.noise_channels))

    def require_valid_sizes(self) -> None:
        """Makes sure that the networks can be built.

        Raises:
          ValueError: if a side of the pictures cannot be halved as often as the networks do.
        """
        level_widths(self.image_size, 1)
        scales = 2 if self.patch_discriminator else 1
        least = 2**scales * 2 ** (len(self.discriminator_widths) - 1)  # patches of 2 pixels, then halves
        if any(side % least for side in self.image_size):
            raise ValueError(
                f"model.discriminator_widths has {len(self.discriminator_widths)} widths, which halve sides "
                f"down to one {least}th: expected fewer, or sides that {least} divides"
            )

    def init(self, seed: Seed) -> dict[str, Any]:
        """The collections `params`, by network, and `spectral`: singular vectors and styles, which have no gradient."""
        size, key = (1, *self.image_size), lambda number: stream_key(seed, "init", number)
        picture, class_maps = jnp.zeros((*size, 3)), jnp.zeros((*size, self.num_channels))
        noise = jnp.zeros((*size, self.noise_channels)), jnp.zeros((1, self.style_dim))
        made = {
            "generator": self.generator.init(key(0), class_maps, *noise),
            "style": self.style.init(key(1), picture),
            "discriminator": self.discriminator.init(key(2), picture, class_maps),
        }
        styles = vars(Styles.empty(self.style_dim))
        return {
            "params": {name: variables["params"] for name, variables in made.items()},
            "spectral": {"discriminator": made["discriminator"]["spectral"], "styles": styles},
        }


@flax.struct.dataclass
class Styles:
    """Gaussians of the styles of the last training pictures, from one of which a style is sampled.

    Sampled from the standard normal distribution, styles would lie between those that pictures have ("ex-post density
    estimation", Ghosh et al. 2020). Before training, all are standard normal. Collections hold them as a mapping.
    """

    mu: Float[Array, "M S"]
    logvar: Float[Array, "M S"]

    @classmethod
    def empty(cls, style_dim: int) -> "Styles":
        """Those before the first step."""
        return cls(jnp.zeros((_KEPT, style_dim)), jnp.zeros((_KEPT, style_dim)))

    def updated(self, step: Any, mu: Float[Array, "B S"], logvar: Float[Array, "B S"]) -> "Styles":
        """With those of the batch of a step in the place of the oldest."""
        rows = (step * len(mu) + jnp.arange(len(mu))) % len(self.mu)
        return Styles(self.mu.at[rows].set(mu), self.logvar.at[rows].set(logvar))

    def sample(self, seed: Seed, numbers: Int[Array, "B"]) -> Float[Array, "B S"]:
        """Styles of numbered samples, each from its own key."""
        key = lambda number: stream_key(seed, "styles", number)
        rows = jax.vmap(lambda number: jax.random.randint(key(number), (), 0, len(self.mu)))(numbers)
        eps = sample_noise(seed, "style", numbers, self.mu.shape[1:])
        return self.mu[rows] + jnp.exp(0.5 * self.logvar[rows]) * eps


def as_floats(pictures: UInt8[Array, "*b H W 3"]) -> Float[Array, "*b H W 3"]:
    """Pictures as the networks see them, in [-1, 1]."""
    return pictures.astype(jnp.float32) / 127.5 - 1


def as_bytes(pictures: Float[Array, "*b H W 3"]) -> UInt8[Array, "*b H W 3"]:
    """The inverse of `as_floats`; values outside of [-1, 1] are clipped."""
    return jnp.round((jnp.clip(pictures, -1, 1) + 1) * 127.5).astype(jnp.uint8)
