"""Trains and scores every row of a table and writes it to docs/results/.

    python -m experiments.run --table=baselines --budget=small --source=celebamask --path=masks

Every row has the same maps, steps and batches, and `--seeds` runs. What is finished is not done again: a run
that was stopped goes on when started again, and `--budget=medium` on another day is a table of its own.
"""

from segvae_jax.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # before the imports that take seconds

import dataclasses
import importlib
import itertools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict
from rich.console import Console

from experiments import results
from experiments.tables import BUDGETS, TABLES, Experiment, Run
from segvae_jax.errors import SegVAEError
from segvae_jax.evaluation.evaluate import evaluate, write_scores
from segvae_jax.scripts import run_user_script
from segvae_jax.training.checkpoints import load_variables, save_variables
from segvae_jax.training.config import model_arguments
from segvae_jax.training.loop import train

_TABLE = flags.DEFINE_enum("table", None, list(TABLES), "What to compare.", required=True)
_BUDGET = flags.DEFINE_enum("budget", "small", list(BUDGETS), "Size of maps and models, and length of training.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Training runs a row.", lower_bound=1)
_SOURCE = flags.DEFINE_string("source", "cartoon", "config.data.source: whose maps.")
_PATH = flags.DEFINE_string("path", "", "config.data.path: where they are.")
_PREPARED = flags.DEFINE_string(
    "prepared", "~/.cache/segvae_jax", "config.data.prepared: where prepared maps are kept."
)
_RUNS = flags.DEFINE_string("runs", "runs/experiments", "Folder for the training runs.")
_OUT = flags.DEFINE_string("out", "docs/results", "Folder for the tables.")


def main(argv: list[str]) -> None:
    """Trains and scores what is missing, and writes the table."""
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    folder = Path(_RUNS.value).expanduser() / f"{_SOURCE.value}_{_BUDGET.value}"
    # seed by seed: a table of fewer runs is complete early
    runs = [Run(row, seed, folder) for seed, row in itertools.product(range(_SEEDS.value), TABLES[_TABLE.value])]
    console = Console()
    if not _finish([run for run in runs if not run.scores.is_file()], console):
        return
    written = results.write(_TABLE.value, BUDGETS[_BUDGET.value], _SOURCE.value, runs, Path(_OUT.value))
    console.print(f"wrote {', '.join(map(str, written))}", highlight=False)


def _finish(missing: Sequence[Run], console: Console) -> bool:
    """Trains and scores the runs; False if a SIGTERM cut that short."""
    begun = time.monotonic()
    for number, run in enumerate(missing):
        left = (
            f", about {(time.monotonic() - begun) / number * (len(missing) - number) / 60:.0f} min left"
            if number
            else ""
        )
        console.rule(f"{run.experiment.title}, seed {run.seed}: {number + 1} of {len(missing)}{left}")
        if not _trained(run):
            return False
        write_scores(run.scores, evaluate(run.workdir, suite="all", seed=run.seed))
    return True


def _trained(run: Run) -> bool:
    """Trains, or takes over trained weights; False if a SIGTERM stopped it."""
    config = configuration(run.experiment, run.seed)
    if run.experiment.weights_of:
        return _take_over(run, config)
    return int(train(config, run.workdir).step) == config.num_steps


def configuration(experiment: Experiment, seed: int) -> ConfigDict:
    """What a run of the row is trained by."""
    module, variant = experiment.config.split(":")
    config = importlib.import_module(f"configs.{module}").get_config(variant)
    config.data.update(source=_SOURCE.value, path=_PATH.value, prepared=_PREPARED.value)
    config.update_from_flattened_dict(BUDGETS[_BUDGET.value].overrides)
    config.seed = seed
    return config


def _take_over(run: Run, config: ConfigDict) -> bool:
    """The weights of the other experiment under this one's hyperparameters."""
    card, variables, _ = load_variables(run.folder / run.experiment.weights_of / run.workdir.name)
    shutil.rmtree(run.workdir, ignore_errors=True)
    save_variables(run.workdir, dataclasses.replace(card, arguments=model_arguments(config)), variables)
    return True


if __name__ == "__main__":
    run_user_script(main)
