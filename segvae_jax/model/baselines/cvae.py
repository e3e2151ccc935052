"""C-VAE_global: generates all classes at once from a single latent.

C-VAE_sep, which generates each class by itself, is `SegVAE` without canvas, recurrence and learned prior.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from segvae_jax.model.decoder import Decoder
from segvae_jax.model.encoders import ContextEncoder
from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.protocol import PosteriorModel, VAEOutput
from segvae_jax.model.recurrence import Heads


class GlobalVAE(PosteriorModel):
    """A conditional VAE of whole maps, with the convolution blocks of SegVAE.

    Attributes: as in `SegVAE`.
    """

    ngf: int = 64
    context_dim: int = 512
    hidden_dim: int = 256
    latent_dim: int = 384
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"

    def setup(self):
        """The context encoder of SegVAE, on a canvas of all classes, and a decoder of K shapes."""
        size, ngf, norm, gain = self.image_size, self.ngf, self.spectral_norm, self.gain
        widths = self.context_dim, self.hidden_dim
        self.encoder = ContextEncoder(self.num_channels, size, ngf, *widths, norm, gain, self.dtype)
        self.heads = Heads(self.latent_dim, norm, gain)
        self.decoder = Decoder(size, ngf, gain, self.dtype, len(self.order))

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One latent."""
        return 1, self.latent_dim

    def __call__(
        self, class_maps: Float[Array, "B H W C"], label_set: Float[Array, "B C"], eps: Float[Array, "B 1 Z"]
    ) -> VAEOutput:
        """Training forward pass: every class from the posterior of the whole map."""
        everything, nothing = jnp.ones((1, self.num_channels)), jnp.zeros((1, self.num_channels))
        no_target = jnp.zeros((class_maps.shape[0], 1))
        posterior = self.heads(self.encoder(class_maps, everything, label_set, nothing, no_target))
        zeros = jnp.zeros_like(posterior.mu)
        logits = self.decode(label_set, posterior.sample(eps))
        return VAEOutput(Gaussian(zeros, zeros), posterior, logits, label_set[:, np.asarray(self.order)])

    def decode(self, label_set: Float[Array, "B C"], z: Float[Array, "B 1 Z"]) -> Float[Array, "B K H W"]:
        """Logits of the shapes."""
        return jnp.moveaxis(self.decoder(label_set, z[:, 0]), -1, 1)

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B 1 Z"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Soft class maps from the standard normal prior."""
        logits: Any = self.apply(variables, label_set, eps * temperature, method="decode")
        return self.on_channels(nn.sigmoid(logits)) * label_set[:, None, None]
