"""Writes a table of experiments: Markdown for readers, JSON for programs, and pictures of maps from each row."""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from experiments.drawing import MAPS_PER_ROW, maps_to_edit, picture_of_edits, picture_of_label_sets
from experiments.runs import Run
from experiments.verdicts import by_chance, verdicts
from segvae_jax import pictures
from segvae_jax.evaluation.edits import KINDS
from segvae_jax.evaluation.rows import EDIT_ROWS, ROWS, MetricRow
from segvae_jax.files import write_atomically
from segvae_jax.generation import Generator

ANCHORS = ("real_vs_real", "retrieval", "independent_parts", "mean_shape")

COLUMNS = {row.title: row for row in ROWS if row.headline}
EDIT_COLUMNS = {
    f"{kind}: {row.title}": dataclasses.replace(row, place=(kind, *row.place)) for kind in KINDS for row in EDIT_ROWS
}


def write(name: str, runs: Sequence[Run], directory: Path) -> list[Path]:
    """Writes finished runs as `NAME.md`, `NAME.json` and `NAME_*.png`; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    scores = {run: json.loads(run.scores.read_text()) for run in runs}
    result = {"name": name, **conditions(scores), "rows": summary(scores), "edits": editing(scores)}
    if result["seeds"] > 1:
        models = {run.experiment.title: result["rows"][run.experiment.title] for run in runs}
        result |= {"verdicts": verdicts(models, runs[0].experiment.title)}
    page, data = directory / f"{name}.md", directory / f"{name}.json"
    write_atomically(data, lambda path: path.write_text(json.dumps(result, indent=1) + "\n"))
    saved = _save_pictures([run for run in runs if run.seed == runs[0].seed], directory / name)
    write_atomically(page, lambda path: path.write_text(_page(result, saved)))
    return [page, data, *saved]


def _save_pictures(runs: Sequence[Run], stem: Path) -> dict[Path, str]:
    """Saves pictures of one run per row; returns their paths and captions."""
    generators = {run.experiment.title: Generator.load(run.workdir) for run in runs}
    place = lambda what: stem.with_name(f"{stem.name}_{what}.png")
    frequent, alike = (picture_of_label_sets(generators, count) for count in (MAPS_PER_ROW, 1))
    saved = {
        place("label_sets"): ("The most frequent label-sets, the same in all rows", frequent),
        place("samples"): ("Samples of the most frequent label-set", alike),
    }
    editors = {title: generator for title, generator in generators.items() if generator.can_edit}
    if editors and (edited := maps_to_edit(next(iter(generators.values())))):
        edits = "; ".join(f"a map, {one.description()}" for one in edited)
        saved[place("edits")] = (f"Edits, from left to right: {edits}", picture_of_edits(editors, edited))
    for path, (_, picture) in saved.items():
        pictures.save_picture(path, picture)
    return {path: caption for path, (caption, _) in saved.items()}


def conditions(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """The conditions under which the values of a table hold."""
    run, first = next(iter(scores.items()))
    seconds: dict[str, list[float]] = {}
    for run in scores:
        if not run.experiment.weights_of:
            seconds.setdefault(run.experiment.title, []).append(training_seconds(run))
    return {
        "budget": run.setting.budget.title, "seeds": len({run.seed for run in scores}), "size": first["size"],
        "num_maps": first["num_maps"], "splits": first["splits"], "machine": machine.one_line(),
        "training_hours": sum(map(sum, seconds.values())) / 3600,
        "training_minutes": {title: float(np.mean(of_runs)) / 60 for title, of_runs in seconds.items()},
    }  # fmt: skip


def summary(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """For each row and anchor and each metric, by title: the values of all seeds, their mean and standard deviation."""
    by_row = _by_title(scores, lambda result: result["rows"]["generated"])
    by_seed = {run.seed: result["rows"] for run, result in scores.items()}  # runs with one seed share their anchors
    for anchor in ANCHORS:
        by_row[anchor.replace("_", " ")] = [rows[anchor] for rows in by_seed.values()]
    return _summaries(by_row, COLUMNS)


def editing(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """As `summary`, for the edits of the rows whose models edit."""
    return _summaries(_by_title(scores, lambda result: result.get("edits")), EDIT_COLUMNS)


def _by_title(scores: Mapping[Run, Mapping[str, Any]], part: Callable[[Mapping[str, Any]], Any]) -> dict[str, list]:
    """For each row, a part of the result of every seed that has it."""
    by_row: dict[str, list] = {}
    for run, result in scores.items():
        if found := part(result):
            by_row.setdefault(run.experiment.title, []).append(found)
    return by_row


def _summaries(by_row: Mapping[str, list], columns: Mapping[str, MetricRow]) -> dict[str, Any]:
    """For each row of the table, the summaries of the columns that no row lacks."""
    everywhere = lambda column: all(column.find(scores) for of_seeds in by_row.values() for scores in of_seeds)
    shown = {title: column for title, column in columns.items() if everywhere(column)}
    return {
        title: {name: summary_of([_value(column, scores) for scores in of_seeds]) for name, column in shown.items()}
        for title, of_seeds in by_row.items()
    }


def _value(column: MetricRow, scores: Mapping[str, Any]) -> float:
    estimate = column.find(scores)
    assert estimate  # as only columns that no row lacks are shown
    return estimate["value"]


def summary_of(values: list[float]) -> dict[str, Any]:
    """The values of all seeds, their mean, and their standard deviation; None where there is one value."""
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {"mean": float(np.mean(values)), "sd": None if math.isnan(spread) else spread, "values": values}


def training_seconds(run: Run) -> float:
    """Duration of the training steps, from the training log."""
    rows = [json.loads(line) for line in (run.workdir / "metrics.jsonl").read_text().splitlines()]
    timed = [row for row in rows if "steps_per_second" in row]
    steps = np.diff([0] + [row["step"] for row in timed])
    return float(sum(count / row["steps_per_second"] for count, row in zip(steps, timed, strict=True)))


def _page(result: Mapping[str, Any], saved: Mapping[Path, str]) -> str:
    edits = f"\nEdits of held-out maps, one class per map:\n\n{_table(result['edits'])}\n" if result["edits"] else ""
    height, width = result["size"]
    of_many = f"Mean +- standard deviation over {result['seeds']} training runs per row"
    runs = of_many if result["seeds"] > 1 else "One training run per row"
    minutes = ", ".join(f"{title} {minutes:.0f}" for title, minutes in result["training_minutes"].items())
    shown = "\n\n".join(f"{caption}:\n\n![{caption}]({path.name})" for path, caption in saved.items())
    return f"""# {result["name"].replace("_", ", ", 1).capitalize()}

