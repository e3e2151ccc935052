"""Writes a checkpoint as files that other programs read: python export.py --checkpoint=DIR --out=DIR

`weights.npz` holds the weights for NumPy, `model.json` all else that is known of the model; the two are a checkpoint
to every other script. `draw.stablehlo` draws maps with JAX alone, on CPUs, GPUs and TPUs; see docs/export.md.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

from absl import flags

from segvae_jax.cli.script import run_user_script
from segvae_jax.interop.export import export

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Directory, or name of a shipped one.", required=True)
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_HALF = flags.DEFINE_bool("half", False, "Round kernels to float16: half the size, maps that hardly differ.")
_PROGRAM = flags.DEFINE_bool("program", True, "Write draw.stablehlo as well.")
_OUT = flags.DEFINE_string("out", None, "Folder to write to.", required=True)


def main(argv: list[str]) -> None:
    """Exports."""
    del argv
    files = export(_CHECKPOINT.value, _OUT.value, step=_STEP.value, half=_HALF.value, program=_PROGRAM.value)
    for file in files:
        print(f"wrote {file}, {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    run_user_script(main)
