"""Batches, states and compiled programs for the tests of the training step."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh

from segvae_jax import maps
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.protocol import MapModel, init_variables


def mesh_of(num_devices: int) -> Mesh:
    """The first devices on one axis."""
    return jax.make_mesh((num_devices,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:num_devices])


def batch(seed: int = 0) -> np.ndarray:
    """8 packed maps with discs of 3 classes. Each class is absent from some maps."""
    rng = np.random.default_rng(seed)
    y, x, centre = *np.mgrid[:8, :8], rng.uniform(2, 6, (8, 3, 2))
    discs = np.hypot(y - centre[..., :1, None], x - centre[..., 1:, None]) < rng.uniform(1.5, 3, (8, 3, 1, 1))
    discs &= rng.random((8, 3, 1, 1)) < 0.8
    return maps.pack(np.concatenate([np.zeros((8, 8, 8, 1)), np.moveaxis(discs, 1, -1)], axis=-1))


def new_state(model: MapModel, optimizer: optax.GradientTransformation, use_ema: bool) -> TrainState:
    """A state with weights from NumPy, because an initialisation compiles slowly and is not tested here."""
    rng = np.random.default_rng(0)
    draw = lambda s: (rng.standard_normal(s.shape) / np.sqrt(max(np.prod(s.shape[:-1]), 1))).astype(np.float32)
    variables = jax.tree.map(draw, jax.eval_shape(lambda: init_variables(model, 0)))
    params = variables["params"]
    ema = jax.tree.map(np.copy, params) if use_ema else None
    return TrainState(jnp.int32(0), params, variables.get("spectral", {}), optimizer.init(params), ema)


def collectives(compiled: jax.stages.Compiled) -> list[str]:
    """Names of the exchanges among devices that a program has."""
    names = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter"
    return re.findall(rf" ({names})(?:-start)?\(", compiled.as_text())
