"""Saves a model in two files, `model.json` and `weights.npz`, which `loading` reads without Orbax."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segvae_jax.checkpoint.card import CARD, ModelCard
from segvae_jax.checkpoint.loading import STEPS
from segvae_jax.checkpoint.npz import WEIGHTS, write_weights
from segvae_jax.errors import OutputError
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.registry import hyperparameters


def save_portable(directory: Path, card: ModelCard, variables: Mapping[str, Any], half: bool = False) -> list[Path]:
    """Writes a checkpoint of two files, in which no path is named. Spectral norm is folded into the weights.

    Args:
      directory: where the files go.
      card: of the model, with the step of the weights.
      variables: `params` and, with spectral norm, `spectral`.
      half: whether kernels are rounded to float16.

    Returns:
      the two files.

    Raises:
      OutputError: if the directory cannot be written to, or holds the saved steps of a training run.
    """
    model, folded = fold_spectral_norm(card.model(), variables)
    if "spectral_norm" in hyperparameters(card.name):
        card = dataclasses.replace(card, arguments={**card.arguments, "spectral_norm": model.spectral_norm})
    return _save(directory, card, folded, half)


def save_portable_translator(
    directory: Path, card: ModelCard, variables: Mapping[str, Any], half: bool = False
) -> list[Path]:
    """Like `save_portable`, for a translator; its discriminator, which only training needs, is left out."""
    params = variables["params"]
    used = {name: params[name] for name in ("generator", "style")}
    styles = params.get("styles") or variables["spectral"]["styles"]
    return _save(directory, card, {"params": {**used, "styles": styles}}, half)


def _save(directory: Path, card: ModelCard, variables: Mapping[str, Any], half: bool) -> list[Path]:
    if (directory / STEPS).exists():
        raise OutputError(f"{directory}: holds the saved steps of a training run: give another folder")
    sha256 = write_weights(directory, variables, half)
    dataclasses.replace(card, prepared="", weights=sha256).write(directory)
    return [directory / CARD, directory / WEIGHTS]
