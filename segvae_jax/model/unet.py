"""Layers of the hierarchical model: convolutions, conditional residual blocks, and changes of resolution."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

from segvae_jax.model.convolution import conv
from segvae_jax.model.layers import CONVOLUTION, Weights, dense

_GROUPS = 8
_EPSILON = 1e-6


class Dense(nn.Module):
    """Affine map of the last axis; kernels start with a variance of `gain**2 / fan_avg`."""

    features: int
    gain: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "*b I"]) -> Float[Array, "*b O"]:
        """Computes in the type of the input."""
        kernel, bias = Weights((x.shape[-1], self.features), gain=self.gain, name="weights")()
        return dense(x, (kernel.astype(x.dtype), bias.astype(x.dtype)))


class Conv(nn.Module):
    """Convolution with stride 1 that keeps the size; `size` is 3 or 1."""

    features: int
    size: int = 3
    gain: float = 1.0
    spectral_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "N h w I"]) -> Float[Array, "N h w O"]:
        """Computes in the type of the input."""
        shape = self.size, self.size, x.shape[-1], self.features
        kernel, bias = Weights(shape, self.spectral_norm, self.gain, name="weights")()
        if self.size == 1:
            return checkpoint_name(dense(x, (kernel[0, 0].astype(x.dtype), bias.astype(x.dtype))), CONVOLUTION)
        y = checkpoint_name(conv(x, kernel.astype(x.dtype), stride=1, padding=self.size // 2), CONVOLUTION)
        return y + bias.astype(x.dtype).reshape(1, 1, 1, -1)


@jax.custom_vjp
def norm_silu(
    x: Float[Array, "N h w I"], scale: Float[Array, "n I"], shift: Float[Array, "n I"]
) -> Float[Array, "N h w I"]:
    """Group norm, scale and shift of each channel, SiLU; statistics in float32.

    Its gradient is written by hand: it reads the input twice, and nothing else is kept.

    Args:
      x: the input; up to 8 groups of channels, the largest number that divides them, have zero mean and unit variance
        over all pixels (biased variance, eps 1e-6).
      scale, shift: for each row, or for all (n = 1).
    """
    return _norm_silu_forward(x, scale, shift)[0]


def group_normal(x: Float[Array, "N h w I"]) -> Float[Array, "N h w I"]:
    """Group norm without scale and shift, of the groups of `norm_silu`."""
    mean, inverse = _statistics(x)
    return ((x.astype(jnp.float32) - _pixels(mean)) * _pixels(inverse)).astype(x.dtype)


def _statistics(x: Float[Array, "N h w I"]) -> tuple[Float[Array, "N I"], Float[Array, "N I"]]:
    """Mean and inverse standard deviation of the group of each channel."""
    single = x.astype(jnp.float32)
    mean = _over_group(single.mean((1, 2)))
    variance = _over_group(jnp.square(single).mean((1, 2))) - jnp.square(mean)
    return mean, lax.rsqrt(jnp.maximum(variance, 0.0) + _EPSILON)


def _over_group(x: Float[Array, "N I"]) -> Float[Array, "N I"]:
    """The mean of each group of channels, in each of its channels.

    As a product with a matrix: XLA would compute a mean of so few numbers anew at every pixel.
    """
    channels = x.shape[-1]
    groups = next(count for count in range(_GROUPS, 0, -1) if channels % count == 0)
    size = channels // groups
    return x @ jnp.asarray(np.kron(np.eye(groups), np.full((size, size), 1 / size)), x.dtype)


def _pixels(vector: Float[Array, "n I"]) -> Float[Array, "n 1 1 I"]:
    return vector.astype(jnp.float32)[:, None, None]


def _norm_silu_forward(x, scale, shift):
    statistics = _statistics(x)
    _, u = _normalised(x, statistics, scale, shift)
    return nn.silu(u).astype(x.dtype), (x, statistics, scale, shift)


def _normalised(x, statistics, scale, shift):
    """The centred input, and the input of SiLU."""
    mean, inverse = statistics
    centred = x.astype(jnp.float32) - _pixels(mean)
    return centred, centred * _pixels(inverse * scale) + _pixels(shift)


def _norm_silu_backward(saved, g):
    x, statistics, scale, shift = saved
    inverse = statistics[1]
    centred, u = _normalised(x, statistics, scale, shift)
    sigmoid = nn.sigmoid(u)
    du = g.astype(jnp.float32) * sigmoid * (1 + u * (1 - sigmoid))
    by_shift, by_scale = du.sum((1, 2)), (du * centred).sum((1, 2)) * inverse
    count = x.shape[1] * x.shape[2]
    offset, slope = (_over_group(scale * total) / count for total in (by_shift, by_scale))
    dx = du * _pixels(inverse * scale) - _pixels(inverse * offset) - centred * _pixels(jnp.square(inverse) * slope)
    like = lambda total, vector: total.sum(0, keepdims=True) if vector.shape[0] == 1 else total
    return dx.astype(x.dtype), like(by_scale, scale).astype(scale.dtype), like(by_shift, shift).astype(shift.dtype)


norm_silu.defvjp(_norm_silu_forward, _norm_silu_backward)


class Block(nn.Module):
    """Residual block of two convolutions; the second norm is scaled and shifted by a condition.

    The second convolution starts at zero, so that the block starts as its shortcut.
    """

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "N h w I"], condition: Float[Array, "N E"]) -> Float[Array, "N h w O"]:
        """One block; the shortcut is a 1 x 1 convolution where the number of channels changes."""
        y = Conv(self.features, name="conv_0")(NormSilu(name="norm")(x))
        scale, shift = jnp.split(Dense(2 * self.features, name="modulation")(condition), 2, axis=-1)
        y = Conv(self.features, gain=0.0, name="conv_1")(norm_silu(y, 1 + scale, shift))
        return y + (x if x.shape[-1] == self.features else Conv(self.features, size=1, name="shortcut")(x))


class NormSilu(nn.Module):
    """`norm_silu` with a learned scale and shift of each channel."""

    @nn.compact
    def __call__(self, x: Float[Array, "N h w I"]) -> Float[Array, "N h w I"]:
        """Starts with scale one and shift zero."""
        weight = lambda name, start: self.param(name, start, x.shape[-1:])[None]
        return norm_silu(x, weight("scale", nn.initializers.ones), weight("shift", nn.initializers.zeros))


def pool(x: Float[Array, "N h w I"]) -> Float[Array, "N h//2 w//2 I"]:
    """Averages 2 x 2 pixels."""
    count, height, width, features = x.shape
    return x.reshape(count, height // 2, 2, width // 2, 2, features).mean((2, 4))


def repeat(x: Float[Array, "N h w I"]) -> Float[Array, "N 2*h 2*w I"]:
    """Repeats each pixel in 2 x 2 pixels."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


def to_patches(x: Float[Array, "N H W I"], side: int) -> Float[Array, "N H//{side} W//{side} {side}*{side}*I"]:
    """Patches of side x side pixels as channels."""
    count, height, width, features = x.shape
    split = x.reshape(count, height // side, side, width // side, side, features)
    return jnp.moveaxis(split, 2, 3).reshape(count, height // side, width // side, -1)


def from_patches(x: Float[Array, "N h w P"], side: int) -> Float[Array, "N h*{side} w*{side} P//{side}**2"]:
    """The inverse of `to_patches`."""
    count, height, width, features = x.shape
    split = x.reshape(count, height, width, side, side, features // side**2)
    return jnp.moveaxis(split, 3, 2).reshape(count, height * side, width * side, -1)
