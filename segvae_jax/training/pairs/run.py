"""The training run of a translator."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.maps import packed_channels
from segvae_jax.streams import Seed
from segvae_jax.training import setup
from segvae_jax.training.config import model_arguments
from segvae_jax.training.cost import Cost, cost_of
from segvae_jax.training.memory import bytes_of
from segvae_jax.training.pairs.step import PairConfig, jit_train_step
from segvae_jax.training.pairs.validation import validator
from segvae_jax.training.run import Run, Step
from segvae_jax.training.state import FlatState, first_state
from segvae_jax.training.validation import Validate
from segvae_jax.translator.networks import Networks


class PairRun(Run):
    """A run on pairs of a map and its picture."""

    pictures = True

    def __init__(self, config: ConfigDict, data: Prepared, mesh: Mesh, feed: Feed, workdir: Path):
        super().__init__(config, data, mesh, feed, workdir, data.space)
        self.networks = Networks(data.space.num_channels, **model_arguments(config))
        weights = config.loss.label_mix, config.loss.reconstruction_weight, config.loss.kl_weight
        augmentation = setup.build_augmentation(config, data.space)
        self.step_config = PairConfig(data.space, config.seed, *weights, config.optimizer.ema_decay, augmentation)

    def create_state(self, seed: Seed) -> TrainState:
        """See `Run`."""
        return first_state(self.networks.init(seed), self.optimizer, self.step_config.ema_decay > 0)

    def least_memory(self, state: TrainState) -> int:
        """See `Run`: the state, and the finest features of generator and discriminator."""
        widths = self.networks.widths[0] + 3 * self.networks.discriminator_widths[0]
        rows = self.config.batch_size // self.mesh.size
        return bytes_of((state.opt_state, state.ema)) + 4 * rows * math.prod(self.networks.image_size) * widths

    def compiled(self, state: FlatState) -> tuple[Step, Cost]:
        """See `Run`."""
        size = (self.config.batch_size, *self.networks.image_size)
        of = lambda channels: jax.ShapeDtypeStruct((*size, channels), jnp.uint8)
        abstract = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state)
        step = jit_train_step(self.networks, self.optimizer, self.step_config, self.mesh)
        traced = step.trace(abstract, of(packed_channels(self.networks.num_channels)), of(3), self.seed)
        program = traced.lower().compile()
        return lambda state, number: program(state, *self.feed.next(), self.seed), cost_of(traced, program, "float32")

    def validator(self) -> Validate:
        """See `Run`."""
        return validator(self.networks, self.step_config, self.data)
