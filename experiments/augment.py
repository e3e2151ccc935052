"""What are generated pairs worth? Parsers trained on few real pairs, with and without generated ones.

    python -m experiments.augment --prepared=data/fashion --checkpoint=fashion --translator=fashion

A parser is trained on 50, 100 and 400 real pairs of a map and a picture; and on the same pairs with 2,000 generated
ones, whose maps are from the checkpoint and whose pictures are from the translator. Writes a table of their mIoU on
held-out real pairs to docs/results/. Every parser sees flips and affine moves of its pairs, so these alone are the
baseline. What is measured is not measured again, so a run that was stopped goes on when started again.
"""

from segvae_jax.allocator import restart_with_allocator
from segvae_jax.compilation import keep_programs

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds
    keep_programs()

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from rich.console import Console

from benchmarks import machine
from experiments.augment_cells import Cell, Task, cells, finish, read_cells
from experiments.results import markdown_table, summary_of
from segvae_jax.cli.eval import load_translator
from segvae_jax.cli.script import run_user_script
from segvae_jax.data.prepare.builder import Prepared
from segvae_jax.data.prepare.splits import content_hash
from segvae_jax.errors import ConfigError
from segvae_jax.evaluation.networks import parser
from segvae_jax.evaluation.pairs import check_translator, read_pairs
from segvae_jax.evaluation.target import open_data
from segvae_jax.files import locked, writable_directory, write_atomically
from segvae_jax.generation import Generator


def main(argv: list[str]) -> None:
    """Measures what is missing, and writes the table."""
    given = flags.FLAGS
    if len(argv) > 1:
        raise ConfigError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    sizes, generator = _sizes(), Generator.load(given.checkpoint)
    translator, prepared = load_translator(given.translator), open_data(generator.card, given.prepared)
    check_translator(translator, prepared)
    train, test = (read_pairs(prepared, split) for split in ("train", "test"))
    task = Task(train, test, generator, translator, given.generated)
    table = cells(sizes, given.seeds, len(train))
    run(task, table, writable_directory(given.out, "--out"), _conditions(task, prepared), Console())


def run(task: Task, table: Sequence[Cell], out: Path, conditions: Mapping[str, Any], console: Console) -> None:
    """Measures the missing cells of a table, and writes `augment_<set>.json` and `.md`."""
    stem = out / f"augment_{conditions['data']}"
    data, page = stem.with_suffix(".json"), stem.with_suffix(".md")
    with locked(out, name=f".lock-{stem.name}"):
        finish(task, table, data, conditions, console)
        text = page_of(table, read_cells(data, conditions), conditions, machine.one_line())
        write_atomically(page, lambda path: path.write_text(text))
    console.print(f"wrote {page}, {data}", highlight=False)


def _sizes() -> list[int]:
    try:
        return sorted({int(word) for word in flags.FLAGS.sizes})
    except ValueError:
        raise ConfigError(f"--sizes={','.join(flags.FLAGS.sizes)}: expected whole numbers, as in 50,100,400") from None


def _conditions(task: Task, prepared: Prepared) -> dict[str, Any]:
    """What must be equal for cells to be compared."""
    content = [pairs.index_maps.tobytes() + pairs.pictures.tobytes() for pairs in (task.train, task.test)]
    return {
        "data": prepared.data_report()["source"], "data_hash": content_hash(b"".join(content))[:12],
        "size": list(prepared.image_size), "train": len(task.train), "test": len(task.test),
        "checkpoint": Path(flags.FLAGS.checkpoint).name, "weights_hash": task.generator.fingerprint(),
        "translator": Path(flags.FLAGS.translator).name, "generated": task.num_generated,
        "steps": parser.STEPS, "batch_size": parser.BATCH_SIZE,
    }  # fmt: skip


def page_of(table: Sequence[Cell], done: Mapping[str, Any], conditions: Mapping[str, Any], where: str) -> str:
    """The page for readers: mIoU of each size without and with generated pairs, and their difference."""
    sizes, seeds = sorted({cell.pairs for cell in table}), sorted({cell.seed for cell in table})
    value = lambda size, generated: [done[Cell(size, generated, seed).name]["mean_iou"] for seed in seeds]
    rows = [_row(size, value(size, False), value(size, True)) for size in sizes]
    lines = [["real pairs", "alone", "with generated", "difference", "seeds that gain"], *rows]
    height, width = conditions["size"]
    return f"""# What generated pairs are worth

mIoU of a parser on {conditions["test"]} held-out real pictures of {height} x {width} px. It was trained on few real
pairs, alone and with {conditions["generated"]:,} generated ones: maps of the checkpoint {conditions["checkpoint"]},
pictures of the translator {conditions["translator"]}. These two may have learned from all {conditions["train"]}
training pairs. So the gain is that of users who have a trained model already, not of users who have no other data.

{markdown_table(lines)}

Mean +- standard deviation over {len(seeds)} seeds, which choose the real pairs and the training of the parser; the
difference is of the same real pairs. Every parser takes {conditions["steps"]} steps of {conditions["batch_size"]}
pairs, each of them flipped and moved at random; with generated pairs, half of each batch is generated.
On {where}.
"""


def _row(size: int, alone: Sequence[float], generated: Sequence[float]) -> list[str]:
    gains = np.subtract(generated, alone)
    shown = lambda values, sign="": _spread(summary_of([float(value) for value in values]), sign)
    return [str(size), shown(alone), shown(generated), shown(gains, "+"), f"{(gains > 0).sum()} of {len(gains)}"]


def _spread(summary: Mapping[str, Any], sign: str) -> str:
    spread = "" if summary["sd"] is None else f" +- {summary['sd']:.3f}"
    return f"{summary['mean']:{sign}.3f}{spread}"


if __name__ == "__main__":
    flags.DEFINE_string("prepared", None, "Prepared data set with pictures.", required=True)
    flags.DEFINE_string("checkpoint", None, "Generates the maps.", required=True)
    flags.DEFINE_string("translator", None, "Paints the pictures of the maps.", required=True)
    flags.DEFINE_string("out", "docs/results", "Folder for the table.")
    flags.DEFINE_integer("generated", 2_000, "How many generated pairs.", lower_bound=1)
    flags.DEFINE_list("sizes", ["50", "100", "400"], "How many real pairs: one row of the table for each.")
    flags.DEFINE_integer("seeds", 3, "Parsers per cell, each on other real pairs.", lower_bound=1)
    run_user_script(main)
