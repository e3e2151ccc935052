"""Saves checkpoints with Orbax: numbered steps while a model trains, or a model without its training state.

A checkpoint directory holds `model.json` (see `card`) and either numbered steps or `weights.npz` (see `portable`).
Nothing in it is ever executed.
"""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp
from absl import logging
from jax.sharding import Sharding
from orbax.checkpoint.checkpoint_managers import preservation_policy

from segvae_jax.checkpoint.card import ModelCard, reason
from segvae_jax.checkpoint.loading import STEPS, placed
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.digests import SUMS, compare, sums_of, write_sums
from segvae_jax.errors import CheckpointError, DamagedFile
from segvae_jax.files import output_errors
from segvae_jax.json_objects import json_object
from segvae_jax.paths import FOR_SAVING, require_literal


class Checkpoints:
    """The numbered steps under a directory: the latest ones, and the one with the lowest validation loss.

    A step becomes visible when it is complete, so that nothing half-written of a killed run is ever loaded.

    Args:
      directory: of the checkpoint.
      keep: how many of the latest steps are kept.

    Every method that writes raises an OutputError if it cannot, or if an earlier one could not in the background. So
    does `Checkpoints` if Orbax would not take the path of the directory literally.
    """

    def __init__(self, directory: str | Path, keep: int = 3):
        require_literal(directory, FOR_SAVING)
        self.directory = Path(directory).resolve()
        rank = lambda metrics: -metrics["validation_loss"]
        policies = [
            preservation_policy.LatestN(keep),
            preservation_policy.BestN(get_metric_fn=rank, n=1),
        ]
        options = ocp.CheckpointManagerOptions(
            preservation_policy=preservation_policy.AnyPreservationPolicy(policies),
            best_fn=rank,
            cleanup_tmp_directories=True,
            async_options=_with_sums(self.directory),
        )
        with output_errors(self.directory):
            _set_damaged_losses_aside(self.directory)
            self._manager = ocp.CheckpointManager(self.directory / STEPS, options=options)

    @contextlib.contextmanager
    def reporting(self) -> Iterator[None]:
        """Turns an error of writing into one line that says from where the run can go on.

        Raises:
          OutputError: instead of an error of the operating system.
        """
        with output_errors(self.directory, self._advice):
            yield

    def _advice(self) -> str:
        latest = self.latest()
        saved = "the first step" if latest is None else f"step {latest}, which is saved"
        return f"make room or allow it, and start again to go on from {saved}"

    def save(self, state: TrainState, iterator: grain.DatasetIterator, validation_loss: float = math.inf) -> None:
        """Saves a state, and the place in the data, in the background."""
        items = ocp.args.Composite(
            variables=ocp.args.StandardSave(_variables(state)),
            optimizer=ocp.args.StandardSave(_optimizer(state)),
            data=grain.checkpoint.CheckpointSave(iterator),
        )
        with self.reporting():
            self._manager.save(int(state.step), args=items, metrics={"validation_loss": validation_loss})

    def wait(self) -> None:
        """Waits until everything is written."""
        with self.reporting():
            self._manager.wait_until_finished()

    def latest(self) -> int | None:
        """The number of the latest complete step; None if there is none."""
        return self._manager.latest_step()

    def restore(self, like: TrainState, sharding: Sharding, iterator: grain.DatasetIterator) -> TrainState:
        """Restores the latest state, and sets the iterator to the example that it had reached.

        Args:
          like: a state of the same model and optimiser, or its shapes.
          sharding: of every array of the restored state.
          iterator: over the same data.

        Raises:
          CheckpointError: if the checkpoint is damaged, or of another model or optimiser.
        """
        step = self._manager.latest_step()
        directory = self.directory / STEPS / str(step)
        items = ocp.args.Composite(
            variables=ocp.args.StandardRestore(placed(_variables(like), sharding)),
            optimizer=ocp.args.StandardRestore(placed(_optimizer(like), sharding)),
        )
        try:
            compare(directory / SUMS, [*items.keys(), "data"])
            restored = self._manager.restore(step, args=items)
            # Each process wrote such a file; all are equal, and there may be more or fewer processes now.
            place, *_ = sorted((directory / "data").glob("process_*.json"))
            iterator.set_state(json_object(place.read_bytes()))
        except DamagedFile as error:
            before = "remove this step to go on from the one before"
            raise CheckpointError(f"{directory}: damaged ({error}): restore the file, or {before}") from None
        except Exception as error:  # what Orbax raises, plain Exception included
            raise CheckpointError(
                f"{directory}: damaged, or of another config.optimizer ({reason(error)}):"
                " use the configuration it was trained with, or remove this step to go on from the one before"
            ) from None
        return dataclasses.replace(like, **restored.variables, **restored.optimizer)

    def close(self) -> None:
        """Waits until everything is written, and closes it."""
        with self.reporting():
            self._manager.close()


def save_variables(directory: Path, card: ModelCard, variables: Mapping[str, Any]) -> None:
    """Writes a checkpoint of a model without training state, as for an imported model; its step is 0.

    Raises:
      OutputError: if it cannot be written, or Orbax would not take the path of the directory literally.
    """
    require_literal(directory, FOR_SAVING)
    directory = directory.resolve()
    options = ocp.CheckpointManagerOptions(async_options=_with_sums(directory))
    with output_errors(directory), ocp.CheckpointManager(directory / STEPS, options=options) as manager:
        manager.save(0, args=ocp.args.Composite(variables=ocp.args.StandardSave(dict(variables))))
    card.write(directory)


def _with_sums(directory: Path) -> ocp.AsyncOptions:
    """Options that add the digests of its files to a step, just before it gets its name.

    Orbax adds to files of the step itself after that, so only the folders in it are listed.
    """

    def add() -> None:
        for step in (directory / STEPS).glob("*.orbax-checkpoint-tmp*") if jax.process_index() == 0 else ():
            folders = sorted(path for path in step.iterdir() if path.is_dir())
            write_sums(step / SUMS, *(sums_of(folder, folder.name) for folder in folders))

    return ocp.AsyncOptions(post_finalization_callback=add)


def _set_damaged_losses_aside(directory: Path) -> None:
    """Renames files of validation losses that are damaged, which would keep Orbax from reading all other steps.

    A step without its loss is kept, and is never the best.
    """
    for path in (directory / STEPS).glob("*/metrics/metrics"):
        try:
            compare(path.parents[1] / SUMS, ["metrics/metrics"])
            if math.isnan(float(json_object(path.read_bytes())["validation_loss"])):
                raise ValueError("no validation_loss")
        except (DamagedFile, OSError, ValueError, KeyError, TypeError) as error:
            with contextlib.suppress(FileNotFoundError):  # another process of the run was faster
                path.rename(path.with_suffix(".damaged"))
            logging.warning("%s: damaged (%s): the step is kept, but not as the best one", path, reason(error))


def _variables(state: TrainState) -> dict[str, Any]:
    """What a generator needs, without the kinds that the run does not keep."""
    kinds = {"params": state.params, "spectral": state.spectral, "ema": state.ema}
    return {name: tree for name, tree in kinds.items() if tree}


def _optimizer(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state}
