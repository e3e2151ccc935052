"""The training step of the hierarchical model, and the settings that are for it."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from steps import batch, collectives, mesh_of, new_state

from segvae_jax import maps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.hierarchical import Hierarchical
from segvae_jax.model.losses import reduce_losses
from segvae_jax.sharding import replicated, split_batch
from segvae_jax.streams import stream_key
from segvae_jax.training.augmentation import Augmentation, augment
from segvae_jax.training.state import FlatState
from segvae_jax.training.step import StepConfig, forward, jit_train_step, train_step

HIERARCHICAL = Hierarchical(
    4,
    (2, 1, 3),
    (8, 8),
    widths=(2, 3),
    context_dim=4,
    hidden_dim=3,
    latent_dim=2,
    latent_channels=(2,),
    augment_labels=True,
    recurrent=False,
)
EVIDENCE = StepConfig("bce_sum", kl_weight=0.5, ema_decay=0.0, seed=0, reduction="pairs")
SEED = np.uint32(EVIDENCE.seed)


def hierarchical_step(config: StepConfig, step: int = 0):
    state = dataclasses.replace(new_state(HIERARCHICAL, optax.identity(), use_ema=False), step=jnp.int32(step))
    run = jax.jit(functools.partial(train_step, HIERARCHICAL, optax.identity(), config), static_argnums=2)
    return run(state, batch())[1]


def test_devices_that_compute_the_hierarchical_model_exchange_as_little_and_take_the_same_step():
    moving = Augmentation(rotate=20.0, shift=0.2, moved_share=0.5)
    config, mesh = dataclasses.replace(EVIDENCE, classes_per_map=2, augmentation=moving), mesh_of(8)
    first = jax.device_put(new_state(HIERARCHICAL, optax.identity(), use_ema=False), replicated(mesh))
    first = FlatState.of(first)
    step = jit_train_step(HIERARCHICAL, optax.identity(), config, mesh).lower(first, batch(), SEED, None).compile()
    assert collectives(step) == ["all-reduce"] * 2
    ours, expected = step(first, jax.device_put(batch(), split_batch(mesh)), SEED)[1], hierarchical_step(config)
    assert ours["finite"].all() and expected["finite"].all()
    for name in ("total", "kl", "reconstruction", "gradient_norm"):
        np.testing.assert_allclose(ours[name], expected[name], rtol=1e-5)


def test_a_model_with_augment_labels_is_told_how_each_map_was_moved():
    moving = dataclasses.replace(EVIDENCE, augmentation=Augmentation(rotate=20.0, shift=0.2, moved_share=0.5))
    params = jax.tree.map(jnp.asarray, new_state(HIERARCHICAL, optax.identity(), use_ema=False).params)
    class_maps, moves = augment(moving.augmentation, maps.unpack(jnp.asarray(batch()), 4), moving.seed, 0)
    eps = jax.random.normal(stream_key(moving.seed, "posterior", 0), (8, *HIERARCHICAL.noise_shape))

    def loss(moves):
        output, shapes = forward(HIERARCHICAL, {"params": params}, class_maps, eps, moves=moves)
        terms = HIERARCHICAL.loss_terms(output, shapes, "bce_sum")
        return reduce_losses(terms, output.present, moving.kl_weight, reduction="pairs").total

    told, untold = jax.jit(loss)(moves), jax.jit(loss)(jnp.zeros_like(moves))
    assert abs(told - untold) > 1e-4 * told
    np.testing.assert_allclose(hierarchical_step(moving)["total"], told, rtol=1e-5)


def test_a_model_with_flip_labels_is_told_which_maps_were_flipped():
    """What is known of a flip gets a gradient from flipped maps alone."""
    model = dataclasses.replace(HIERARCHICAL, flip_labels=True)
    flipping = dataclasses.replace(EVIDENCE, seed=1, augmentation=Augmentation(LabelSpace(("a", "b", "c"))))
    state = new_state(model, optax.sgd(1.0), use_ema=False)
    known = lambda state: state.params["conditions"]["hidden"]["weights"]["kernel"]
    step = jax.jit(functools.partial(train_step, model, optax.sgd(1.0)), static_argnums=(0, 3))
    changed = lambda config: np.abs(known(step(config, state, batch(), None)[0]) - known(state)).sum(1) > 0
    assert changed(flipping)[8] and not changed(EVIDENCE)[4:9].any()


def test_the_weight_of_the_kl_divergence_grows_to_its_value():
    warming = dataclasses.replace(EVIDENCE, kl_warmup=10)
    for step, share in ((0, 0.1), (3, 0.4), (9, 1.0), (30, 1.0)):
        metrics = hierarchical_step(warming, step)
        expected = metrics["reconstruction"] + share * 0.5 * metrics["kl"]
        np.testing.assert_allclose(metrics["total"], expected, rtol=1e-5)
        np.testing.assert_allclose(metrics["kl"], metrics["kl_vector"] + metrics["kl_4x4"], rtol=1e-5)


def test_a_few_classes_of_each_map_estimate_the_loss_of_all():
    """The mean over many random choices is the loss of all pairs: of one class, which is dear, and of four a map."""
    classes, model = np.zeros((8, 8, 8, 5)), HIERARCHICAL.clone(num_channels=5, order=(2, 1, 3, 4), stack=(2, 1, 3, 4))
    classes[:4, 0, 0, 1] = 1
    classes[4:, ..., 1:] = 1
    packed, state = maps.pack(classes), new_state(model, optax.identity(), use_ema=False)
    of = lambda config: jax.jit(functools.partial(train_step, model, optax.identity(), config), static_argnums=2)
    some, every = of(dataclasses.replace(EVIDENCE, classes_per_map=1)), of(EVIDENCE)
    mean = lambda run: np.mean(
        [run(dataclasses.replace(state, step=jnp.int32(i)), packed)[1]["total"] for i in range(60)]
    )
    np.testing.assert_allclose(mean(some), mean(every), rtol=0.03)


def test_all_classes_that_are_chosen_are_all_classes():
    every = hierarchical_step(EVIDENCE)
    chosen = hierarchical_step(dataclasses.replace(EVIDENCE, classes_per_map=3))
    np.testing.assert_allclose(chosen["reconstruction"], every["reconstruction"], rtol=0.2)  # other noise
    assert chosen["total"] != hierarchical_step(dataclasses.replace(EVIDENCE, classes_per_map=1))["total"]


def test_parts_of_a_batch_give_the_losses_of_all_of_it():
    """Also by scale of the latent, and of a few classes of each map."""
    config = dataclasses.replace(EVIDENCE, classes_per_map=2)
    whole, parts = hierarchical_step(config), hierarchical_step(dataclasses.replace(config, accumulate=2))
    for name in ("total", "kl_vector", "kl_4x4", "reconstruction", "gradient_norm"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-4, err_msg=name)
