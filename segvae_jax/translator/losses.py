"""Losses of the translator.

`BY_PIXEL` is that of OASIS (Sushko et al. 2021). The discriminator classifies pixels: those of a real picture into the
classes of its map, those of a generated one as fake. The generator wants its pixels to be taken for the classes of the
map. Rare classes count as much as frequent ones. Pixels without a class, as those that an augmentation cut out, do not
count. `HINGE` is that of SPADE (Park et al. 2019), for a discriminator with one logit a patch.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def class_loss(logits: Float[Array, "B H W L"], class_maps: Float[Array, "B H W C"]) -> Float[Array, ""]:
    """Cross-entropy of the true classes, the classes of the batch weighted alike."""
    counts = class_maps.sum((0, 1, 2))
    present = (counts > 0).sum()
    weights = jnp.where(counts > 0, 1 / jnp.maximum(counts * present, 1), 0.0)
    return -(jax.nn.log_softmax(logits)[..., :-1] * class_maps * weights[None, None, None]).sum()


def fake_loss(logits: Float[Array, "B H W L"], class_maps: Float[Array, "B H W C"]) -> Float[Array, ""]:
    """Cross-entropy of "fake", the mean over all pixels that have a class."""
    return -(jax.nn.log_softmax(logits)[..., -1] * class_maps.sum(-1)).sum() / jnp.maximum(class_maps.sum(), 1)


def hinge_real(logits: Float[Array, "B L"], class_maps: Float[Array, "B H W C"]) -> Float[Array, ""]:
    """How far logits of real pictures are below 1, the mean over patches."""
    return jax.nn.relu(1 - logits).mean()


def hinge_fake(logits: Float[Array, "B L"], class_maps: Float[Array, "B H W C"]) -> Float[Array, ""]:
    """How far logits of generated pictures are above -1, the mean over patches."""
    return jax.nn.relu(1 + logits).mean()


def hinge_generator(logits: Float[Array, "B L"], class_maps: Float[Array, "B H W C"]) -> Float[Array, ""]:
    """The negative mean of the logits of generated pictures."""
    return -logits.mean()


@dataclasses.dataclass(frozen=True)
class Adversarial:
    """What the two networks minimise, as functions of the logits of pictures and of the maps of these pictures.

    Attributes:
      real, fake: of the discriminator, for real and for generated pictures.
      generator: of the generator, for its pictures.
    """

    real: Callable[[Any, Any], Float[Array, ""]]
    fake: Callable[[Any, Any], Float[Array, ""]]
    generator: Callable[[Any, Any], Float[Array, ""]]


BY_PIXEL = Adversarial(class_loss, fake_loss, class_loss)
HINGE = Adversarial(hinge_real, hinge_fake, hinge_generator)


def label_mix(key: Array, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W 1"]:
    """A mask of about half of the classes of each map, whole classes at a time."""
    chosen = jax.random.bernoulli(key, shape=(class_maps.shape[0], 1, 1, class_maps.shape[-1]))
    return (class_maps * chosen).sum(-1, keepdims=True)


def mix_loss(
    mask: Float[Array, "B H W 1"],
    real: Float[Array, "B H W L"],
    fake: Float[Array, "B H W L"],
    mixed: Float[Array, "B H W L"],
) -> Float[Array, ""]:
    """How far logits of a mixed picture are from the same mixture of the logits; real pixels where the mask is 1."""
    return jnp.square(mixed - (mask * real + (1 - mask) * fake)).mean()


def style_divergence(mu: Float[Array, "B S"], logvar: Float[Array, "B S"]) -> Float[Array, ""]:
    """Kullback-Leibler divergence of the styles from the standard normal distribution, the mean over the batch."""
    return 0.5 * (jnp.square(mu) + jnp.exp(logvar) - 1 - logvar).sum(-1).mean()
