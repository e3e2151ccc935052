"""The choices that the page offers: numbers of maps, and label-sets to start from."""

import numpy as np
from jaxtyping import Bool

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.labels import LabelSpace

SAMPLES = (4, 8, 16)  # maps at once
ALTERNATIVES = (4, 8)  # maps per edit
MAX_TEMPERATURE = 2.0

_MOST = 5  # label-sets that are offered
_MANY = 3  # classes that fit into a name


def presets(card: ModelCard) -> dict[str, tuple[str, ...]]:
    """The most frequent label-sets of the training data, by names that say their shares; and "all" and "none".

    Args:
      card: of the checkpoint; one without label-sets offers "all" and "none" alone.
    """
    ranks = np.argsort(-card.counts, kind="stable")[:_MOST]
    frequent = [card.label_sets[rank] for rank in ranks]
    shares = [card.counts[rank] / card.counts.sum() for rank in ranks]
    named = {
        f"{_described(label_set, frequent[0], card.space)} ({share:.0%})": card.space.decode(label_set)
        for label_set, share in zip(frequent, shares, strict=True)
    }
    return {**named, "all": card.space.classes, "none": ()}


def _described(label_set: Bool[np.ndarray, "C"], first: Bool[np.ndarray, "C"], space: LabelSpace) -> str:
    """The difference of a label-set from the most frequent one, or its classes if they differ in many."""
    titles = lambda rows: tuple(map(space.title, space.decode(rows)))
    more, fewer = titles(label_set & ~first), titles(first & ~label_set)
    if len(more) + len(fewer) > _MANY:
        names = titles(label_set)
        return f"{', '.join(names[:_MANY])}, {len(names) - _MANY} more" if len(names) > _MANY else ", ".join(names)
    return " ".join(["most frequent", *(f"+ {name}" for name in more), *(f"− {name}" for name in fewer)])
