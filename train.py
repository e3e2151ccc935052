"""Trains a model: python train.py --config=configs/cartoon.py:tiny --workdir=DIR

Every key of a configuration can be set on the command line: --config.batch_size=8. A run that was
stopped, by whatever means, goes on when started again with the same --workdir. Under a cluster
scheduler that JAX knows, or with --coordinator, several hosts train as one.
"""

import jax
from absl import flags
from ml_collections import config_flags

from segvae_jax.scripts import run_user_script
from segvae_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Experiment: configs/NAME.py[:variant].")
_WORKDIR = flags.DEFINE_string("workdir", None, "Directory for checkpoints, metrics and pictures.", required=True)
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Join the other hosts of this job (jax.distributed).")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "With --distributed: HOST:PORT of process 0.")
_PROCESS = flags.DEFINE_integer("process", None, "With --coordinator: the number of this process.")
_PROCESSES = flags.DEFINE_integer("processes", None, "With --coordinator: how many there are.")
flags.mark_flag_as_required("config")


def main(argv: list[str]) -> None:
    """Trains."""
    del argv
    if _DISTRIBUTED.value:
        jax.distributed.initialize(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    train(_CONFIG.value, _WORKDIR.value)


if __name__ == "__main__":
    run_user_script(main)
