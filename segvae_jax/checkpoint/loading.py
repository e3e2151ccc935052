"""Loads the weights of a checkpoint. Orbax is imported only if the checkpoint has saved steps."""

from pathlib import Path
from typing import Any

import jax
from jax.sharding import Sharding, SingleDeviceSharding

from segvae_jax.arguments import whole
from segvae_jax.checkpoint.card import ModelCard, reason
from segvae_jax.checkpoint.npz import read_weights
from segvae_jax.digests import SUMS, compare
from segvae_jax.errors import CheckpointError
from segvae_jax.paths import FOR_LOADING, require_literal
from segvae_jax.shipped import checkpoint_directory

STEPS = "steps"  # folder of the numbered steps in a checkpoint directory


def load_variables(directory: str | Path, step: int | None = None) -> tuple[ModelCard, dict[str, Any], int]:
    """Loads a checkpoint: its model card, variables and step.

    Args:
      directory: of the checkpoint, or one of `checkpoint_names()`.
      step: number of a saved step; the latest if None.

    Returns:
      the card; the variables, `params` (averaged over training where the run kept an average) and `spectral`; and
      the step.

    Raises:
      CheckpointError: if there is no such checkpoint or step, or it is damaged.
      ArgumentError: if `directory` is no path, or `step` no whole number.
      OutputError: if there are saved steps, and Orbax would not take the path of the directory literally.
    """
    path = checkpoint_directory(directory)
    step = None if step is None else whole("step", step)
    card = ModelCard.read(path)
    if not card.weights:
        return card, *_load_step(path, step)
    if step not in (None, card.step):
        raise CheckpointError(f"{path}: step {step} is not saved: the only one is {card.step}")
    variables = jax.device_put(read_weights(path, card.weights), jax.local_devices()[0])
    return card, variables | {"spectral": {}}, card.step


def _load_step(path: Path, step: int | None) -> tuple[dict[str, Any], int]:
    """The variables of a saved step, and its number. Other steps, and other parts of it, are not read."""
    import orbax.checkpoint as ocp  # takes a second to import, and portable checkpoints need none of it

    nothing = f"{path}: no saved step in it: train longer, or give another directory"
    if not (path / STEPS).is_dir():
        raise CheckpointError(nothing)
    require_literal(path, FOR_LOADING)
    names = ocp.path.step.standard_name_format()
    known = {found.step: Path(found.path) for found in names.find_all(path / STEPS)}
    if not known:
        raise CheckpointError(nothing)
    step = max(known) if step is None else step
    if step not in known:
        saved = ", ".join(map(str, sorted(known)))
        raise CheckpointError(f"{path}: step {step} is not saved: saved steps are {saved}")
    try:
        compare(known[step] / SUMS, ["variables"])
        shapes = ocp.StandardCheckpointHandler().metadata(known[step] / "variables").tree
        like = placed(shapes, SingleDeviceSharding(jax.local_devices()[0]))  # wherever it was trained
        with ocp.StandardCheckpointer() as checkpointer:
            variables = checkpointer.restore(known[step] / "variables", like)
    except Exception as error:  # what Orbax raises, plain Exception included
        raise CheckpointError(f"{path}: step {step} is damaged ({reason(error)}): use another step") from None
    return {"params": variables.get("ema", variables["params"]), "spectral": variables.get("spectral", {})}, step


def placed(tree: Any, sharding: Sharding) -> Any:
    """The shapes of the arrays to restore, all with the same sharding."""
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=sharding), tree)
