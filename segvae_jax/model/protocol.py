"""What training, generation and evaluation ask of a model, and what a model returns.

A new model is one file with a subclass of `MapModel`, one line in `registry`, and a configuration.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.gaussian import Gaussian, kl_by_scale, kl_divergence
from segvae_jax.model.layers import level_widths
from segvae_jax.model.losses import RECONSTRUCTION, LossTerms
from segvae_jax.streams import Seed, stream_key

# Numbers that tell how a map was moved: angle, scale, rows and columns, from -1 to 1, 0 for not at all; 1 if flipped.
NUM_MOVES = 5

# One number, or one for each component of the latent.
Temperature = float | Float[Array, ""] | Float[Array, "Z"]


@flax.struct.dataclass
class VAEOutput:
    """Output of a training forward pass through a posterior; every field is `[B, ...]`.

    There is one latent per class (L = K), or a single one for the whole map (L = 1).
    """

    prior: Gaussian  # mu, logvar [B, L, Z]
    posterior: Gaussian  # mu, logvar [B, L, Z]
    logits: Float[Array, "*b K H W"]  # of the shape decoded from the posterior
    present: Float[Array, "*b K"]  # 1 where the label-set has the class

    @property
    def shapes(self) -> Float[Array, "*b K H W"]:
        """Shapes in (0, 1), blank where the class is absent."""
        return nn.sigmoid(self.logits) * self.present[..., None, None]


@flax.struct.dataclass
class StepOutput(VAEOutput):
    """Output of the training forward pass of a model that steps through the classes; steps are in drawing order."""

    context: Float[Array, "*b K F"]


@flax.struct.dataclass
class GivenShapes:
    """Shapes that generation takes over instead of sampling them; pixels outside of the mask are sampled."""

    shapes: Float[Array, "*b H W"]  # in drawing order
    mask: Float[Array, "*b H W"]  # 1 where the shape is given, 0 where it is to be sampled

    def completed(self, sampled: Float[Array, "*b H W"]) -> Float[Array, "*b H W"]:
        """The given pixels, and those of sampled shapes elsewhere."""
        return jnp.where(self.mask > 0, self.shapes, sampled)


@flax.struct.dataclass
class Generated:
    """The result of generation, with or without given shapes; `context` and `prior` are for tests and comparisons."""

    class_maps: Float[Array, "B H W C"]  # soft, channel 0 blank
    sampled: Float[Array, "B K H W"]  # what the decoder returned in the steps that sample, given shapes or not
    context: Float[Array, "B K F"]
    prior: Gaussian  # mu, logvar [B, K, Z]


class MapModel(nn.Module):
    """A model of semantic maps. It knows sizes and orders of channels, but no class names.

    A subclass defines the training forward pass `__call__(class_maps, label_set, eps)`, of class maps `[B, H, W, C]`
    in {0, 1}, their label-sets `[B, C]` and standard normal noise `[B, *noise_shape]`. It returns whatever `loss_terms`
    takes: here the loss of each map, `[B, 1]`. All noise comes from outside, so that a sample depends on its own row
    alone.

    Attributes:
      num_channels: C, with the background as channel 0.
      order: channels of the K classes, in drawing order where there is one.
      image_size: H, W; the short side is a power of two, at least 8.
      stack: channels of the K classes from the bottom to the top of a painted map, accessories on top of all others
        (`LabelSpace.stack`); for models of painted maps.

    Class attributes, which a subclass overrides:
      can_reconstruct: whether there is a posterior to reconstruct from.
      can_infer: whether there is a posterior for each class.
      can_edit: whether it samples some classes among given ones, by `sample_among`.
      can_pack: whether its training forward pass takes a `packing.Budget`, as `budget`.
      can_reorder: whether its training forward pass takes another drawing order, as `order`.
      can_choose_steps: whether its training forward pass takes the numbers of the steps to compute, as `steps`.
      can_transfer: whether it can begin with the weights of a model of other classes, by `transfer.transferred`.
      augment_labels: whether its training forward pass takes how each map was moved, as `moves`.
    """

    num_channels: int
    order: tuple[int, ...]
    image_size: tuple[int, int] = (128, 128)
    stack: tuple[int, ...] = dataclasses.field(default=(), kw_only=True)

    can_reconstruct = False
    can_infer = False
    can_edit = False
    can_pack = False
    can_reorder = False
    can_choose_steps = False
    can_transfer = False
    augment_labels = False

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one example of the training forward pass takes."""
        raise NotImplementedError

    @nn.nowrap
    def require_valid_sizes(self) -> None:
        """Makes sure that the networks fit the image size.

        Raises:
          ValueError: naming what does not fit, and what was expected.
        """
        level_widths(self.image_size, 1)

    @property
    def latent_scales(self) -> dict[str, int]:
        """Size of the latent at each scale, in the order in which a latent holds them; empty if it has one scale."""
        return {}

    @property
    def sample_noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise that one sample takes."""
        return self.noise_shape

    @nn.nowrap
    def loss_terms(self, output: Any, shapes: Float[Array, "B K H W"], reconstruction: str) -> LossTerms:
        """Loss terms of each example.

        Args:
          output: of the training forward pass.
          shapes: the true shapes, in drawing order.
          reconstruction: a key of `losses.RECONSTRUCTION`; a model with a loss of its own ignores it.
        """
        del shapes, reconstruction
        return LossTerms(jnp.zeros_like(output), output)

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B ..."],
        temperature: Temperature = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Class maps in [0, 1] of the label-sets; absent classes and channel 0 are blank.

        Args:
          variables: of the model.
          label_set: in {0, 1}.
          eps: standard normal noise `[B, *sample_noise_shape]`.
          temperature: below 1 for more typical maps, above 1 for more varied ones.
        """
        return self.sample_among(variables, label_set, eps, temperature, None).class_maps

    @nn.nowrap
    def sample_among(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        temperature: Temperature,
        given: GivenShapes | None,
    ) -> Generated:
        """`sample` that takes over given shapes, where there are any; to be called where `can_edit`."""
        raise NotImplementedError

    @nn.nowrap
    def reconstruct(
        self,
        variables: Any,
        class_maps: Float[Array, "B H W C"],
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B ..."],
    ) -> Float[Array, "B H W C"]:
        """Soft class maps decoded from the posterior, channel 0 blank; to be called where `can_reconstruct`."""
        raise NotImplementedError

    @nn.nowrap
    def on_channels(self, shapes: Float[Array, "B K H W"]) -> Float[Array, "B H W C"]:
        """Shapes in drawing order as class maps, channel 0 blank."""
        blank = jnp.zeros((shapes.shape[0], *self.image_size, self.num_channels))
        return blank.at[..., jnp.asarray(self.order)].set(jnp.moveaxis(shapes, 1, -1))


