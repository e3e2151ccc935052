"""Scores a checkpoint on the test split of the data it was trained on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from segvae_jax import maps
from segvae_jax.data.builder import Prepared, open_prepared
from segvae_jax.errors import DataError
from segvae_jax.evaluation.inception import fid, inception_features, load_inception
from segvae_jax.evaluation.suite import painted, run_suite
from segvae_jax.generation import Generator

ClassMaps = Bool[np.ndarray, "N H W C"]
_ROWS_AT_ONCE = 256


def evaluate(
    checkpoint: str | Path,
    *,
    step: int | None = None,
    data: str | Path | None = None,
    max_test: int = 2_000,
    max_train: int = 5_000,
    inception_weights: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Runs the suite on a checkpoint.

    Args:
      checkpoint: its directory.
      step: of the saved ones; the latest if None.
      data: directory of the prepared data; that of training if None.
      max_test, max_train: the first so many maps of a split are used; the result says how many.
      inception_weights: PyTorch file of the FID Inception network; adds the FID rows.
      seed: of sampling and resampling.
      progress: called with a line before each part of the work.

    Raises:
      SegVAEError: if checkpoint, data or weights cannot be used.
    """
    generator = Generator.load(checkpoint, step)
    weights = load_inception(inception_weights) if inception_weights else None
    prepared = _data(generator, data)
    limits = {"train": max_train, "validation": max_test, "test": max_test}
    splits = {name: _class_maps(prepared, name, limit) for name, limit in limits.items()}
    reconstruct = generator.reconstruct if generator.reconstructs else None
    result = run_suite(generator.draw, reconstruct, splits, generator.space, seed=seed, progress=progress)
    if weights is not None:
        progress("Inception features")
        for name, score in _fid(generator, weights, splits, seed).items():
            result["rows"][name]["fid_inception"] = {"value": score}
    return {"checkpoint": str(checkpoint), "step": generator.step, "data": str(prepared.directory), **result}


def write_scores(path: str | Path, result: dict[str, Any]) -> None:
    """Writes a result as JSON.

    Raises:
      DataError: if it cannot be written.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(result, indent=1) + "\n")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written ({error.strerror}): give a file in a folder you may write to"
        ) from None


def _data(generator: Generator, data: str | Path | None) -> Prepared:
    directory = data or generator.card.prepared
    if not directory:
        raise DataError("this checkpoint names no data, as it was imported: give --data=DIR, a prepared data set")
    prepared = open_prepared(directory)
    if prepared.space.classes != generator.space.classes:
        raise DataError(f"{directory}: its classes are not those of the checkpoint: give the data it was trained on")
    return prepared


def _class_maps(prepared: Prepared, split: str, limit: int) -> ClassMaps:
    packed, channels = prepared.packed(split)[:limit], prepared.space.num_channels
    parts = np.array_split(packed, range(_ROWS_AT_ONCE, len(packed), _ROWS_AT_ONCE))
    return np.concatenate([np.asarray(maps.unpack(jnp.asarray(part), channels, bool)) for part in parts])


def _fid(generator: Generator, weights: Any, splits: dict[str, ClassMaps], seed: int) -> dict[str, float]:
    """FID of generated maps and, where training maps suffice, of as many real ones, against the test maps."""
    space, real = generator.space, splits["test"]
    features = lambda index: inception_features(weights, maps.colour(index, space))
    truth = features(painted(real, space))
    scores = {"generated": fid(features(generator.draw(maps.label_set_of(real), seed)), truth)}
    others = np.concatenate([splits["validation"], splits["train"]])[: len(real)]
    if len(others) == len(real):
        scores["real_vs_real"] = fid(features(painted(others, space)), truth)
    return scores
