"""Geometry, InstanceNorm, spectral normalisation, and the linear layers against plain definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from segvae_jax.model.layers import (
    SPECTRAL,
    Weights,
    base_size,
    dense,
    downsample,
    instance_norm_leaky_relu,
    level_widths,
    map_to_vector,
    spectrally_normalised,
    strided_conv,
    strided_conv_transpose,
    vector_to_map,
)


def normal(*shape: int, seed: int = 0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize(
    ("image_size", "widths", "base"),
    [
        ((128, 128), (64, 128, 256, 512, 512), (4, 4)),
        ((256, 256), (64, 128, 256, 512, 512, 512), (4, 4)),
        ((8, 8), (64,), (4, 4)),
        ((16, 8), (64,), (8, 4)),
        ((128, 64), (64, 128, 256, 512), (8, 4)),
        ((96, 64), (64, 128, 256, 512), (6, 4)),
        ((64, 96), (64, 128, 256, 512), (4, 6)),
    ],
)
def test_widths_and_base_of_an_image_size(image_size, widths, base):
    assert level_widths(image_size, 64) == widths
    assert base_size(image_size) == base


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 7), st.integers(4, 40), st.booleans())
def test_every_level_halves_the_map_down_to_the_base(levels, long_side, upright):
    base = (long_side, 4) if upright else (4, long_side)
    image_size = base[0] * 2**levels, base[1] * 2**levels
    assert len(level_widths(image_size, 3)) == levels
    assert base_size(image_size) == base


@pytest.mark.parametrize(
    "image_size", [(4, 4), (0, 8), (7, 8), (12, 12), (100, 100), (64, 65), (64, 72), (96, 96), (-8, 8)]
)
def test_an_impossible_image_size_is_named(image_size):
    with pytest.raises(ValueError, match=f"image size {image_size[0]} x {image_size[1]}: expected a short side"):
        level_widths(image_size, 64)


def test_instance_norm_by_its_definition():
    x = np.asarray(3 * normal(2, 5, 4, 3) + 2, np.float64)
    expected = np.empty_like(x)
    for sample in range(2):
        for channel in range(3):
            plane = x[sample, :, :, channel]
            centred = (plane - plane.mean()) / np.sqrt(plane.var() + 1e-5)
            expected[sample, :, :, channel] = np.where(centred > 0, centred, 0.2 * centred)
    np.testing.assert_allclose(instance_norm_leaky_relu(jnp.asarray(x, jnp.float32)), expected, atol=2e-6)


def test_instance_norm_of_small_variance_is_damped_by_its_epsilon():
    plane = 1e-3 * np.array([[1.0, -1.0], [-1.0, 1.0]])
    expected = 1e-3 / np.sqrt(1e-6 + 1e-5)
    out = instance_norm_leaky_relu(jnp.asarray(plane, jnp.float32).reshape(1, 2, 2, 1))[0, :, :, 0]
    np.testing.assert_allclose(out, [[expected, -0.2 * expected], [-0.2 * expected, expected]], rtol=1e-5)
    assert not instance_norm_leaky_relu(jnp.full((1, 3, 2, 1), 7.0)).any()


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_gradient_of_instance_norm_is_that_of_its_definition(dtype):
    def definition(x):
        centred = x - x.mean((1, 2), keepdims=True)
        normal = centred * lax.rsqrt(jnp.square(centred).mean((1, 2), keepdims=True) + 1e-5)
        return jnp.where(normal >= 0, normal, 0.2 * normal)

    x, g = normal(3, 4, 6, 2).astype(dtype), normal(3, 4, 6, 2, seed=1).astype(dtype)
    ours = jax.vjp(instance_norm_leaky_relu, x)[1](g)[0]
    expected = jax.vjp(definition, x.astype(jnp.float32))[1](g.astype(jnp.float32))[0]
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, expected, atol=1e-6 if dtype == jnp.float32 else 0.05)


def test_instance_norm_sees_each_sample_alone():
    x = normal(3, 4, 6, 2)
    np.testing.assert_allclose(instance_norm_leaky_relu(x)[1:2], instance_norm_leaky_relu(x[1:2]), atol=1e-6)


def test_a_bias_before_instance_norm_has_no_effect():
    x, kernel = normal(2, 8, 6, 3), normal(3, 3, 3, 4)
    biased = downsample(x, (kernel, jnp.array([3.0, -2.0, 0.5, 9.0])))
    np.testing.assert_allclose(biased, downsample(x, (kernel, jnp.zeros(4))), atol=1e-5)


@pytest.mark.parametrize("shape", [(7, 5), (3, 3, 4, 6), (4, 4, 5, 2)])
def test_spectral_norm_divides_by_the_largest_singular_value(shape):
    kernel, u = normal(*shape), normal(shape[-1], seed=1)
    advance = jax.jit(spectrally_normalised)
    for _ in range(300):
        instance_norm_leaky_relud, u = advance(kernel, u)
    left, values, _ = np.linalg.svd(np.asarray(kernel, np.float64).reshape(-1, shape[-1]).T, full_matrices=False)
    np.testing.assert_allclose(instance_norm_leaky_relud * values[0], kernel, rtol=1e-4)
    np.testing.assert_allclose(abs(left[:, 0] @ np.asarray(u)), 1, rtol=1e-4)
    assert np.linalg.norm(np.asarray(instance_norm_leaky_relud).reshape(-1, shape[-1]), ord=2) == pytest.approx(
        1, rel=1e-4
    )


def test_one_call_is_one_power_iteration():
    kernel, u = normal(6, 4), normal(4, seed=1)
    w = np.asarray(kernel, np.float64)
    v = w @ np.asarray(u) / np.linalg.norm(w @ np.asarray(u))
    expected = w.T @ v / np.linalg.norm(w.T @ v)
    instance_norm_leaky_relud, advanced = spectrally_normalised(kernel, u)
    np.testing.assert_allclose(advanced, expected, rtol=1e-5)
    np.testing.assert_allclose(instance_norm_leaky_relud, w / (v @ w @ expected), rtol=1e-5)


def test_the_gradient_goes_through_sigma_with_both_vectors_fixed():
    kernel, u, g = normal(6, 4), normal(4, seed=1), normal(6, 4, seed=2)
    grad = jax.grad(lambda kernel: (spectrally_normalised(kernel, u)[0] * g).sum())(kernel)
    w, g = np.asarray(kernel, np.float64), np.asarray(g, np.float64)
    v = w @ np.asarray(u) / np.linalg.norm(w @ np.asarray(u))
    left = w.T @ v / np.linalg.norm(w.T @ v)
    sigma = v @ w @ left
    expected = g / sigma - (g * w).sum() / sigma**2 * np.outer(v, left)
    np.testing.assert_allclose(grad, expected, rtol=1e-4, atol=1e-5)


def test_a_vanishing_kernel_stays_finite_in_its_singular_vectors():
    _, advanced = spectrally_normalised(jnp.zeros((3, 2)), normal(2))
    assert not advanced.any()


def test_the_vector_advances_only_where_its_collection_is_mutable():
    layer = Weights((6, 4), spectral_norm=True, gain=1.0)
    variables = jax.jit(layer.init)(jax.random.key(0))
    kernel, u = variables["params"]["kernel"], variables[SPECTRAL]["u"]
    np.testing.assert_allclose(jnp.linalg.norm(u), 1, rtol=1e-6)
    expected, advanced = spectrally_normalised(kernel, u)
    assert jnp.abs(advanced - u).max() > 1e-3
    (frozen, _) = layer.apply(variables)
    (kernel_used, _), updated = layer.apply(variables, mutable=[SPECTRAL])
    np.testing.assert_array_equal(frozen, expected)
    np.testing.assert_array_equal(kernel_used, expected)
    np.testing.assert_array_equal(updated[SPECTRAL]["u"], advanced)


def test_without_spectral_norm_the_kernel_is_the_parameter():
    variables = jax.jit(Weights((6, 4)).init)(jax.random.key(0))
    assert set(variables) == {"params"}
    kernel, bias = Weights((6, 4)).apply(variables)
    np.testing.assert_array_equal(kernel, variables["params"]["kernel"])
    assert not bias.any()


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"), [((90, 60), 90, 60), ((3, 3, 20, 30), 180, 270), ((4, 4, 10, 40), 160, 640)]
)
def test_kernels_start_xavier_normal(shape, fan_in, fan_out):
    kernel = np.asarray(jax.jit(Weights(shape, gain=0.02).init)(jax.random.key(1))["params"]["kernel"])
    expected = 0.02 * (2 / (fan_in + fan_out)) ** 0.5
    assert kernel.std() == pytest.approx(expected, rel=0.05)
    assert abs(kernel.mean()) < 0.1 * expected
    assert np.abs(kernel).max() > 3 * expected  # not truncated


def test_halving_and_doubling_change_only_the_size():
    x = normal(2, 8, 6, 3)
    assert strided_conv(x, normal(3, 3, 3, 5)).shape == (2, 4, 3, 5)
    assert strided_conv_transpose(x, (normal(3, 3, 3, 5), normal(5))).shape == (2, 16, 12, 5)


def test_flatten_is_a_convolution_over_the_whole_map():
    x, kernel, bias = normal(2, 6, 4, 3), normal(6, 4, 3, 5), normal(5)
    expected = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(map_to_vector(x, (kernel, bias)), expected[:, 0, 0] + bias[None], rtol=1e-4, atol=1e-5)


def test_unflatten_lays_out_one_kernel_a_feature():
    kernel, bias = normal(6, 4, 3, 5), normal(5)
    out = vector_to_map(jnp.array([[0.0, 1.0, 0.0], [2.0, 0.0, -1.0]]), (kernel, bias))
    np.testing.assert_allclose(out[0], kernel[:, :, 1] + bias[None, None], rtol=1e-6)
    np.testing.assert_allclose(out[1], 2 * kernel[:, :, 0] - kernel[:, :, 2] + bias[None, None], rtol=1e-5, atol=1e-6)


def test_the_bias_is_added_once():
    x, bias = jnp.zeros((2, 4, 6, 3)), normal(5)
    np.testing.assert_array_equal(dense(jnp.zeros((2, 7, 3)), (normal(3, 5), bias))[1, 6], bias)
    np.testing.assert_array_equal(strided_conv_transpose(x, (normal(3, 3, 3, 5), bias))[1, 7, 11], bias)
