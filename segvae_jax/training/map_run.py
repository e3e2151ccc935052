"""The training run of a model that generates maps."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax import maps
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.training import setup
from segvae_jax.training.cost import Cost, cost_of
from segvae_jax.training.memory import least_memory
from segvae_jax.training.packing import least_budget
from segvae_jax.training.run import Run, Step
from segvae_jax.training.state import FlatState, create_state
from segvae_jax.training.step import jit_train_step
from segvae_jax.training.validation import Validate, validator


class MapRun(Run):
    """A run of one of the models in `model.registry`."""

    def __init__(self, config: ConfigDict, data: Prepared, mesh: Mesh, feed: Feed, workdir: Path):
        space = setup.label_space(config, data)
        super().__init__(config, data, mesh, feed, workdir, space)
        self.model = setup.build_model(config, space)
        self.step_config = setup.build_step(config, space)

    def create_state(self) -> TrainState:
        """See `Run`."""
        return create_state(self.model, self.optimizer, self.config.seed, self.step_config.ema_decay > 0)

    def least_memory(self, state: TrainState) -> int:
        """See `Run`."""
        config = self.config
        rows = config.batch_size // self.mesh.size
        label_sets, per_part = self.data.label_sets("train"), rows // config.accumulate
        least = least_budget(label_sets, self.card.space, per_part) if setup.can_pack(config) else None
        batch = jax.ShapeDtypeStruct((rows, *self._map_shape()), jnp.uint8)
        return least_memory(self.model, self.step_config, state, batch, least)

    def compiled(self, state: FlatState) -> tuple[Step, Cost]:
        """See `Run`. Batches that need more slots than usual have programs of their own, compiled when they come."""
        config, groups = self.config, self.mesh.size
        batch = jax.ShapeDtypeStruct((config.batch_size, *self._map_shape()), jnp.uint8)
        abstract = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state)
        step = jit_train_step(self.model, self.optimizer, self.step_config, self.mesh)
        packing = setup.build_packing(config, self.data, self.card.space, groups, self.num_steps)
        traced = functools.cache(lambda budget: step.trace(abstract, batch, budget))
        compiled = functools.cache(lambda budget: traced(budget).lower().compile())
        usual = packing.budget if packing else None
        cost = cost_of(traced(usual), compiled(usual), config.model.dtype)
        budget_of = packing.of if packing else lambda step: None
        return lambda state, number: compiled(budget_of(number - 1))(state, *self.feed.next()), cost

    def validator(self) -> Validate:
        """See `Run`."""
        return validator(self.model, self.step_config, self.data, self.config.batch_size, self.mesh)

    def _map_shape(self) -> tuple[int, ...]:
        """The shape of a packed map."""
        return *self.data.image_size, maps.packed_channels(self.data.space.num_channels)
