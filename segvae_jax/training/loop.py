"""The training loop: from a configuration to a finished checkpoint directory."""

import contextlib
import functools
import math
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging
from clu import parameter_overview
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax import maps
from segvae_jax.checkpoint.card import ModelCard, distinct_label_sets
from segvae_jax.checkpoint.saving import Checkpoints
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.errors import CheckpointError, ConfigError
from segvae_jax.files import check_writable, locked, write_atomically
from segvae_jax.json_objects import json_object
from segvae_jax.numerics import fixed_numerics
from segvae_jax.paths import FOR_SAVING, require_literal
from segvae_jax.sharding import device_mesh, replicated
from segvae_jax.termination import termination
from segvae_jax.training import setup
from segvae_jax.training.config import check, model_arguments
from segvae_jax.training.cost import Cost, Gauges, cost_of
from segvae_jax.training.memory import least_memory, memory_of_device
from segvae_jax.training.monitor import Monitor, parameter_names
from segvae_jax.training.packing import least_budget
from segvae_jax.training.state import FlatState, create_state
from segvae_jax.training.step import jit_train_step
from segvae_jax.training.validation import Validate, validator

_CONFIG = "config.json"  # of a run, beside its checkpoints
_RUNS_ONCE = {"xla_backend_optimization_level": 0}  # a slower program, which compiles in less than half of the time

Step = Callable[[FlatState, int], tuple[FlatState, dict[str, Any]]]


@fixed_numerics()
def train(config: ConfigDict, workdir: str | Path) -> TrainState:
    """Trains by `config` in `workdir`, and continues an earlier run there.

    Keys are folded from the seed and the step, and the data iterator is saved with the state. A run that is killed and
    started again therefore ends with the same parameters, bit for bit.

    Returns:
      the final state; after a SIGTERM the state that was reached, which is saved.

    Raises:
      SegVAEError: if configuration, data or checkpoint cannot be used, another process trains in `workdir`, a step
        cannot fit in memory, training diverges, or nothing more can be saved.
      KeyboardInterrupt: after a Ctrl-C; the step that was reached is saved.
    """
    require_literal(workdir, FOR_SAVING)
    check_writable(workdir, "--workdir")
    workdir = Path(workdir).expanduser().resolve()
    check(config)
    with locked(workdir, name=f".lock-{jax.process_index()}"):  # each process of a job has its own
        return _train(config, workdir)


def _train(config: ConfigDict, workdir: Path) -> TrainState:
    """`train` in a directory that exists and is locked."""
    data = _prepare_in_turn(config)
    data.split("validation")  # an empty split is reported now, not after minutes of compiling
    mesh = device_mesh()
    _require_even_parts(config, mesh)
    feed = Feed(data, config.batch_size, config.seed, mesh, config.data.resident_gib * 2**30)
    run = Run(config, data, mesh, feed, workdir)
    with contextlib.closing(Checkpoints(workdir, config.keep_checkpoints)) as checkpoints:
        state = run.initial_state(checkpoints)
        if int(state.step) >= run.num_steps:
            print(f"{workdir}: trained already, {int(state.step)} of {run.num_steps} steps are done")
            return state
        with checkpoints.reporting():
            _describe(run, state)
        validate = validator(run.model, run.step_config, data, config.batch_size, mesh)
        begun = workdir, int(state.step), run.num_steps, config.batch_size, parameter_names(state.params)
        flat = jax.jit(FlatState.of, out_shardings=replicated(mesh))(state)
        del state  # it would keep its memory
        step, cost = _compiled(run, flat)
        quiet, gauges = jax.process_index() > 0, Gauges(cost, feed)
        with checkpoints.reporting(), Monitor(*begun, checkpoints.latest, quiet, gauges) as monitor:
            return _advance(run, checkpoints, monitor, validate, step, flat)


