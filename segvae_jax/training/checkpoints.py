"""Checkpoints: Orbax, asynchronous, and all that is needed to use a model without its data.

A checkpoint directory holds `model.json` (hyperparameters, classes, label-sets of the training data) and
numbered steps, or `weights.npz` alone (see `portable`). Nothing in it is ever executed.
"""

import dataclasses
import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grain
import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import Sharding, SingleDeviceSharding
from jaxtyping import Bool, Int
from orbax.checkpoint.checkpoint_managers import preservation_policy

from segvae_jax.errors import CheckpointError, LabelError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.models import hyperparameters, make_model
from segvae_jax.model.protocol import MapModel
from segvae_jax.shipped import NAMES, checkpoint_directory
from segvae_jax.training.portable import WEIGHTS, read_weights, write_weights
from segvae_jax.training.state import TrainState

_CARD = "model.json"
_FORMAT = 1


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What a checkpoint says of its model.

    Attributes:
      space: the classes.
      arguments: hyperparameters of the model besides the classes.
      label_sets: distinct label-sets of the training data; empty if unknown.
      counts: how often each occurred.
      prepared: directory of the data it was trained on, or "".
      name: of the model, a key of `MODELS`.
      weights: SHA-256 of the `weights.npz` beside it, or "" where there are saved steps instead.
      step: of training, of these weights.
    """

    space: LabelSpace
    arguments: Mapping[str, Any]
    label_sets: Bool[np.ndarray, "M C"]
    counts: Int[np.ndarray, "M"]
    prepared: str = ""
    name: str = "segvae"
    weights: str = ""
    step: int = 0

    def model(self) -> MapModel:
        """The model, without weights."""
        space = self.space
        return make_model(self.name, space.num_channels, space.order, space.stack, self.arguments)

    def _described(self) -> dict[str, Any]:
        """Everything that makes the model what it is, what the card leaves to the defaults included."""
        model = self.model()
        arguments = {name: getattr(model, name) for name in sorted(hyperparameters(self.name))}
        return {"name": self.name, **arguments, "classes": self.space.drawing_order}

    def require_same_model(self, other: "ModelCard", directory: Path) -> None:
        """Makes sure that `other`, of a configuration, asks for the model of this card, of `directory`.

        Raises:
          CheckpointError: naming the first difference.
        """
        ours, theirs = self._described(), other._described()
        for key in ours:
            if ours[key] != theirs.get(key):
                raise CheckpointError(
                    f"{directory}: holds a model with {key}={ours[key]}, the configuration says {theirs[key]}: use"
                    " the configuration it was trained with, or another --workdir"
                )

    def write(self, directory: Path) -> None:
        """Writes the card; complete or not at all."""
        text = json.dumps({
            "format": _FORMAT, "label_space": json.loads(self.space.to_json()),
            "name": self.name, "model": dict(self.arguments),
            "label_sets": [np.packbits(row).tobytes().hex() for row in self.label_sets],
            "counts": self.counts.tolist(), "prepared": self.prepared, "weights": self.weights, "step": self.step,
        }, indent=1)  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True)
        partial = directory / f".{_CARD}.partial"
        partial.write_text(text)
        partial.replace(directory / _CARD)

    @classmethod
    def read(cls, directory: Path) -> "ModelCard":
        """Reads the card of a checkpoint directory.

        Raises:
          CheckpointError: if there is none or it is damaged or of a later format.
        """
        try:
            card = json.loads((directory / _CARD).read_text())
            if card["format"] != _FORMAT:
                raise CheckpointError(f"{directory}: format {card['format']}: this version reads format {_FORMAT}")
            space = LabelSpace.from_json(json.dumps(card["label_space"]))
            arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in card["model"].items()}
            rows = [np.frombuffer(bytes.fromhex(row), np.uint8) for row in card["label_sets"]]
            packed = np.array(rows, np.uint8).reshape(len(rows), -(-space.num_channels // 8))
            label_sets = np.unpackbits(packed, axis=-1, count=space.num_channels).astype(bool)
            counts = np.array(card["counts"], int)
            later = {key: card[key] for key in ("name", "weights", "step") if key in card}  # unknown to earlier cards
            read = cls(space, arguments, label_sets, counts, card["prepared"], **later)
            read.model()
            return read
        except FileNotFoundError:
            raise CheckpointError(
                f"{directory}: no checkpoint in it: expected the --workdir of a training run, an imported or exported"
                f" checkpoint, or the name of one that is shipped: {', '.join(NAMES)}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, LabelError) as error:
            raise CheckpointError(f"{directory / _CARD}: damaged ({error!r}): restore it or train again") from None


def distinct_label_sets(
    label_sets: Bool[np.ndarray, "N C"],
) -> tuple[Bool[np.ndarray, "M C"], Int[np.ndarray, "M"]]:
    """The distinct rows and how often each occurs."""
    rows, counts = np.unique(label_sets, axis=0, return_counts=True)
    return rows, counts


class Checkpoints:
    """The numbered steps under a directory: the latest few, and the best by validation loss.

    A step becomes visible when it is complete, so a killed run leaves nothing half-written that loads.
    """

    def __init__(self, directory: str | Path, keep: int = 3):
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
        self._manager = ocp.CheckpointManager(self.directory / "steps", options=options)

    def save(self, state: TrainState, iterator: grain.DatasetIterator, validation_loss: float = math.inf) -> None:
        """Saves in the background."""
        items = ocp.args.Composite(
            variables=ocp.args.StandardSave(_variables(state)),
            optimizer=ocp.args.StandardSave(_optimizer(state)),
            data=grain.checkpoint.CheckpointSave(iterator),
        )
        self._manager.save(int(state.step), args=items, metrics={"validation_loss": validation_loss})

    def latest(self) -> int | None:
        """The latest complete step, if any."""
        return self._manager.latest_step()

    def restore(self, like: TrainState, sharding: Sharding, iterator: grain.DatasetIterator) -> TrainState:
        """The latest state, placed by `sharding`; the iterator is set to the example it had reached.

        Args:
          like: a state, or its shapes.
          sharding: of every array.
          iterator: over the same data.

        Raises:
          CheckpointError: if the checkpoint is damaged, or of another model or optimiser.
        """
        step = self._manager.latest_step()
        items = ocp.args.Composite(
            variables=ocp.args.StandardRestore(_placed(_variables(like), sharding)),
            optimizer=ocp.args.StandardRestore(_placed(_optimizer(like), sharding)),
            data=grain.checkpoint.CheckpointRestore(iterator),
        )
        try:
            restored = self._manager.restore(step, args=items)
        except Exception as error:  # what Orbax raises, plain Exception included
            raise CheckpointError(
                f"{self.directory / 'steps' / str(step)}: damaged, or of another config.optimizer ({_reason(error)}):"
                " use the configuration it was trained with, or remove this step to go on from the one before"
            ) from None
        return dataclasses.replace(like, **restored.variables, **restored.optimizer)

    def close(self) -> None:
        """Waits for what is still being written."""
        self._manager.wait_until_finished()
        self._manager.close()


def save_variables(directory: Path, card: ModelCard, variables: Mapping[str, Any]) -> None:
    """Writes a checkpoint that holds a model and no training state: an import."""
    with ocp.CheckpointManager(directory.resolve() / "steps") as manager:
        manager.save(0, args=ocp.args.Composite(variables=ocp.args.StandardSave(dict(variables))))
    card.write(directory.resolve())


def save_portable(directory: Path, card: ModelCard, variables: Mapping[str, Any], half: bool = False) -> list[Path]:
    """Writes a checkpoint of two files, which names no other path: `model.json` and `weights.npz`.

    Args:
      directory: that they go into.
      card: of a model without spectral norm, and with the step of the weights.
      variables: its `params`.
      half: whether kernels are rounded to float16.

    Returns:
      the two.

    Raises:
      OutputError: if the directory cannot be written to.
    """
    sha256 = write_weights(directory, variables, half)
    dataclasses.replace(card, prepared="", weights=sha256).write(directory)
    return [directory / _CARD, directory / WEIGHTS]


def load_variables(directory: str | Path, step: int | None = None) -> tuple[ModelCard, dict[str, Any], int]:
    """Model card, variables (`params`, the averaged ones where kept, and `spectral`) and their step.

    Args:
      directory: of the checkpoint, or the name of one that is shipped.
      step: the latest if None.

    Raises:
      CheckpointError: if there is none.
    """
    path = checkpoint_directory(directory)
    card = ModelCard.read(path)
    if card.weights:
        if step not in (None, card.step):
            raise CheckpointError(f"{path}: step {step} is not saved: the only one is {card.step}")
        variables = jax.device_put(read_weights(path, card.weights), jax.local_devices()[0])
        return card, {"params": variables["params"], "spectral": {}}, card.step
    nothing = f"{path}: no saved step in it: train longer, or give another directory"
    if not (path / "steps").is_dir():
        raise CheckpointError(nothing)
    with ocp.CheckpointManager(path / "steps") as manager:
        known = sorted(manager.all_steps())
        if not known:
            raise CheckpointError(nothing)
        step = known[-1] if step is None else step
        if step not in known:
            raise CheckpointError(f"{path}: step {step} is not saved: saved steps are {', '.join(map(str, known))}")
        try:
            shapes = ocp.StandardCheckpointHandler().metadata(path / "steps" / str(step) / "variables").tree
            like = _placed(shapes, SingleDeviceSharding(jax.local_devices()[0]))  # whatever it was trained on
            restored = manager.restore(step, args=ocp.args.Composite(variables=ocp.args.StandardRestore(like)))
        except Exception as error:  # what Orbax raises, plain Exception included
            raise CheckpointError(f"{path}: step {step} is damaged ({_reason(error)}): use another step") from None
    variables = restored.variables
    params = variables.get("ema", variables["params"])
    return card, {"params": params, "spectral": variables.get("spectral", {})}, step


def _variables(state: TrainState) -> dict[str, Any]:
    """What a generator needs; kinds that a run does not keep are left out."""
    kinds = {"params": state.params, "spectral": state.spectral, "ema": state.ema}
    return {name: tree for name, tree in kinds.items() if tree}


def _optimizer(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state}


def _placed(tree: Any, sharding: Sharding) -> Any:
    """Shapes of the arrays to restore, all placed alike."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)


def _reason(error: Exception) -> str:
    """An error as a short single line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 150, placeholder=" ...")
