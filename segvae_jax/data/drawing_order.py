"""A drawing order where the user gives none."""

import dataclasses

import numpy as np
from jaxtyping import Integer

from segvae_jax.labels import LabelSpace


def by_area(space: LabelSpace, areas: Integer[np.ndarray, "N C"]) -> LabelSpace:
    """Draws and paints big classes first, small ones onto them.

    The size of a class is its mean area over the maps that hold it. Equal ones follow by name, classes that no
    map holds come last.

    Args:
      space: whose order to find.
      areas: pixels of each class in each map that counts.
    """
    mean = areas.sum(axis=0) / np.maximum((areas > 0).sum(axis=0), 1)
    size = dict(zip(space.names, mean, strict=True))
    order = tuple(sorted(space.classes, key=lambda name: (-size[name], name)))
    return dataclasses.replace(space, drawing_order=order, paint_order=order)
