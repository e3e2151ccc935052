"""Exports: a checkpoint as files that need no code of this project.

`model.json` and `weights.npz` are a checkpoint of their own; `draw.stablehlo` is what `Generator.draw` computes,
serialised by `jax.export`. docs/export.md says how they are used.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.export
import jax.numpy as jnp
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Bool, Float, Int, UInt8

from segvae_jax import sampling
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.saving import save_portable
from segvae_jax.files import output_errors, write_atomically
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import MapModel
from segvae_jax.model.registry import hyperparameters
from segvae_jax.model.segvae import fold_spectral_norm

PROGRAM = "draw.stablehlo"
_PLATFORMS = ("cpu", "cuda", "tpu")


def export(
    checkpoint: str | Path, out: str | Path, *, step: int | None = None, half: bool = False, program: bool = True
) -> list[Path]:
    """Writes a checkpoint of two files, without spectral norm, which is folded into the weights; and its program.

    Args:
      checkpoint: its directory, or the name of a shipped one.
      out: directory that all goes into.
      step: of the saved ones; the latest if None.
      half: whether kernels are rounded to float16, half the size for maps that hardly differ.
      program: whether the program is written.

    Returns:
      the files.

    Raises:
      CheckpointError: if the checkpoint cannot be loaded.
      OutputError: if `out` cannot be written to.
    """
    card, variables, step = load_variables(checkpoint, step)
    model, variables = fold_spectral_norm(card.model(), variables)
    folded = {"spectral_norm": False} if "spectral_norm" in hyperparameters(card.name) else {}
    card = dataclasses.replace(card, arguments={**card.arguments, **folded}, step=step)
    path = Path(out).expanduser().resolve()
    files = save_portable(path, card, variables, half)
    if program:
        content = draw_program(model, card.space, variables).serialize()
        with output_errors(path):
            write_atomically(path / PROGRAM, lambda partial: partial.write_bytes(content))
        files.append(path / PROGRAM)
    return files


def draw_program(model: MapModel, space: LabelSpace, variables: Mapping[str, Any]) -> jax.export.Exported:
    """`Generator.draw` of any number of maps, for CPUs, NVIDIA's GPUs and TPUs.

    Its arguments: the weights by path in float32, label-sets `[b, C]` bool, seed int32, number of the first sample
    int32, temperature float32; it gives index maps `[b, H, W]` uint8.
    """

    def draw(
        weights: dict[str, Float[Array, "..."]],
        label_sets: Bool[Array, "b C"],
        seed: Int[Array, ""],
        first: Int[Array, ""],
        temperature: Float[Array, ""],
    ) -> UInt8[Array, "b H W"]:
        wanted, numbers = label_sets.astype(jnp.float32), first + jnp.arange(label_sets.shape[0])
        return sampling.paint(model, space, unflatten_dict(weights, sep="/"), wanted, seed, numbers, temperature)

    shapes: Any = jax.eval_shape(lambda: flatten_dict(dict(variables), sep="/"))
    (batch,) = jax.export.symbolic_shape("b")
    label_sets = jax.ShapeDtypeStruct((batch, space.num_channels), bool)
    scalars = (jax.ShapeDtypeStruct((), dtype) for dtype in (jnp.int32, jnp.int32, jnp.float32))
    return jax.export.export(jax.jit(draw), platforms=_PLATFORMS)(shapes, label_sets, *scalars)
