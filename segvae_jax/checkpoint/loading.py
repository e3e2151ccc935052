"""Loads the weights of a checkpoint; Orbax is imported only where there are saved steps."""

import textwrap
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Sharding, SingleDeviceSharding

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.npz import read_weights
from segvae_jax.errors import CheckpointError
from segvae_jax.shipped import checkpoint_directory

STEPS = "steps"  # folder of the numbered steps in a checkpoint directory


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
    if not card.weights:
        return card, *_load_step(path, step)
    if step not in (None, card.step):
        raise CheckpointError(f"{path}: step {step} is not saved: the only one is {card.step}")
    variables = jax.device_put(read_weights(path, card.weights), jax.local_devices()[0])
    return card, {"params": variables["params"], "spectral": {}}, card.step


def _load_step(path: Path, step: int | None) -> tuple[dict[str, Any], int]:
    """Variables of a saved step, and its number."""
    import orbax.checkpoint as ocp  # takes a second, and shipped checkpoints do without

    nothing = f"{path}: no saved step in it: train longer, or give another directory"
    if not (path / STEPS).is_dir():
        raise CheckpointError(nothing)
    with ocp.CheckpointManager(path / STEPS) as manager:
        known = sorted(manager.all_steps())
        if not known:
            raise CheckpointError(nothing)
        step = known[-1] if step is None else step
        if step not in known:
            raise CheckpointError(f"{path}: step {step} is not saved: saved steps are {', '.join(map(str, known))}")
        try:
            shapes = ocp.StandardCheckpointHandler().metadata(path / STEPS / str(step) / "variables").tree
            like = placed(shapes, SingleDeviceSharding(jax.local_devices()[0]))  # whatever it was trained on
            restored = manager.restore(step, args=ocp.args.Composite(variables=ocp.args.StandardRestore(like)))
        except Exception as error:  # what Orbax raises, plain Exception included
            raise CheckpointError(f"{path}: step {step} is damaged ({reason(error)}): use another step") from None
    variables = restored.variables
    params = variables.get("ema", variables["params"])
    return {"params": params, "spectral": variables.get("spectral", {})}, step


def placed(tree: Any, sharding: Sharding) -> Any:
    """Shapes of the arrays to restore, all placed alike."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)


def reason(error: Exception) -> str:
    """An error as a short single line."""
    return textwrap.shorten(f"{type(error).__name__}: {error}", 150, placeholder=" ...")
