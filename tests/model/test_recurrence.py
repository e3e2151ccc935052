"""The LSTM, the heads, and the recurrent prior and posterior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from segvae_jax.model.layers import spectrally_normalised
from segvae_jax.model.recurrence import LSTM, Gaussian, Posterior, Prior, initial_carry

B, T, F, D, Z = 2, 5, 4, 3, 6


def normal(*shape: int, seed: int = 0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def random_params(module, *args):
    """Random params, including biases, that are far from zero."""
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *args))
    leaves, structure = jax.tree.flatten(shapes)
    return jax.tree.unflatten(structure, [normal(*leaf.shape, seed=i) for i, leaf in enumerate(leaves)])


def lstm_by_definition(params, xs, cell, hidden):
    """The LSTM cell with gates i, f, g, o and two biases, computed step by step in NumPy."""
    params = {name: np.asarray(value, np.float64) for name, value in params.items()}
    xs, cell, hidden = (np.asarray(a, np.float64) for a in (xs, cell, hidden))
    outputs = []
    for x in xs.swapaxes(0, 1):
        gates = x @ params["kernel_input"] + params["bias_input"]
        gates = gates + hidden @ params["kernel_recurrent"] + params["bias_recurrent"]
        i, f, g, o = (gates[:, n * D : (n + 1) * D] for n in range(4))
        cell = expit(f) * cell + expit(i) * np.tanh(g)
        hidden = expit(o) * np.tanh(cell)
        outputs.append(hidden)
    return cell, hidden, np.stack(outputs, 1)


def test_the_lstm_by_its_definition():
    xs, carry = normal(B, T, F), (normal(B, D, seed=1), normal(B, D, seed=2))
    variables = random_params(LSTM(D), carry, xs)
    (cell, hidden), out = LSTM(D).apply(variables, carry, xs)
    expected = lstm_by_definition(variables["params"], xs, *carry)
    for ours, theirs in zip((cell, hidden, out), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_lstm_may_be_stopped_and_gone_on_with():
    xs = normal(B, T, F)
    variables = random_params(LSTM(D), initial_carry(B, D), xs)
    carry, out = LSTM(D).apply(variables, initial_carry(B, D), xs)
    middle, first = LSTM(D).apply(variables, initial_carry(B, D), xs[:, :2])
    last, second = LSTM(D).apply(variables, middle, xs[:, 2:])
    np.testing.assert_allclose(jnp.concatenate([first, second], 1), out, atol=1e-6)
    np.testing.assert_allclose(last[0], carry[0], atol=1e-6)


def test_the_two_biases_have_the_same_gradient():
    """With Adam, their sum therefore moves at twice the speed of a single bias."""
    xs = normal(B, T, F)
    variables = random_params(LSTM(D), initial_carry(B, D), xs)
    loss = lambda variables: jnp.square(LSTM(D).apply(variables, initial_carry(B, D), xs)[1]).sum()
    grads = jax.grad(loss)(variables)["params"]
    assert grads["bias_input"].any()
    np.testing.assert_array_equal(grads["bias_input"], grads["bias_recurrent"])


def test_the_lstm_starts_uniform_with_zero_biases():
    params = jax.jit(LSTM(64).init)(jax.random.key(0), initial_carry(1, 64), jnp.zeros((1, 1, 50)))["params"]
    for name in ("kernel_input", "kernel_recurrent"):
        assert float(jnp.abs(params[name]).max()) == pytest.approx(1 / 8, rel=0.01)
        assert abs(float(params[name].mean())) < 0.005
        assert float(params[name].std()) == pytest.approx(1 / 8 / 3**0.5, rel=0.05)
    assert not params["bias_input"].any()
    assert not params["bias_recurrent"].any()


def test_the_state_starts_at_zero():
    cell, hidden = initial_carry(B, D)
    assert cell.shape == hidden.shape == (B, D)
    assert not cell.any()
    assert not hidden.any()


def test_samples_scale_noise_by_the_standard_deviation():
    gaussian = Gaussian(jnp.array([[1.0, -2.0]]), jnp.array([[np.log(4.0), np.log(0.25)]], jnp.float32))
    np.testing.assert_allclose(gaussian.sample(jnp.array([[3.0, 2.0]])), [[7.0, -1.0]], rtol=1e-6)


@pytest.mark.parametrize("spectral_norm", [True, False])
def test_the_prior_is_embedding_lstm_and_heads(spectral_norm):
    prior = Prior(D, Z, spectral_norm)
    context = normal(B, T, F, seed=4)
    variables = random_params(prior, initial_carry(B, D), context)
    assert ("spectral" in variables) == spectral_norm
    _, gaussian = prior.apply(variables, initial_carry(B, D), context)

    def affine(x, *path):
        layer, u = variables["params"], variables.get("spectral")
        for name in path:
            layer, u = layer[name], u and u[name]
        kernel = spectrally_normalised(layer["kernel"], u["u"])[0] if u else layer["kernel"]
        return np.asarray(x) @ np.asarray(kernel) + np.asarray(layer["bias"])

    embedded = affine(context, "embed")
    *_, hidden = lstm_by_definition(variables["params"]["lstm"], embedded, *initial_carry(B, D))
    np.testing.assert_allclose(gaussian.mu, affine(hidden, "heads", "mu"), atol=2e-5)
    np.testing.assert_allclose(gaussian.logvar, affine(hidden, "heads", "logvar"), atol=2e-5)


def test_the_posterior_sees_shape_class_presence_and_context():
    posterior, start = Posterior((8, 8), 2, 8, Z), initial_carry(B, 8)
    target, present, context = jnp.eye(4)[jnp.array([2, 1])], jnp.ones((B, 2)), normal(B, 2, F)
    shape = (normal(B, 2, 8, 8) > 0).astype(jnp.float32)
    variables = random_params(posterior, start, shape, target, present, context)
    run = jax.jit(lambda *args: posterior.apply(variables, start, *args)[1].mu)
    mu = run(shape, target, present, context)
    assert mu.shape == (B, 2, Z)
    others = [
        run(shape.at[0, 0].set(0), target, present, context),
        run(shape, target, present.at[0, 0].set(0), context),
        run(shape, target, present, context.at[0, 0].add(1)),
    ]
    for other in others:
        assert jnp.abs(other[0] - mu[0]).max() > 1e-3
        np.testing.assert_allclose(other[1], mu[1], atol=1e-6)
    assert jnp.abs(run(shape, target[::-1], present, context) - mu).max() > 1e-3
