"""The step against its plain definition: gradients of two losses, each computed by itself."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.labels import LabelSpace
from segvae_jax.streams import stream_key
from segvae_jax.training.pairs.step import PairConfig, _gradients, painted
from segvae_jax.training.pairs.views import view
from segvae_jax.translator.losses import (
    class_loss,
    fake_loss,
    hinge_fake,
    hinge_generator,
    hinge_real,
    label_mix,
    mix_loss,
    style_divergence,
)  # fmt: skip
from segvae_jax.translator.networks import Networks

SPACE = LabelSpace(("skin", "hair"))
NETWORKS = Networks(3, (8, 16), (5, 6), 2, 4, 2, 4, 3, (4, 6))
BY_PATCH = dataclasses.replace(NETWORKS, patch_discriminator=True)
CONFIG = PairConfig(SPACE, 7, label_mix=3.0, reconstruction=2.0, kl_weight=0.5, ema_decay=0.0)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    class_maps = jnp.asarray(rng.integers(0, 2, (3, 8, 16, 3)), jnp.float32).at[..., 0].set(0)
    return painted(class_maps, SPACE), jnp.asarray(rng.uniform(-1, 1, (3, 8, 16, 3)), jnp.float32)


def state_of(networks):
    variables = networks.init(0)
    return TrainState(jnp.asarray(4), variables["params"], variables["spectral"], None, None)


@pytest.mark.parametrize(
    ("networks", "config", "losses"),
    [
        (NETWORKS, CONFIG, (class_loss, fake_loss, class_loss)),
        (BY_PATCH, dataclasses.replace(CONFIG, label_mix=0.0), (hinge_real, hinge_fake, hinge_generator)),
    ],
    ids=["pixels", "patches"],
)
def test_both_networks_get_the_gradients_of_their_own_losses(batch, networks, config, losses):
    class_maps, real = batch
    state, (of_real, of_fake, of_made) = state_of(networks), losses
    key = functools.partial(stream_key, config.seed, index=4)
    judge = lambda params, pictures, seen: networks.discriminator.apply(
        {"params": params["discriminator"], "spectral": state.spectral["discriminator"]}, pictures, seen
    )

    def made(params):
        mu, logvar = networks.encode(params, real)
        style = mu + jnp.exp(logvar / 2) * jax.random.normal(key("posterior"), mu.shape)
        noise = jax.random.normal(key("pixels"), (3, 8, 16, 2))
        return networks.translate(params, class_maps, noise, style), style_divergence(mu, logvar)

    def of_generator(params):
        fake, kl = made(params)
        seen, shown = view(key("view"), class_maps, fake)
        return of_made(judge(params, shown, seen), seen) + 2.0 * jnp.abs(fake - real).mean() + 0.5 * kl

    def of_discriminator(params):
        seen, real_shown, fake_shown = view(key("view"), class_maps, real, made(params)[0])
        mask = label_mix(key("classes"), seen)
        mixed = mask * real_shown + (1 - mask) * fake_shown
        logits = [judge(params, shown, seen) for shown in (real_shown, fake_shown, mixed)]
        loss = of_real(logits[0], seen) + of_fake(logits[1], seen)
        return loss + (config.label_mix * mix_loss(mask, *logits) if config.label_mix else 0.0)

    by_generator, by_discriminator = jax.grad(of_generator)(state.params), jax.grad(of_discriminator)(state.params)
    expected = {name: by_generator[name] for name in ("generator", "style")}
    expected["discriminator"] = by_discriminator["discriminator"]
    grads, metrics, spectral = _gradients(networks, config, state, class_maps, real)
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=2e-3, atol=2e-5), grads, expected)
    total = metrics["generator"] + 2.0 * metrics["reconstruction"] + 0.5 * metrics["kl"]
    np.testing.assert_allclose(total, of_generator(state.params), rtol=1e-4)
    before, after = (jax.tree.leaves(tree) for tree in (state.spectral, spectral))
    assert len(before) == len(after) and all((one != other).any() for one, other in zip(before, after, strict=True))


def test_a_painted_map_has_one_class_for_each_pixel(batch):
    assert (np.asarray(batch[0]).sum(-1) == 1).all() and batch[0].shape == (3, 8, 16, 3)
