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


def main(argv: list[str]) -> None:
    """Trains and scores what is missing, and writes the table."""
    given = flags.FLAGS
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    data = {"source": given.source, "path": given.path, "prepared": given.prepared}
    folder = Path(given.runs).expanduser() / f"{given.source}_{given.budget}"
    setting = Setting(BUDGETS[given.budget], data, folder, given.suite)
    # seed by seed: a table with one run per row exists early
    runs = [Run(row, seed, setting) for seed, row in itertools.product(range(given.seeds), _rows())]
    console = Console()
    if finish(runs, console):
        written = results.write(f"{given.table}_{given.source}", runs, Path(given.out))
        console.print(f"wrote {', '.join(map(str, written))}", highlight=False)


def _rows() -> list[Experiment]:
    rows = {row.name: row for row in TABLES[flags.FLAGS.table]}
    for name in flags.FLAGS.rows:
        if name not in rows:
            raise SegVAEError(f"--rows={name}: no such row in {flags.FLAGS.table}: choose from {', '.join(rows)}")
    return [rows[name] for name in flags.FLAGS.rows or rows]


if __name__ == "__main__":
    flags.DEFINE_enum("table", None, list(TABLES), "What to compare.", required=True)
    flags.DEFINE_enum("budget", "small", list(BUDGETS), "Size of maps and models, and length of training.")
    flags.DEFINE_list("rows", [], "Names of the rows to do; all of the table if not given.")
    flags.DEFINE_enum("suite", "all", ["quick", "all"], "Which scores to compute, as in eval.py.")
    flags.DEFINE_integer("seeds", 3, "Training runs per row.", lower_bound=1)
    flags.DEFINE_string("source", "cartoon", "config.data.source: which data set.")
    flags.DEFINE_string("path", "", "config.data.path: where they are.")
    flags.DEFINE_string("prepared", "~/.cache/segvae_jax", "config.data.prepared: where prepared maps go.")
    flags.DEFINE_string("runs", "runs/experiments", "Folder for the training runs.")
    flags.DEFINE_string("out", "docs/results", "Folder for the tables.")
    run_user_script(main)
