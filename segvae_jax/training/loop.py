"""The training loop: from a configuration to a finished checkpoint directory."""

import contextlib
import functools
import math
import signal
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import jax
from clu import parameter_overview
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from ml_collections import ConfigDict

from segvae_jax.checkpoint.saving import Checkpoints
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.data.feed.feeding import Feed
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.data.prepare.report import coverage_warning
from segvae_jax.errors import ConfigError, DataError
from segvae_jax.files import check_writable, locked, write_atomically
from segvae_jax.numerics import fixed_numerics
from segvae_jax.paths import FOR_SAVING, require_literal
from segvae_jax.sharding import device_mesh, replicated
from segvae_jax.termination import termination
from segvae_jax.training import setup
from segvae_jax.training.config import check, is_translator
from segvae_jax.training.cost import Cost, Gauges
from segvae_jax.training.map_run import MapRun
from segvae_jax.training.monitor import Monitor, parameter_names
from segvae_jax.training.pairs.run import PairRun
from segvae_jax.training.run import CONFIG, PARAMETERS, Run, Step
from segvae_jax.training.state import FlatState
from segvae_jax.training.validation import Validate


@fixed_numerics()
def train(config: ConfigDict, workdir: str | Path, typed: Collection[str] = ()) -> TrainState:
    """Trains by `config` in `workdir`, and continues an earlier run there.

    Keys are folded from the seed and the step, and the data iterator is saved with the state. A run that is killed and
    started again therefore ends with the same parameters, bit for bit.

    Args:
      config: the configuration. A prepared data set in `data.prepared` brings the size of maps with it.
      workdir: directory for checkpoints, metrics and pictures.
      typed: keys of the configuration that must not contradict such a data set, e.g. "model.image_size".

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
    config = setup.with_prepared(config, typed)
    with locked(workdir, name=f".lock-{jax.process_index()}"):  # each process of a job has its own
        return _train(config, workdir)


def _train(config: ConfigDict, workdir: Path) -> TrainState:
    """`train` in a directory that exists and is locked."""
    data = _prepare_in_turn(config)
    data.split("validation")  # an empty split is reported now, not after minutes of compiling
    mesh, kind = device_mesh(), PairRun if is_translator(config) else MapRun
    _require_even_parts(config, mesh)
    feed = Feed(data, config.batch_size, config.seed, mesh, config.data.resident_gib * 2**30, kind.pictures)
    run = kind(config, data, mesh, feed, workdir)
    with contextlib.closing(Checkpoints(workdir, config.keep_checkpoints)) as checkpoints:
        state = run.initial_state(checkpoints)
        if int(state.step) >= run.num_steps:
            print(f"{workdir}: trained already, {int(state.step)} of {run.num_steps} steps are done")
            return state
        with checkpoints.reporting():
            _describe(run, state)
        validate = run.validator()
        begun = workdir, int(state.step), run.num_steps, config.batch_size, parameter_names(state.params)
        flat = jax.jit(FlatState.of, out_shardings=replicated(mesh))(state)
        del state  # it would keep its memory
        step, cost = _compiled(run, flat)
        quiet, gauges = jax.process_index() > 0, Gauges(cost, feed)
        with checkpoints.reporting(), Monitor(*begun, checkpoints.latest, quiet, gauges) as monitor:
            return _advance(run, checkpoints, monitor, validate, step, flat)


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
    accumulate = config.get("accumulate", 1)
    for name, count in (
        (f"the {mesh.size} devices times config.accumulate={accumulate}", mesh.size * accumulate),
        (f"the {jax.process_count()} processes", jax.process_count()),
    ):
        if config.batch_size % count:
            raise ConfigError(f"config.batch_size={config.batch_size}: expected a multiple of {name}")


def _compiled(run: Run, state: FlatState) -> tuple[Step, Cost]:
    """Compiles the step and prints its cost; compiled now, so that the time does not count towards the ETA."""
    step, cost = run.compiled(state)
    if jax.process_index() == 0:
        print(cost, flush=True)
    return step, cost


def _describe(run: Run, state: TrainState) -> None:
    """Writes the card, the configuration and a table of the parameters; prints how large data and model are."""
    if jax.process_index() > 0:
        return
    run.card.write(run.workdir)
    table = parameter_overview.get_parameter_overview(state.params, include_stats=False)
    for name, text in ((CONFIG, run.config.to_json_best_effort(indent=1)), (PARAMETERS, f"{table}\n")):
        write_atomically(run.workdir / name, functools.partial(Path.write_text, data=text))
    print(f"data: {run.data.summary()}")
    with contextlib.suppress(DataError):  # an early version prepared the data, without a report
        if warning := coverage_warning(run.data.data_report()):
            print(f"warning: {warning}")
    count = parameter_overview.count_parameters(state.params)
    print(f"model: {count:,} parameters, listed in {run.workdir / PARAMETERS}")
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
