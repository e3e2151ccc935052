"""The evaluation protocol: a model and the anchors, scored alike against held-out maps."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import sklearn
from jaxtyping import Float

from segvae_jax.errors import DataError, MapError
from segvae_jax.evaluation.edits import Edit, score_edits
from segvae_jax.evaluation.full_scoring import score_latents
from segvae_jax.evaluation.map_set import Given
from segvae_jax.evaluation.metrics import anchors
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.control import area_threshold
from segvae_jax.evaluation.metrics.neighbours import K_DENSITY
from segvae_jax.evaluation.metrics.reconstruction import reconstruction_iou
from segvae_jax.evaluation.metrics.two_sample import FOLDS
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.lpips import Lpips
from segvae_jax.evaluation.quick_scoring import ClassMaps, without_nan
from segvae_jax.evaluation.scorer import Generate, Judge, painted, visible
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import label_set_of
from segvae_jax.sampling import Latents

Reconstruct = Callable[[ClassMaps], Float[np.ndarray, "N H W C"]]
Infer = Callable[[ClassMaps], Latents]

SUITES = ("quick", "all")


@dataclasses.dataclass(frozen=True)
class Anchors:
    """What models are held to: scored once for all that are compared on the same maps with the same seed.

    Attributes:
      judge: what they were scored with, and models are.
      rows: of each anchor.
      from_train: how many maps of `real_vs_real` come from training.
    """

    judge: Judge
    rows: Mapping[str, dict]
    from_train: int


def score_anchors(
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    suite: str = "quick",
    seed: int = 0,
    lpips: Lpips | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> Anchors:
    """Scores the anchors; arguments and errors are those of `run_suite`."""
    _check(splits, space, suite)
    judge, rows = Judge.of(splits, space, suite=suite, seed=seed, lpips=lpips, progress=progress), {}
    for name, draw in _anchors(splits["train"], space).items():
        progress(f"scoring {name}")
        rows[name] = judge.score(draw)
    progress("scoring real_vs_real")
    rows["real_vs_real"], from_train = _real_vs_real(splits, judge)
    return Anchors(judge, rows, from_train)


def run_suite(
    generate: Generate | Given,
    reconstruct: Reconstruct | None,
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    infer: Infer | None = None,
    edit: Edit | None = None,
    suite: str = "quick",
    seed: int = 0,
    lpips: Lpips | None = None,
    held_to: Anchors | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Scores a model and the anchors against the test maps, N maps on either side.

    Args:
      generate: draws an index map for each label-set from a seed; or as many maps as there are test maps.
      reconstruct: soft or hard class maps of the given class maps, from the posterior; None if there is none.
      splits: class maps as the model reads them of "train", "validation" and "test"; N is the size of
        the last. `real_vs_real` compares it with validation maps, filled up from training to N.
      space: the label space of the maps.
      infer: posterior and prior of the given class maps; None if there is none.
      edit: edits a map, see `score_edits`; None if nothing can.
      suite: "quick", or "all", which adds what needs the map encoder, the geometry of parts, `infer` or `edit`.
      seed: of sampling, anchors, folds and resampling. The map encoder has a fixed one.
      lpips: weights of LPIPS; adds `diversity_lpips`.
      held_to: `score_anchors` of the same arguments, to save doing it again; scored here if None.
      progress: called with a line before each part of the work.

    Returns:
      A JSON-serialisable result: conditions, `rows` ("generated" and each anchor), `reconstruction`, `latent`
      and `edits`. docs/evaluation.md explains every key.

    Raises:
      DataError: if a split is missing or too small, the suite is unknown, or `held_to` is of another one.
      MapError: if maps differ in shape or a generated map has an unknown class.
    """
    held_to = held_to or score_anchors(splits, space, suite=suite, seed=seed, lpips=lpips, progress=progress)
    judge = _judge_of(held_to, splits, suite, seed)
    progress("scoring generated")
    rows = {"generated": judge.score(generate), **held_to.rows}
    result = _conditions(splits, space, seed) | {
        "suite": suite, "real_vs_real_from_train": held_to.from_train, "rows": rows,
    }  # fmt: skip
    if judge.encoder is not None:
        result["map_encoder"] = map_encoder.describe(judge.encoder)
    progress("scoring reconstructions")
    result["reconstruction"] = reconstruct and _reconstruction(reconstruct(splits["test"]), judge)
    result["latent"] = score_latents(infer(splits["test"]), space, seed=seed) if infer and suite == "all" else None
    progress("scoring edits")
    result["edits"] = _edits(edit, splits, judge) if edit and suite == "all" else None
    return without_nan(result)


