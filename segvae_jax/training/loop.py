"""The training loop: from a configuration to a finished checkpoint directory."""

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
from clu import parameter_overview
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax import maps
from segvae_jax.data.builder import Prepared
from segvae_jax.data.pipeline import train_batches
from segvae_jax.errors import ConfigError
from segvae_jax.termination import termination
from segvae_jax.training import config as configs
from segvae_jax.training.checkpoints import Checkpoints, ModelCard, distinct_label_sets
from segvae_jax.training.monitor import Monitor
from segvae_jax.training.packing import Packing
from segvae_jax.training.state import TrainState, create_state
from segvae_jax.training.step import device_mesh, jit_train_step, replicated, split_batch
from segvae_jax.training.validation import Validate, validator

Step = Callable[[TrainState, int], tuple[TrainState, dict[str, Any]]]


def train(config: ConfigDict, workdir: str | Path) -> TrainState:
    """Trains by `config` in `workdir`, going on where an earlier run there stopped.

    Keys are folded from the seed and the step and the data iterator is saved with the state, so a run
    that is killed and started again ends with the same parameters, bit for bit.

    Returns:
      the final state; at a SIGTERM the state reached, saved.

    Raises:
      SegVAEError: if configuration, data or checkpoint cannot be used, or training diverges.
    """
    workdir = _writable(workdir)
    data = _prepare_in_turn(config)
    num_steps = configs.total_steps(config, len(data.split("train")))
    model, objective = configs.build_model(config, data.space), configs.build_objective(config, data.space)
    optimizer, mesh = configs.build_optimizer(config, num_steps), device_mesh()
    iterator = _batches(config, data)
    make_state = functools.partial(create_state, model, optimizer, config.seed, objective.ema_decay > 0)
    with contextlib.closing(Checkpoints(workdir, config.keep_checkpoints)) as checkpoints:
        card = ModelCard(
            data.space, configs.model_arguments(config), *distinct_label_sets(data.label_sets("train")),
            str(data.directory),
        )  # fmt: skip
        if checkpoints.latest() is None:
            state = jax.jit(make_state, out_shardings=replicated(mesh))()
        else:
            ModelCard.read(workdir).require_same_model(card, workdir)
            state = checkpoints.restore(jax.eval_shape(make_state), replicated(mesh), iterator)
        if int(state.step) >= num_steps:
            print(f"{workdir}: trained already, {int(state.step)} steps: config.num_steps={num_steps} asks for no more")
            return state
        _describe(config, card, state, workdir)
        packing = configs.build_packing(config, data, mesh.size, num_steps)
        step = _stepper(jit_train_step(model, optimizer, objective, mesh), state, config, data, mesh, iterator, packing)
        validate = validator(model, objective, data, config.batch_size, mesh, state.variables(averaged=True))
        quiet = jax.process_index() > 0
        with Monitor(workdir, int(state.step), num_steps, config.batch_size, checkpoints.latest, quiet) as monitor:
            return _advance(config, checkpoints, monitor, validate, step, state, iterator, num_steps)


def _advance(
    config: ConfigDict,
    checkpoints: Checkpoints,
    monitor: Monitor,
    validate: Validate,
    step: Step,
    state: TrainState,
    iterator: grain.DatasetIterator,
    num_steps: int,
) -> TrainState:
    """Steps to the end or to a SIGTERM, with reports, checkpoints and validation on the way."""
    with _termination() as terminated:
        for number in range(int(state.step) + 1, num_steps + 1):
            state, metrics = step(state, number)
            monitor.record(number, metrics)
            stop = terminated(number)
            due = number == num_steps or number % config.checkpoint_every == 0
            if not (stop or due or number % config.log_every == 0):
                continue
            scalars = monitor.flush()
            losses, images = validate(state.variables(averaged=True)) if due else ({}, {})
            monitor.write(number, scalars | losses, images)
            if due or stop:
                checkpoints.save(state, iterator, losses.get("validation_total", math.inf))
            if stop:
                monitor.console.print(f"stopped by SIGTERM after step {number}, saved: start again to go on")
                break
    return state


def _writable(workdir: str | Path) -> Path:
    path = Path(workdir).expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
        reason = "no permission"
    except OSError as error:
        reason = str(error.strerror)
    raise ConfigError(f"--workdir={workdir}: cannot be written ({reason}): give another directory")


def _prepare_in_turn(config: ConfigDict) -> Prepared:
    """Process 0 prepares first; on a shared disk the others find what it left."""
    configs.check(config)
    if jax.process_count() == 1:
        return configs.prepare_data(config)
    if jax.process_index() == 0:
        configs.prepare_data(config)
    multihost_utils.sync_global_devices("prepared")
    return configs.prepare_data(config)


def _batches(config: ConfigDict, data: Prepared) -> grain.DatasetIterator:
    for name, count in (("devices", jax.device_count()), ("processes", jax.process_count())):
        if config.batch_size % count:
            raise ConfigError(f"config.batch_size={config.batch_size}: expected a multiple of the {count} {name}")
    local = config.batch_size // jax.process_count()
    return train_batches(data.split("train"), local, config.seed, jax.process_index(), jax.process_count())


def _stepper(
    step: jax.stages.Wrapped,
    state: TrainState,
    config: ConfigDict,
    data: Prepared,
    mesh: Mesh,
    iterator: grain.DatasetIterator,
    packing: Packing | None,
) -> Step:
    """A numbered step on the next batch of the iterator; compiled now, so that the time it takes counts in no ETA."""
    shape = (config.batch_size, *data.image_size, maps.packed_channels(data.space.num_channels))
    abstract = jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding), state)
    lower = lambda budget: step.lower(abstract, jax.ShapeDtypeStruct(shape, jnp.uint8), budget)
    compiled = functools.cache(lambda budget: lower(budget).compile())
    compiled(packing.budget if packing else None)
    place = functools.partial(jax.make_array_from_process_local_data, split_batch(mesh))
    budget_of = packing.of if packing else lambda step: None
    return lambda state, number: compiled(budget_of(number - 1))(state, place(next(iterator)))


def _describe(config: ConfigDict, card: ModelCard, state: TrainState, workdir: Path) -> None:
    """Writes what others need to use the checkpoint, and prints an overview of the parameters."""
    if jax.process_index() > 0:
        return
    card.write(workdir)
    (workdir / "config.json").write_text(config.to_json_best_effort(indent=1))
    print(parameter_overview.get_parameter_overview(state.params, include_stats=False))
    print(f"compiling for {jax.device_count()} {jax.default_backend()} device(s)", flush=True)


@contextlib.contextmanager
def _termination() -> Iterator[Callable[[int], bool]]:
    """A function that tells whether to stop after a step: SIGTERM was received, by whichever process."""
    if jax.process_count() > 1:  # JAX's own handler agrees on one step for all processes
        yield multihost_utils.reached_preemption_sync_point
        return
    with termination() as received:
        yield lambda step: received()
