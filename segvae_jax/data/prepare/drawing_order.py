"""The drawing order of classes for which the user gives none."""

import dataclasses

import numpy as np
from jaxtyping import Integer

from segvae_jax.labels import LabelSpace


def by_area(space: LabelSpace, areas: Integer[np.ndarray, "N C"]) -> LabelSpace:
    """The label space with large classes drawn and painted first, and small classes onto them.

    The size of a class is its mean area over all maps, and its area is zero in maps without it. So classes that are
    large and nearly always present come first, and accessories come last. Classes of equal size are sorted by name.

    Args:
      space: the classes.
      areas: pixels of each class in each map.
    """
    total = dict(zip(space.names, areas.sum(axis=0).tolist(), strict=True))
    order = tuple(sorted(space.classes, key=lambda name: (-total[name], name)))
    return dataclasses.replace(space, drawing_order=order, paint_order=order)
