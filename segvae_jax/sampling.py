"""What a Generator computes on the device: pure functions of the model, its variables and inputs.

The temperature is passed on to `MapModel.sample`; models with a latent multiply the noise of their prior by it.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Shaped, UInt8

from segvae_jax import maps
from segvae_jax.arguments import Temperature, checked_temperature
from segvae_jax.checkpoint.fitting import with_fitting_weights
from segvae_jax.errors import CheckpointError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.gaussian import scale_slices
from segvae_jax.model.protocol import MapModel, VAEOutput
from segvae_jax.streams import sample_noise, slerp, stream_key


@dataclasses.dataclass(frozen=True)
class Latents:
    """Posterior and prior of the latents of given maps: one Gaussian per class, in drawing order.

    Attributes:
      mu_posterior, logvar_posterior: of the posterior, which sees the true shapes.
      mu_prior, logvar_prior: of the prior, which sees the true shapes of the earlier classes.
      present: whether the map has the class; the Gaussians of absent classes mean nothing.
      scales: size of the latent at each scale, in order; empty if it has one scale.
    """

    mu_posterior: Float[np.ndarray, "N K Z"]
    logvar_posterior: Float[np.ndarray, "N K Z"]
    mu_prior: Float[np.ndarray, "N K Z"]
    logvar_prior: Float[np.ndarray, "N K Z"]
    present: Bool[np.ndarray, "N K"]
    scales: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def by_scale(self) -> "dict[str, Latents]":
        """The latents of each scale."""
        names = ("mu_posterior", "logvar_posterior", "mu_prior", "logvar_prior")
        part = lambda of_scale: {name: getattr(self, name)[..., of_scale] for name in names}
        slices = scale_slices(self.scales).items()
        return {name: Latents(**part(of_scale), present=self.present) for name, of_scale in slices}


def temperature_array(model: MapModel, temperature: Temperature) -> Float[np.ndarray, "*Z"]:
    """The temperature as the functions below take it: one number, or one for each component of the latent.

    Args:
      model: the model.
      temperature: of all scales of the latent; or by name of the scale (`MapModel.latent_scales`), 1 where none is
        named.

    Raises:
      ArgumentError: if it is no number from 0 to 10.
      CheckpointError: if the latent has no scale of that name.
    """
    temperature = checked_temperature(temperature)
    if not isinstance(temperature, Mapping):
        return np.asarray(temperature, np.float32)
    scales = model.latent_scales
    if unknown := [name for name in temperature if name not in scales]:
        known = f"expected one of {', '.join(scales)}" if scales else "this model has a single temperature"
        raise CheckpointError(f"temperature of {unknown[0]!r}: no such scale of the latent: {known}")
    parts = [np.full(size, temperature.get(name, 1.0), np.float32) for name, size in scales.items()]
    return np.concatenate(parts)


@with_fitting_weights
def sample(
    model: MapModel,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, "*Z"],
) -> Float[Array, "B H W C"]:
    """Soft class maps in [0, 1] of numbered samples, as `for_display` returns them.

    Args:
      model: the model.
      variables: of the model.
      label_set: in {0, 1}, one per sample.
      seed: of the noise.
      indices: numbers of the samples; the noise of a sample depends on the seed and its number alone.
      temperature: of the prior; below 1 more typical maps, above 1 more varied ones.
    """
    eps = sample_noise(seed, "generate", indices, model.sample_noise_shape)
    return for_display(model.sample(variables, label_set, eps, temperature))


def for_display(class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Sampled class maps with faint classes raised and the background filled in."""
    return maps.with_background(maps.raise_faint(class_maps))


def sample_index_maps(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seed: Int[Array, ""],
    indices: Int[Array, "B"],
    temperature: Float[Array, "*Z"],
) -> UInt8[Array, "B H W"]:
    """Index maps of numbered samples; arguments as in `sample`.

    They are painted on the device, so that only one byte per pixel leaves it.
    """
    return maps.paint(sample(model, variables, label_set, seed, indices, temperature), space)


@with_fitting_weights
def sample_between(
    model: MapModel,
    space: LabelSpace,
    variables: Any,
    label_set: Float[Array, "B C"],
    seeds: Int[Array, "2"],
    shares: Float[Array, "B"],
    temperature: Float[Array, "*Z"],
) -> UInt8[Array, "B H W"]:
    """Index maps on the way from the first sample of one seed to that of another.

    Args:
      model, space, variables, temperature: as in `sample_index_maps`.
      label_set: the same in every row.
      seeds: of the two ends.
      shares: of the way, from 0 to 1, one per map.
    """
    shape = model.sample_noise_shape
    vectors = shape if len(shape) == 2 else (1, math.prod(shape))  # of each class; else of the whole map
    noise = lambda seed: sample_noise(seed, "generate", jnp.zeros(1, int), shape).reshape(1, *vectors)
    eps = slerp(noise(seeds[0]), noise(seeds[1]), shares[:, None, None]).reshape(-1, *shape)
    return maps.paint(for_display(model.sample(variables, label_set, eps, temperature)), space)


@jax.jit
def sample_rows(probabilities: Float[Array, "M"], seed: Int[Array, ""], indices: Int[Array, "N"]) -> Int[Array, "N"]:
    """One of M row numbers for each numbered sample, from its own key."""
    choose = lambda index: jax.random.choice(
        stream_key(seed, "label_sets", index), probabilities.shape[0], p=probabilities
    )
    return jax.vmap(choose)(indices)


@with_fitting_weights
def reconstruct(model: MapModel, variables: Any, class_maps: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
    """Soft class maps decoded from the mean of the posterior, with the background filled in."""
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    return maps.with_background(model.reconstruct(variables, class_maps, label_set, eps))


@with_fitting_weights
def infer(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> dict[str, Shaped[Array, "B K ..."]]:
    """The fields of `Latents`, by name, for the maps given in {0, 1}."""
    output = from_means(model, variables, class_maps)
    return {
        "mu_posterior": output.posterior.mu,
        "logvar_posterior": output.posterior.logvar,
        "mu_prior": output.prior.mu,
        "logvar_prior": output.prior.logvar,
        "present": output.present > 0,
    }


def from_means(model: Any, variables: Any, class_maps: Float[Array, "B H W C"]) -> VAEOutput:
    """The training forward pass without noise: every latent is the mean of its posterior."""
    eps = jnp.zeros((class_maps.shape[0], *model.noise_shape))
    return model.apply(variables, class_maps, maps.label_set_of(class_maps).astype(jnp.float32), eps)
