"""Edits: whether the target is there, whether all else is as it was, and whether edited maps look like real ones.

Each of up to 100 real maps gets one edit of each kind. Restyled maps have the label-sets of real ones, so they take the
two-sample test; but never against the maps that they were made from: two versions of one map on either side, and a
classifier that recalls the one is wrong about the other. So each half of the maps, edited, faces the other half.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax.editing import Edits
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.control import area_threshold
from segvae_jax.evaluation.metrics.two_sample import FOLDS, TwoSampleTest, two_sample_test
from segvae_jax.evaluation.quick_scoring import two_sample_figures
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, index_to_shapes, label_set_of

Edit = Callable[[UInt8[np.ndarray, "H W"], str, str, int], Edits]  # of a map: kind, name of the class, seed
IndexMaps = UInt8[np.ndarray, "N H W"]

KINDS = ("restyle", "add", "remove")
EDITED_MAPS = 100


def score_edits(
    edit: Edit, real: IndexMaps, frequency: Float[np.ndarray, "C"], space: LabelSpace, *, seed: int
) -> dict:
    """Edits real maps and scores what comes back.

    Args:
      edit: gives one alternative.
      real: held-out real maps.
      frequency: share of maps that have each class, in the data: of absent classes frequent ones are added most.
      space: the classes.
      seed: of the choice of maps and classes, of the edits, of folds and resampling.

    Returns:
      `num_maps`, and for each kind its figures, or None where no map can be edited so.
    """
    rng = np.random.default_rng(seed)
    held = label_set_of(index_to_class_maps(real, space.num_channels))
    rows = rng.permutation(np.flatnonzero(held.any(axis=1)))[:EDITED_MAPS]
    result: dict[str, Any] = {"num_maps": len(rows)}
    for kind, targets in choose_targets(held[rows], frequency, rng).items():
        seeds = rng.integers(2**31, size=len(rows))
        chosen = targets > 0
        edited = zip(real[rows][chosen], targets[chosen], seeds[chosen], strict=True)
        edits = [edit(index, kind, space.names[target], int(noise)) for index, target, noise in edited]
        result[kind] = _figures(kind, real[rows][chosen], edits, targets[chosen], space, seed) if edits else None
    return result


def choose_targets(
    label_sets: Bool[np.ndarray, "N C"], frequency: Float[np.ndarray, "C"], rng: np.random.Generator
) -> dict[str, Int[np.ndarray, "N"]]:
    """The channel of the class that each kind of edit is to be about, for each map; 0 where there is none.

    A present class is restyled, an absent one is added, as often as it is seen in the data, and of two or more present
    classes one is removed.
    """
    several = label_sets.sum(axis=1, keepdims=True) > 1
    odds = {"restyle": label_sets, "add": ~label_sets * frequency, "remove": label_sets & several}
    return {kind: _chosen(odds[kind].astype(float), rng) for kind in KINDS}


def _chosen(odds: Float[np.ndarray, "N C"], rng: np.random.Generator) -> Int[np.ndarray, "N"]:
    """A column for each row, as likely as it says; 0 where all are 0."""
    below = odds.cumsum(axis=1)
    return (below > rng.random((len(odds), 1)) * below[:, -1:]).argmax(axis=1)


def _figures(
    kind: str, before: IndexMaps, edits: Iterable[Edits], targets: Int[np.ndarray, "N"], space: LabelSpace, seed: int
) -> dict:
    fields = ((edit.index_maps, edit.class_maps, edit.occluded, edit.uncovered) for edit in edits)
    edited = Edits(*map(np.concatenate, zip(*fields, strict=True)))
    presence = as_asked(kind, edited.index_maps, targets)
    figures = {
        "num_maps": len(before),
        "presence": bootstrap_mean(presence, seed=seed) | {"per_class": _by_class(presence, targets, space)},
        "untouched": bootstrap_mean(untouched(before, edited, targets, space), seed=seed),
    }
    return figures | (_restyled(before, edited.index_maps, targets, space, seed) if kind == "restyle" else {})


def as_asked(kind: str, index_maps: IndexMaps, targets: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """1 where the target is seen in at least `area_threshold` pixels; of removed ones, where it is in none."""
    area = _shown(index_maps, targets).sum(axis=(1, 2))
    right = area == 0 if kind == "remove" else area >= area_threshold(*index_maps.shape[1:])
    return right.astype(float)


def untouched(
    before: IndexMaps, edited: Edits, targets: Int[np.ndarray, "N"], space: LabelSpace
) -> Float[np.ndarray, "N"]:
    """1 where an edit has changed its target alone.

    That is, the class maps of all other classes are the same bit for bit; and so are all pixels, but for those of
    background that show the target now, those of a class that do and are declared `occluded`, and those that did and
    are declared `uncovered`.
    """
    was, now = _shown(before, targets), _shown(edited.index_maps, targets)
    declared = now & (edited.occluded | (before == 0)) | was & edited.uncovered
    pixels = ((before == edited.index_maps) | declared).all(axis=(1, 2))
    same = (index_to_shapes(before, space) == edited.class_maps).all(axis=(1, 2))
    others = np.arange(space.num_channels) != targets[:, None]
    return (pixels & (same | ~others).all(axis=1)).astype(float)


def _shown(index_maps: IndexMaps, targets: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "N H W"]:
    return index_maps == targets[:, None, None]


def _by_class(values: Float[np.ndarray, "N"], targets: Int[np.ndarray, "N"], space: LabelSpace) -> list[float]:
    """Mean over the maps whose target a class was; NaN where it never was."""
    total, count = (np.bincount(targets, weights, space.num_channels) for weights in (values, None))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)[1:].tolist()


def _restyled(before: IndexMaps, after: IndexMaps, targets: Int[np.ndarray, "N"], space: LabelSpace, seed: int) -> dict:
    was, now = _shown(before, targets), _shown(after, targets)
    iou = (was & now).sum(axis=(1, 2)) / (was | now).sum(axis=(1, 2))
    figures = {"changed": bootstrap_mean(1 - iou, seed=seed)}
    if len(before) < 2 * FOLDS:
        return figures
    real, edited = (index_to_class_maps(index_maps, space.num_channels) for index_maps in (before, after))
    test = lambda maps: two_sample_figures(half_against_half(maps, real, seed=seed))
    return figures | {"c2st": {**test(edited), "real_vs_real": test(real)["auc"], "num_maps": len(real) // 2}}


def half_against_half(
    edited: Bool[np.ndarray, "N H W C"], real: Bool[np.ndarray, "N H W C"], *, seed: int
) -> TwoSampleTest:
    """The two-sample tests of each half of the edited maps against the other half of the maps they were made from.

    Returns:
      the folds of both.

    Raises:
      DataError: if a half has fewer maps than there are folds.
    """
    half = len(real) // 2
    first, second = slice(half), slice(half, 2 * half)
    tests = [two_sample_test(edited[a], real[b], seed=seed) for a, b in ((first, second), (second, first))]
    both = lambda name: np.concatenate([getattr(test, name) for test in tests])
    return TwoSampleTest(both("logistic_regression"), both("boosted_trees"))
