"""Scores edits: is the target there, is the rest unchanged and without new pieces, and do edited maps look real?

Each of up to 100 real maps gets one edit of each kind. Restyled maps have the label-sets of real maps, so they take the
two-sample tests. They must not be compared with the maps that they were made from, though: a classifier that has
memorised one version of a map would be wrong about the other version. So each half of the maps, edited, is compared
with the other half.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax.editing import Edits
from segvae_jax.evaluation.metrics.bootstrap import bootstrap_mean
from segvae_jax.evaluation.metrics.control import area_threshold
from segvae_jax.evaluation.metrics.two_sample import JUDGES, LEAST, TwoSampleTest
from segvae_jax.evaluation.quick_scoring import two_sample_values
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, index_to_shapes, label_set_of
from segvae_jax.uncovering import new_pieces

Edit = Callable[[UInt8[np.ndarray, "H W"], str, str, int], Edits]  # arguments: map, kind, name of the class, seed
IndexMapArray = UInt8[np.ndarray, "N H W"]

KINDS = ("restyle", "add", "remove")
EDITED_MAPS = 100


def score_edits(
    edit: Edit, real: IndexMapArray, frequency: Float[np.ndarray, "C"], space: LabelSpace, *, seed: int
) -> dict:
    """Edits real maps and scores the results.

    Args:
      edit: edits a map, and returns one alternative.
      real: held-out real maps.
      frequency: share of the training maps that have each class; an absent class is added with a probability in
        proportion to it.
      space: the classes.
      seed: the seed of the choice of maps and classes, of the edits, of folds and resampling.

    Returns:
      `num_maps`, and the scores of each kind, or None if no map allows the kind.
    """
    rng = np.random.default_rng(seed)
    present = label_set_of(index_to_class_maps(real, space.num_channels))
    rows = rng.permutation(np.flatnonzero(present.any(axis=1)))[:EDITED_MAPS]
    result: dict[str, Any] = {"num_maps": len(rows)}
    for kind, targets in choose_targets(present[rows], frequency, rng).items():
        seeds = rng.integers(2**31, size=len(rows))
        chosen = targets > 0
        edited = zip(real[rows][chosen], targets[chosen], seeds[chosen], strict=True)
        edits = [edit(index, kind, space.names[target], int(noise)) for index, target, noise in edited]
        result[kind] = _scores(kind, real[rows][chosen], edits, targets[chosen], space, seed) if edits else None
    return result


def choose_targets(
    label_sets: Bool[np.ndarray, "N C"], frequency: Float[np.ndarray, "C"], rng: np.random.Generator
) -> dict[str, Int[np.ndarray, "N"]]:
    """For each kind of edit and each map, the channel of the class to edit; 0 if there is none.

    A random present class is restyled. An absent class is added, with a probability in proportion to its frequency. A
    random present class is removed if the map has at least two.
    """
    several = label_sets.sum(axis=1, keepdims=True) > 1
    odds = {"restyle": label_sets, "add": ~label_sets * frequency, "remove": label_sets & several}
    return {kind: _sample_channels(odds[kind].astype(float), rng) for kind in KINDS}


def _sample_channels(odds: Float[np.ndarray, "N C"], rng: np.random.Generator) -> Int[np.ndarray, "N"]:
    """A random column of each row, with probabilities in proportion to its values; 0 if all are 0."""
    below = odds.cumsum(axis=1)
    return (below > rng.random((len(odds), 1)) * below[:, -1:]).argmax(axis=1)


def _scores(
    kind: str,
    before: IndexMapArray,
    edits: Iterable[Edits],
    targets: Int[np.ndarray, "N"],
    space: LabelSpace,
    seed: int,
) -> dict:
    fields = ((edit.index_maps, edit.class_maps, edit.occluded, edit.uncovered) for edit in edits)
    edited = Edits(*map(np.concatenate, zip(*fields, strict=True)))
    presence = target_as_requested(kind, edited.index_maps, targets)
    scores = {
        "num_maps": len(before),
        "presence": bootstrap_mean(presence, seed=seed) | {"per_class": _by_class(presence, targets, space)},
        "untouched": bootstrap_mean(untouched(before, edited, targets, space), seed=seed),
        "new_pieces": bootstrap_mean(new_pieces_of_the_rest(before, edited.index_maps, targets), seed=seed),
    }
    return scores | (_restyled(before, edited.index_maps, targets, space, seed) if kind == "restyle" else {})


def target_as_requested(kind: str, index_maps: IndexMapArray, targets: Int[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """1 if the target is visible in at least `area_threshold` pixels; after a removal, 1 if it is visible in none."""
    area = _shown(index_maps, targets).sum(axis=(1, 2))
    right = area == 0 if kind == "remove" else area >= area_threshold(*index_maps.shape[1:])
    return right.astype(float)


def untouched(
    before: IndexMapArray, edited: Edits, targets: Int[np.ndarray, "N"], space: LabelSpace
) -> Float[np.ndarray, "N"]:
    """1 if an edit has changed nothing but its target.

    That is, the class maps of all other classes are identical, and so are all pixels, with these exceptions: pixels
    that were background and now show the target; pixels that were another class, now show the target and are declared
    `occluded`; and pixels that showed the target and are declared `uncovered`.
    """
    was, now = _shown(before, targets), _shown(edited.index_maps, targets)
    declared = now & (edited.occluded | (before == 0)) | was & edited.uncovered
    pixels = ((before == edited.index_maps) | declared).all(axis=(1, 2))
    same = (index_to_shapes(before, space) == edited.class_maps).all(axis=(1, 2))
    others = np.arange(space.num_channels) != targets[:, None]
    return (pixels & (same | ~others).all(axis=1)).astype(float)


def new_pieces_of_the_rest(
    before: IndexMapArray, after: IndexMapArray, targets: Int[np.ndarray, "N"]
) -> Float[np.ndarray, "N"]:
    """How many connected pieces of classes other than the target are new: no pixel of them showed the class before."""
    new = np.stack([new_pieces(*maps) for maps in zip(before, after, strict=True)]) * ~_shown(after, targets)
    return np.array([np.count_nonzero(np.unique(numbers)) for numbers in new], float)


def _shown(index_maps: IndexMapArray, targets: Int[np.ndarray, "N"]) -> Bool[np.ndarray, "N H W"]:
    return index_maps == targets[:, None, None]


def _by_class(values: Float[np.ndarray, "N"], targets: Int[np.ndarray, "N"], space: LabelSpace) -> list[float]:
    """For each class, the mean over the maps whose target it was; NaN if there is none."""
    total, count = (np.bincount(targets, weights, space.num_channels) for weights in (values, None))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)[1:].tolist()


def _restyled(
    before: IndexMapArray, after: IndexMapArray, targets: Int[np.ndarray, "N"], space: LabelSpace, seed: int
) -> dict:
    was, now = _shown(before, targets), _shown(after, targets)
    iou = (was & now).sum(axis=(1, 2)) / (was | now).sum(axis=(1, 2))
    scores = {"changed": bootstrap_mean(1 - iou, seed=seed)}
    if len(before) < 2 * LEAST:
        return scores
    real, edited = (index_to_class_maps(index_maps, space.num_channels) for index_maps in (before, after))
    judged = lambda maps: {
        name: two_sample_values(half_against_half(judge, maps, real, seed=seed)) for name, judge in JUDGES.items()
    }
    return scores | {"c2st": {**judged(edited), "real_vs_real": judged(real), "num_maps": len(real) // 2}}


def half_against_half(
    judge: Callable[..., TwoSampleTest],
    edited: Bool[np.ndarray, "N H W C"],
    real: Bool[np.ndarray, "N H W C"],
    *,
    seed: int,
) -> TwoSampleTest:
    """Two-sample tests of each half of the edited maps against the other half of the unedited maps.

    Args:
      judge: the test, one of `JUDGES`.
      edited: edited maps.
      real: the same maps before.
      seed: the seed of the folds.

    Returns:
      The AUC on the folds of both tests.

    Raises:
      DataError: if a half has fewer than 10 maps.
    """
    half = len(real) // 2
    first, second = slice(half), slice(half, 2 * half)
    tests = [judge(edited[a], real[b], seed=seed) for a, b in ((first, second), (second, first))]
    return TwoSampleTest.pooled(tests)
