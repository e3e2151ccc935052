"""What training, generation and evaluation ask of a model, and what its training forward gives."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.recurrence import Gaussian
from segvae_jax.streams import stream_key


@flax.struct.dataclass
class VAEOutput:
    """A training forward through a posterior; every field is `[B, ...]`, stacked while in a scan.

    There is one latent for each of the K classes, or a single one for all: L is K or 1.
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
class MapTerms:
    """A training forward of a model without a posterior: its own loss, one term a map."""

    terms: Float[Array, "B 1"]
    present: Float[Array, "B 1"]  # 1 where the label-set has any class


class MapModel(nn.Module):
    """A model of semantic maps. Knows sizes and orders of channels, no class names.

    Besides what is below it has a training forward, `__call__(class_maps, label_set, eps)`, of class maps
    `[B, H, W, C]` in {0, 1}, their label-sets `[B, C]` and standard normal noise `[B, *noise_shape]`, that gives a
    `VAEOutput` or `MapTerms`. All noise comes from outside, so that a sample depends on its own row alone.

    Attributes:
      num_channels: C, with the background as channel 0.
      order: channels of the K classes, in drawing order where there is one.
      image_size: H, W; the short side a power of two from 8.
    """

    num_channels: int
    order: tuple[int, ...]
    image_size: tuple[int, int] = (128, 128)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Of the noise that one example of the training forward takes."""
        raise NotImplementedError

    @property
    def sample_noise_shape(self) -> tuple[int, ...]:
        """Of the noise that one drawn map takes."""
        return self.noise_shape

    @property
    def can_reconstruct(self) -> bool:
        """Whether there is a posterior to reconstruct from."""
        return False

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B ..."],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Class maps in [0, 1] of the label-sets; absent classes and channel 0 are blank.

        Args:
          variables: of the model.
          label_set: in {0, 1}.
          eps: standard normal noise `[B, *sample_noise_shape]`.
          temperature: below 1 more typical maps, above 1 more varied ones.
        """
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
        output: Any = self.apply(variables, class_maps, label_set, eps)
        return self.on_channels(output.shapes)

    @nn.nowrap
    def on_channels(self, shapes: Float[Array, "B K H W"]) -> Float[Array, "B H W C"]:
        """Shapes in drawing order as class maps, channel 0 blank."""
        blank = jnp.zeros((shapes.shape[0], *self.image_size, self.num_channels))
        return blank.at[..., jnp.asarray(self.order)].set(jnp.moveaxis(shapes, 1, -1))


def init_variables(model: MapModel, seed: int) -> Any:
    """Freshly initialised `params` and `spectral` collections."""
    class_maps = jnp.zeros((1, *model.image_size, model.num_channels))
    eps = jnp.zeros((1, *model.noise_shape))
    return model.init(stream_key(seed, "init"), class_maps, jnp.zeros((1, model.num_channels)), eps)
