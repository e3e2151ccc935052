"""Validation of a translator: its distance from held-out pictures whose style it is given, and sheets of pictures."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from segvae_jax import maps, pictures, sheets
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.labels import LabelSpace
from segvae_jax.streams import Seed
from segvae_jax.training.pairs.step import PairConfig, painted
from segvae_jax.training.validation import Validate
from segvae_jax.translator.losses import style_divergence
from segvae_jax.translator.networks import Networks, Styles, as_bytes, as_floats

_MAPS = 8  # on the sheet
_SAMPLES = 3  # of each of them


def validator(networks: Networks, config: PairConfig, data: Prepared) -> Validate:
    """A function of variables that returns validation losses and a sheet of pictures; the first call compiles.

    The rows of the sheet are maps, their real pictures, translations in the style of these, and of sampled styles.
    """
    numbers = np.arange(len(on_disk := data.packed_on_disk("validation")))
    packed, real = on_disk[numbers[:_MAPS]], data.pictures_on_disk("validation")[numbers[:_MAPS]]
    translate = jax.jit(functools.partial(_translations, networks, config.space))
    seed = np.uint32(config.seed)  # an argument: the program is that of all seeds
    class_maps = np.unpackbits(packed, axis=-1, count=data.space.num_channels)
    index_maps = maps.paint(class_maps.astype(np.float32), data.space)

    def validate(variables: Any) -> tuple[dict[str, float], dict[str, UInt8[np.ndarray, "h w 3"]]]:
        translations, losses = jax.device_get(translate(seed, variables, packed, real))
        rows = np.concatenate([pictures.colour(index_maps, data.space), real, *translations])
        losses = {f"validation_{name}": float(value) for name, value in losses.items()}
        return losses, {"pictures": sheets.grid(rows, columns=len(packed))}

    return validate


def _translations(
    networks: Networks,
    space: LabelSpace,
    seed: Seed,
    variables: Any,
    packed: UInt8[Array, "B H W P"],
    real: UInt8[Array, "B H W 3"],
) -> tuple[UInt8[Array, "R B H W 3"], dict[str, Float[Array, ""]]]:
    params, numbers, truth = variables["params"], jnp.arange(packed.shape[0]), as_floats(real)
    class_maps = painted(maps.unpack(packed, networks.num_channels), space)
    mu, logvar = networks.encode(params, truth)
    seeds = [seed + sample for sample in range(_SAMPLES)]
    known = Styles(**variables["spectral"]["styles"])
    styles = [mu, *(known.sample(each, numbers) for each in seeds)]
    pixels = [networks.sample_pixels(each, numbers) for each in (seed, *seeds)]
    made = [networks.translate(params, class_maps, *noise) for noise in zip(pixels, styles, strict=True)]
    losses = {"reconstruction": jnp.abs(made[0] - truth).mean(), "kl": style_divergence(mu, logvar)}
    return as_bytes(jnp.stack(made)), losses
