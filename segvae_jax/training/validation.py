"""Validation losses, and pictures of samples and reconstructions."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, Float, UInt8

from segvae_jax import maps, pictures
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.labels import LabelSpace
from segvae_jax.model.gaussian import scale_slices
from segvae_jax.model.losses import RowCounts
from segvae_jax.model.protocol import MapModel
from segvae_jax.sharding import replicated, split_batch
from segvae_jax.streams import Seed, sample_noise
from segvae_jax.training.step import StepConfig, validation_step

_NUM_PICTURES = 24
ACTIVE_VARIANCE = 0.01  # of a unit that counts as active, as in `evaluation.metrics.latent`

Validate = Callable[[Any], tuple[dict[str, float], dict[str, UInt8[np.ndarray, "h w 3"]]]]


def validator(model: MapModel, config: StepConfig, data: Prepared, batch_size: int, mesh: Mesh) -> Validate:
    """A function of variables that returns validation losses, and sheets of samples and reconstructions.

    There are no reconstructions from a model without a posterior. The first call compiles.
    """
    packed, label_sets = data.packed("validation"), data.label_sets("validation")
    everywhere, split = replicated(mesh), split_batch(mesh)
    placed = functools.partial(jax.jit, out_shardings=everywhere)
    shardings = everywhere, everywhere, split, split, everywhere, everywhere
    step = placed(functools.partial(validation_step, model, config), in_shardings=shardings)
    sample = placed(functools.partial(_sample, model), in_shardings=everywhere)
    reconstruct = placed(functools.partial(_reconstruct, model), in_shardings=everywhere)
    present = label_sets[:, np.asarray(model.order)].astype(np.float32)
    counts = placed(RowCounts.of, in_shardings=everywhere)(present)
    few, first = label_sets[:_NUM_PICTURES], packed[:_NUM_PICTURES]
    seed = np.uint32(config.seed)  # an argument: programs are those of all seeds

    def validate(variables: Any) -> tuple[dict[str, float], dict[str, UInt8[np.ndarray, "h w 3"]]]:
        totals: dict[str, float] = {}
        moments = []
        for number, (rows, weight) in enumerate(_batches(packed, batch_size, mesh)):
            losses, of_batch = step(seed, variables, rows, weight, counts, np.int32(number))
            moments.append(jax.device_get(of_batch))
            for name, value in losses.items():
                totals[f"validation_{name}"] = totals.get(f"validation_{name}", 0.0) + float(value)
        images = {"prior": _sheet(sample(seed, variables, few), data.space)}
        if model.can_reconstruct:
            images["reconstructions"] = _sheet(reconstruct(seed, variables, first), data.space)
        return totals | _active_units(model, moments), images

    return validate


def _active_units(model: MapModel, moments: list[tuple[np.ndarray, ...] | None]) -> dict[str, float]:
    """Active units of the latent (`evaluation.metrics.latent`) at each scale, as means over the classes."""
    known = [each for each in moments if each is not None]
    if not known:
        return {}
    count, sums, squares = (np.asarray(parts, np.float64).sum(axis=0) for parts in zip(*known, strict=True))
    if not (count > 1).any():
        return {}
    count = count[:, None]
    variance = (squares - sums**2 / np.maximum(count, 1)) / np.maximum(count - 1, 1)
    active = np.where(count > 1, variance > ACTIVE_VARIANCE, np.nan)
    mean = lambda units: float(np.nanmean(units.sum(axis=1)))
    scales = scale_slices(model.latent_scales).items()
    by_scale = {f"validation_active_{name}": mean(active[:, of_scale]) for name, of_scale in scales}
    return by_scale or {"validation_active": mean(active)}


def _batches(packed: UInt8[np.ndarray, "N H W P"], size: int, mesh: Mesh) -> Iterator[tuple[Array, Array]]:
    """Full batches over all processes; the last one is padded with rows of weight 0."""
    share = size // jax.process_count()
    for start in range(0, len(packed), size):
        rows = np.arange(start, start + size)
        weight = (rows < len(packed)).astype(np.float32)
        local = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
        yield tuple(
            jax.make_array_from_process_local_data(split_batch(mesh), part[local])
            for part in (packed[np.minimum(rows, len(packed) - 1)], weight)
        )


def _sample(model: MapModel, seed: Seed, variables: Any, label_sets: Bool[Array, "B C"]) -> Float[Array, "B H W C"]:
    eps = sample_noise(seed, "prior", jnp.arange(label_sets.shape[0]), model.sample_noise_shape)
    return model.sample(variables, label_sets.astype(jnp.float32), eps)


def _reconstruct(
    model: MapModel, seed: Seed, variables: Any, packed: UInt8[Array, "B H W P"]
) -> Float[Array, "2*B H W C"]:
    """True maps and their reconstructions, in turn."""
    eps = sample_noise(seed, "posterior", jnp.arange(packed.shape[0]), model.noise_shape)
    truth = maps.unpack(packed, model.num_channels)
    ours = model.reconstruct(variables, truth, maps.label_set_of(truth).astype(jnp.float32), eps)
    return jnp.stack([truth, ours], axis=1).reshape(-1, *truth.shape[1:])


def _sheet(class_maps: Float[Array, "N H W C"], space: LabelSpace) -> UInt8[np.ndarray, "h w 3"]:
    return pictures.sheet(maps.paint(np.asarray(class_maps), space), space, columns=8)
