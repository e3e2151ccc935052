"""The evaluation protocol: generated maps and the anchors, scored alike on what a viewer sees.

Every comparison is made on painted maps: class maps of any origin are flattened to the visible class
of each pixel and split into classes again, so that generated and real maps are treated alike.
"""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import sklearn
from jaxtyping import Bool, Float, Shaped, UInt8

from segvae_jax.errors import DataError, MapError
from segvae_jax.evaluation import anchors
from segvae_jax.evaluation.bootstrap import bootstrap_distance, bootstrap_mean
from segvae_jax.evaluation.control import area_threshold, label_control
from segvae_jax.evaluation.diversity import pairwise_diversity, real_diversity
from segvae_jax.evaluation.features import SEEDS, random_cnn_features
from segvae_jax.evaluation.frechet import frechet_distance
from segvae_jax.evaluation.marginals import area_fractions, segmentation_distance
from segvae_jax.evaluation.memorisation import copied, nearest_training
from segvae_jax.evaluation.reconstruction import reconstruction_iou
from segvae_jax.evaluation.two_sample import FOLDS, two_sample_test
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, label_set_of, paint

ClassMaps = Bool[np.ndarray, "N H W C"]
Generate = Callable[[Bool[np.ndarray, "N C"], int], UInt8[np.ndarray, "N H W"]]
Reconstruct = Callable[[ClassMaps], Float[np.ndarray, "N H W C"]]

DIVERSITY_LABEL_SETS = 32
DIVERSITY_SAMPLES = 10  # a label-set
PAINT_CHUNK = 256  # painting needs floats: 80 MB at 64 x 64 x 19


