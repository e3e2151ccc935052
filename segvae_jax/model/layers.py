"""Linear layers, spectrally normalised or not, levels down and up, and the geometry that they share.

Weights keep PyTorch's meaning in Flax's layout: dense `[in, out]`, convolutions `[k, k, in, out]`. They are
float32; a layer computes in the type of its input, but for statistics.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from segvae_jax.model.convolution import conv, conv_transpose

SPECTRAL = "spectral"  # collection of the power iteration's left singular vectors
CONVOLUTION = "convolution"  # name of what a rematerialising step keeps
_SLOPE = 0.2  # of LeakyReLU below zero
BASE = 4  # pixels of the coarsest map's short side

Affine = tuple[Float[Array, "... O"], Float[Array, "O"]]  # kernel and bias


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


@jax.custom_vjp
def normalise(x: Float[Array, "B H W I"]) -> Float[Array, "B H W I"]:
    """Normalises each sample's channels over space (biased variance, eps 1e-5), then LeakyReLU(0.2); in float32.

    Its gradient is written out, in terms of the output: the input need not be kept for it.
    """
    return _normalise_forward(x)[0]


def _normalise_forward(x):
    single = x.astype(jnp.float32)
    mean = single.mean((1, 2), keepdims=True)
    scale = lax.rsqrt(jnp.square(single - mean).mean((1, 2), keepdims=True) + 1e-5)
    y = nn.leaky_relu((single - mean) * scale, _SLOPE).astype(x.dtype)
    return y, (y, scale)


def _normalise_backward(saved, g):
    y, scale = saved[0].astype(jnp.float32), saved[1]
    positive = y >= 0
    normal = jnp.where(positive, y, y / _SLOPE)
    slope = g.astype(jnp.float32) * jnp.where(positive, 1.0, _SLOPE)
    along = (slope * normal).mean((1, 2), keepdims=True)
    dx = scale * (slope - slope.mean((1, 2), keepdims=True) - normal * along)
    return (dx.astype(g.dtype),)


normalise.defvjp(_normalise_forward, _normalise_backward)


class Weights(nn.Module):
    """Kernel and bias of one linear layer, the kernel spectrally normalised or not.

    Layers are functions of these, so that a kernel can be used in parts and is still normalised once.
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
    """The kernel over its largest singular value, by one power iteration from `u`, and the next `u`.

    The gradient goes through sigma with both singular vectors held fixed.
    """
    matrix = kernel.reshape(-1, kernel.shape[-1])
    fixed = lax.stop_gradient(matrix)
    v = _unit(fixed @ u)
    advanced = _unit(v @ fixed)
    return kernel / (v @ matrix @ advanced), advanced


def _unit(vector: Float[Array, "N"]) -> Float[Array, "N"]:
    return vector / jnp.maximum(jnp.linalg.norm(vector), 1e-8)


def dense(x: Float[Array, "*b I"], weights: Affine) -> Float[Array, "*b O"]:
    """Affine map of the last axis."""
    kernel, bias = weights
    return x @ kernel + bias.reshape((1,) * (x.ndim - 1) + (-1,))


def halve(x: Float[Array, "B H W I"], kernel: Float[Array, "3 3 I O"]) -> Float[Array, "B H/2 W/2 O"]:
    """Convolution k3 s2 p1, linear in its input channels."""
    return checkpoint_name(conv(x, kernel.astype(x.dtype), stride=2, padding=1), CONVOLUTION)


def down(x: Float[Array, "B H W I"], weights: Affine) -> Float[Array, "B H/2 W/2 O"]:
    """One level down: convolution, InstanceNorm, LeakyReLU."""
    kernel, bias = weights
    return normalise(halve(x, kernel) + bias.astype(x.dtype).reshape(1, 1, 1, -1))


def double(x: Float[Array, "B h w I"], weights: Affine) -> Float[Array, "B 2*h 2*w O"]:
    """Transposed convolution k3 s2 p1 with output padding 1: one level up, before any norm."""
    kernel, bias = weights
    y = checkpoint_name(conv_transpose(x, kernel.astype(x.dtype), 2, 1, output_padding=1), CONVOLUTION)
    return y + bias.astype(x.dtype).reshape(1, 1, 1, -1)


def flatten(x: Float[Array, "B h w I"], weights: Affine) -> Float[Array, "B O"]:
    """Convolution without padding whose kernel is as large as the map: one float32 vector a sample."""
    kernel, bias = weights
    product = jnp.einsum("bhwi,hwio->bo", x, kernel.astype(x.dtype), preferred_element_type=jnp.float32)
    return product + bias[None]


def unflatten(x: Float[Array, "B I"], weights: Affine) -> Float[Array, "B h w O"]:
    """Transposed convolution of a single pixel: one small map a vector."""
    kernel, bias = weights
    return jnp.einsum("bi,hwio->bhwo", x, kernel.astype(x.dtype)) + bias.astype(x.dtype).reshape(1, 1, 1, -1)