{result["budget"]}; {height} x {width} px, {result["splits"]["train"]} training maps, {result["num_maps"]} held-out.
{runs}; anchors have one value per seed.
{result["training_hours"]:.1f} hours of training steps in all, on {result["machine"]}.
Minutes of training steps per run: {minutes}.

{_table(result["rows"])}
{_compared(result)}{edits}
{shown}
"""


def _compared(result: Mapping[str, Any]) -> str:
    """The verdicts as a table; empty if there are none."""
    found = result.get("verdicts")
    if not found:
        return ""
    lines = [["against", *next(iter(found.values()))], *([title, *row.values()] for title, row in found.items())]
    return f"""
{next(iter(result["rows"]))} against each other row: better or worse where all of its runs are beyond all runs of the
other row, which happens to equally good models once in {1 / by_chance(result["seeds"]):.0f} times; open elsewhere.

{markdown_table(lines)}
"""


def _table(rows: Mapping[str, Any]) -> str:
    header = ["", *next(iter(rows.values()))]
    return markdown_table([header, *([title, *_cells(figures)] for title, figures in rows.items())])


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first line is its header."""
    header, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, ["---"] * len(header), *rest))


def _cells(summaries: Mapping[str, Any]) -> list[str]:
    columns = COLUMNS | EDIT_COLUMNS
    spread = lambda column, sd: "" if sd is None else f" +- {column.format(sd)}"
    return [
        columns[title].format(summary["mean"]) + spread(columns[title], summary["sd"])
        for title, summary in summaries.items()
    ]
