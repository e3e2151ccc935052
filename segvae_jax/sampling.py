"""What a Generator computes on the device: pure functions of model, variables and inputs."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from segvae_jax import maps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import MapModel, VAEOutput
from segvae_jax.streams import sample_noise, slerp, stream_key


@dataclasses.dataclass(frozen=True)
class Latents:
    """Posterior and prior of the latents of given maps, a Gaussian a step in drawing order.

    Attributes:
      mu_posterior, logvar_posterior: of the posterior, which sees the true shapes.
      mu_prior, logvar_prior: of the prior, which sees the canvas of true shapes.
      present: whether the map has the step's class; the Gaussians of other steps mean nothing.
    """

    mu_posterior: Float[np.ndarray, "N K Z"]
    logvar_posterior: Float[np.ndarray, "N K Z"]
    mu_prior: Float[np.ndarray, "N K Z"]
    logvar_prior: Float[np.ndarray, "N K Z"]
    present: Bool[np.ndarray, "N K"]


def draw(
    model: MapModel,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, ""],
) -> Float[Array, "B H W C"]:
    """Soft class maps of numbered samples, background filled in, faint classes raised."""
    eps = sample_noise(seed, "generate", indices, model.sample_noise_shape)
    return raised(model.sample(variables, label_set, eps, temperature))


def raised(drawn: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """What is shown of drawn class maps."""
    return maps.with_background(maps.raise_faint(drawn))


def paint(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, ""],
) -> UInt8[Array, "B H W"]:
    """Painted where it is drawn, so that one byte a pixel leaves the device."""
    return maps.paint(draw(model, variables, label_set, seed, indices, temperature), space)


def paint_between(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seeds: Int[Array, "2"],
    shares: Float[Array, "B"],
    temperature: Float[Array, ""],
) -> UInt8[Array, "B H W"]:
    """Painted maps between the first samples of two seeds."""
    noise = lambda seed: sample_noise(seed, "generate", jnp.zeros(1, int), model.sample_noise_shape)
    eps = slerp(noise(seeds[0]), noise(seeds[1]), shares.reshape(-1, *[1] * len(model.sample_noise_shape)))
    return maps.paint(raised(model.sample(variables, label_set, eps, temperature)), space)


@jax.jit
def choose_rows(share: Float[Array, "M"], seed: Int[Array, ""], indices: Int[Array, "N"]) -> Int[Array, "N"]:
    """A row for each of the numbered samples, each from its own key."""
    choose = lambda index: jax.random.choice(stream_key(seed, "label_sets", index), share.shape[0], p=share)
    return jax.vmap(choose)(indices)


def reconstruct(model: MapModel, variables: Any, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Soft class maps from the mean of the posterior, background filled in."""
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    return maps.with_background(model.reconstruct(variables, class_maps, label_set, eps))


def infer(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> dict[str, Shaped[Array, "B K ..."]]:
    """The fields of `Latents`."""
    output = from_means(model, variables, class_maps)
    return {
        "mu_posterior": output.posterior.mu,
        "logvar_posterior": output.posterior.logvar,
        "mu_prior": output.prior.mu,
        "logvar_prior": output.prior.logvar,
        "present": output.present > 0,
    }


def from_means(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> VAEOutput:
    """The training forward without noise."""
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    return model.apply(variables, class_maps, maps.label_set_of(class_maps).astype(jnp.float32), eps)
