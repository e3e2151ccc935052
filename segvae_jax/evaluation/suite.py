"""The evaluation protocol: a model and the anchors are scored in the same way against held-out maps."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import sklearn
from jaxtyping import Bool, Float

from segvae_jax.errors import DataError, MapError
from segvae_jax.evaluation.edits import Edit, score_edits
from segvae_jax.evaluation.full_scoring import score_latents
from segvae_jax.evaluation.metrics.anchors import independent_parts, mean_shape, real_rows, retrieval
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.control import area_threshold
from segvae_jax.evaluation.metrics.reconstruction import reconstruction_iou
from segvae_jax.evaluation.metrics.two_sample import LEAST
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.lpips import Lpips
from segvae_jax.evaluation.quick_scoring import ClassMaps, without_nan
from segvae_jax.evaluation.scorer import Generate, MapSource, Scorer, painted, sample_sets, visible
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import label_set_of
from segvae_jax.numerics import fixed_numerics
from segvae_jax.sampling import Latents

Reconstruct = Callable[[ClassMaps], Float[np.ndarray, "N H W C"]]
Infer = Callable[[ClassMaps], Latents]

SUITES = ("quick", "all")


@dataclasses.dataclass(frozen=True)
class ScoredAnchors:
    """The scores of the anchors: computed once for all models that are compared on the same maps with the same seed.

    Attributes:
      scorer: scored the anchors, and scores the models.
      rows: scores by name of the anchor.
      from_train: how many maps of `real_vs_real` come from the training split.
    """

    scorer: Scorer
    rows: Mapping[str, dict]
    from_train: int


@fixed_numerics()
def score_anchors(
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    suite: str = "quick",
    seed: int = 0,
    lpips: Lpips | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> ScoredAnchors:
    """Scores the anchors; the arguments and errors are those of `run_suite`."""
    _check(splits, space, suite)
    scorer, rows = Scorer.of(splits, space, suite=suite, seed=seed, lpips=lpips, progress=progress), {}
    for name, generate in _anchors(splits["train"], space).items():
        progress(f"scoring {name}")
        rows[name] = scorer.score(generate)
    progress("scoring real_vs_real")
    rows["real_vs_real"], from_train = _real_vs_real(splits, scorer)
    return ScoredAnchors(scorer, rows, from_train)


@fixed_numerics()
def run_suite(
    source: MapSource,
    reconstruct: Reconstruct | None,
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    infer: Infer | None = None,
    edit: Edit | None = None,
    suite: str = "quick",
    seed: int = 0,
    lpips: Lpips | None = None,
    anchors: ScoredAnchors | None = None,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Scores a model and the anchors against the test maps, with N maps on either side.

    Args:
      source: generates one index map per label-set from a seed; or a set of as many maps as there are test maps.
      reconstruct: reconstructs class maps from their posterior, as soft or hard class maps; None if the model cannot.
      splits: class maps of "train", "validation" and "test", as the model reads them; N is the number of test maps.
        `real_vs_real` compares these with validation maps and, if they are fewer than N, with training maps too.
      space: the label space of the maps.
      infer: computes posterior and prior of class maps; None if the model has no posterior.
      edit: edits a map, see `score_edits`; None if the model cannot.
      suite: "quick"; or "all", which adds the scores that need the map encoder, the geometry of parts, `infer` or
        `edit`.
      seed: the seed of sampling, anchors, folds and resampling. The map encoder has a fixed seed of its own.
      lpips: weights of LPIPS; if given, `diversity_lpips` is scored.
      anchors: the result of `score_anchors` with the same arguments; computed here if None.
      progress: called with one line of text before each part of the work.

    Returns:
      A JSON-serialisable result: conditions, `rows` ("generated" and each anchor), `reconstruction`, `latent` and
      `edits`. docs/evaluation.md explains every key.

    Raises:
      DataError: if a split is missing or too small, the suite is unknown, or `anchors` belong to other arguments.
      MapError: if maps differ in shape or a generated map has an unknown class.
    """
    anchors = anchors or score_anchors(splits, space, suite=suite, seed=seed, lpips=lpips, progress=progress)
    scorer = _scorer_of(anchors, splits, suite, seed)
    progress("scoring generated")
    rows = {"generated": scorer.score(source), **anchors.rows}
    result = _conditions(splits, space, seed) | {
        "suite": suite, "real_vs_real_from_train": anchors.from_train, "rows": rows,
    }  # fmt: skip
    if scorer.encoder is not None:
        result["map_encoder"] = map_encoder.describe(scorer.encoder)
    progress("scoring reconstructions")
    result["reconstruction"] = reconstruct and _reconstruction(reconstruct(splits["test"]), scorer)
    result["latent"] = score_latents(infer(splits["test"]), space, seed=seed) if infer and suite == "all" else None
    progress("scoring edits")
    result["edits"] = _edits(edit, splits, scorer) if edit and suite == "all" else None
    return without_nan(result)


