"""Imports a checkpoint of the authors' release: segvae import-release IN.pth OUT_DIR

PyTorch is not needed, and nothing in the file is executed.
"""

from collections.abc import Sequence

from absl import flags

ARGUMENTS = ("IN.pth", "OUT_DIR")


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """There are no flags."""


def main(given: flags.FlagValues, source: str, out: str) -> None:
    """Imports."""
    from segvae_jax.interop import torch_checkpoint

    torch_checkpoint.main([__name__, source, out])
