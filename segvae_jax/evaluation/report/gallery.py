"""Albums of maps for the page of an evaluation, which show what the scores mean.

Real maps stand beside generated ones, so the page is only for people who may see the data.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax.evaluation.map_set import MapSet
from segvae_jax.evaluation.metrics.control import label_control
from segvae_jax.evaluation.metrics.memorisation import Nearest, nearest_training
from segvae_jax.evaluation.scorer import painted, visible
from segvae_jax.evaluation.target import EvaluationTarget
from segvae_jax.maps import index_to_class_maps, label_set_of

LABEL_SETS = 6
SAMPLES = 8  # per label-set
SHOWN = 12  # maps or pairs in an album
INTERPOLATIONS = 4
STEPS = 9  # maps in an interpolation


@dataclasses.dataclass(frozen=True)
class Row:
    """Index maps side by side, and RGB pictures among them: one text for all of them, and a caption for each."""

    text: str
    index_maps: Iterable[UInt8[np.ndarray, "H W"] | UInt8[np.ndarray, "H W 3"]]
    captions: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Album:
    """Rows of maps under a title; the text explains them, or says why there are none."""

    title: str
    text: str
    rows: Sequence[Row]


def albums(
    target: EvaluationTarget, *, seed: int, progress: Callable[[str], object] = lambda message: None
) -> list[Album]:
    """Makes the albums of a target that was scored with `seed`.

    Args:
      target: what was scored.
      seed: the seed of the scored maps.
      progress: called with one line of text before each part of the work.
    """
    progress("generating samples for the page")
    samples = _samples(target, seed)
    progress("finding the maps closest to training, and failures")
    map_set = target.map_set(seed)
    class_maps = index_to_class_maps(map_set.index_maps, target.space.num_channels)
    closest, farthest = _beside_training(target, map_set, class_maps)
    missing = _missing(target, map_set, class_maps)
    progress("generating interpolations")
    return [samples, closest, missing, farthest, _interpolations(target, seed)]


def _samples(target: EvaluationTarget, seed: int) -> Album:
    """Several maps of one label-set beside a real map."""
    real = label_set_of(target.splits["test"])
    if isinstance(target.source, MapSet):
        found = _shared_label_sets(target, target.source.index_maps, real)
    else:
        chosen = _spread(real, LABEL_SETS)
        generated = target.source(np.repeat(chosen, SAMPLES, axis=0), seed + 1)
        found = list(zip(chosen, np.split(generated, len(chosen)), strict=True))
    text = "From frequent label-sets to rare ones; the first map of each row is a real one, held out."
    nothing = "No two of the maps have the label-set of a held-out map."
    rows = [_sampled(target, real, *pair) for pair in found]
    return Album("One label-set, many maps", text if rows else nothing, rows)


def _shared_label_sets(
    target: EvaluationTarget, index_maps: UInt8[np.ndarray, "N H W"], real: Bool[np.ndarray, "M C"]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Label-sets of real maps that at least two of the maps have, and these maps."""
    present = label_set_of(index_to_class_maps(index_maps, target.space.num_channels))
    having = lambda label_set: (present == label_set).all(axis=1)
    shared = real[[having(label_set).sum() > 1 for label_set in real]]
    return [(label_set, index_maps[having(label_set)][:SAMPLES]) for label_set in _spread(shared, LABEL_SETS)]


def _sampled(
    target: EvaluationTarget,
    real: Bool[np.ndarray, "N C"],
    label_set: Bool[np.ndarray, "C"],
    samples: UInt8[np.ndarray, "S H W"],
) -> Row:
    first = np.flatnonzero((real == label_set).all(axis=1))[:1]
    held_out = painted(target.splits["test"][first], target.space)
    return Row(_names(target, label_set), [*held_out, *samples], ["held out", *[""] * len(samples)])


def _spread(label_sets: Bool[np.ndarray, "N C"], count: int) -> Bool[np.ndarray, "L C"]:
    """Up to `count` different label-sets, evenly spread from the most frequent to the rarest."""
    rows, counts = np.unique(label_sets[label_sets.any(axis=1)], axis=0, return_counts=True)
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return rows[np.argsort(-counts, kind="stable")[chosen]]


def _beside_training(
    target: EvaluationTarget, map_set: MapSet, class_maps: Bool[np.ndarray, "N H W C"]
) -> tuple[Album, Album]:
    """The maps that are closest to a training map, and those that are farthest from all of them."""
    nearest = nearest_training(class_maps, visible(target.splits["train"], target.space))
    order = np.argsort(-nearest.overlap, kind="stable")
    closest = (
        "The maps that are most like a training map, which is beside them, with their mIoU. Copies would look the same."
    )
    farthest = "The maps whose nearest training map, which is beside them, is the farthest: failures, or something new."
    return (
        Album("Closest to training", closest, _pairs(order[:SHOWN], target, map_set, nearest)),
        Album("Least like any training map", farthest, _pairs(order[::-1][:SHOWN], target, map_set, nearest)),
    )


def _pairs(rows: Int[np.ndarray, "P"], target: EvaluationTarget, map_set: MapSet, nearest: Nearest) -> list[Row]:
    """Maps and their nearest training maps."""
    train = painted(target.splits["train"][nearest.row[rows]], target.space)
    pair = lambda i, real: Row(
        f"mIoU {nearest.overlap[i]:.2f}", [map_set.index_maps[i], real], ["generated", "training"]
    )
    return [pair(*both) for both in zip(rows, train, strict=True)]


def _missing(target: EvaluationTarget, map_set: MapSet, class_maps: Bool[np.ndarray, "N H W C"]) -> Album:
    """The maps that lack the largest share of the requested classes."""
    title = "Without a requested class"
    if map_set.label_sets is None:
        return Album(title, "The requested classes are unknown.", ())
    control = label_control(map_set.label_sets, class_maps)
    worst = _lowest(control.recall)
    if not len(worst):
        return Album(title, f"All {len(class_maps)} maps have all requested classes.", ())
    lacking = map_set.label_sets[worst] & (class_maps[worst].sum(axis=(1, 2)) < control.threshold)
    text = (
        f"The maps of lowest recall, of {(control.recall < 1).sum()} that lack a class; below each map what it lacks."
    )
    captions = [_names(target, label_set) for label_set in lacking]
    return Album(title, text, [Row("", map_set.index_maps[worst], captions)])


def _lowest(recall: Float[np.ndarray, "N"]) -> Int[np.ndarray, "P"]:
    return np.array([i for i in np.argsort(recall, kind="stable")[:SHOWN] if recall[i] < 1], int)


def _interpolations(target: EvaluationTarget, seed: int) -> Album:
    title = "From one map to another"
    if target.generator is None:
        return Album(title, "There are only maps and no model, so nothing can be interpolated.", ())
    interpolate = lambda label_set: target.generator.interpolate(
        target.space.decode(label_set), STEPS, (seed, seed + 1)
    )
    rows = [
        Row(_names(target, label_set), interpolate(label_set), [""] * STEPS)
        for label_set in _spread(label_set_of(target.splits["test"]), INTERPOLATIONS)
    ]
    return Album(title, "The label-set stays the same; the noise moves along a great circle.", rows)


def _names(target: EvaluationTarget, label_set: Bool[np.ndarray, "C"]) -> str:
    return ", ".join(target.space.decode(label_set))