def _check(splits: Mapping[str, ClassMaps], space: LabelSpace, suite: str) -> None:
    if suite not in SUITES:
        raise DataError(f"suite {suite!r} is unknown: choose from {', '.join(SUITES)}")
    if missing := [name for name in ("train", "validation", "test") if name not in splits]:
        raise DataError(f"split {missing[0]!r} is missing: pass train, validation and test maps")
    size, count = splits["test"].shape[1:], len(splits["test"])
    if count < LEAST or not len(splits["train"]):
        raise DataError(f"{count} test and {len(splits['train'])} training maps: pass at least {LEAST} and 1")
    for name, class_maps in splits.items():
        if class_maps.shape[1:] != (*size[:2], space.num_channels):
            raise MapError(f"{name} maps are {class_maps.shape[1:]}: expected {(*size[:2], space.num_channels)}")


def _scorer_of(anchors: ScoredAnchors, splits: Mapping[str, ClassMaps], suite: str, seed: int) -> Scorer:
    scorer = anchors.scorer
    alike = scorer.seed == seed and (scorer.encoder is not None) == (suite == "all")
    if not alike or not np.array_equal(scorer.label_sets, label_set_of(splits["test"])):
        raise DataError(
            "the anchors belong to other test maps, another suite or another seed: pass the result of `score_anchors`"
            " with the same arguments"
        )
    return scorer


def _anchors(train: ClassMaps, space: LabelSpace) -> dict[str, Generate]:
    """The anchors, each as a function that generates maps."""
    present = label_set_of(train)
    rng = np.random.default_rng
    class_maps_of = {
        "retrieval": lambda label_sets, seed: retrieval(label_sets, train, present, rng(seed)),
        "independent_parts": lambda label_sets, seed: independent_parts(label_sets, train, present, rng(seed)),
        "mean_shape": lambda label_sets, seed: mean_shape(label_sets, train, present),
    }
    painting = lambda anchor: lambda label_sets, seed: painted(anchor(label_sets, seed), space)
    return {name: painting(anchor) for name, anchor in class_maps_of.items()}


def _real_vs_real(splits: Mapping[str, ClassMaps], scorer: Scorer) -> tuple[dict, int]:
    """The scores of other real maps, with their own label-sets as the requested ones; how many are training maps."""
    rng = np.random.default_rng(scorer.seed)
    sizes = len(splits["test"]), len(splits["validation"]), len(splits["train"])
    validation, fill = real_rows(*sizes, rng)
    real = np.concatenate([splits["validation"][validation], splits["train"][fill]])
    rest = dataclasses.replace(scorer, reference=scorer.reference.without(fill))
    more = [visible(maps, scorer.space) for maps in _more_real(splits["train"], len(real), scorer.seed)]
    scores = rest.score_maps(visible(real, scorer.space), label_set_of(real), more)
    return scores | scorer.score_diversity_within(scorer.reference.train, label_set_of(splits["train"]), rng), len(fill)


def _more_real(train: Bool[np.ndarray, "T H W C"], count: int, seed: int) -> list[ClassMaps]:
    """Random training maps for the two-sample tests, in as many further sets as a model generates; none if too few."""
    sets = range(1, sample_sets(count)) if len(train) >= count else ()
    return [train[np.random.default_rng((seed, i)).permutation(len(train))[:count]] for i in sets]


def _reconstruction(class_maps: np.ndarray, scorer: Scorer) -> dict:
    result = reconstruction_iou(scorer.reference.real, visible(class_maps, scorer.space))
    return {
        "mean_iou": bootstrap_mean(result.mean_iou, seed=scorer.seed),
        "per_class": result.per_class[1:].tolist(),
    }


def _edits(edit: Edit, splits: Mapping[str, ClassMaps], scorer: Scorer) -> dict:
    """Scores edits of test maps; classes are added as often as training maps have them."""
    frequency = label_set_of(splits["train"]).mean(axis=0)
    return score_edits(edit, painted(splits["test"], scorer.space), frequency, scorer.space, seed=scorer.seed)


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
