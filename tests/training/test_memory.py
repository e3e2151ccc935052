"""The least memory of a step: below what the compiler plans, and near enough to be of use."""

import functools

import jax
import jax.numpy as jnp
from tiny_config import get_config

from segvae_jax.labels import HUMAN_PARSING
from segvae_jax.training import memory, setup
from segvae_jax.training.memory import least_memory, memory_of_device
from segvae_jax.training.state import create_state
from segvae_jax.training.step import train_step


def least_and_planned(**changes) -> tuple[int, int]:
    config = get_config()
    config.update_from_flattened_dict({"batch_size": 64, "model.image_size": (16, 16), "model.ngf": 4, **changes})
    model, step = setup.build_model(config, HUMAN_PARSING), setup.build_step(config, HUMAN_PARSING)
    optimizer = setup.build_optimizer(config, 10)
    state = jax.eval_shape(functools.partial(create_state, model, optimizer, 0, True))
    packed = jax.ShapeDtypeStruct((config.batch_size, *model.image_size, 3), jnp.uint8)
    least = least_memory(model, step, state, packed, None)
    compiled = jax.jit(functools.partial(train_step, model, optimizer, step), donate_argnums=0).lower(state, packed)
    planned = compiled.compile().memory_analysis()
    return least, planned.argument_size_in_bytes + planned.temp_size_in_bytes


def test_a_step_needs_no_less_and_not_many_times_more():
    least, planned = least_and_planned(accumulate=4)
    assert least < planned < 12 * least


def test_cpus_share_the_memory_of_the_machine_or_of_its_container(tmp_path, monkeypatch):
    devices = jax.devices()
    assert 0 < 8 * memory_of_device(devices) == memory_of_device(devices[:1]) < 1e15
    (tmp_path / "unlimited").write_text("max\n")
    (tmp_path / "limit").write_text("4096\n")
    monkeypatch.setattr(memory, "_CGROUPS", [tmp_path / "absent", tmp_path / "unlimited", tmp_path / "limit"])
    assert memory_of_device(devices[:2]) == 2048
