"""The networks of the hierarchical model.

All of them take N (map, class) pairs at once. Stages are the resolutions from that of the map, in patches, down to a
short side of 4; lists by stage begin with the finest.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.layers import BASE, base_size
from segvae_jax.model.unet import Block, Conv, Dense, NormSilu, from_patches, pool, repeat, to_patches

_PRIOR_LOGVAR = (-8.0, 4.0)
_POSTERIOR_LOGVAR = (-10.0, 4.0)


def stage_widths(image_size: tuple[int, int], widths: tuple[int, ...], patch: int) -> tuple[int, ...]:
    """Channels of each stage; the last width is repeated for coarser stages, and widths beyond 4 px are not used."""
    stages = int(math.log2(min(image_size) // patch // BASE)) + 1
    return (*widths, *(widths[-1:] * stages))[:stages]


class Conditions(nn.Module):
    """Embeds label-set and target class for all networks."""

    features: int

    @nn.compact
    def __call__(self, known: Float[Array, "N _"], target: Float[Array, "N C"]) -> Float[Array, "N E"]:
        """Two dense layers with SiLU; `known` of the map is its label-set, and how it was moved."""
        x = nn.silu(Dense(self.features, name="hidden")(jnp.concatenate([known, target], -1)))
        return nn.silu(Dense(self.features, name="out")(x))


class CanvasEncoder(nn.Module):
    """The context encoder: a feature of the canvas at every stage, and one vector.

    Pixels of the canvas are embedded by a table of classes. The finest stage is this embedding itself.
    """

    num_channels: int
    image_size: tuple[int, int]
    widths: tuple[int, ...]
    patch: int
    features: int

    def setup(self):
        """The table, and the blocks."""
        self.table = self.param("table", nn.initializers.normal(1.0), (self.num_channels, self.pixel_width))
        self.place = Conv(self.pixel_width, size=1)
        self.enter = Conv(self.widths[1] if self.patch == 1 else self.widths[0])
        self.blocks = [Block(width) for width in (self.widths[1:] if self.patch == 1 else self.widths)]
        self.out = Dense(self.features)

    @property
    def pixel_width(self) -> int:
        """Channels of an embedded pixel."""
        return self.widths[0] if self.patch == 1 else max(self.widths[0] // self.patch, 1)

    def blank(self, batch: Any) -> Float[Array, "B H W w"]:
        """The embedding of a canvas without shapes: of the place of each pixel only; `batch` may be symbolic."""
        return jnp.broadcast_to(self.place(coordinates(self.image_size)), (batch, *self.image_size, self.pixel_width))

    def embed_shape(self, shape: Float[Array, "B H W"], channel: Int[Array, ""]) -> Float[Array, "B H W w"]:
        """What a shape adds to the embedding of a canvas."""
        return shape[..., None] * self.table[channel].reshape(1, 1, 1, -1)

    def embed(self, class_maps: Float[Array, "B H W C"], on_canvas: Float[Array, "B M C"]) -> Float[Array, "B M H W w"]:
        """The embeddings of M canvases of each map, which hold the classes that `on_canvas` marks."""
        tables = (on_canvas[..., None] * self.table[None, None]).astype(class_maps.dtype)
        place = self.place(coordinates(self.image_size)).astype(class_maps.dtype)
        return jnp.einsum("bhwc,bmcf->bmhwf", class_maps, tables) + place[:, None]

    def __call__(
        self, canvas: Float[Array, "N H W w"], condition: Float[Array, "N E"]
    ) -> tuple[tuple[Float[Array, "N _ _ _"], ...], Float[Array, "N F"]]:
        """Features by stage, and the context."""
        features = [canvas] if self.patch == 1 else []
        x = self.enter(to_patches(canvas, max(self.patch, 2)))
        for number, block in enumerate(self.blocks):
            x = block(pool(x) if number else x, condition)
            features.append(x)
        return tuple(features), self.out(x.reshape(x.shape[0], -1)).astype(jnp.float32)


class ShapeEncoder(nn.Module):
    """Features of the true shape for the posterior, at the scales that have latents, and one vector."""

    image_size: tuple[int, int]
    widths: tuple[int, ...]  # of these scales
    features: int

    @nn.compact
    def __call__(
        self, shape: Float[Array, "N H W"], condition: Float[Array, "N E"]
    ) -> tuple[tuple[Float[Array, "N _ _ _"], ...], Float[Array, "N D"]]:
        """Features by stage, the finest first."""
        patch = self.image_size[0] // (base_size(self.image_size)[0] << (len(self.widths) - 1))
        x = to_patches(shape[..., None], patch)
        place = coordinates((x.shape[1], x.shape[2])).astype(x.dtype)
        x = jnp.concatenate([x, jnp.broadcast_to(place, (x.shape[0], *place.shape[1:]))], axis=-1)
        x, features = Conv(self.widths[0], name="enter")(x), []
        for number, width in enumerate(self.widths):
            x = Block(width, name=f"block_{number}")(pool(x) if number else x, condition)
            features.append(x)
        return tuple(features), Dense(self.features, name="out")(x.reshape(x.shape[0], -1)).astype(jnp.float32)


class VectorLatent(nn.Module):
    """The Gaussians of the vector latent, from the states of the memories."""

    latent_dim: int
    features: int

    def setup(self):
        """Two dense layers each."""
        self.prior_hidden, self.posterior_hidden = Dense(self.features), Dense(self.features)
        self.prior_out, self.posterior_out = (Dense(2 * self.latent_dim, gain=0.1) for _ in range(2))

    def prior(self, memory: Float[Array, "N D"], condition: Float[Array, "N E"]) -> Gaussian:
        """From the contexts so far."""
        x = nn.silu(self.prior_hidden(jnp.concatenate([memory, condition], -1)))
        return _gaussian(self.prior_out(x), _PRIOR_LOGVAR)

    def posterior(self, memory: Float[Array, "N D"], condition: Float[Array, "N E"]) -> Gaussian:
        """From the contexts and true shapes so far."""
        x = nn.silu(self.posterior_hidden(jnp.concatenate([memory, condition], -1)))
        return _gaussian(self.posterior_out(x), _POSTERIOR_LOGVAR)


class Decoder(nn.Module):
    """The upward half of the U-Net, which samples the latent scale by scale."""

    image_size: tuple[int, int]
    widths: tuple[int, ...]
    latent_channels: tuple[int, ...]
    latent_groups: int
    patch: int
    skips: bool
    subpixel: bool

    @nn.compact
    def __call__(
        self,
        context: Float[Array, "N F"],
        memory: Float[Array, "N D"],
        vector: tuple[Gaussian, Gaussian],
        skips: tuple[Float[Array, "N _ _ _"], ...],
        condition: Float[Array, "N E"],
        eps: Float[Array, "N Z"],
        features: tuple[Float[Array, "N _ _ _"], ...] | None = None,
    ) -> tuple[Float[Array, "N H W"], Gaussian, Gaussian]:
        """Logits of the shapes, flat priors of all scales, and what was sampled from: the posteriors, or the priors.

        Args:
          context: of the canvas encoder.
          memory: state of the prior's memory.
          vector: prior of the vector latent, and what it is sampled from.
          skips: features of the canvas encoder.
          condition: label-set and target.
          eps: standard normal noise, flat.
          features: of the shape encoder; None to sample from the priors.
        """
        dtype, (height, width) = skips[-1].dtype, base_size(self.image_size)
        priors, sampled = [vector[0]], [vector[1]]
        taken = vector[0].mu.shape[-1]
        z = vector[1].sample(eps[:, :taken])
        x = Dense(height * width * self.widths[-1], name="enter")(jnp.concatenate([context, memory, z], -1))
        x = x.astype(dtype).reshape(-1, height, width, self.widths[-1])
        for level, stage in enumerate(reversed(range(len(self.widths)))):
            width = self.widths[stage]
            if level:
                x = self._upsampled(Conv(width * (4 if self.subpixel else 1), size=1, name=f"up_{level}")(x))
            if self.skips:
                x = x + Conv(width, size=1, name=f"skip_{level}")(skips[stage])
            x = Block(width, name=f"block_{level}")(x, condition)
            for name in latent_names(level, self.latent_groups) if level < len(self.latent_channels) else ():
                group = LatentMap(self.latent_channels[level], name=name)
                feature = None if features is None else features[::-1][level]
                size = x.shape[1] * x.shape[2] * self.latent_channels[level]
                x, p, q = group(x, feature, condition, eps[:, taken : taken + size])
                priors.append(p)
                sampled.append(q)
                taken += size
        x = NormSilu(name="norm")(x)
        logits = from_patches(Conv(self.patch**2, name="out")(x).astype(jnp.float32), self.patch)[..., 0]
        return logits, _joined(priors), _joined(sampled)

    def _upsampled(self, x: Float[Array, "N h w I"]) -> Float[Array, "N 2*h 2*w _"]:
        return from_patches(x, 2) if self.subpixel else repeat(x)


class LatentMap(nn.Module):
    """One group of latents of a scale: prior, posterior, and what a sample adds to the decoder's feature."""

    channels: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "N h w c"],
        feature: Float[Array, "N h w d"] | None,
        condition: Float[Array, "N E"],
        eps: Float[Array, "N z"],
    ) -> tuple[Float[Array, "N h w c"], Gaussian, Gaussian]:
        """The feature with the sample, the flat prior, and what was sampled from: the posterior, or the prior."""
        read = NormSilu(name="prior_norm")(x)
        prior = sampled = _gaussian(Conv(2 * self.channels, size=1, gain=0.0, name="prior")(read), _PRIOR_LOGVAR)
        if feature is not None:
            y = x + Conv(x.shape[-1], size=1, name="feature")(feature)
            y = Block(x.shape[-1], name="posterior_block")(y, condition)
            y = NormSilu(name="posterior_norm")(y)
            y = Conv(2 * self.channels, size=1, name="posterior")(y)
            sampled = _gaussian(y, _POSTERIOR_LOGVAR)
        z = sampled.sample(eps).astype(x.dtype).reshape(*x.shape[:3], self.channels)
        x = x + Conv(x.shape[-1], size=1, name="sample")(z)
        return Block(x.shape[-1], name="block")(x, condition), prior, sampled


def latent_names(level: int, groups: int) -> list[str]:
    """Names of the groups of a scale, in the order in which they are sampled; the first has the name of the scale."""
    return [f"latent_{level}", *(f"latent_{level}_{number}" for number in range(1, groups))]


def coordinates(size: tuple[int, int]) -> Float[Array, "1 H W 2"]:
    """Row and column of each pixel in [-1, 1]."""
    rows, columns = (jnp.linspace(-1.0, 1.0, side) for side in size)
    return jnp.stack(jnp.meshgrid(rows, columns, indexing="ij"), axis=-1)[None]


def _gaussian(x: Float[Array, "N *_ P"], bounds: tuple[float, float]) -> Gaussian:
    """A flat Gaussian, whose means are in the first half of the channels."""
    mu, logvar = (half.reshape(x.shape[0], -1) for half in jnp.split(x.astype(jnp.float32), 2, axis=-1))
    return Gaussian(mu, jnp.clip(logvar, *bounds))


def _joined(gaussians: list[Gaussian]) -> Gaussian:
    return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=-1), *gaussians)
