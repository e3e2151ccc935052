"""The scores of the quick suite that need one map per label-set and no model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax.evaluation.metrics.bootstrap import bootstrap_distance, bootstrap_mean
from segvae_jax.evaluation.metrics.control import label_control
from segvae_jax.evaluation.metrics.frechet import frechet_distance
from segvae_jax.evaluation.metrics.marginals import area_fractions, segmentation_distance
from segvae_jax.evaluation.metrics.memorisation import closest, copied, nearest_training
from segvae_jax.evaluation.metrics.two_sample import JUDGES, TwoSampleTest
from segvae_jax.evaluation.networks.random_cnn import SEEDS, random_cnn_features
from segvae_jax.specks import speck_share

ClassMaps = Bool[np.ndarray, "N H W C"]


@dataclasses.dataclass(frozen=True)
class Reference:
    """The visible class maps that sets of maps are scored against, and what is computed from them once.

    Attributes:
      real: held-out real maps.
      train: training maps.
      train_rows: rows of the training maps in their split.
      features: features of `real` from each random CNN.
      overlap: mIoU of each real map with its nearest training map.
    """

    real: ClassMaps
    train: Bool[np.ndarray, "T H W C"]
    train_rows: Int[np.ndarray, "T"]
    features: Float[np.ndarray, "N S D"]
    overlap: Float[np.ndarray, "N"]

    @classmethod
    def of(cls, real: ClassMaps, train: Bool[np.ndarray, "T H W C"]) -> "Reference":
        """Computes features and overlaps."""
        return cls(real, train, np.arange(len(train)), cnn_features(real), nearest_training(real, train).overlap)

    def without(self, rows: Int[np.ndarray, "F"]) -> "Reference":
        """Leaves out training maps, so that maps that are scored do not count as copies of themselves."""
        train, train_rows = (np.delete(array, rows, axis=0) for array in (self.train, self.train_rows))
        return dataclasses.replace(self, train=train, train_rows=train_rows)


def cnn_features(maps: ClassMaps) -> Float[np.ndarray, "N S D"]:
    """Features from each of the random CNNs."""
    return np.stack([random_cnn_features(maps, seed) for seed in SEEDS], axis=1)


def score_quick(
    maps: ClassMaps,
    label_sets: Bool[np.ndarray, "N C"] | None,
    reference: Reference,
    *,
    seed: int,
    more: Sequence[ClassMaps] = (),
) -> dict:
    """All scores of the quick suite that need one map per label-set and no model.

    Args:
      maps: visible class maps, as many as the reference has real maps.
      label_sets: the label-sets that were requested; if None, there is no control.
      reference: the maps to compare with.
      seed: the seed of folds and resampling.
      more: further sets of maps from the same source, for the two-sample tests.

    Returns:
      JSON-serialisable scores; intervals are 95 % bootstrap intervals over maps.

    Raises:
      DataError: if there are too few maps to compare.
    """
    return ({} if label_sets is None else {"control": _control(maps, label_sets, seed)}) | {
        "fsd": bootstrap_distance(
            segmentation_distance, area_fractions(maps), area_fractions(reference.real), seed=seed
        ),
        "c2st": _judged([maps, *more], reference.real, seed),
        "frechet_random_cnn": _frechet(maps, reference, seed),
        "memorisation": _memorisation(maps, reference, seed),
        "specks": bootstrap_mean(speck_share(_index_maps(maps)), seed=seed),
    }


def _index_maps(maps: ClassMaps) -> UInt8[np.ndarray, "N H W"]:
    """The index maps of visible class maps, which have one class per pixel."""
    return (maps * np.arange(maps.shape[-1], dtype=np.uint8)).max(axis=-1)


def without_nan(scores: Any) -> Any:
    """Replaces NaN, which JSON lacks, by None."""
    if isinstance(scores, dict):
        return {name: without_nan(value) for name, value in scores.items()}
    if isinstance(scores, list):
        return [without_nan(value) for value in scores]
    return None if isinstance(scores, float) and np.isnan(scores) else scores


def _control(maps: ClassMaps, label_sets: np.ndarray, seed: int) -> dict:
    control = label_control(label_sets, maps)
    return {
        "exact": bootstrap_mean(control.exact, seed=seed),
        "precision": bootstrap_mean(control.precision, seed=seed),
        "recall": bootstrap_mean(control.recall, seed=seed),
        "miss_rate": control.miss_rate[1:].tolist(),
    }


def _judged(sets: Sequence[ClassMaps], real: ClassMaps, seed: int) -> dict:
    """The values of each judge over all sets, and the number of sets."""
    tests = lambda judge: [judge(maps, real, seed=seed + i) for i, maps in enumerate(sets)]
    values = {name: two_sample_values(TwoSampleTest.pooled(tests(judge))) for name, judge in JUDGES.items()}
    return {**values, "sample_sets": len(sets)}


def two_sample_values(test: TwoSampleTest) -> dict:
    """Mean and standard deviation over the folds, also of each classifier if there are several."""
    estimate = lambda auc: {"value": float(auc.mean()), "sd": float(auc.std(ddof=1))}
    parts = test.by_classifier if len(test.by_classifier) > 1 else {}
    return estimate(test.auc) | {name: estimate(auc) for name, auc in parts.items()}


def _frechet(maps: ClassMaps, reference: Reference, seed: int) -> dict:
    by_network = lambda a, b: [frechet_distance(a[:, i], b[:, i]) for i in range(len(SEEDS))]
    mean = lambda a, b: float(np.mean(by_network(a, b)))
    features = cnn_features(maps)
    estimate = bootstrap_distance(mean, features, reference.features, seed=seed)
    return {**estimate, "by_network": by_network(features, reference.features)}


def _memorisation(maps: ClassMaps, reference: Reference, seed: int) -> dict:
    nearest = nearest_training(maps, reference.train)
    pairs = closest(nearest)
    return {
        "nearest": bootstrap_mean(nearest.overlap, seed=seed),
        "held_out": bootstrap_mean(reference.overlap, seed=seed),
        "copied": float(copied(nearest.overlap, reference.overlap).mean()),
        "closest": [
            {"map": int(i), "train": int(reference.train_rows[j]), "overlap": float(nearest.overlap[i])}
            for i, j in pairs
        ],
    }
