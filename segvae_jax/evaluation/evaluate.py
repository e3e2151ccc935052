"""Scores a checkpoint, or maps of any other generator, on the test split of prepared data.

    target = open_checkpoint("runs/celeba")
    result = evaluate(target)
    write_report("scores", result, target.space, albums(target, seed=0))

This writes the scores as `scores.json`, and a page with pictures as `report.html`, to the folder `scores`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import maps
from segvae_jax.evaluation.edits import Edit
from segvae_jax.evaluation.metrics.frechet import fid
from segvae_jax.evaluation.networks.inception import WEIGHTS_FILE, inception_features, load_inception
from segvae_jax.evaluation.networks.lpips import ALEXNET_FILES, LINEAR_FILE, load_lpips
from segvae_jax.evaluation.scorer import painted
from segvae_jax.evaluation.suite import ScoredAnchors, run_suite
from segvae_jax.evaluation.target import EvaluationTarget
from segvae_jax.generation import Generator
from segvae_jax.labels import LABEL_SETS_FILE
from segvae_jax.numerics import fixed_numerics


@fixed_numerics()
def evaluate(
    target: EvaluationTarget,
    *,
    suite: str = "quick",
    inception_weights: str | Path | None = None,
    lpips_weights: tuple[str | Path, str | Path] | None = None,
    seed: int = 0,
    anchors: ScoredAnchors | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Runs the suite on a target.

    Args:
      target: what to score.
      suite: "quick" or "all", see `run_suite`.
      inception_weights: PyTorch file of the Inception network for FID; if given, the FID is scored.
      lpips_weights: PyTorch files of AlexNet and of the linear weights of LPIPS; if given, `diversity_lpips` is scored.
      seed: the seed of sampling and resampling.
      anchors: the scored anchors, see `run_suite`.
      progress: called with one line of text before each part of the work.

    Returns:
      The result of `run_suite`, with the identity of the target and, under `omitted`, the reasons for missing scores.

    Raises:
      SegVAEError: if the maps or the weights cannot be used.
    """
    weights = load_inception(inception_weights) if inception_weights else None
    lpips = load_lpips(*lpips_weights) if lpips_weights else None
    generator = target.generator
    result = run_suite(
        target.source,
        generator.reconstruct if generator and generator.can_reconstruct else None,
        target.splits,
        target.space,
        infer=generator.posterior if generator and generator.can_infer else None,
        edit=_editor(generator) if generator and generator.can_edit else None,
        suite=suite,
        seed=seed,
        lpips=lpips,
        anchors=anchors,
        progress=progress,
    )
    if weights is not None:
        progress("Inception features")
        for name, score in _fid(target, weights, seed).items():
            result["rows"][name]["fid_inception"] = {"value": score}
    digests = {"lpips_weights": lpips.digests} if lpips else {}
    return {**target.identity, **result, **digests, "omitted": _omitted(result)}


def _editor(generator: Generator) -> Edit:
    request: Callable[[str, str], dict[str, Any]] = lambda kind, name: {kind: name}
    return lambda index, kind, name, seed: generator.edit(index, **request(kind, name), seed=seed)


def _fid(target: EvaluationTarget, weights: Any, seed: int) -> dict[str, float]:
    """FID of the maps against the test maps and, if there are enough other real maps, of as many of these."""
    space, splits = target.space, target.splits
    features = lambda index: inception_features(weights, maps.colour(index, space))
    truth = features(painted(splits["test"], space))
    scores = {"generated": fid(features(target.map_set(seed).index_maps), truth)}
    others = np.concatenate([splits["validation"], splits["train"]])[: len(truth)]
    if len(others) == len(truth):
        scores["real_vs_real"] = fid(features(painted(others, space)), truth)
    return scores


def _omitted(result: dict[str, Any]) -> dict[str, str]:
    """The scores that are missing, and why."""
    generated = result["rows"]["generated"]
    reasons = {
        "control": f"the requested classes are unknown: there is no {LABEL_SETS_FILE} beside the maps",
        "fid_inception": f"no weights: give --inception_weights=PATH, the file {WEIGHTS_FILE}",
        "diversity_lpips": f"no weights: give --lpips_weights={ALEXNET_FILES[0]},{LINEAR_FILE}, or their paths",
    }
    omitted = {name: reason for name, reason in reasons.items() if name not in generated}
    if not result.get("reconstruction"):
        omitted["reconstruction"] = "there is no posterior to reconstruct from"
    if result["suite"] == "all" and not result["edits"]:
        omitted["edits"] = "there is no model, or one that generates all classes at once"
    return omitted
