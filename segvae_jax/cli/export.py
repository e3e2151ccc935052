"""Writes a checkpoint as files that other programs read: segvae export --checkpoint=DIR --out=DIR

`weights.npz` holds the weights for NumPy, `model.json` everything else that is known of the model; the two are a
checkpoint to every other command. `draw.stablehlo` generates maps with JAX alone, on CPUs, GPUs and TPUs; see
docs/export.md.
"""

from collections.abc import Sequence

from absl import flags

from segvae_jax.cli.script import checkpoint_help


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    flags.DEFINE_string("checkpoint", None, checkpoint_help(), own, required=True)
    flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
    flags.DEFINE_bool("half", False, "Round kernels to float16: half the size, maps that hardly differ.", own)
    flags.DEFINE_bool("program", True, "Write draw.stablehlo as well.", own)
    flags.DEFINE_string("out", None, "Folder to write to.", own, required=True)


def main(given: flags.FlagValues) -> None:
    """Exports."""
    from segvae_jax.interop.export import export

    files = export(given.checkpoint, given.out, step=given.step, half=given.half, program=given.program)
    for file in files:
        print(f"wrote {file}, {file.stat().st_size:,} bytes")
