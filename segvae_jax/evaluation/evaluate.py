"""Scores a checkpoint, or maps of any other generator, on the test split of prepared data.

    subject = open_checkpoint("runs/celeba")
    result = evaluate(subject)
    write_report("scores", result, subject.space, albums(subject, seed=0))

leaves a table for programs, `scores.json`, and a page with pictures, `report.html`, in `scores`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import maps
from segvae_jax.evaluation.edits import Edit
from segvae_jax.evaluation.networks.inception import WEIGHTS_FILE, fid, inception_features, load_inception
from segvae_jax.evaluation.networks.lpips import ALEXNET_FILES, LINEAR_FILE, load_lpips
from segvae_jax.evaluation.scorer import painted
from segvae_jax.evaluation.suite import Anchors, run_suite
from segvae_jax.evaluation.target import Subject
from segvae_jax.generation import Generator
from segvae_jax.labels import LABEL_SETS_FILE


def evaluate(
    subject: Subject,
    *,
    suite: str = "quick",
    inception_weights: str | Path | None = None,
    lpips_weights: tuple[str | Path, str | Path] | None = None,
    seed: int = 0,
    held_to: Anchors | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Runs the suite.

    Args:
      subject: what to score.
      suite: which rows to score, see `run_suite`.
      inception_weights: PyTorch file of the FID Inception network; adds the FID rows.
      lpips_weights: PyTorch files of AlexNet and of the linear weights of LPIPS; adds `diversity_lpips`.
      seed: of sampling and resampling.
      held_to: the anchors, see `run_suite`.
      progress: called with a line before each part of the work.

    Returns:
      the result of `run_suite`, with the subject's identity and, under `omitted`, why what is missing is.

    Raises:
      SegVAEError: if maps or weights cannot be used.
    """
    weights = load_inception(inception_weights) if inception_weights else None
    lpips = load_lpips(*lpips_weights) if lpips_weights else None
    generator = subject.generator
    result = run_suite(
        subject.made,
        generator.reconstruct if generator and generator.can_reconstruct else None,
        subject.splits,
        subject.space,
        infer=generator.posterior if generator and generator.can_infer else None,
        edit=_editor(generator) if generator and generator.can_edit else None,
        suite=suite,
        seed=seed,
        lpips=lpips,
        held_to=held_to,
        progress=progress,
    )
    if weights is not None:
        progress("Inception features")
        for name, score in _fid(subject, weights, seed).items():
            result["rows"][name]["fid_inception"] = {"value": score}
    digests = {"lpips_weights": lpips.digests} if lpips else {}
    return {**subject.identity, **result, **digests, "omitted": _omitted(result)}


def _editor(generator: Generator) -> Edit:
    asked: Callable[[str, str], dict[str, Any]] = lambda kind, name: {kind: name}
    return lambda index, kind, name, seed: generator.edit(index, **asked(kind, name), seed=seed)


def _fid(subject: Subject, weights: Any, seed: int) -> dict[str, float]:
    """FID of the maps and, where training maps suffice, of as many real ones, against the test maps."""
    space, splits = subject.space, subject.splits
    features = lambda index: inception_features(weights, maps.colour(index, space))
    truth = features(painted(splits["test"], space))
    scores = {"generated": fid(features(subject.maps(seed).index_maps), truth)}
    others = np.concatenate([splits["validation"], splits["train"]])[: len(truth)]
    if len(others) == len(truth):
        scores["real_vs_real"] = fid(features(painted(others, space)), truth)
    return scores


def _omitted(result: dict[str, Any]) -> dict[str, str]:
    """Rows that were not scored, and why."""
    generated = result["rows"]["generated"]
    reasons = {
        "control": f"nobody knows which classes were asked for: no {LABEL_SETS_FILE} lies beside the maps",
        "fid_inception": f"no weights: give --inception_weights=PATH, the file {WEIGHTS_FILE}",
        "diversity_lpips": f"no weights: give --lpips_weights={ALEXNET_FILES[0]},{LINEAR_FILE}, or where these are",
    }
    omitted = {name: reason for name, reason in reasons.items() if name not in generated}
    if not result.get("reconstruction"):
        omitted["reconstruction"] = "there is no posterior to reconstruct from"
    if result["suite"] == "all" and not result["edits"]:
        omitted["edits"] = "there is no model, or one that draws all classes at once"
    return omitted
