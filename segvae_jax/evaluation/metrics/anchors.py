"""Anchors: maps made without a model. They are scored as the model is, so that its scores can be judged.

Anchors take class maps as the model reads them, in which covered classes are complete, and return such maps.
"""

import numpy as np
from jaxtyping import Bool, Int

from segvae_jax.errors import DataError


def retrieval(
    label_sets: Bool[np.ndarray, "N C"],
    train: Bool[np.ndarray, "T H W C"],
    train_label_sets: Bool[np.ndarray, "T C"],
    rng: np.random.Generator,
) -> Bool[np.ndarray, "N H W C"]:
    """A random training map of each label-set, or of the nearest one by Hamming distance if no map has it."""
    requested, present = label_sets.astype(np.float32), train_label_sets.astype(np.float32)
    distance = requested @ (1 - present).T + (1 - requested) @ present.T
    nearest = distance == distance.min(axis=1, keepdims=True)
    return train[[rng.choice(np.flatnonzero(row)) for row in nearest]]


def mean_shape(
    label_sets: Bool[np.ndarray, "N C"],
    train: Bool[np.ndarray, "T H W C"],
    train_label_sets: Bool[np.ndarray, "T C"],
) -> Bool[np.ndarray, "N H W C"]:
    """The mean of each class over the training maps that have it, thresholded at one half.

    A class whose mean never exceeds one half is thresholded at half of its maximum. Equal label-sets get equal maps.
    """
    shapes = np.zeros(train.shape[1:], bool)
    for channel in np.flatnonzero(train_label_sets.any(axis=0)):
        mean = train[train_label_sets[:, channel], ..., channel].mean(axis=0)
        shapes[..., channel] = mean > (0.5 if mean.max() > 0.5 else mean.max() / 2)
    return shapes & label_sets[:, None, None]


def independent_parts(
    label_sets: Bool[np.ndarray, "N C"],
    train: Bool[np.ndarray, "T H W C"],
    train_label_sets: Bool[np.ndarray, "T C"],
    rng: np.random.Generator,
) -> Bool[np.ndarray, "N H W C"]:
    """Each class from a different random training map: shapes and places are real, but unrelated to each other."""
    maps = np.zeros((len(label_sets), *train.shape[1:]), bool)
    for channel in range(1, maps.shape[-1]):
        rows, donors = np.flatnonzero(label_sets[:, channel]), np.flatnonzero(train_label_sets[:, channel])
        if len(donors):
            maps[rows, ..., channel] = train[rng.choice(donors, len(rows)), ..., channel]
    return maps


def real_rows(
    count: int, num_validation: int, num_train: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "V"], Int[np.ndarray, "F"]]:
    """Rows of `count` real maps other than the test maps: random validation maps and, if too few, training maps.

    Returns:
      rows of the validation split, and rows of the training split.

    Raises:
      DataError: if the two splits together hold no more than `count` maps.
    """
    if count >= num_validation + num_train:
        raise DataError(
            f"{num_validation} validation and {num_train} training maps are too few to compare with "
            f"{count} test maps: evaluate on fewer test maps"
        )
    validation = rng.permutation(num_validation)[:count]
    return validation, rng.permutation(num_train)[: count - len(validation)]
