"""The training run of a model that generates maps."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax import maps
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.errors import CheckpointError
from segvae_jax.labels import BACKGROUND, LabelSpace
from segvae_jax.model.transfer import transferred
from segvae_jax.streams import Seed
from segvae_jax.training import setup
from segvae_jax.training.cost import Cost, cost_of
from segvae_jax.training.memory import least_memory
from segvae_jax.training.packing import least_budget
from segvae_jax.training.run import Run, Step
from segvae_jax.training.state import FlatState, create_state, first_state
from segvae_jax.training.step import jit_train_step
from segvae_jax.training.validation import Validate, validator


class MapRun(Run):
    """A run of one of the models in `model.registry`."""

    def __init__(self, config: ConfigDict, data: Prepared, mesh: Mesh, feed: Feed, workdir: Path):
        space = setup.label_space(config, data)
        super().__init__(config, data, mesh, feed, workdir, space)
        self.model = setup.build_model(config, space)
        self.step_config = setup.build_step(config, space)

    def create_state(self, seed: Seed) -> TrainState:
        """See `Run`."""
        return create_state(self.model, self.optimizer, seed, self.step_config.ema_decay > 0)

    def with_trained_weights(self, state: TrainState) -> TrainState:
        """See `Run`."""
        source = self.config.init_from
        if not source:
            return state
        card, variables, _ = load_variables(source)
        if card.name != self.card.name:
            mend = f"expected a {self.card.name} model: name one, or leave it empty"
            raise CheckpointError(f"config.init_from={source}: this checkpoint holds a {card.name} model: {mend}")
        fresh, trained = jax.device_get((state.params, variables["params"]))
        params, share = transferred(fresh, trained, self._channels_in(card.space))
        if jax.process_index() == 0:
            print(f"start: {share:.0%} of the weights are those of {source}{self._differences(card)}")
        return first_state({"params": params}, self.optimizer, state.ema is not None)

    def _channels_in(self, space: LabelSpace) -> list[int | None]:
        """For each channel of this run, that of the same class in a label space."""
        channels = {name: channel for channel, name in enumerate((BACKGROUND, *space.classes))}
        return [channels.get(name) for name in (BACKGROUND, *self.card.space.classes)]

    def _differences(self, card: ModelCard) -> str:
        """In what the model of a card differs from that of this run."""
        fresh = sum(channel is None for channel in self._channels_in(card.space))
        settings = sorted(key for key, value in self.card.arguments.items() if card.arguments.get(key) != value)
        classes = f"; {fresh} of {len(self.card.space.classes)} classes are not in it" if fresh else ""
        return classes + (f"; settings that differ: {', '.join(settings)}" if settings else "")

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
        packing = setup.build_packing(config, self.data, self.card.space, groups)
        traced = functools.cache(lambda budget: step.trace(abstract, batch, self.seed, budget))
        compiled = functools.cache(lambda budget: traced(budget).lower().compile())
        usual = packing.budget if packing else None
        cost = cost_of(traced(usual), compiled(usual), config.model.dtype)
        budget_of = packing.of if packing else lambda step: None
        return lambda state, number: compiled(budget_of(number - 1))(state, *self.feed.next(), self.seed), cost

    def validator(self) -> Validate:
        """See `Run`."""
        return validator(self.model, self.step_config, self.data, self.config.batch_size, self.mesh)

    def _map_shape(self) -> tuple[int, ...]:
        """The shape of a packed map."""
        return *self.data.image_size, maps.packed_channels(self.data.space.num_channels)
