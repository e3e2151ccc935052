"""Spectrally normalised linear layers, down and up levels, and the geometry that they share.

Weights keep PyTorch's meaning in Flax's layout: dense `[in, out]`, convolutions `[k, k, in, out]`.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from segvae_jax.model.convolution import conv, conv_transpose

SPECTRAL = "spectral"  # collection of the power iteration's left singular vectors
BASE = 4  # pixels of the coarsest map's short side
_EPSILON = 1e-8


def level_widths(image_size: tuple[int, int], ngf: int) -> tuple[int, ...]:
    """Channels after each halving of the map, down to a short side of 4: ngf x (1, 2, 4, 8, 8, ...).

    Raises:
      ValueError: if a side is no multiple of the halvings that the short side asks for.
    """
    levels = int(math.log2(min(image_size) / BASE)) if min(image_size) >= 2 * BASE else 0
    if not levels or any(side % 2**levels for side in image_size) or min(image_size) != BASE * 2**levels:
        raise ValueError(
            f"image size {image_size[0]} x {image_size[1]}: expected a short side of 8, 16, 32, 64, 128, 256, ..."
            " and a long side that is a multiple of a quarter of it"
        )
    return tuple(ngf * min(2**level, 8) for level in range(levels))


def base_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the coarsest map: 4 on the short side."""
    scale = min(image_size) // BASE
    return image_size[0] // scale, image_size[1] // scale


def initialiser(gain: float) -> nn.initializers.Initializer:
    """Xavier normal with the given gain."""
    return nn.initializers.variance_scaling(gain**2, "fan_avg", "normal")


def instance_norm_leaky_relu(x: Float[Array, "B H W I"]) -> Float[Array, "B H W I"]:
    """Normalises each sample's channels over space (biased variance, eps 1e-5), then LeakyReLU(0.2)."""
    mean = x.mean((1, 2), keepdims=True)
    variance = jnp.square(x - mean).mean((1, 2), keepdims=True)
    return nn.leaky_relu((x - mean) * lax.rsqrt(variance + 1e-5), 0.2)


def _unit(vector: Float[Array, " n"]) -> Float[Array, " n"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), _EPSILON)


def spectrally_normalised(module: nn.Module, kernel: Float[Array, "... O"]) -> Float[Array, "... O"]:
    """The kernel over its largest singular value, from one power iteration on the stored vector.

    The vector is advanced where the collection is mutable (once a training step). The gradient goes
    through sigma with both singular vectors held fixed.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    u = module.variable(
        SPECTRAL, "u", lambda: _unit(nn.initializers.normal(1.0)(module.make_rng("params"), matrix.shape[1:]))
    )
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u.value)
    advanced = _unit(v @ fixed)
    if module.is_mutable_collection(SPECTRAL) and not module.is_initializing():
        u.value = advanced
    return kernel / (v @ matrix @ advanced)


class Dense(nn.Module):
    """Affine map of the last axis, its kernel spectrally normalised or not."""

    features: int
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self, x: Float[Array, "... I"]) -> Float[Array, "... O"]:
        """`x @ kernel + bias`."""
        kernel = self.param("kernel", initialiser(self.gain), (x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.spectral_norm:
            kernel = spectrally_normalised(self, kernel)
        return x @ kernel + jnp.broadcast_to(bias, x.shape[:-1] + bias.shape)


class Down(nn.Module):
    """Convolution k3 s2 p1, InstanceNorm, LeakyReLU: halves the map."""

    features: int
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B H/2 W/2 O"]:
        """One level down."""
        kernel = self.param("kernel", initialiser(self.gain), (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.spectral_norm:
            kernel = spectrally_normalised(self, kernel)
        return instance_norm_leaky_relu(conv(x, kernel, stride=2, padding=1) + bias.reshape(1, 1, 1, -1))


class Flatten(nn.Module):
    """Convolution without padding whose kernel is as large as the map: one vector a sample."""

    features: int
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"]) -> Float[Array, "B O"]:
        """Contracts space and channels."""
        kernel = self.param("kernel", initialiser(self.gain), (*x.shape[1:], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        if self.spectral_norm:
            kernel = spectrally_normalised(self, kernel)
        return jnp.einsum("bhwi,hwio->bo", x, kernel) + bias[None]


class Unflatten(nn.Module):
    """Transposed convolution of a single pixel: one small map a vector."""

    size: tuple[int, int]
    features: int
    gain: float = 0.02

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B h w O"]:
        """Spreads a vector over the coarsest map; one bias a channel, no norm, no activation."""
        kernel = self.param("kernel", initialiser(self.gain), (*self.size, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return jnp.einsum("bi,hwio->bhwo", x, kernel) + bias.reshape(1, 1, 1, -1)


class Up(nn.Module):
    """Transposed convolution k3 s2 p1 with output padding 1: doubles the map."""

    features: int
    gain: float = 0.02

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"]) -> Float[Array, "B 2h 2w O"]:
        """One level up, before any norm."""
        kernel = self.param("kernel", initialiser(self.gain), (3, 3, x.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return conv_transpose(x, kernel, stride=2, padding=1, output_padding=1) + bias.reshape(1, 1, 1, -1)
