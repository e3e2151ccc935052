"""A drawing order where the user gives none."""

import dataclasses

import numpy as np
from jaxtyping import Integer

from segvae_jax.labels import LabelSpace


def by_area(space: LabelSpace, areas: Integer[np.ndarray, "N C"]) -> LabelSpace:
    """Draws and paints big classes first, small ones onto them.

    The size of a class is its mean area over all maps, zero in those that lack it, so that what is large and nearly
    always there comes first, and accessories last. Equal ones follow by name.

    Args:
      space: whose order to find.
      areas: pixels of each class in each map that counts.
    """
    total = dict(zip(space.names, areas.sum(axis=0).tolist(), strict=True))
    order = tuple(sorted(space.classes, key=lambda name: (-total[name], name)))
    return dataclasses.replace(space, drawing_order=order, paint_order=order)
