"""Strided and transposed convolutions, with gradients in the forms that are fast on each backend.

XLA's CPU backend takes about 13 times longer than necessary for the gradient of `lax.conv_transpose`, and 6 to 33 times
longer for any convolution inside a loop, because it rewrites only some dimension orders to its fast kernel. The
gradients here are written in these orders. On a GPU, XLA calls the fast kernels of cuDNN for convolutions and their two
gradients, but not for a convolution of a dilated input: a transposed convolution is written as the gradient that it is.
Convolutions of few channels are slow on both.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_NHWC = ("NHWC", "HWIO", "NHWC")
_WIDE = 128  # channels from which on kernel gradients are matrix products
_PORTION = {1: 20, 2: 8}  # images whose kernel gradients are summed at once, by stride: they fit into the caches
_NARROW = 8  # channels up to which neighbours in a row become channels ...
_NEIGHBOURS = 4  # ... so many of them


def conv(
    x: Float[Array, "B H W I"], kernel: Float[Array, "k k I O"], stride: int, padding: int
) -> Float[Array, "B h w O"]:
    """Convolution with symmetric zero padding."""
    function = _conv if jax.default_backend() == "cpu" else _fast_conv
    return function(x, kernel, stride, padding)


def conv_transpose(
    x: Float[Array, "B h w I"],
    kernel: Float[Array, "k k I O"],
    stride: int,
    padding: int,
    output_padding: int,
) -> Float[Array, "B H W O"]:
    """Transposed convolution of PyTorch's geometry: `H = (h - 1) stride - 2 padding + k + output_padding`.

    The kernel slides unflipped over the dilated input, as in `lax.conv_transpose`.
    """
    function = _conv_transpose if jax.default_backend() == "cpu" else _conv_transpose_as_gradient
    return function(x, kernel, stride, padding, output_padding)


def _general(x, kernel, stride, pads, input_dilation=1, kernel_dilation=1):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), pads, (input_dilation,) * 2, (kernel_dilation,) * 2, _NHWC
    )


def _native_conv(x, kernel, stride, padding):
    return _general(x, kernel, stride, [(padding, padding)] * 2)


def _native_conv_transpose(x, kernel, stride, padding, output_padding):
    before = kernel.shape[0] - 1 - padding
    return _general(x, kernel, 1, [(before, before + output_padding)] * 2, input_dilation=stride)


def _fast_conv(x, kernel, stride, padding):
    narrow = kernel.shape[0] == 3 and max(kernel.shape[2:]) <= _NARROW and x.shape[2] % _NEIGHBOURS == 0
    if narrow and (stride, padding) == (1, 1):
        return _conv_of_neighbours(x, kernel)
    return _native_conv(x, kernel, stride, padding)


def _conv_of_neighbours(x: Float[Array, "B H W I"], kernel: Float[Array, "3 3 I O"]) -> Float[Array, "B H W O"]:
    """The same convolution on few pixels with many channels: each is a group of neighbours in a row.

    A group reads itself and one pixel at either side, so the kernel has the size 3 x 1, and repeats `kernel` for each
    pixel. This doubles the arithmetic, which wide convolutions do five times faster.
    """
    batch, height, width, inputs = x.shape
    groups = x.reshape(batch, height, width // _NEIGHBOURS, _NEIGHBOURS * inputs)
    beside = lambda side, columns: jnp.pad(columns, ((0, 0), (0, 0), side, (0, 0)))
    left, right = beside((1, 0), groups[:, :, :-1, -inputs:]), beside((0, 1), groups[:, :, 1:, :inputs])
    shifted = [jnp.pad(kernel, ((0, 0), (i, _NEIGHBOURS - 1 - i), (0, 0), (0, 0))) for i in range(_NEIGHBOURS)]
    wide = jnp.stack(shifted, axis=3).reshape(3, 1, (_NEIGHBOURS + 2) * inputs, -1)
    y = _general(jnp.concatenate([left, groups, right], axis=-1), wide, 1, [(1, 1), (0, 0)])
    return y.reshape(batch, height, width, -1)


def _transposed(x, kernel, stride, padding, output_padding):
    """The gradient of a convolution by its input, in the direction `x`."""
    height, width = ((n - 1) * stride - 2 * padding + kernel.shape[0] + output_padding for n in x.shape[1:3])
    images = jax.ShapeDtypeStruct((x.shape[0], height, width, kernel.shape[3]), x.dtype)
    gradient = jax.linear_transpose(lambda images: _native_conv(images, _swapped(kernel), stride, padding), images)
    return gradient(x)[0]


_conv = jax.custom_vjp(_fast_conv, nondiff_argnums=(2, 3))
_conv_transpose = jax.custom_vjp(_native_conv_transpose, nondiff_argnums=(2, 3, 4))
_conv_transpose_as_gradient = jax.custom_vjp(_transposed, nondiff_argnums=(2, 3, 4))


def _swapped(kernel: Float[Array, "k k I O"]) -> Float[Array, "k k O I"]:
    return jnp.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))


def _kernel_gradient(x, g, stride, padding, k) -> Float[Array, "k k I O"]:
    """Correlates the input with the gradient of the output.

    Few channels: a convolution that contracts the batch, a few images at a time. Many channels: matrix products, which
    are then faster.
    """
    ends = [(o - 1) * stride + k - n - padding for n, o in zip(x.shape[1:3], g.shape[1:3], strict=True)]
    pads = [(padding, end) for end in ends]
    if x.shape[-1] >= _WIDE:
        return _kernel_gradient_by_products(x, g, stride, pads, k)
    x, g = (_in_portions(images, _PORTION.get(stride, 8)) for images in (x, g))

    def add(i: Array, total: Array) -> Array:
        images, gradients = jnp.transpose(x[:, i], (3, 1, 2, 0)), jnp.transpose(g[:, i], (1, 2, 0, 3))
        return total + _general(images, gradients, 1, pads, kernel_dilation=stride)

    total = jnp.zeros((x.shape[-1], k, k, g.shape[-1]), x.dtype)
    return jnp.transpose(lax.fori_loop(0, x.shape[1], add, total), (1, 2, 0, 3))


def _in_portions(images: Float[Array, "B H W C"], size: int) -> Float[Array, "{size} N H W C"]:
    """The images in portions, padded with blank ones; axis 1 counts portions, so that axis 0 can be split."""
    count = -(-images.shape[0] // size)
    images = jnp.pad(images, ((0, count * size - images.shape[0]), (0, 0), (0, 0), (0, 0)))
    return images.reshape(size, count, *images.shape[1:])


def _kernel_gradient_by_products(x, g, stride, pads, k) -> Float[Array, "k k I O"]:
    height, width = ((n - 1) * stride + 1 for n in g.shape[1:3])
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*pad, 0) for pad in pads), (0, 0, 0)])
    tap = lambda i, j: x[:, i : i + height : stride, j : j + width : stride]
    row = lambda i: jnp.einsum("bhwi,bhwo->io", jnp.concatenate([tap(i, j) for j in range(k)], axis=-1), g)
    return jnp.stack([row(i) for i in range(k)]).reshape(k, k, x.shape[-1], g.shape[-1])


def _save_operands(function, x, kernel, *geometry):
    return function(x, kernel, *geometry), (x, kernel)


def _conv_backward(stride, padding, operands, g):
    x, kernel = operands
    k = kernel.shape[0]
    ends = [n - 1 + padding - (o - 1) * stride for n, o in zip(x.shape[1:3], g.shape[1:3], strict=True)]
    pads = [(k - 1 - padding, end) for end in ends]
    if (stride, k, padding) == (1, 3, 1):
        dx = _fast_conv(g, _swapped(kernel), 1, 1)
    else:
        dx = _general(g, _swapped(kernel), 1, pads, input_dilation=stride)
    return dx, _kernel_gradient(x, g, stride, padding, k)


def _conv_transpose_backward(stride, padding, output_padding, operands, g):
    del output_padding
    x, kernel = operands
    height, width = x.shape[1:3]
    dx = _native_conv(g, _swapped(kernel), stride, padding)[:, :height, :width]
    dk = _kernel_gradient(g, x, stride, padding, kernel.shape[0])
    return dx, _swapped(dk)


_conv.defvjp(functools.partial(_save_operands, _fast_conv), _conv_backward)
_conv_transpose.defvjp(functools.partial(_save_operands, _native_conv_transpose), _conv_transpose_backward)


def _backward_as_gradient(stride, padding, output_padding, operands, g):
    del output_padding
    x, kernel = operands
    dx, gradient = jax.vjp(lambda swapped: _native_conv(g, swapped, stride, padding), _swapped(kernel))
    return dx, _swapped(gradient(x)[0])


_conv_transpose_as_gradient.defvjp(functools.partial(_save_operands, _transposed), _backward_as_gradient)
