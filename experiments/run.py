"""Trains and scores every row of a table and writes it to docs/results/.

    python -m experiments.run --table=baselines --budget=small --source=celebamask_hq --path=masks

Every row has the same maps and `--seeds` runs; the page says how long each trained. What is finished is not done again,
so a run that was stopped goes on when started again; tables share rows of equal names.
"""

from segvae_jax.allocator import restart_with_allocator
from segvae_jax.compilation import keep_programs

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds
    keep_programs()

import itertools
from pathlib import Path

from absl import flags
from rich.console import Console

from experiments import results
from experiments.runs import Run, Setting, finish
from experiments.tables import BUDGETS, TABLES, Experiment
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import SegVAEError

_TABLE = flags.DEFINE_enum("table", None, list(TABLES), "What to compare.", required=True)
_BUDGET = flags.DEFINE_enum("budget", "small", list(BUDGETS), "Size of maps and models, and length of training.")
_ROWS = flags.DEFINE_list("rows", [], "Names of the rows to do; all of the table if not given.")
_SUITE = flags.DEFINE_enum("suite", "all", ["quick", "all"], "Which scores to compute, as in eval.py.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Training runs per row.", lower_bound=1)
_SOURCE = flags.DEFINE_string("source", "cartoon", "config.data.source: which data set.")
_PATH = flags.DEFINE_string("path", "", "config.data.path: where they are.")
_PREPARED = flags.DEFINE_string("prepared", "~/.cache/segvae_jax", "config.data.prepared: where prepared maps go.")
_RUNS = flags.DEFINE_string("runs", "runs/experiments", "Folder for the training runs.")
_OUT = flags.DEFINE_string("out", "docs/results", "Folder for the tables.")


def main(argv: list[str]) -> None:
    """Trains and scores what is missing, and writes the table."""
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    data = {"source": _SOURCE.value, "path": _PATH.value, "prepared": _PREPARED.value}
    folder = Path(_RUNS.value).expanduser() / f"{_SOURCE.value}_{_BUDGET.value}"
    setting = Setting(BUDGETS[_BUDGET.value], data, folder, _SUITE.value)
    # seed by seed: a table with one run per row exists early
    runs = [Run(row, seed, setting) for seed, row in itertools.product(range(_SEEDS.value), _rows())]
    console = Console()
    if finish(runs, console):
        written = results.write(f"{_TABLE.value}_{_SOURCE.value}", runs, Path(_OUT.value))
        console.print(f"wrote {', '.join(map(str, written))}", highlight=False)


def _rows() -> list[Experiment]:
    rows = {row.name: row for row in TABLES[_TABLE.value]}
    for name in _ROWS.value:
        if name not in rows:
            raise SegVAEError(f"--rows={name}: no such row in {_TABLE.value}: choose from {', '.join(rows)}")
    return [rows[name] for name in _ROWS.value or rows]


if __name__ == "__main__":
    run_user_script(main)
