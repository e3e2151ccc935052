"""Validation losses are those of the whole split, however it is split into batches."""

import dataclasses
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from steps import batch, mesh_of, new_state

from segvae_jax import maps
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.model.losses import REDUCTIONS, reduce_losses
from segvae_jax.model.segvae import SegVAE
from segvae_jax.training import step, validation
from segvae_jax.training.step import StepConfig, forward

MODEL = SegVAE(4, (2, 1, 3), (8, 8), ngf=2, context_dim=4, hidden_dim=3, latent_dim=2, spectral_norm=False)
CONFIG = StepConfig("bce_dice", kl_weight=0.1, ema_decay=0.0, seed=0)
VARIABLES = jax.tree.map(jnp.asarray, new_state(MODEL, optax.identity(), use_ema=False).variables())


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    for name in ("_sample", "_reconstruct"):
        monkeypatch.setattr(validation, name, lambda *given: 0.0)
    monkeypatch.setattr(validation, "_sheet", lambda *given: np.zeros((1, 1, 3), np.uint8))


def losses(config: StepConfig, packed: np.ndarray, batch_size: int) -> dict[str, float]:
    label_sets = np.asarray(maps.label_set_of(maps.unpack(jnp.asarray(packed), 4)))
    data = mock.Mock(Prepared, space=None)
    data.packed.return_value, data.label_sets.return_value = packed, label_sets
    return validation.validator(MODEL, config, data, batch_size, mesh_of(1))(VARIABLES)[0]


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_losses_do_not_depend_on_the_batch_size(monkeypatch, reduction):
    monkeypatch.setattr(step, "_noise", lambda model, seed, count, *given: jnp.zeros((count, *model.noise_shape)))
    packed, config = batch(), dataclasses.replace(CONFIG, reduction=reduction)

    def expected():
        class_maps = maps.unpack(jnp.asarray(packed), 4)
        output, shapes = forward(MODEL, VARIABLES, class_maps, jnp.zeros((8, *MODEL.noise_shape)))
        return reduce_losses(MODEL.loss_terms(output, shapes, "bce_dice"), output.present, 0.1, reduction=reduction)

    whole = jax.jit(expected)().scalars()
    for size in (3, 5, 8):
        found = losses(config, packed, size)
        for name, value in whole.items():
            np.testing.assert_allclose(found[f"validation_{name}"], value, rtol=1e-5, err_msg=f"{name}, {size}")


def test_every_batch_has_noise_of_its_own_and_the_same_program():
    packed, programs = np.concatenate([batch()[:4]] * 2), []
    make = jax.jit

    def seen(function, **options):
        programs.append(make(function, **options))
        return programs[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "jit", seen)
        twice = losses(CONFIG, packed, 4)
    assert abs(twice["validation_reconstruction"] - losses(CONFIG, packed[:4], 4)["validation_reconstruction"]) > 1e-6
    assert programs[0]._cache_size() == 1
