"""Linear and convolutional layers with or without spectral norm, and the geometry of their levels.

Weights have the meaning of PyTorch's in the layout of Flax: dense `[in, out]`, convolutions `[k, k, in, out]`. They are
float32. A layer computes in the type of its input, except for the statistics of norms.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from segvae_jax.model.convolution import conv, conv_transpose

SPECTRAL = "spectral"  # collection of the power iteration's left singular vectors
CONVOLUTION = "convolution"  # checkpoint name of the outputs that a rematerialising step keeps
_SLOPE = 0.2  # of LeakyReLU below zero
BASE = 4  # pixels of the coarsest map's short side

M = TypeVar("M", bound=nn.Module)
Affine = tuple[Float[Array, "... O"], Float[Array, "O"]]  # kernel and bias


def level_widths(image_size: tuple[int, int], ngf: int) -> tuple[int, ...]:
    """Channels after each halving of the map, down to a short side of 4: ngf x (1, 2, 4, 8, 8, ...).

    Raises:
      ValueError: if a side cannot be halved as often as the short side asks for.
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


@jax.custom_vjp
def instance_norm_leaky_relu(x: Float[Array, "B H W I"]) -> Float[Array, "B H W I"]:
    """Instance norm without parameters (biased variance, eps 1e-5), then leaky ReLU with slope 0.2; in float32.

    Its gradient is written in terms of the output, so that the input need not be kept.
    """
    return _instance_norm_forward(x)[0]


@jax.named_scope("instance_norm")  # for profiles
def _instance_norm_forward(x):
    single = x.astype(jnp.float32)
    mean = single.mean((1, 2), keepdims=True)
    scale = lax.rsqrt(jnp.square(single - mean).mean((1, 2), keepdims=True) + 1e-5)
    y = nn.leaky_relu((single - mean) * scale, _SLOPE).astype(x.dtype)
    return y, (y, scale)


@jax.named_scope("instance_norm")
def _instance_norm_backward(saved, g):
    y, scale = saved[0].astype(jnp.float32), saved[1]
    positive = y >= 0
    normal = jnp.where(positive, y, y / _SLOPE)
    slope = g.astype(jnp.float32) * jnp.where(positive, 1.0, _SLOPE)
    along = (slope * normal).mean((1, 2), keepdims=True)
    dx = scale * (slope - slope.mean((1, 2), keepdims=True) - normal * along)
    return (dx.astype(g.dtype),)


instance_norm_leaky_relu.defvjp(_instance_norm_forward, _instance_norm_backward)


class Weights(nn.Module):
    """Kernel and bias of one linear layer, with or without spectral norm.

    Layers are functions of these arrays, so that a kernel can be used in parts and is still normalised only once.
    """

    shape: tuple[int, ...]  # of the kernel, output features last
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self) -> Affine:
        """The two arrays."""
        kernel = self.param("kernel", nn.initializers.variance_scaling(self.gain**2, "fan_avg", "normal"), self.shape)
        bias = self.param("bias", nn.initializers.zeros, self.shape[-1:])
        if self.spectral_norm:
            kernel = self._normalised(kernel)
        return kernel, bias

    def _normalised(self, kernel: Float[Array, "... O"]) -> Float[Array, "... O"]:
        initial = lambda: _unit(nn.initializers.normal(1.0)(self.make_rng("params"), kernel.shape[-1:]))
        u = self.variable(SPECTRAL, "u", initial)
        kernel, advanced = spectrally_normalised(kernel, u.value)
        if self.is_mutable_collection(SPECTRAL) and not self.is_initializing():
            u.value = advanced
        return kernel


def spectrally_normalised(
    kernel: Float[Array, "... O"], u: Float[Array, "O"]
) -> tuple[Float[Array, "... O"], Float[Array, "O"]]:
    """The kernel divided by its largest singular value sigma, by one power iteration from `u`, and the next `u`.

    The gradient goes through sigma; both singular vectors are held fixed.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u)
    advanced = _unit(v @ fixed)
    return kernel / (v @ matrix @ advanced), advanced


def fold_spectral_norm(model: M, variables: Mapping[str, Any]) -> tuple[M, dict[str, Any]]:
    """The same function without spectral norm: each normalised kernel is divided by its largest singular value once.

    Args:
      model: a module with the attribute `spectral_norm`, if `variables` has a `spectral` collection.
      variables: its `params` and, with spectral norm, `spectral` collections.

    Returns:
      the model without spectral norm, and its `params`.
    """
    if not variables.get(SPECTRAL):
        return model, {"params": variables["params"]}

    def fold(params, spectral):
        if "u" in spectral:
            return {**params, "kernel": spectrally_normalised(params["kernel"], spectral["u"])[0]}
        return {name: fold(tree, spectral[name]) if name in spectral else tree for name, tree in params.items()}

    return model.clone(spectral_norm=False), {"params": fold(variables["params"], variables[SPECTRAL])}


def _unit(vector: Float[Array, "N"]) -> Float[Array, "N"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-8)


def dense(x: Float[Array, "*b I"], weights: Affine) -> Float[Array, "*b O"]:
    """Affine map of the last axis."""
    kernel, bias = weights
    return x @ kernel + bias.reshape((1,) * (x.ndim - 1) + (-1,))


def strided_conv(x: Float[Array, "B H W I"], kernel: Float[Array, "3 3 I O"]) -> Float[Array, "B H/2 W/2 O"]:
    """Convolution with kernel 3, stride 2 and padding 1, without bias."""
    return checkpoint_name(conv(x, kernel.astype(x.dtype), stride=2, padding=1), CONVOLUTION)


def downsample(x: Float[Array, "B H W I"], weights: Affine) -> Float[Array, "B H/2 W/2 O"]:
    """One level down: strided convolution, instance norm, leaky ReLU."""
    kernel, bias = weights
    return instance_norm_leaky_relu(strided_conv(x, kernel) + bias.astype(x.dtype).reshape(1, 1, 1, -1))


def strided_conv_transpose(x: Float[Array, "B h w I"], weights: Affine) -> Float[Array, "B 2*h 2*w O"]:
    """Transposed convolution with kernel 3, stride 2, padding 1 and output padding 1: one level up, before any norm."""
    kernel, bias = weights
    y = checkpoint_name(conv_transpose(x, kernel.astype(x.dtype), 2, 1, output_padding=1), CONVOLUTION)
    return y + bias.astype(x.dtype).reshape(1, 1, 1, -1)


def map_to_vector(x: Float[Array, "B h w I"], weights: Affine) -> Float[Array, "B O"]:
    """Convolution whose kernel is as large as the map: one float32 vector per sample."""
    kernel, bias = weights
    product = jnp.einsum("bhwi,hwio->bo", x, kernel.astype(x.dtype), preferred_element_type=jnp.float32)
    return product + bias[None]


def vector_to_map(x: Float[Array, "B I"], weights: Affine) -> Float[Array, "B h w O"]:
    """Transposed convolution of a single pixel: one small map per vector."""
    kernel, bias = weights
    return jnp.einsum("bi,hwio->bhwo", x, kernel.astype(x.dtype)) + bias.astype(x.dtype).reshape(1, 1, 1, -1)
