"""Loss terms per sample and step, and the one place that reduces them."""

from collections.abc import Callable

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from segvae_jax.model.protocol import MapTerms, VAEOutput
from segvae_jax.model.recurrence import Gaussian


@flax.struct.dataclass
class Losses:
    """Scalars of a batch."""

    total: Float[Array, ""]  # kl_weight * kl + reconstruction
    kl: Float[Array, ""]  # nats, summed over the latents; 0 without a posterior
    reconstruction: Float[Array, ""]  # summed over the steps; without a posterior, the model's own loss


@flax.struct.dataclass
class Rows:
    """How many rows of a whole batch hold the class of each step, and how many hold any."""

    steps: Float[Array, "K"]
    maps: Float[Array, "1"]

    @classmethod
    def of(cls, present: Float[Array, "B K"]) -> "Rows":
        """Counts the rows of all label-sets of a batch."""
        return cls(present.sum(0), present.max(1, keepdims=True).sum(0))


def kl_divergence(posterior: Gaussian, prior: Gaussian) -> Float[Array, "*b"]:
    """KL(posterior || prior) in nats, summed over the latent."""
    difference = posterior.logvar - prior.logvar
    squared = jnp.square(posterior.mu - prior.mu) * jnp.exp(-prior.logvar)
    return 0.5 * (jnp.exp(difference) + squared - 1 - difference).sum(-1)


def l1(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean absolute difference of a decoded shape from the true one: the paper's."""
    return jnp.abs(nn.sigmoid(logits) - shapes).mean((-2, -1))


def bce(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean binary cross-entropy."""
    return (nn.softplus(logits) - shapes * logits).mean((-2, -1))


def bce_dice(logits: Float[Array, "*b H W"], shapes: Float[Array, "*b H W"]) -> Float[Array, "*b"]:
    """Mean binary cross-entropy + half a soft Dice loss.

    Under the mean L1 a blank map is nearly right for a small shape; Dice weighs a shape by its own area.
    """
    soft = nn.sigmoid(logits)
    overlap = 2 * (soft * shapes).sum((-2, -1)) + 1
    return bce(logits, shapes) + 0.5 * (1 - overlap / (soft.sum((-2, -1)) + shapes.sum((-2, -1)) + 1))


RECONSTRUCTION: dict[str, Callable[..., Array]] = {"l1": l1, "bce": bce, "bce_dice": bce_dice}


def reduce_steps(
    terms: Float[Array, "B K"], present: Float[Array, "B K"], rows: Float[Array, "K"] | None = None
) -> Float[Array, ""]:
    """Mean over the rows that have the step's class, summed over the steps.

    `rows` is how many have it; to be given where these are a part of a batch, whose results are summed.
    """
    rows = present.sum(0) if rows is None else rows
    return ((terms * present).sum(0) / jnp.maximum(rows, 1)).sum()


def losses(
    output: VAEOutput | MapTerms,
    shapes: Float[Array, "B K H W"],
    reconstruction: str,
    kl_weight: float,
    rows: Rows | None = None,
) -> Losses:
    """The training loss of a batch.

    Args:
      output: of the training forward.
      shapes: the true shapes in drawing order.
      reconstruction: a key of `RECONSTRUCTION`.
      kl_weight: weight of the KL term; the release's is 1e-5.
      rows: to be given where the output is of a part of a batch, whose results are summed.
    """
    rows = Rows.of(output.present) if rows is None else rows
    if isinstance(output, MapTerms):
        loss = reduce_steps(output.terms, output.present, rows.maps)
        return Losses(loss, jnp.zeros(()), loss)
    kl = _reduced_kl(output, rows)
    recon = reduce_steps(RECONSTRUCTION[reconstruction](output.logits, shapes), output.present, rows.steps)
    return Losses(kl_weight * kl + recon, kl, recon)


def _reduced_kl(output: VAEOutput, rows: Rows) -> Float[Array, ""]:
    """Of one latent for each step, or of one for the whole map."""
    kl = kl_divergence(output.posterior, output.prior)
    if kl.shape == output.present.shape:
        return reduce_steps(kl, output.present, rows.steps)
    return reduce_steps(kl, output.present.max(1, keepdims=True), rows.maps)