class PosteriorModel(MapModel):
    """A variational autoencoder: its training forward pass returns a `VAEOutput`."""

    can_reconstruct = True

    @nn.nowrap
    def loss_terms(self, output: VAEOutput, shapes: Float[Array, "B K H W"], reconstruction: str) -> LossTerms:
        """KL divergence of each latent, with its part of each scale, and reconstruction loss of each shape."""
        kl = kl_divergence(output.posterior, output.prior)
        parts = kl_by_scale(output.posterior, output.prior, self.latent_scales)
        return LossTerms(kl, RECONSTRUCTION[reconstruction](output.logits, shapes), parts)

    @nn.nowrap
    def reconstruct(
        self,
        variables: Any,
        class_maps: Float[Array, "B H W C"],
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B ..."],
    ) -> Float[Array, "B H W C"]:
        """Decodes the posterior; see `MapModel`."""
        output: Any = self.apply(variables, class_maps, label_set, eps)
        return self.on_channels(output.shapes)


def init_variables(model: MapModel, seed: Seed) -> Any:
    """Freshly initialised `params` and `spectral` collections."""
    class_maps = jnp.zeros((1, *model.image_size, model.num_channels))
    eps = jnp.zeros((1, *model.noise_shape))
    return model.init(stream_key(seed, "init"), class_maps, jnp.zeros((1, model.num_channels)), eps)
