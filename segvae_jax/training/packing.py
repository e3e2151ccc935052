"""The packing budget of each training step, from the label-sets of its batch.

What is foreseen holds under every augmentation: a map that loses classes asks for no more slots than before,
since a pair has a slot of its own for what is there, never for what is missing; only a flip adds classes.
"""

from collections.abc import Sequence

import grain
import numpy as np
from jaxtyping import Bool, Int

from segvae_jax.labels import LabelSpace
from segvae_jax.model.packing import Budget, demand

_WORTH_MOVING = 0.9  # packing moves the maps of the first level, which has to be made up for
_LOOK_AHEAD = 1_000  # batches whose largest demand is met


class Packing:
    """Knows what every batch of a run will ask for, before it is read.

    Attributes:
      budget: meets the demand of the run's first thousand batches, and so of nearly all; None if that
        would save too little.
    """

    def __init__(
        self,
        label_sets: Bool[np.ndarray, "N C"],
        space: LabelSpace,
        batches: Sequence[Int[np.ndarray, "B"]] | grain.MapDataset,
        groups: int,
        parts: int,
        num_steps: int,
        flip: bool = False,
    ):
        """Looks ahead.

        Args:
          label_sets: of the training data.
          space: their classes.
          batches: numbers of the maps of each step's batch.
          groups: of neighbours in a batch, one a device.
          parts: of a group that are computed one after the other, each of every so-many-th map.
          num_steps: of the run.
          flip: whether any map may be mirrored.
        """
        self._demand = _demand(label_sets, space)
        if flip:
            self._demand = np.maximum(self._demand, _demand(label_sets[:, space.mirrored], space))
        self._batches, self._shape = batches, (groups, -1, parts, 2)
        shapes, contexts = np.max([self._needs(step) for step in range(min(num_steps, _LOOK_AHEAD))], axis=0)
        pairs = len(batches[0]) // (groups * parts) * len(space.order)
        contexts = contexts if contexts < _WORTH_MOVING * pairs else pairs
        self.budget = Budget(groups, int(shapes), int(contexts)) if shapes < _WORTH_MOVING * pairs else None

    def of(self, step: int) -> Budget | None:
        """The budget for a step, counted from 0; None if its batch asks for more than was foreseen."""
        if self.budget is None:
            return None
        shapes, contexts = self._needs(step)
        return self.budget if shapes <= self.budget.shapes and contexts <= self.budget.contexts else None

    def _needs(self, step: int) -> Int[np.ndarray, "2"]:
        """Slots for the most demanding part of a group, with the one for no shape."""
        rows = self._demand[self._batches[step]].reshape(self._shape)
        return rows.sum(axis=1).max(axis=(0, 1)) + np.array([1, 0])


def _demand(label_sets: Bool[np.ndarray, "N C"], space: LabelSpace) -> Int[np.ndarray, "N 2"]:
    return demand(label_sets[:, space.order])
