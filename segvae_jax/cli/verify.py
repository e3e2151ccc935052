"""Compares a checkpoint of the release with golden values of the release: segvae verify IN.pth FIXTURE.npz

Prints a JSON report; the exit status is 1 if a value is beyond its tolerance.
"""

from collections.abc import Sequence

from absl import flags

ARGUMENTS = ("IN.pth", "FIXTURE.npz")


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """There are no flags."""


def main(given: flags.FlagValues, checkpoint: str, fixture: str) -> None:
    """Verifies."""
    from segvae_jax.interop import verify

    verify.main([__name__, checkpoint, fixture])
