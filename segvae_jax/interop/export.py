"""Exports: a checkpoint as files that need no code of this project.

`model.json` and `weights.npz` are a checkpoint of their own; `draw.stablehlo` is the computation of
`Generator.generate_each`, serialised by `jax.export`. docs/export.md says how they are used.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Bool, Float, Int, UInt8

from segvae_jax import arguments, sampling
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.portable import save_portable, save_portable_translator
from segvae_jax.files import locked, write_atomically
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.protocol import MapModel
from segvae_jax.numerics import fixed_numerics
from segvae_jax.translator.networks import TRANSLATOR

PROGRAM = "draw.stablehlo"  # the name in earlier exports, which readers of the file know
_PLATFORMS = ("cpu", "cuda", "tpu")


@fixed_numerics()
def export(
    checkpoint: str | Path, out: str | Path, *, step: int | None = None, half: bool = False, program: bool = True
) -> list[Path]:
    """Writes a checkpoint of two files, as `Generator.save` does, and the sampling program, which translators lack.

    Args:
      checkpoint: its directory, or its name as `Generator.load` takes it.
      out: directory where the files go; it is made if it is missing.
      step: number of a saved step; the latest if None.
      half: whether kernels are rounded to float16, which halves the file and hardly changes what is made.
      program: whether the program of a model of maps is written.

    Returns:
      the files.

    Raises:
      CheckpointError: if the checkpoint cannot be loaded.
      ArgumentError: if `checkpoint` or `out` is no path, or `step` no whole number.
      OutputError: if `out` cannot be written to, holds the saved steps of a training run, or another process
        is writing to it.
    """
    card, variables, step = load_variables(checkpoint, step)
    path = arguments.path("out", out).resolve()
    if card.name == TRANSLATOR:
        with locked(path):
            return save_portable_translator(path, dataclasses.replace(card, step=step), variables, half)
    content = sampling_program(*fold_spectral_norm(card.model(), variables), card.space).serialize() if program else b""
    digest = hashlib.sha256(content).hexdigest() if program else ""
    with locked(path):
        files = save_portable(path, dataclasses.replace(card, step=step, program=digest), variables, half)
        if program:
            write_atomically(path / PROGRAM, lambda partial: partial.write_bytes(content))
            files.append(path / PROGRAM)
    return files


@fixed_numerics()
def sampling_program(model: MapModel, variables: Mapping[str, Any], space: LabelSpace) -> jax.export.Exported:
    """The computation of `Generator.generate_each` for any number of maps, on CPUs, NVIDIA GPUs and TPUs.

    Its arguments are the weights by path in float32, label-sets `[b, C]` bool, the seed int32, the number of the first
    sample int32, and the temperature float32. It returns index maps `[b, H, W]` uint8.

    Args:
      model: without spectral norm.
      variables: of the model; only the shapes count.
      space: the classes.
    """

    def sample(
        weights: dict[str, Float[Array, "..."]],
        label_sets: Bool[Array, "b C"],
        seed: Int[Array, ""],
        first: Int[Array, ""],
        temperature: Float[Array, ""],
    ) -> UInt8[Array, "b H W"]:
        wanted, numbers = label_sets.astype(jnp.float32), first + jnp.arange(label_sets.shape[0])
        variables = unflatten_dict(weights, sep="/")
        return sampling.sample_index_maps(model, space, variables, wanted, seed, numbers, temperature)

    shapes: Any = jax.eval_shape(lambda: flatten_dict(dict(variables), sep="/"))
    (batch,) = jax.export.symbolic_shape("b")
    label_sets = jax.ShapeDtypeStruct((batch, space.num_channels), bool)
    scalars = (jax.ShapeDtypeStruct((), dtype) for dtype in (jnp.int32, jnp.int32, jnp.float32))
    return jax.export.export(jax.jit(sample), platforms=_PLATFORMS)(shapes, label_sets, *scalars)