class Run:
    """Everything that a configuration builds for a data set."""

    def __init__(self, config: ConfigDict, data: Prepared, mesh: Mesh, feed: Feed, workdir: Path):
        self.config, self.data, self.mesh, self.feed, self.workdir = config, data, mesh, feed, workdir
        self.num_steps = setup.total_steps(config, len(data.split("train")))
        self.space = setup.label_space(config, data)
        self.model = setup.build_model(config, self.space)
        self.step_config = setup.build_step(config, self.space)
        self.optimizer = setup.build_optimizer(config, self.num_steps)
        label_sets = distinct_label_sets(data.label_sets("train"))
        about = model_arguments(config), *label_sets, str(data.directory), config.model.name
        self.card = ModelCard(self.space, *about)

    def initial_state(self, checkpoints: Checkpoints) -> TrainState:
        """The latest saved state, or a new one.

        Raises:
          CheckpointError: if the run cannot be continued from what is saved.
          ConfigError: if a step cannot fit in memory.
        """
        use_ema = self.step_config.ema_decay > 0
        everywhere = replicated(self.mesh)
        create = jax.jit(
            functools.partial(create_state, self.model, self.optimizer, self.config.seed, use_ema),
            out_shardings=everywhere,
            compiler_options=_RUNS_ONCE if jax.default_backend() == "cpu" else None,
        )
        if checkpoints.latest() is None:
            self._require_memory(create.eval_shape())
            return create()
        ModelCard.read(self.workdir).require_same_model(self.card, self.workdir)
        self._require_same_batches()
        self._require_memory(create.eval_shape())
        return checkpoints.restore(create.eval_shape(), everywhere, self.feed.iterator)

    def _require_memory(self, state: TrainState) -> None:
        """Makes sure that a step is not certain to need more memory than a device has."""
        config, devices = self.config, self.mesh.size
        rows = config.batch_size // devices
        label_sets = self.data.label_sets("train")
        least = least_budget(label_sets, self.space, rows // config.accumulate) if setup.can_pack(config) else None
        batch = (rows, *_map_shape(self.data))
        needed = least_memory(self.model, self.step_config, state, jax.ShapeDtypeStruct(batch, jnp.uint8), least)
        if needed > (there := memory_of_device(self.mesh.local_devices)):
            figures = f"a step needs at least {needed / 1e9:,.1f} GB on a device that has {there / 1e9:,.1f} GB"
            mend = "lower it, or the sizes of the model, or raise config.accumulate"
            raise ConfigError(f"config.batch_size={config.batch_size}: {figures}: {mend}")

    def _require_same_batches(self) -> None:
        """Makes sure that batch size and seed are those of the saved data iterator."""
        path = self.workdir / _CONFIG
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


def _advance(
    run: Run, checkpoints: Checkpoints, monitor: Monitor, validate: Validate, step: Step, flat: FlatState
) -> TrainState:
    """Takes steps until the end or a signal, with reports, checkpoints and validation on the way."""
    whole = jax.jit(FlatState.whole, out_shardings=replicated(run.mesh))
    with _termination() as terminated:
        for number in range(int(flat.step) + 1, run.num_steps + 1):
            flat, metrics = step(flat, number)
            monitor.record(number, metrics)
            stop = terminated(number)
            due = number == run.num_steps or number % run.config.checkpoint_every == 0
            if not (stop or due or number % run.config.log_every == 0):
                continue
            scalars = monitor.flush()
            losses, images = validate(whole(flat).variables(averaged=True)) if due else ({}, {})
            monitor.write(number, scalars | losses, images)
            if due or stop:
                checkpoints.save(whole(flat), run.feed.iterator, losses.get("validation_total", math.inf))
            if stop:
                checkpoints.wait()
                where = f"after step {number}, saved: start again to go on"
                if stop == signal.SIGINT:
                    raise KeyboardInterrupt(where)
                monitor.console.print(f"stopped by {'SIGTERM' if jax.process_count() == 1 else 'a signal'} {where}")
                break
    return whole(flat)


def _prepare_in_turn(config: ConfigDict) -> Prepared:
    """Process 0 prepares the data first; the others find them on the shared disk."""
    if jax.process_count() == 1:
        return setup.prepare_data(config)
    if jax.process_index() == 0:
        setup.prepare_data(config)
    multihost_utils.sync_global_devices("prepared")
    return setup.prepare_data(config)


def _require_even_parts(config: ConfigDict, mesh: Mesh) -> None:
    parts = f"the {mesh.size} devices times config.accumulate={config.accumulate}"
    for name, count in (
        (parts, mesh.size * config.accumulate),
        (f"the {jax.process_count()} processes", jax.process_count()),
    ):
        if config.batch_size % count:
            raise ConfigError(f"config.batch_size={config.batch_size}: expected a multiple of {name}")


def _compiled(run: Run, state: FlatState) -> tuple[Step, Cost]:
    """Compiles the step and computes its cost; compiled now, so that the time does not count towards the ETA."""
    shape = (run.config.batch_size, *_map_shape(run.data))
    abstract = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state)
    step = jit_train_step(run.model, run.optimizer, run.step_config, run.mesh)
    packing = setup.build_packing(run.config, run.data, run.space, run.mesh.size, run.num_steps)
    traced = functools.cache(lambda budget: step.trace(abstract, jax.ShapeDtypeStruct(shape, jnp.uint8), budget))
    compiled = functools.cache(lambda budget: traced(budget).lower().compile())
    usual = packing.budget if packing else None
    cost = cost_of(traced(usual), compiled(usual), run.config.model.dtype)
    if jax.process_index() == 0:
        print(cost, flush=True)
    budget_of = packing.of if packing else lambda step: None
    return lambda state, number: compiled(budget_of(number - 1))(state, run.feed.next()), cost


def _map_shape(data: Prepared) -> tuple[int, ...]:
    """The shape of a packed map."""
    return *data.image_size, maps.packed_channels(data.space.num_channels)


def _describe(run: Run, state: TrainState) -> None:
    """Writes the model card and the configuration, and prints an overview of the parameters."""
    if jax.process_index() > 0:
        return
    run.card.write(run.workdir)
    text = run.config.to_json_best_effort(indent=1)
    write_atomically(run.workdir / _CONFIG, lambda path: path.write_text(text))
    print(f"data: {run.data.summary()}")
    print(parameter_overview.get_parameter_overview(state.params, include_stats=False))
    print(f"compiling for {jax.device_count()} {jax.default_backend()} device(s)", flush=True)


@contextlib.contextmanager
def _termination() -> Iterator[Callable[[int], signal.Signals | None]]:
    """A function that returns whether to stop after a step: the signal that asks for it, to any process of the job.

    Several processes have to stop after the same step. JAX's own handler of SIGTERM agrees on one with the others, so
    a Ctrl-C is passed on to it.
    """
    if jax.process_count() == 1:
        with termination(signal.SIGTERM, signal.SIGINT) as received:
            yield lambda step: received()
        return

    def agreed(step: int) -> signal.Signals | None:
        if received():
            signal.raise_signal(signal.SIGTERM)
        return (received() or signal.SIGTERM) if multihost_utils.reached_preemption_sync_point(step) else None

    with termination(signal.SIGINT) as received:
        yield agreed
