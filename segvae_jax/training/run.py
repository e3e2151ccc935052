"""A training run: everything that a configuration builds for a data set, and the state that it begins with."""

import abc
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import optax
from absl import logging
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax.checkpoint.card import ModelCard, distinct_label_sets
from segvae_jax.checkpoint.saving import Checkpoints
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.errors import CheckpointError, ConfigError
from segvae_jax.json_objects import json_object
from segvae_jax.labels import LabelSpace
from segvae_jax.model.registry import MODELS
from segvae_jax.sharding import replicated
from segvae_jax.streams import Seed
from segvae_jax.training import setup
from segvae_jax.training.config import model_arguments
from segvae_jax.training.cost import Cost
from segvae_jax.training.memory import memory_of_device
from segvae_jax.training.state import FlatState
from segvae_jax.training.validation import Validate

CONFIG = "config.json"  # of a run, beside its checkpoints
PARAMETERS = "parameters.txt"  # likewise: a table of their names, shapes and sizes
_RUNS_ONCE = {"xla_backend_optimization_level": 0}  # a slower program, which compiles in less than half of the time

Step = Callable[[FlatState, int], tuple[FlatState, dict[str, Any]]]


class Run(abc.ABC):
    """A run; its subclasses say what is trained.

    Attributes:
      pictures: whether a batch has pictures beside the maps.
      config, data, mesh, feed, workdir: as given.
      num_steps: of the whole run.
      card: what checkpoints say about the model.
      optimizer: of its parameters.
      seed: that of the configuration, as an argument of programs that are compiled once for all seeds.
    """

    pictures: ClassVar[bool] = False

    def __init__(self, config: ConfigDict, data: Prepared, mesh: Mesh, feed: Feed, workdir: Path, space: LabelSpace):
        self.config, self.data, self.mesh, self.feed, self.workdir = config, data, mesh, feed, workdir
        self.seed = np.uint32(config.seed)
        self.num_steps = setup.total_steps(config, len(data.split("train")))
        self.optimizer: optax.GradientTransformation = setup.build_optimizer(config, self.num_steps)
        label_sets = distinct_label_sets(data.label_sets("train"))
        about = model_arguments(config), *label_sets, str(data.directory), config.model.name
        self.card = ModelCard(space, *about, original=data.original, fit=data.fit)

    @abc.abstractmethod
    def create_state(self, seed: Seed) -> TrainState:
        """The state before the first step; traced."""

    def with_trained_weights(self, state: TrainState) -> TrainState:
        """The state before the first step, with the weights of another checkpoint if the configuration names one."""
        return state

    @abc.abstractmethod
    def least_memory(self, state: TrainState) -> int:
        """A lower bound of the bytes that a step needs on one device, from the shapes of the state."""

    @abc.abstractmethod
    def compiled(self, state: FlatState) -> tuple[Step, Cost]:
        """Compiles the step for a state of such shapes, and computes its cost."""

    @abc.abstractmethod
    def validator(self) -> Validate:
        """Computes validation losses and pictures from variables; the first call compiles."""

    def initial_state(self, checkpoints: Checkpoints) -> TrainState:
        """The latest saved state, or a new one.

        Raises:
          CheckpointError: if the run cannot be continued from what is saved, or begin with the weights it should.
          ConfigError: if a step cannot fit in memory.
        """
        everywhere = replicated(self.mesh)
        options = _RUNS_ONCE if jax.default_backend() == "cpu" else None
        create = jax.jit(self.create_state, out_shardings=everywhere, compiler_options=options)
        begun = checkpoints.latest() is not None
        if begun:
            card = ModelCard.read(self.workdir)
            card.require_same_model(self.card, self.workdir)
            self._require_same_batches()
            self._require_same_maps(card)
        shapes = create.eval_shape(self.seed)
        self._require_memory(shapes)
        if begun:
            return checkpoints.restore(shapes, everywhere, self.feed.iterator)
        return jax.device_put(self.with_trained_weights(create(self.seed)), everywhere)

    def _require_memory(self, state: TrainState) -> None:
        """Makes sure that a step is not certain to need more memory than a device has."""
        needed = self.least_memory(state)
        if needed > (there := memory_of_device(self.mesh.local_devices)):
            figures = f"a step needs at least {needed / 1e9:,.1f} GB on a device that has {there / 1e9:,.1f} GB"
            mend = "lower it, or the sizes of the model"
            mend += ", or raise config.accumulate" if "accumulate" in self.config else ""
            raise ConfigError(f"config.batch_size={self.config.batch_size}: {figures}: {mend}")

    def _require_same_batches(self) -> None:
        """Makes sure that batch size and seed are those of the saved data iterator."""
        path = self.workdir / CONFIG
        try:
            begun = json_object(path.read_bytes())
            begun = {key: begun[key] for key in ("batch_size", "seed")}
        except (OSError, ValueError, KeyError) as error:
            logging.warning("%s: damaged (%r): batch_size and seed are taken to be those it began with", path, error)
            return
        for key in begun:
            if begun[key] != self.config[key]:
                raise CheckpointError(
                    f"{self.workdir}: a run with {key}={begun[key]}, but the configuration says {self.config[key]}:"
                    " continue with the value that it began with, or use another --workdir"
                )

    def _require_same_maps(self, begun: ModelCard) -> None:
        """Makes sure that the training maps have the label-sets of those that the run began with, as far as known."""
        then, now = begun.counts.sum(), self.card.counts.sum()
        same = np.array_equal(begun.label_sets, self.card.label_sets) and (begun.counts == self.card.counts).all()
        if same or not len(begun.counts):
            return
        differs = f"{then} training maps, but the data has {now}" if then != now else "maps of other label-sets"
        transfers = self.card.name in MODELS and MODELS[self.card.name].can_transfer
        own = ", with --config.init_from to begin with its weights" if transfers else ""
        raise CheckpointError(
            f"{self.workdir}: a run with {differs}: continue with the data that it began with, or use another"
            f" --workdir{own}"
        )
