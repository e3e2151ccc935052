"""Trains a model: python train.py --config=configs/cartoon.py:tiny --workdir=DIR

Every key of a configuration can be set on the command line: --config.batch_size=8. A run that was
stopped, by whatever means, goes on when started again with the same --workdir. Under a cluster
scheduler that JAX knows, or with --coordinator, several hosts train as one.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

from absl import flags
from ml_collections import config_flags

from segvae_jax.cli.script import define_host_flags, run_user_script
from segvae_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment: configs/NAME.py[:variant].")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory for checkpoints, metrics and pictures.", required=True)
_join_hosts = define_host_flags()
flags.mark_flag_as_required("config")


def main(argv: list[str]) -> None:
    """Trains."""
    del argv
    _join_hosts()
    train(_CONFIG.value, _WORKDIR.value)


if __name__ == "__main__":
    run_user_script(main)
