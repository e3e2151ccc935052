"""Loss terms per sample and step, and the one place that reduces them."""

from collections.abc import Callable

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.recurrence import Gaussian
from segvae_jax.model.segvae import StepOutput


@flax.struct.dataclass
class Losses:
    """Scalars of a batch."""

    total: Float[Array, ""]  # kl_weight * kl + reconstruction
    kl: Float[Array, ""]  # nats, summed over the steps
    reconstruction: Float[Array, ""]  # summed over the steps


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Float[Array, "*b"]:
    """KL(posterior || prior) in nats, summed over the latent."""
    difference = posterior.logvar - prior.logvar
    squared = jnp.square(posterior.mu - prior.mu) * jnp.exp(-prior.logvar)
    return 0.5 * (jnp.exp(difference) + squared - 1 - difference).sum(-1)


def l1(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean absolute difference of a decoded shape from the true one: the paper's."""
    return jnp.abs(nn.sigmoid(logits) - shapes).mean((-2, -1))


def bce_dice(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean binary cross-entropy + half a soft Dice loss.

    Under the mean L1 a blank map is nearly right for a small shape; Dice weighs a shape by its own area.
    """
    cross_entropy = (nn.softplus(logits) - shapes * logits).mean((-2, -1))
    soft = nn.sigmoid(logits)
    overlap = 2 * (soft * shapes).sum((-2, -1)) + 1
    return cross_entropy + 0.5 * (1 - overlap / (soft.sum((-2, -1)) + shapes.sum((-2, -1)) + 1))


RECONSTRUCTION: dict[str, Callable[..., Array]] = {"l1": l1, "bce_dice": bce_dice}


def reduce_steps(
    terms: Float[Array, "B K"], present: Float[Array, "B K"], rows: Float[Array, "K"] | None = None
) -> Float[Array, ""]:
    """Mean over the rows that have the step's class, summed over the steps.

    `rows` is how many have it; to be given where these are a part of a batch, whose results are summed.
    """
    rows = present.sum(0) if rows is None else rows
    return ((terms * present).sum(0) / jnp.maximum(rows, 1)).sum()


def losses(
    output: StepOutput,
    shapes: Float[Array, "B K H W"],
    reconstruction: str,
    kl_weight: float,
    rows: Float[Array, "K"] | None = None,
) -> Losses:
    """The training loss of a batch.

    Args:
      output: of the training forward.
      shapes: the true shapes in drawing order.
      reconstruction: a key of `RECONSTRUCTION`.
      kl_weight: weight of the KL term; the release's is 1e-5.
      rows: as in `reduce_steps`.
    """
    kl = reduce_steps(kl_divergence(output.posterior, output.prior), output.present, rows)
    recon = reduce_steps(RECONSTRUCTION[reconstruction](output.logits, shapes), output.present, rows)
    return Losses(kl_weight * kl + recon, kl, recon)
