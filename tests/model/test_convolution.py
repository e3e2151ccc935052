"""Convolutions against `lax`: outputs, gradients, geometry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from segvae_jax.model.convolution import conv, conv_transpose

# (height, width, kernel, stride, padding); odd sides, so that some rows and columns are never read
GEOMETRIES = [(7, 6, 3, 2, 1), (4, 5, 3, 1, 1), (5, 8, 3, 1, 1), (5, 4, 3, 1, 1), (8, 5, 4, 3, 0), (9, 6, 2, 3, 1)]
TRANSPOSED = [(3, 5, 3, 2, 1, 1), (4, 3, 3, 1, 1, 0), (2, 3, 4, 3, 0, 2), (1, 1, 4, 2, 0, 0)]


@pytest.fixture(params=["cpu", "gpu"], autouse=True)
def backend(request, monkeypatch):
    """The forms for a backend, all of them computed here."""
    monkeypatch.setattr(jax, "default_backend", lambda: request.param)


def normal(*shape: int):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), jnp.float32)


def reference(x, kernel, stride, padding):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), [(padding, padding)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def reference_transpose(x, kernel, stride, padding, output_padding):
    before = kernel.shape[0] - 1 - padding
    pads = [(before, before + output_padding)] * 2
    return lax.conv_transpose(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def assert_same_with_gradients(function, expected, x, kernel):
    """Equal outputs, and equal gradients for a random gradient of the output."""

    @jax.jit
    def both(x, kernel):
        pairs = []
        for candidate in (function, expected):
            out, backward = jax.vjp(candidate, x, kernel)
            pairs.append((out, *backward(normal(*out.shape))))
        return pairs

    ours, theirs = both(x, kernel)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * float(jnp.abs(b).max()))


@pytest.mark.parametrize("channels", [3, 64, 128])  # few and many channels use different code paths
@pytest.mark.parametrize(("height", "width", "k", "stride", "padding"), GEOMETRIES)
def test_convolution_equals_lax(height, width, k, stride, padding, channels):
    function = lambda x, kernel: conv(x, kernel, stride, padding)
    expected = lambda x, kernel: reference(x, kernel, stride, padding)
    assert_same_with_gradients(function, expected, normal(2, height, width, channels), normal(k, k, channels, 5))


@pytest.mark.parametrize("channels", [5, 64])
@pytest.mark.parametrize(("height", "width", "k", "stride", "padding", "output_padding"), TRANSPOSED)
def test_transposed_convolution_equals_lax(height, width, k, stride, padding, output_padding, channels):
    function = lambda x, kernel: conv_transpose(x, kernel, stride, padding, output_padding)
    expected = lambda x, kernel: reference_transpose(x, kernel, stride, padding, output_padding)
    assert_same_with_gradients(function, expected, normal(2, height, width, 3), normal(k, k, 3, channels))


@pytest.mark.parametrize(("height", "width", "k", "stride", "padding", "output_padding"), TRANSPOSED)
def test_transposed_geometry_is_the_one_of_pytorch(height, width, k, stride, padding, output_padding):
    function = lambda x, kernel: conv_transpose(x, kernel, stride, padding, output_padding)
    shape = jax.eval_shape(function, normal(2, height, width, 3), normal(k, k, 3, 4)).shape
    side = lambda n: (n - 1) * stride - 2 * padding + k + output_padding
    assert shape == (2, side(height), side(width), 4)


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 5)])
def test_the_flipped_transposed_convolution_is_the_adjoint(height, width):
    x, kernel = normal(2, height, width, 3), normal(3, 3, 3, 5)
    y = conv(x, kernel, 2, 1)
    g = normal(*y.shape)
    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    back = conv_transpose(g, flipped, 2, 1, 1)[:, :height, :width]
    np.testing.assert_allclose((y * g).sum(), (x * back).sum(), rtol=1e-4)


@pytest.mark.parametrize("transposed", [False, True])
def test_gradients_inside_a_scan_and_under_vmap(transposed):
    """Generation uses a scan, and gradients for single samples use vmap."""
    xs, kernel = normal(3, 2, 6, 5, 3), normal(3, 3, 3, 3)
    function = (lambda x, k: conv_transpose(x, k, 2, 1, 1)) if transposed else (lambda x, k: conv(x, k, 2, 1))
    expected = (lambda x, k: reference_transpose(x, k, 2, 1, 1)) if transposed else (lambda x, k: reference(x, k, 2, 1))

    def scanned(kernel):
        _, out = lax.scan(lambda carry, x: (carry, jnp.square(function(x, kernel)).sum()), 0.0, xs)
        return out.sum()

    single = lambda convolution, x: jax.grad(lambda k: jnp.square(convolution(x, k)).sum())(kernel)

    @jax.jit
    def gradients():
        return jax.grad(scanned)(kernel), jax.vmap(lambda x: single(function, x))(xs), [single(expected, x) for x in xs]

    in_scan, in_vmap, alone = gradients()
    np.testing.assert_allclose(in_vmap, jnp.stack(alone), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(in_scan, sum(alone), rtol=1e-4, atol=1e-4)
