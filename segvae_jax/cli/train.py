"""Trains a model: segvae train --config=cartoon:tiny --workdir=DIR

`--config` takes the name of an experiment of the package, or a file: configs/cartoon.py:tiny.

Every key of a configuration can be set on the command line: --config.batch_size=8. A run that was
stopped, by whatever means, continues when it is started again with the same --workdir. Several hosts
train as one under a cluster scheduler that JAX knows, or with --coordinator.
"""

import difflib
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import resources
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from absl import flags
from ml_collections import ConfigDict, config_flags

from segvae_jax.cli.script import define_host_flags, flag_group, join_hosts
from segvae_jax.errors import ConfigError, SegVAEError

_MODULE = "segvae_jax_experiment"  # name of the module that an experiment's file becomes


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
    own["config"].parser = _ExperimentParser()
    flags.DEFINE_string("workdir", None, "Directory for checkpoints, metrics and pictures.", own, required=True)
    with flag_group(own, "Several hosts"):
        define_host_flags(own)
    flags.mark_flag_as_required("config", own)


def load_experiment(text: str) -> ConfigDict:
    """The configuration that `FILE.py` or `FILE.py:variant` names.

    Raises:
      ConfigError: if there is no such file, or it is no configuration. What its code raises is named, with its line.
    """
    file, *variant = text.split(":", 1)
    if not Path(file).is_file():
        raise ConfigError(f"--config={text}: no such file: expected an experiment, as in configs/cartoon.py")
    try:
        module = sys.modules[_MODULE] = ModuleType(_MODULE)
        SourceFileLoader(_MODULE, file).exec_module(module)
        if not callable(get_config := getattr(module, "get_config", None)):
            raise ConfigError(f"--config={text}: has no function get_config: write it as in configs/cartoon.py")
        config = get_config(*variant)
    except SegVAEError:
        raise
    except (Exception, SystemExit) as error:  # the file is code of the user, which may raise anything
        line = _line_of(error, file)
        raise ConfigError(f"--config={text}: {type(error).__name__}{line}: {error}: correct the file") from None
    if not isinstance(config, ConfigDict):
        found = f"get_config returns {type(config).__name__}"
        raise ConfigError(f"--config={text}: {found}: expected a ConfigDict, as in configs/cartoon.py")
    return config


def _line_of(error: BaseException, file: str) -> str:
    """In which line of a file an error was raised, in words; empty if in none."""
    steps = traceback.extract_tb(error.__traceback__)
    lines = [step.lineno for step in steps if step.filename == file]
    return f" in line {lines[-1]}" if lines else ""


class _ExperimentParser(flags.ArgumentParser):
    """Parses the value of `--config`."""

    def parse(self, argument: str) -> ConfigDict:
        """The locked configuration: keys that it lacks cannot be set."""
        config = load_experiment(argument)
        config.lock()
        return config

    def flag_type(self) -> str:
        """What the value is, for help."""
        return "config object"


def main(given: flags.FlagValues) -> None:
    """Trains."""
    import jax

    from segvae_jax.training.loop import train

    join_hosts(given)
    try:
        train(given.config, given.workdir, typed=config_flags.get_override_values(given["config"]))
    except KeyboardInterrupt as interrupt:
        if interrupt.args:  # all hosts stopped after the same step, and the others wait for this one to leave
            jax.distributed.shutdown()
        raise