def painted(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> UInt8[np.ndarray, "N H W"]:
    """Index maps of hard or soft class maps, as `maps.paint`, without a float copy of all of them."""
    chunks = np.split(class_maps, range(PAINT_CHUNK, len(class_maps), PAINT_CHUNK))
    return np.concatenate([paint(chunk, space) for chunk in chunks])


def visible(class_maps: Shaped[np.ndarray, "N H W C"], space: LabelSpace) -> ClassMaps:
    """Class maps of what remains to be seen of hard or soft class maps once painted: no overlaps."""
    return index_to_class_maps(painted(class_maps, space), space.num_channels)


@dataclasses.dataclass(frozen=True)
class Reference:
    """What maps are scored against, all visible class maps, and what is computed once of them.

    Attributes:
      real: held-out real maps.
      train: training maps.
      features: of `real`, by each random CNN.
      overlap: of each real map with its nearest training map.
    """

    real: ClassMaps
    train: Bool[np.ndarray, "T H W C"]
    features: Float[np.ndarray, "N S D"]
    overlap: Float[np.ndarray, "N"]

    @classmethod
    def of(cls, real: ClassMaps, train: Bool[np.ndarray, "T H W C"]) -> "Reference":
        """Computes features and overlaps."""
        return cls(real, train, _features(real), nearest_training(real, train).overlap)


def score_maps(maps: ClassMaps, label_sets: Bool[np.ndarray, "N C"], reference: Reference, *, seed: int) -> dict:
    """Every row of the protocol that needs one map a label-set and no model.

    Args:
      maps: visible class maps, as many as the reference has real ones.
      label_sets: the label-sets that were asked for.
      reference: what to compare with.
      seed: of folds and resampling.

    Returns:
      JSON-serialisable figures; intervals are 95 % bootstrap intervals over maps.

    Raises:
      DataError: if there are too few maps to compare.
    """
    return {
        "control": _control(maps, label_sets, seed),
        "fsd": bootstrap_distance(
            segmentation_distance, area_fractions(maps), area_fractions(reference.real), seed=seed
        ),
        "c2st": _two_sample(maps, reference, seed),
        "frechet_random_cnn": _frechet(maps, reference, seed),
        "memorisation": _memorisation(maps, reference, seed),
    }


def run_suite(
    generate: Generate,
    reconstruct: Reconstruct | None,
    splits: Mapping[str, ClassMaps],
    space: LabelSpace,
    *,
    seed: int = 0,
    progress: Callable[[str], object] = lambda message: None,
) -> dict[str, Any]:
    """Scores a model and the anchors against the test maps, N maps on either side.

    Args:
      generate: draws an index map for each label-set from a seed.
      reconstruct: soft or hard class maps of the given class maps, from the posterior; None if there is none.
      splits: class maps as the model reads them of "train", "validation" and "test"; N is the size of
        the last. `real_vs_real` compares it with validation maps, filled up from training to N.
      space: the label space of the maps.
      seed: of sampling, anchors, folds and resampling.
      progress: called with a line before each part of the work.

    Returns:
      A JSON-serialisable result: conditions, `rows` (one of `score_maps` and `diversity` for
      "generated" and each anchor) and `reconstruction`, None without a posterior.

    Raises:
      DataError: if a split is missing or too small.
      MapError: if maps differ in shape or a generated map has an unknown class.
    """
    _check(splits, space)
    progress("painting the real maps and finding the nearest training map of each test map")
    reference = Reference.of(visible(splits["test"], space), visible(splits["train"], space))
    label_sets = label_set_of(splits["test"])
    rows = {}
    for name, draw in {"generated": generate, **_anchors(splits["train"], space)}.items():
        progress(f"scoring {name}")
        class_maps = _drawn(draw, label_sets, seed, space)
        rows[name] = score_maps(class_maps, label_sets, reference, seed=seed)
        rows[name]["diversity"] = _diversity(draw, label_sets, seed, space)
    progress("scoring real_vs_real")
    rows["real_vs_real"], from_train = _real_vs_real(splits, reference, space, seed)
    progress("scoring reconstructions")
    return _conditions(splits, space, seed) | {
        "real_vs_real_from_train": from_train,
        "rows": rows,
        "reconstruction": reconstruct and _reconstruction(reconstruct(splits["test"]), reference.real, space, seed),
    }


def _check(splits: Mapping[str, ClassMaps], space: LabelSpace) -> None:
    if missing := [name for name in ("train", "validation", "test") if name not in splits]:
        raise DataError(f"split {missing[0]!r} is missing: pass train, validation and test maps")
    size, count = splits["test"].shape[1:], len(splits["test"])
    if count < FOLDS or not len(splits["train"]):
        raise DataError(f"{count} test and {len(splits['train'])} training maps: pass at least {FOLDS} and 1")
    for name, class_maps in splits.items():
        if class_maps.shape[1:] != (*size[:2], space.num_channels):
            raise MapError(f"{name} maps are {class_maps.shape[1:]}: expected {(*size[:2], space.num_channels)}")


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


def _drawn(draw: Generate, label_sets: np.ndarray, seed: int, space: LabelSpace) -> ClassMaps:
    index = np.asarray(draw(label_sets, seed))
    if index.max(initial=0) >= space.num_channels:
        raise MapError(f"a generated map has class {index.max()}: expected less than {space.num_channels}")
    return index_to_class_maps(index, space.num_channels)


def _control(maps: ClassMaps, label_sets: np.ndarray, seed: int) -> dict:
    control = label_control(label_sets, maps)
    return {
        "exact": bootstrap_mean(control.exact, seed=seed),
        "precision": bootstrap_mean(control.precision, seed=seed),
        "recall": bootstrap_mean(control.recall, seed=seed),
        "miss_rate": _optional(control.miss_rate),
    }


def _two_sample(maps: ClassMaps, reference: Reference, seed: int) -> dict:
    test = two_sample_test(maps, reference.real, seed=seed)
    parts = {
        "auc": test.auc,
        "logistic_regression": test.logistic_regression,
        "boosted_trees": test.boosted_trees,
    }
    return {name: {"value": float(auc.mean()), "sd": float(auc.std(ddof=1))} for name, auc in parts.items()}


def _features(maps: ClassMaps) -> Float[np.ndarray, "N S D"]:
    return np.stack([random_cnn_features(maps, seed) for seed in SEEDS], axis=1)


def _frechet(maps: ClassMaps, reference: Reference, seed: int) -> dict:
    by_network = lambda a, b: [frechet_distance(a[:, i], b[:, i]) for i in range(len(SEEDS))]
    mean = lambda a, b: float(np.mean(by_network(a, b)))
    features = _features(maps)
    estimate = bootstrap_distance(mean, features, reference.features, seed=seed)
    return {**estimate, "by_network": by_network(features, reference.features)}


def _memorisation(maps: ClassMaps, reference: Reference, seed: int) -> dict:
    overlap = nearest_training(maps, reference.train).overlap
    return {
        "nearest": bootstrap_mean(overlap, seed=seed),
        "held_out": bootstrap_mean(reference.overlap, seed=seed),
        "copied": float(copied(overlap, reference.overlap).mean()),
    }


def _diversity(draw: Generate, label_sets: np.ndarray, seed: int, space: LabelSpace) -> dict:
    chosen = _diversity_label_sets(label_sets, seed)
    # another seed than that of the scored maps, so that no sample is used twice
    class_maps = _drawn(draw, np.repeat(chosen, DIVERSITY_SAMPLES, axis=0), seed + 1, space)
    values = pairwise_diversity(class_maps.reshape(len(chosen), DIVERSITY_SAMPLES, *class_maps.shape[1:]))
    return {**bootstrap_mean(values, seed=seed), "label_sets": len(chosen)}


def _diversity_label_sets(label_sets: np.ndarray, seed: int) -> Bool[np.ndarray, "L C"]:
    return np.random.default_rng(seed).permutation(np.unique(label_sets, axis=0))[:DIVERSITY_LABEL_SETS]


def _real_vs_real(
    splits: Mapping[str, ClassMaps], reference: Reference, space: LabelSpace, seed: int
) -> tuple[dict, int]:
    """The row of other real maps (asked for their own label-sets), and how many come from training."""
    rng = np.random.default_rng(seed)
    sizes = len(splits["test"]), len(splits["validation"]), len(splits["train"])
    validation, fill = anchors.real_rows(*sizes, rng)
    real = np.concatenate([splits["validation"][validation], splits["train"][fill]])
    # a map must not count as a copy of itself
    rest = dataclasses.replace(reference, train=np.delete(reference.train, fill, axis=0))
    row = score_maps(visible(real, space), label_set_of(real), rest, seed=seed)
    chosen = _diversity_label_sets(label_set_of(splits["test"]), seed)
    held = label_set_of(splits["train"])
    values, same = real_diversity(chosen, reference.train, held, rng, DIVERSITY_SAMPLES)
    row["diversity"] = {
        **bootstrap_mean(values, seed=seed),
        "label_sets": len(values),
        "same_label_set": same,
    }
    return row, len(fill)


def _reconstruction(class_maps: np.ndarray, truth: ClassMaps, space: LabelSpace, seed: int) -> dict:
    result = reconstruction_iou(truth, visible(class_maps, space))
    return {
        "mean_iou": bootstrap_mean(result.mean_iou, seed=seed),
        "per_class": _optional(result.per_class),
    }


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


def _optional(values: Float[np.ndarray, "C"]) -> list[float | None]:
    """Figures of the classes, background left out; JSON has no NaN."""
    return [None if np.isnan(value) else float(value) for value in values[1:]]
