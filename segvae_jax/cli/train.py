"""Trains a model: segvae train --config=cartoon:tiny --workdir=DIR

`--config` takes the name of an experiment of the package, or a file: configs/cartoon.py:tiny.

Every key of a configuration can be set on the command line: --config.batch_size=8. A run that was
stopped, by whatever means, continues when it is started again with the same --workdir. Several hosts
train as one under a cluster scheduler that JAX knows, or with --coordinator.
"""

import difflib
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from segvae_jax.cli.script import define_host_flags, join_hosts
from segvae_jax.errors import ConfigError


def complete(words: Sequence[str]) -> list[str]:
    """Replaces the name of an experiment of the package in `--config=NAME[:variant]` by its file.

    Raises:
      ConfigError: if there is no such experiment.
    """
    return [re.sub(r"^(--?config=)(\w+)(?=:|$)", lambda match: match[1] + _file_of(match[2]), word) for word in words]


def _file_of(name: str) -> str:
    folder = Path(str(resources.files("segvae_jax.configs")))
    names = sorted(file.stem for file in folder.glob("[!_]*.py"))
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigError(f"--config={name}: no such experiment{hint}: expected a file, or one of {', '.join(names)}")
    return str(folder / f"{name}.py")


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`; those of the configuration are found in `words`."""
    help_of_config = "Experiment: NAME[:variant] of the package, or FILE.py[:variant]."
    config_flags.DEFINE_config_file("config", None, help_of_config, own, sys_argv=["train", *words])
    flags.DEFINE_string("workdir", None, "Directory for checkpoints, metrics and pictures.", own, required=True)
    define_host_flags(own)
    flags.mark_flag_as_required("config", own)


def main(given: flags.FlagValues) -> None:
    """Trains."""
    from segvae_jax.training.loop import train

    join_hosts(given)
    train(given.config, given.workdir)
