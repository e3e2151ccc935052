"""Saves checkpoints with Orbax: numbered steps while a model trains, or a model without its training state.

A checkpoint directory holds `model.json` (see `card`) and either numbered steps or `weights.npz` (see `portable`).
Nothing in it is ever executed.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import orbax.checkpoint as ocp
from jax.sharding import Sharding
from orbax.checkpoint.checkpoint_managers import preservation_policy

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import STEPS, placed, reason
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.errors import CheckpointError
from segvae_jax.paths import FOR_SAVING, require_literal


class Checkpoints:
    """The numbered steps under a directory: the latest ones, and the one with the lowest validation loss.

    A step becomes visible when it is complete, so that nothing half-written of a killed run is ever loaded.

    Args:
      directory: of the checkpoint.
      keep: how many of the latest steps are kept.

    Raises:
      OutputError: if Orbax would not take the path of the directory literally.
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
        )
        self._manager = ocp.CheckpointManager(self.directory / STEPS, options=options)

    def save(self, state: TrainState, iterator: grain.DatasetIterator, validation_loss: float = math.inf) -> None:
        """Saves a state, and the place in the data, in the background."""
        items = ocp.args.Composite(
            variables=ocp.args.StandardSave(_variables(state)),
            optimizer=ocp.args.StandardSave(_optimizer(state)),
            data=grain.checkpoint.CheckpointSave(iterator),
        )
        self._manager.save(int(state.step), args=items, metrics={"validation_loss": validation_loss})

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
        items = ocp.args.Composite(
            variables=ocp.args.StandardRestore(placed(_variables(like), sharding)),
            optimizer=ocp.args.StandardRestore(placed(_optimizer(like), sharding)),
            data=grain.checkpoint.CheckpointRestore(iterator),
        )
        try:
            restored = self._manager.restore(step, args=items)
        except Exception as error:  # what Orbax raises, plain Exception included
            raise CheckpointError(
                f"{self.directory / STEPS / str(step)}: damaged, or of another config.optimizer ({reason(error)}):"
                " use the configuration it was trained with, or remove this step to go on from the one before"
            ) from None
        return dataclasses.replace(like, **restored.variables, **restored.optimizer)

    def close(self) -> None:
        """Waits until everything is written."""
        self._manager.wait_until_finished()
        self._manager.close()


def save_variables(directory: Path, card: ModelCard, variables: Mapping[str, Any]) -> None:
    """Writes a checkpoint of a model without training state, as for an imported model; its step is 0.

    Raises:
      OutputError: if Orbax would not take the path of the directory literally.
    """
    require_literal(directory, FOR_SAVING)
    with ocp.CheckpointManager(directory.resolve() / STEPS) as manager:
        manager.save(0, args=ocp.args.Composite(variables=ocp.args.StandardSave(dict(variables))))
    card.write(directory.resolve())


def _variables(state: TrainState) -> dict[str, Any]:
    """What a generator needs, without the kinds that the run does not keep."""
    kinds = {"params": state.params, "spectral": state.spectral, "ema": state.ema}
    return {name: tree for name, tree in kinds.items() if tree}


def _optimizer(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state}
