"""Reconstruction losses, loss terms per example, and the one place that reduces them."""

from collections.abc import Callable

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float


@flax.struct.dataclass
class LossTerms:
    """Loss terms of each example of a batch: one column per step (L = K), or one for the whole map (L = 1)."""

    kl: Float[Array, "B L"]  # nats, summed over the latent; 0 without a posterior
    reconstruction: Float[Array, "B M"]  # without a posterior, the model's own loss


@flax.struct.dataclass
class Losses:
    """Scalars of a batch."""

    total: Float[Array, ""]  # kl_weight * kl + reconstruction
    kl: Float[Array, ""]  # nats
    reconstruction: Float[Array, ""]  # summed over the steps


@flax.struct.dataclass
class RowCounts:
    """How many rows of a whole batch have the class of each step, and how many have any class."""

    steps: Float[Array, "K"]
    maps: Float[Array, "1"]

    @classmethod
    def of(cls, present: Float[Array, "B K"]) -> "RowCounts":
        """Counts the rows of all label-sets of a batch."""
        return cls(present.sum(0), present.max(1, keepdims=True).sum(0))


def l1(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean absolute difference between a decoded shape and the true one; the loss of the paper."""
    return jnp.abs(nn.sigmoid(logits) - shapes).mean((-2, -1))


def bce(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean binary cross-entropy; that of Optax computes the same, but loading it would slow every use of a model."""
    return (nn.softplus(logits) - shapes * logits).mean((-2, -1))


def bce_dice(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean binary cross-entropy plus half a soft Dice loss.

    A blank map is nearly right for a small shape under the mean L1 loss; Dice weighs a shape by its own area.
    """
    soft = nn.sigmoid(logits)
    overlap = 2 * (soft * shapes).sum((-2, -1)) + 1
    return bce(logits, shapes) + 0.5 * (1 - overlap / (soft.sum((-2, -1)) + shapes.sum((-2, -1)) + 1))


RECONSTRUCTION: dict[str, Callable[..., Array]] = {"l1": l1, "bce": bce, "bce_dice": bce_dice}


def reduce_losses(
    terms: LossTerms, present: Float[Array, "B K"], kl_weight: float, rows: RowCounts | None = None
) -> Losses:
    """The training loss of a batch: `total = kl_weight * kl + reconstruction`.

    Args:
      terms: of each example.
      present: 1 where the label-set has the class of the step.
      kl_weight: weight of the KL term.
      rows: counts of the whole batch; to be given where the terms are of a part of it and results are summed.
    """
    rows = RowCounts.of(present) if rows is None else rows
    kl, reconstruction = (_reduced(term, present, rows) for term in (terms.kl, terms.reconstruction))
    return Losses(kl_weight * kl + reconstruction, kl, reconstruction)


def reduce_steps(terms: Float[Array, "B K"], present: Float[Array, "B K"], rows: Float[Array, "K"]) -> Float[Array, ""]:
    """Mean over the `rows` that have the class of the step, summed over the steps."""
    return ((terms * present).sum(0) / jnp.maximum(rows, 1)).sum()


def _reduced(term: Float[Array, "B L"], present: Float[Array, "B K"], rows: RowCounts) -> Float[Array, ""]:
    """Reduces terms of each step, or terms of whole maps that hold any class."""
    if term.shape == present.shape:
        return reduce_steps(term, present, rows.steps)
    return reduce_steps(term, present.max(1, keepdims=True), rows.maps)
