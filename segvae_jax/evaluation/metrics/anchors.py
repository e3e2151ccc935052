"""Anchors: maps made without a model, scored beside it so that its figures mean something.

They cut from class maps as the model reads them (covered classes complete) and return the same.
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
    """A random training map of the same label-set; of the nearest by Hamming distance where none has it."""
    wanted, held = label_sets.astype(np.float32), train_label_sets.astype(np.float32)
    distance = wanted @ (1 - held).T + (1 - wanted) @ held.T
    nearest = distance == distance.min(axis=1, keepdims=True)
    return train[[rng.choice(np.flatnonzero(row)) for row in nearest]]


def mean_shape(
    label_sets: Bool[np.ndarray, "N C"],
    train: Bool[np.ndarray, "T H W C"],
    train_label_sets: Bool[np.ndarray, "T C"],
) -> Bool[np.ndarray, "N H W C"]:
    """The mean of each class over the training maps that have it, where it exceeds one half.

    A class whose mean never does is cut at half of its own maximum. Equal label-sets get equal maps.
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
    """Each class from a random training map of its own: true shapes and places, no relation between them."""
    maps = np.zeros((len(label_sets), *train.shape[1:]), bool)
    for channel in range(1, maps.shape[-1]):
        rows, donors = np.flatnonzero(label_sets[:, channel]), np.flatnonzero(train_label_sets[:, channel])
        if len(donors):
            maps[rows, ..., channel] = train[rng.choice(donors, len(rows)), ..., channel]
    return maps


def real_rows(
    count: int, num_validation: int, num_train: int, rng: np.random.Generator
) -> tuple[Int[np.ndarray, "V"], Int[np.ndarray, "F"]]:
    """Rows of `count` real maps other than the test maps: random validation maps, filled up from training.

    Raises:
      DataError: if the two splits together hold no more than `count` maps.
    """
    if count >= num_validation + num_train:
        raise DataError(
            f"{num_validation} validation and {num_train} training maps cannot face {count} test maps: "
            "evaluate on fewer test maps"
        )
    validation = rng.permutation(num_validation)[:count]
    return validation, rng.permutation(num_train)[: count - len(validation)]
