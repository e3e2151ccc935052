"""Albums of maps for the page of an evaluation: what the figures mean to the eye.

Real maps stand beside drawn ones: a page is for those who may see the data.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax.evaluation.map_set import Given
from segvae_jax.evaluation.metrics.control import label_control
from segvae_jax.evaluation.metrics.memorisation import Nearest, nearest_training
from segvae_jax.evaluation.scorer import painted, visible
from segvae_jax.evaluation.target import Subject
from segvae_jax.maps import index_to_class_maps, label_set_of

LABEL_SETS = 6
SAMPLES = 8  # a label-set
SHOWN = 12  # maps or pairs of an album
WAYS = 4  # interpolations
STEPS = 9


@dataclasses.dataclass(frozen=True)
class Row:
    """Index maps side by side: a line on all of them, and one on each."""

    text: str
    index_maps: Iterable[UInt8[np.ndarray, "H W"]]
    captions: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Album:
    """Rows of maps under a title; the text says what they are, or why there are none."""

    title: str
    text: str
    rows: Sequence[Row]


def albums(subject: Subject, *, seed: int, progress: Callable[[str], object] = lambda message: None) -> list[Album]:
    """The albums of a subject that was scored with `seed`.

    Args:
      subject: what was scored.
      seed: of the maps that were scored.
      progress: called with a line before each part of the work.
    """
    progress("drawing samples for the page")
    samples = _samples(subject, seed)
    progress("finding what is closest to training, and what failed")
    given = subject.maps(seed)
    drawn = index_to_class_maps(given.index_maps, subject.space.num_channels)
    closest, farthest = _beside_training(subject, given, drawn)
    missing = _missing(subject, given, drawn)
    progress("drawing interpolations")
    return [samples, closest, missing, farthest, _interpolations(subject, seed)]


def _samples(subject: Subject, seed: int) -> Album:
    """Many maps of one label-set, and a real one."""
    real = label_set_of(subject.splits["test"])
    if isinstance(subject.made, Given):
        found = _found(subject, subject.made.index_maps, real)
    else:
        chosen = _spread(real, LABEL_SETS)
        drawn = subject.made(np.repeat(chosen, SAMPLES, axis=0), seed + 1)
        found = list(zip(chosen, np.split(drawn, len(chosen)), strict=True))
    text = "From frequent label-sets to rare ones; the first map of each row is a real one, held out."
    nothing = "No two of the maps hold the label-set of a held-out map."
    rows = [_sampled(subject, real, *pair) for pair in found]
    return Album("One label-set, many maps", text if rows else nothing, rows)


def _found(
    subject: Subject, index_maps: UInt8[np.ndarray, "N H W"], real: Bool[np.ndarray, "M C"]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Label-sets of real maps that two or more of the maps hold, and these."""
    held = label_set_of(index_to_class_maps(index_maps, subject.space.num_channels))
    holding = lambda label_set: (held == label_set).all(axis=1)
    shared = real[[holding(label_set).sum() > 1 for label_set in real]]
    return [(label_set, index_maps[holding(label_set)][:SAMPLES]) for label_set in _spread(shared, LABEL_SETS)]


def _sampled(
    subject: Subject, real: Bool[np.ndarray, "N C"], label_set: Bool[np.ndarray, "C"], drawn: UInt8[np.ndarray, "S H W"]
) -> Row:
    first = np.flatnonzero((real == label_set).all(axis=1))[:1]
    held_out = painted(subject.splits["test"][first], subject.space)
    return Row(_names(subject, label_set), [*held_out, *drawn], ["held out", *[""] * len(drawn)])


def _spread(label_sets: Bool[np.ndarray, "N C"], count: int) -> Bool[np.ndarray, "L C"]:
    """Up to `count` different ones, evenly from the most frequent to the rarest."""
    rows, counts = np.unique(label_sets[label_sets.any(axis=1)], axis=0, return_counts=True)
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return rows[np.argsort(-counts, kind="stable")[chosen]]


def _beside_training(subject: Subject, given: Given, drawn: Bool[np.ndarray, "N H W C"]) -> tuple[Album, Album]:
    """The maps that are closest to a training map, and those that are farthest from any."""
    nearest = nearest_training(drawn, visible(subject.splits["train"], subject.space))
    order = np.argsort(-nearest.overlap, kind="stable")
    closest = "The maps that are most like a training map, beside it, with their mIoU. Copies would look the same."
    farthest = "The maps whose nearest training map, beside them, is the farthest: failures, or what is new."
    return (
        Album("Closest to training", closest, _pairs(order[:SHOWN], subject, given, nearest)),
        Album("Least like any training map", farthest, _pairs(order[::-1][:SHOWN], subject, given, nearest)),
    )


def _pairs(rows: Int[np.ndarray, "P"], subject: Subject, given: Given, nearest: Nearest) -> list[Row]:
    """Maps and their nearest training maps."""
    train = painted(subject.splits["train"][nearest.row[rows]], subject.space)
    pair = lambda i, real: Row(f"mIoU {nearest.overlap[i]:.2f}", [given.index_maps[i], real], ["drawn", "training"])
    return [pair(*both) for both in zip(rows, train, strict=True)]


def _missing(subject: Subject, given: Given, drawn: Bool[np.ndarray, "N H W C"]) -> Album:
    """The maps that lack most of what was asked for."""
    title = "Without what was asked for"
    if given.label_sets is None:
        return Album(title, "Nobody knows which classes were asked for.", ())
    control = label_control(given.label_sets, drawn)
    worst = _lowest(control.recall)
    if not len(worst):
        return Album(title, f"All {len(drawn)} maps hold all that was asked for.", ())
    lacking = given.label_sets[worst] & (drawn[worst].sum(axis=(1, 2)) < control.threshold)
    text = f"The maps of lowest recall, of {(control.recall < 1).sum()} that lack a class; under each what it lacks."
    captions = [_names(subject, label_set) for label_set in lacking]
    return Album(title, text, [Row("", given.index_maps[worst], captions)])


def _lowest(recall: Float[np.ndarray, "N"]) -> Int[np.ndarray, "P"]:
    return np.array([i for i in np.argsort(recall, kind="stable")[:SHOWN] if recall[i] < 1], int)


def _interpolations(subject: Subject, seed: int) -> Album:
    title = "From one map to another"
    if subject.generator is None:
        return Album(title, "Maps alone cannot be interpolated.", ())
    way = lambda label_set: subject.generator.interpolate(subject.space.decode(label_set), STEPS, (seed, seed + 1))
    rows = [
        Row(_names(subject, label_set), way(label_set), [""] * STEPS)
        for label_set in _spread(label_set_of(subject.splits["test"]), WAYS)
    ]
    return Album(title, "The label-set stays, the noise goes along a great circle.", rows)


def _names(subject: Subject, label_set: Bool[np.ndarray, "C"]) -> str:
    return ", ".join(subject.space.decode(label_set))
