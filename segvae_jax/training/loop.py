"""The training loop: from a configuration to a finished checkpoint directory."""

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grain
import jax
from clu import parameter_overview
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from segvae_jax.data.builder import Prepared
from segvae_jax.data.pipeline import train_batches
from segvae_jax.errors import ConfigError
from segvae_jax.training import config as configs
from segvae_jax.training.checkpoints import Checkpoints, ModelCard, distinct_label_sets
from segvae_jax.training.monitor import Monitor
from segvae_jax.training.state import TrainState, create_state
from segvae_jax.training.step import device_mesh, jit_train_step, replicated, split_batch
from segvae_jax.training.validation import Validate, validator


def train(config: ConfigDict, workdir: str | Path) -> TrainState:
    """Trains by `config` in `workdir`, going on where an earlier run there stopped.

    Keys are folded from the seed and the step and the data iterator is saved with the state, so a run
    that is killed and started again ends with the same parameters, bit for bit.

    Returns:
      the final state; at a SIGTERM the state reached, saved.

    Raises:
      SegVAEError: if configuration, data or checkpoint cannot be used, or training diverges.
    """
    workdir = Path(workdir).expanduser().resolve()
    data = configs.prepare_data(config)
    num_steps = configs.total_steps(config, len(data.split("train")))
    model, objective = configs.build_model(config, data.space), configs.build_objective(config)
    optimizer, mesh = configs.build_optimizer(config, num_steps), device_mesh()
    iterator = _batches(config, data)
    make_state = functools.partial(create_state, model, optimizer, config.seed, objective.ema_decay > 0)
    state = jax.jit(make_state, out_shardings=replicated(mesh))()
    checkpoints = Checkpoints(workdir, config.keep_checkpoints)
    if checkpoints.latest() is not None:
        state = checkpoints.restore(state, iterator)
    _describe(config, data, state, workdir)
    step = jit_train_step(model, optimizer, objective, mesh)
    validate = validator(model, objective, data, config.batch_size, mesh)
    quiet = jax.process_index() > 0
    with Monitor(workdir, int(state.step), num_steps, config.batch_size, quiet) as monitor:
        place = functools.partial(jax.make_array_from_process_local_data, split_batch(mesh))
        run = functools.partial(_advance, config, checkpoints, monitor, validate)
        state = run(lambda state: step(state, place(next(iterator))), state, iterator, num_steps)
    checkpoints.close()
    return state


def _advance(
    config: ConfigDict,
    checkpoints: Checkpoints,
    monitor: Monitor,
    validate: Validate,
    step: Callable[[TrainState], tuple[TrainState, dict[str, Any]]],
    state: TrainState,
    iterator: grain.DatasetIterator,
    num_steps: int,
) -> TrainState:
    """Steps to the end or to a SIGTERM, with reports, checkpoints and validation on the way."""
    with _termination() as terminated:
        for number in range(int(state.step) + 1, num_steps + 1):
            state, metrics = step(state)
            monitor.record(number, metrics)
            stop = terminated(number) or number == num_steps
            save = stop or number % config.checkpoint_every == 0
            if save or number % config.log_every == 0:
                monitor.flush(checkpoints.latest())
            if save:
                losses, images = validate(state.variables(averaged=True))
                monitor.write(number, losses, images)
                checkpoints.save(state, iterator, losses["validation_total"])
            if stop:
                break
    return state


def _batches(config: ConfigDict, data: Prepared) -> grain.DatasetIterator:
    for name, count in (("devices", jax.device_count()), ("processes", jax.process_count())):
        if config.batch_size % count:
            raise ConfigError(f"config.batch_size={config.batch_size}: expected a multiple of the {count} {name}")
    local = config.batch_size // jax.process_count()
    return train_batches(data.split("train"), local, config.seed, jax.process_index(), jax.process_count())


def _describe(config: ConfigDict, data: Prepared, state: TrainState, workdir: Path) -> None:
    """Writes what others need to use the checkpoint, and prints an overview of the parameters."""
    if jax.process_index() > 0:
        return
    label_sets = distinct_label_sets(data.label_sets("train"))
    ModelCard(data.space, configs.model_arguments(config), *label_sets, str(data.directory)).write(workdir)
    (workdir / "config.json").write_text(config.to_json_best_effort(indent=1))
    print(parameter_overview.get_parameter_overview(state.params, include_stats=False))


@contextmanager
def _termination() -> Iterator[Callable[[int], bool]]:
    """A function that tells whether to stop after a step: SIGTERM was received, by whichever process."""
    received: list[int] = []
    if jax.process_count() > 1:  # JAX's own handler agrees on one step for all processes
        yield multihost_utils.reached_preemption_sync_point
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        yield lambda step: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous)
