"""Reconstruction losses, loss terms per example, and the one place that reduces them."""

from collections.abc import Callable, Mapping

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float


@flax.struct.dataclass
class LossTerms:
    """Loss terms of each example of a batch: one column per step (L = K), or one for the whole map (L = 1)."""

    kl: Float[Array, "B L"]  # nats, summed over the latent; 0 without a posterior
    reconstruction: Float[Array, "B M"]  # without a posterior, the model's own loss
    kl_of: Mapping[str, Float[Array, "B L"]] = flax.struct.field(default_factory=dict)  # parts of `kl`, by scale


@flax.struct.dataclass
class Losses:
    """Scalars of a batch."""

    total: Float[Array, ""]  # kl_weight * kl + reconstruction
    kl: Float[Array, ""]  # nats
    reconstruction: Float[Array, ""]
    kl_of: Mapping[str, Float[Array, ""]] = flax.struct.field(default_factory=dict)  # parts of `kl`, by scale

    def scalars(self) -> dict[str, Float[Array, ""]]:
        """By name, as the training log has them."""
        parts = {f"kl_{scale}": value for scale, value in self.kl_of.items()}
        return {"total": self.total, "kl": self.kl, "reconstruction": self.reconstruction, **parts}


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


def bce_sum(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Binary cross-entropy summed over the pixels, in nats: minus the log-likelihood of the shape."""
    return (nn.softplus(logits) - shapes * logits).sum((-2, -1))


def bce_dice_sum(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """`bce_dice` times the number of pixels, so that its cross-entropy is that of `bce_sum`."""
    return logits.shape[-2] * logits.shape[-1] * bce_dice(logits, shapes)


RECONSTRUCTION: dict[str, Callable[..., Array]] = {
    loss.__name__: loss for loss in (l1, bce, bce_dice, bce_sum, bce_dice_sum)
}
REDUCTIONS = ("steps", "pairs")


def reduce_losses(
    terms: LossTerms,
    present: Float[Array, "B K"],
    kl_weight: float | Float[Array, ""],
    rows: RowCounts | None = None,
    reduction: str = "steps",
) -> Losses:
    """The training loss of a batch: `total = kl_weight * kl + reconstruction`.

    Args:
      terms: of each example.
      present: 1 where the label-set has the class of the step; with "pairs" any weight, if a pair stands for more.
      kl_weight: weight of the KL term.
      rows: counts of the whole batch; to be given where the terms are of a part of it and results are summed.
      reduction: of terms of steps: "steps" for the mean over the rows that have the class of the step, summed over the
        steps, so that rare classes weigh as much as frequent ones, as in the paper; "pairs" for the mean over all
        (map, class) pairs.
    """
    rows = RowCounts.of(present) if rows is None else rows
    reduced = lambda term: _reduced(term, present, rows, reduction)
    kl, reconstruction = reduced(terms.kl), reduced(terms.reconstruction)
    parts = {scale: reduced(term) for scale, term in terms.kl_of.items()}
    return Losses(kl_weight * kl + reconstruction, kl, reconstruction, parts)


def reduce_steps(terms: Float[Array, "B K"], present: Float[Array, "B K"], rows: Float[Array, "K"]) -> Float[Array, ""]:
    """Mean over the `rows` that have the class of the step, summed over the steps."""
    return ((terms * present).sum(0) / jnp.maximum(rows, 1)).sum()


def _reduced(
    term: Float[Array, "B L"], present: Float[Array, "B K"], rows: RowCounts, reduction: str
) -> Float[Array, ""]:
    """Reduces terms of each step, or terms of whole maps that hold any class."""
    if term.shape != present.shape:
        return reduce_steps(term, present.max(1, keepdims=True), rows.maps)
    if reduction == "pairs":
        return (term * present).sum() / jnp.maximum(rows.steps.sum(), 1)
    return reduce_steps(term, present, rows.steps)
