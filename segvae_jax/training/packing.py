"""The packing budget of each training step, from the label-sets of its batch.

A budget that is computed before augmentation also holds after it: a map that loses classes needs no more slots than
before, and only a flip adds classes, which is taken into account.
"""

from collections.abc import Iterable, Sequence

import grain
import numpy as np
from jaxtyping import Bool, Int

from segvae_jax.labels import LabelSpace
from segvae_jax.model.packing import Budget, demand

_WORTH_MOVING = 0.9  # packing moves the maps of the first level; it has to save more than that costs
_FORESEEN = 10_000  # batches whose largest demand the budget meets


class Packing:
    """Knows how many slots every batch of a run needs, before the batch is read.

    Attributes:
      budget: meets the demand of the foreseen batches; None if packing would save too little.
    """

    def __init__(
        self,
        label_sets: Bool[np.ndarray, "N C"],
        space: LabelSpace,
        foreseen: Iterable[Int[np.ndarray, "B"]],
        batches: Sequence[Int[np.ndarray, "B"]] | grain.MapDataset,
        groups: int,
        parts: int,
        flip: bool = False,
    ):
        """Computes the budget.

        Args:
          label_sets: of the training data.
          space: their classes.
          foreseen: numbers of the maps in batches that the budget has to be enough for.
          batches: numbers of the maps in the batch of each step.
          groups: number of groups of neighbours in a batch, one per device.
          parts: number of parts of a group that are computed one after the other; each takes every `parts`-th map.
          flip: whether maps may be mirrored.
        """
        self._demand = _demand(label_sets, space)
        if flip:
            self._demand = np.maximum(self._demand, _demand(label_sets[:, space.mirrored], space))
        self._batches, self._shape = batches, (groups, -1, parts, 2)
        shapes, contexts = np.max([self._needs(batch) for batch in foreseen], axis=0)
        pairs = len(batches[0]) // (groups * parts) * len(space.order)
        contexts = contexts if contexts < _WORTH_MOVING * pairs else pairs
        self.budget = Budget(groups, int(shapes), int(contexts)) if shapes < _WORTH_MOVING * pairs else None

    def of(self, step: int) -> Budget | None:
        """The budget of a step, counted from 0; None if its batch needs more slots than the budget has."""
        if self.budget is None:
            return None
        shapes, contexts = self._needs(self._batches[step])
        return self.budget if shapes <= self.budget.shapes and contexts <= self.budget.contexts else None

    def _needs(self, batch: Int[np.ndarray, "B"]) -> Int[np.ndarray, "2"]:
        """Slots that the most demanding part of a group needs, including the one for blank shapes."""
        rows = self._demand[batch].reshape(self._shape)
        return rows.sum(axis=1).max(axis=(0, 1)) + np.array([1, 0])


def foreseen_batches(num_examples: int, batch_size: int) -> Int[np.ndarray, "N B"]:
    """Batches of random epochs, of which few runs have one that needs more slots than all of these.

    They are the same in all runs, so that the budget is, and with it the program of a step, whatever the seed.
    """
    epochs = -(-_FORESEEN * batch_size // num_examples)
    order = np.random.default_rng(0).permuted(np.tile(np.arange(num_examples), (epochs, 1)), axis=1)
    return order.reshape(-1)[: _FORESEEN * batch_size].reshape(_FORESEEN, batch_size)


def least_budget(label_sets: Bool[np.ndarray, "N C"], space: LabelSpace, rows: int) -> Budget:
    """Slots that any group of so many maps of this data needs at least."""
    shapes, contexts = rows * _demand(label_sets, space).min(axis=0)
    return Budget(1, int(shapes) + 1, int(contexts))


def _demand(label_sets: Bool[np.ndarray, "N C"], space: LabelSpace) -> Int[np.ndarray, "N 2"]:
    return demand(label_sets[:, space.order])
