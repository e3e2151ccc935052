"""Trains a model: segvae train --config=configs/cartoon.py:tiny --workdir=DIR

Every key of a configuration can be set on the command line: --config.batch_size=8. A run that was
stopped, by whatever means, continues when it is started again with the same --workdir. Several hosts
train as one under a cluster scheduler that JAX knows, or with --coordinator.
"""

from collections.abc import Sequence

from absl import flags
from ml_collections import config_flags

from segvae_jax.cli.script import define_host_flags, join_hosts


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`; those of the configuration are found in `words`."""
    help_of_config = "Experiment: configs/NAME.py[:variant]."
    config_flags.DEFINE_config_file("config", None, help_of_config, own, sys_argv=["train", *words])
    flags.DEFINE_string("workdir", None, "Directory for checkpoints, metrics and pictures.", own, required=True)
    define_host_flags(own)
    flags.mark_flag_as_required("config", own)


def main(given: flags.FlagValues) -> None:
    """Trains."""
    from segvae_jax.training.loop import train

    join_hosts(given)
    train(given.config, given.workdir)
