"""Loss terms against plain NumPy definitions, and the one reduction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import integrate, stats
from scipy.special import expit

from segvae_jax.model.gaussian import Gaussian, kl_divergence
from segvae_jax.model.losses import (
    RECONSTRUCTION,
    REDUCTIONS,
    LossTerms,
    RowCounts,
    bce,
    bce_dice,
    l1,
    reduce_losses,
)

B, K, H, W, Z = 2, 3, 8, 6, 4


def normal(*shape: int, seed: int = 0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def gaussian(*shape: int, seed: int = 0) -> Gaussian:
    return Gaussian(normal(*shape, seed=seed), normal(*shape, seed=seed + 100))


def binary(*shape: int):
    return jnp.asarray(np.random.default_rng(5).random(shape) < 0.3, jnp.float32)


def test_kl_is_the_integral_of_its_definition():
    posterior, prior = gaussian(Z), gaussian(Z, seed=1)
    expected = 0.0
    for z in range(Z):
        q, p = (stats.norm(float(g.mu[z]), float(np.exp(g.logvar[z] / 2))) for g in (posterior, prior))
        gap = lambda x, q=q, p=p: q.pdf(x) * (q.logpdf(x) - p.logpdf(x))
        expected += integrate.quad(gap, q.mean() - 10 * q.std(), q.mean() + 10 * q.std())[0]
    assert float(kl_divergence(posterior, prior)) == pytest.approx(expected, rel=1e-5)


def test_kl_is_the_one_of_the_release():
    posterior, prior = gaussian(B, K, Z), gaussian(B, K, Z, seed=1)
    mu_q, logvar_q, mu_p, logvar_p = (
        np.asarray(a, np.float64) for a in (posterior.mu, posterior.logvar, prior.mu, prior.logvar)
    )
    ratio = np.exp(logvar_p / 2) / np.exp(logvar_q / 2)
    quotient = (np.exp(logvar_q) + (mu_q - mu_p) ** 2) / (2 * np.exp(logvar_p) + 1e-8)
    expected = (np.log(ratio + 1e-8) + quotient - 0.5).sum(-1)
    np.testing.assert_allclose(kl_divergence(posterior, prior), expected, rtol=1e-5)


moderate = hnp.arrays(np.float32, (Z,), elements=st.floats(-8, 8, width=32))


@settings(deadline=None, derandomize=True)
@given(moderate, moderate, moderate, moderate)
def test_kl_is_not_negative_and_zero_for_equals(mu_q, logvar_q, mu_p, logvar_p):
    posterior, prior = (Gaussian(jnp.asarray(m), jnp.asarray(v)) for m, v in ((mu_q, logvar_q), (mu_p, logvar_p)))
    kl = float(kl_divergence(posterior, prior))
    assert np.isfinite(kl)
    assert kl >= -1e-6
    assert float(kl_divergence(posterior, posterior)) == 0


def test_l1_by_its_definition():
    logits, shapes = 3 * normal(B, K, H, W), binary(B, K, H, W)
    expected = np.abs(expit(np.asarray(logits, np.float64)) - np.asarray(shapes)).mean((-2, -1))
    np.testing.assert_allclose(l1(logits, shapes), expected, rtol=1e-5)


def test_bce_and_bce_dice_by_their_definition():
    logits, shapes = 3 * normal(B, K, H, W), binary(B, K, H, W)
    soft, truth = expit(np.asarray(logits, np.float64)), np.asarray(shapes, np.float64)
    cross_entropy = -(truth * np.log(soft) + (1 - truth) * np.log(1 - soft)).mean((-2, -1))
    np.testing.assert_allclose(bce(logits, shapes), cross_entropy, rtol=1e-5)
    dice = (2 * (soft * truth).sum((-2, -1)) + 1) / (soft.sum((-2, -1)) + truth.sum((-2, -1)) + 1)
    np.testing.assert_allclose(bce_dice(logits, shapes), cross_entropy + 0.5 * (1 - dice), rtol=1e-5)


@pytest.mark.parametrize("name", RECONSTRUCTION)
def test_extreme_logits_give_finite_values_and_gradients(name):
    truth = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    right, wrong = 1e4 * (2 * truth - 1), 1e4 * (1 - 2 * truth)
    function = jax.value_and_grad(RECONSTRUCTION[name])
    for logits in (right, wrong, jnp.zeros((2, 2))):
        value, grad = function(logits, truth)
        assert jnp.isfinite(value)
        assert jnp.isfinite(grad).all()
    assert float(RECONSTRUCTION[name](right, truth)) == 0
    assert float(RECONSTRUCTION[name](wrong, truth)) >= 1


@pytest.mark.parametrize("name", RECONSTRUCTION)
@pytest.mark.parametrize("fill", [0.0, 1.0])
def test_blank_and_full_shapes_are_fine(name, fill):
    truth = jnp.full((H, W), fill)
    value, grad = jax.value_and_grad(RECONSTRUCTION[name])(normal(H, W), truth)
    assert value > 0
    assert jnp.isfinite(grad).all()
    assert (jnp.sign(grad) == (1 if fill == 0 else -1)).all()


def reconstruction_of(terms, present):
    """The reduction of terms without a KL divergence."""
    return reduce_losses(LossTerms(jnp.zeros((len(terms), 1)), terms), present, kl_weight=1.0).reconstruction


def test_steps_are_averaged_over_rows_that_have_the_class_and_summed():
    terms = jnp.array([[1.0, 10.0, 100.0], [3.0, 20.0, 200.0]])
    present = jnp.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])  # nobody has the last class
    assert float(reconstruction_of(terms, present)) == (1 + 3) / 2 + 20
    np.testing.assert_array_equal(
        jax.grad(lambda terms: reconstruction_of(terms, present))(terms), [[0.5, 0, 0], [0.5, 1, 0]]
    )
    assert float(reconstruction_of(terms, jnp.zeros_like(present))) == 0


def test_terms_of_whole_maps_are_averaged_over_maps_that_hold_any_class():
    terms, present = jnp.array([[1.0], [3.0], [100.0]]), jnp.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    losses = reduce_losses(LossTerms(10 * terms, terms), present, kl_weight=0.5)
    assert (float(losses.kl), float(losses.reconstruction), float(losses.total)) == (20, 2, 12)


@pytest.mark.parametrize("name", RECONSTRUCTION)
def test_the_loss_is_the_weighted_sum_of_its_parts(name):
    present = jnp.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    kl = kl_divergence(gaussian(B, K, Z), gaussian(B, K, Z, seed=1))
    recon = RECONSTRUCTION[name](3 * normal(B, K, H, W, seed=3), binary(B, K, H, W))
    terms = reduce_losses(LossTerms(kl, recon), present, kl_weight=0.25)
    np.testing.assert_allclose(terms.kl, (kl[0, 0] + kl[1, 0]) / 2 + kl[1, 1], rtol=1e-5)
    np.testing.assert_allclose(terms.reconstruction, (recon[0, 0] + recon[1, 0]) / 2 + recon[1, 1], rtol=1e-5)
    np.testing.assert_allclose(terms.total, 0.25 * terms.kl + terms.reconstruction, rtol=1e-6)


def test_the_reconstruction_losses_are_the_named_ones():
    assert list(RECONSTRUCTION) == ["l1", "bce", "bce_dice", "bce_sum", "bce_dice_sum"]
    assert RECONSTRUCTION["l1"] is l1 and RECONSTRUCTION["bce"] is bce and RECONSTRUCTION["bce_dice"] is bce_dice


def test_summed_losses_are_means_times_the_number_of_pixels():
    logits, shapes = 3 * normal(B, K, H, W), binary(B, K, H, W)
    np.testing.assert_allclose(RECONSTRUCTION["bce_sum"](logits, shapes), H * W * bce(logits, shapes), rtol=1e-5)
    dice = RECONSTRUCTION["bce_dice_sum"](logits, shapes)
    np.testing.assert_allclose(dice, H * W * bce_dice(logits, shapes), rtol=1e-5)


def test_pairs_are_averaged_over_all_that_are_there():
    terms = jnp.array([[1.0, 10.0, 100.0], [3.0, 20.0, 200.0]])
    present = jnp.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    of = lambda present: reduce_losses(LossTerms(2 * terms, terms, {"a": terms}), present, 0.5, reduction="pairs")
    assert float(of(present).reconstruction) == (1 + 3 + 20) / 3 == float(of(present).kl) / 2
    assert float(of(present).kl_of["a"]) == 8
    assert float(of(jnp.zeros_like(present)).total) == 0


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_parts_of_a_batch_add_up_to_the_whole(reduction):
    terms, present = jnp.arange(12.0).reshape(4, 3), jnp.arange(12).reshape(4, 3) % 5 < 3
    rows = RowCounts.of(present.astype(float))
    of = lambda i: reduce_losses(LossTerms(terms[i], terms[i]), present[i].astype(float), 1.0, rows, reduction)
    whole = of(slice(None)).total
    np.testing.assert_allclose(of(slice(0, 2)).total + of(slice(2, 4)).total, whole, rtol=1e-6)