def _check(splits: Mapping[str, ClassMaps], space: LabelSpace, suite: str) -> None:
    if suite not in SUITES:
        raise DataError(f"suite {suite!r} is unknown: choose from {', '.join(SUITES)}")
    if missing := [name for name in ("train", "validation", "test") if name not in splits]:
        raise DataError(f"split {missing[0]!r} is missing: pass train, validation and test maps")
    size, count = splits["test"].shape[1:], len(splits["test"])
    least = FOLDS if suite == "quick" else max(FOLDS, K_DENSITY + 1)
    if count < least or not len(splits["train"]):
        raise DataError(f"{count} test and {len(splits['train'])} training maps: pass at least {least} and 1")
    for name, class_maps in splits.items():
        if class_maps.shape[1:] != (*size[:2], space.num_channels):
            raise MapError(f"{name} maps are {class_maps.shape[1:]}: expected {(*size[:2], space.num_channels)}")


def _judge_of(anchors: Anchors, splits: Mapping[str, ClassMaps], suite: str, seed: int) -> Judge:
    judge = anchors.judge
    alike = judge.seed == seed and (judge.encoder is not None) == (suite == "all")
    if not alike or not np.array_equal(judge.wanted, label_set_of(splits["test"])):
        raise DataError("the anchors are of other test maps, another suite or seed: pass those of `score_anchors`")
    return judge


def _anchors(train: ClassMaps, space: LabelSpace) -> dict[str, Generate]:
    """The anchors in the form of a generator."""
    held = label_set_of(train)
    rng = np.random.default_rng
    cut = {
        "retrieval": lambda wanted, seed: anchors.retrieval(wanted, train, held, rng(seed)),
        "independent_parts": lambda wanted, seed: anchors.independent_parts(wanted, train, held, rng(seed)),
        "mean_shape": lambda wanted, seed: anchors.mean_shape(wanted, train, held),
    }
    painting = lambda anchor: lambda wanted, seed: painted(anchor(wanted, seed), space)
    return {name: painting(anchor) for name, anchor in cut.items()}


def _real_vs_real(splits: Mapping[str, ClassMaps], judge: Judge) -> tuple[dict, int]:
    """The row of other real maps (asked for their own label-sets), and how many come from training."""
    rng = np.random.default_rng(judge.seed)
    sizes = len(splits["test"]), len(splits["validation"]), len(splits["train"])
    validation, fill = anchors.real_rows(*sizes, rng)
    real = np.concatenate([splits["validation"][validation], splits["train"][fill]])
    rest = dataclasses.replace(judge, reference=judge.reference.without(fill))
    row = rest.score_maps(visible(real, judge.space), label_set_of(real))
    return row | judge.score_within(judge.reference.train, label_set_of(splits["train"]), rng), len(fill)


def _reconstruction(class_maps: np.ndarray, judge: Judge) -> dict:
    result = reconstruction_iou(judge.reference.real, visible(class_maps, judge.space))
    return {
        "mean_iou": bootstrap_mean(result.mean_iou, seed=judge.seed),
        "per_class": result.per_class[1:].tolist(),
    }


def _edits(edit: Edit, splits: Mapping[str, ClassMaps], judge: Judge) -> dict:
    """The edits that the training maps make likely, of test maps."""
    frequency = label_set_of(splits["train"]).mean(axis=0)
    return score_edits(edit, painted(splits["test"], judge.space), frequency, judge.space, seed=judge.seed)


def _conditions(splits: Mapping[str, ClassMaps], space: LabelSpace, seed: int) -> dict[str, Any]:
    height, width = splits["test"].shape[1:3]
    return {
        "num_maps": len(splits["test"]),
        "splits": {name: len(class_maps) for name, class_maps in splits.items()},
        "size": [height, width],
        "classes": list(space.classes),
        "area_threshold": area_threshold(height, width),
        "seed": seed,
        "versions": {
            "segvae_jax": _installed_version("segvae_jax"),
            "jax": jax.__version__,
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _installed_version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
