"""Writes a table of experiments: Markdown for readers, JSON for programs, and pictures of what each row draws."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from benchmarks import machine
from experiments.runs import Run
from segvae_jax import pictures
from segvae_jax.generation import Generator

ANCHORS = ("real_vs_real", "retrieval", "independent_parts", "mean_shape")
_SAMPLES = 8
_TITLE_WIDTH = 160
_PIXELS = 96  # height of a drawn map, at least

# title, where in a row of the suite, digits
COLUMNS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("exact label-set", ("control", "exact", "value"), 2),
    ("FSD x 1e4", ("fsd", "value"), 1),
    ("C2ST AUC", ("c2st", "auc", "value"), 3),
    ("Frechet, map encoder", ("frechet_map_encoder", "value"), 3),
    ("precision", ("neighbours_map_encoder", "precision", "value"), 2),
    ("recall", ("neighbours_map_encoder", "recall", "value"), 2),
    ("compatibility, 1 - IoU", ("compatibility", "error", "value"), 3),
    ("diversity, 1 - mIoU", ("diversity", "value"), 2),
    ("nearest training mIoU", ("memorisation", "nearest", "value"), 2),
)

EDIT_COLUMNS: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("restyled: seen", ("restyle", "presence", "value"), 2),
    ("all else as it was", ("restyle", "untouched", "value"), 2),
    ("1 - IoU with before", ("restyle", "changed", "value"), 2),
    ("C2ST AUC", ("restyle", "c2st", "auc", "value"), 3),
    ("of unedited maps", ("restyle", "c2st", "real_vs_real", "value"), 3),
    ("added: seen", ("add", "presence", "value"), 2),
    ("added: all else as it was", ("add", "untouched", "value"), 2),
    ("removed: gone", ("remove", "presence", "value"), 2),
    ("removed: all else as it was", ("remove", "untouched", "value"), 2),
)


def write(name: str, runs: Sequence[Run], directory: Path) -> list[Path]:
    """Writes finished runs as `NAME.md`, `NAME.json` and two `NAME_*.png`; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    page, data, label_sets, samples = (
        directory / f"{name}{ending}" for ending in (".md", ".json", "_label_sets.png", "_samples.png")
    )
    scores = {run: json.loads(run.scores.read_text()) for run in runs}
    result = {"name": name, **conditions(scores), "rows": summary(scores), "edits": editing(scores)}
    data.write_text(json.dumps(result, indent=1) + "\n")
    first = [run for run in runs if run.seed == runs[0].seed]
    pictures.save_picture(label_sets, _drawn(first, num_label_sets=_SAMPLES))
    pictures.save_picture(samples, _drawn(first, num_label_sets=1))
    page.write_text(_page(result, label_sets.name, samples.name))
    return [page, data, label_sets, samples]


def conditions(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """Under which the figures of a table hold."""
    run, first = next(iter(scores.items()))
    trained = [run for run in scores if not run.experiment.weights_of]
    return {
        "budget": run.setting.budget.title, "seeds": len({run.seed for run in scores}), "size": first["size"],
        "num_maps": first["num_maps"], "splits": first["splits"], "machine": machine.one_line(),
        "training_hours": sum(map(training_seconds, trained)) / 3600,
    }  # fmt: skip


def summary(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """For each row, by title, and each anchor: the figure of every seed, their mean and standard deviation."""
    by_row = _by_title(scores, lambda result: result["rows"]["generated"])
    for anchor in ANCHORS:
        by_row[anchor.replace("_", " ")] = [result["rows"][anchor] for result in scores.values()]
    return _figures(by_row, COLUMNS)


def editing(scores: Mapping[Run, Mapping[str, Any]]) -> dict[str, Any]:
    """The same of the edits, for the rows whose models edit."""
    return _figures(_by_title(scores, lambda result: result.get("edits")), EDIT_COLUMNS)


def _by_title(scores: Mapping[Run, Mapping[str, Any]], part: Callable[[Mapping[str, Any]], Any]) -> dict[str, list]:
    """A part of every seed's result, for each row that has it."""
    by_row: dict[str, list] = {}
    for run, result in scores.items():
        if found := part(result):
            by_row.setdefault(run.experiment.title, []).append(found)
    return by_row


def _figures(by_row: Mapping[str, list], columns: Sequence[tuple[str, tuple[str, ...], int]]) -> dict[str, Any]:
    everywhere = lambda place: all(_at(row, place) is not None for of_seeds in by_row.values() for row in of_seeds)
    shown = [(column, place) for column, place, _ in columns if everywhere(place)]
    return {
        title: {column: _figure([_at(row, place) for row in of_seeds]) for column, place in shown}
        for title, of_seeds in by_row.items()
    }


def _at(row: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    """The figure at a place; None where the suite does not have it."""
    value: Any = row
    for key in place:
        value = (value or {}).get(key)
    return value if isinstance(value, int | float) else None


def _figure(values: list[float]) -> dict[str, Any]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return {"mean": float(np.mean(values)), "sd": None if math.isnan(spread) else spread, "values": values}


def training_seconds(run: Run) -> float:
    """Of the steps alone, by the training log."""
    rows = [json.loads(line) for line in (run.workdir / "metrics.jsonl").read_text().splitlines()]
    timed = [row for row in rows if "steps_per_second" in row]
    steps = np.diff([0] + [row["step"] for row in timed])
    return float(sum(count / row["steps_per_second"] for count, row in zip(steps, timed, strict=True)))


def _drawn(runs: Sequence[Run], num_label_sets: int) -> UInt8[np.ndarray, "h w 3"]:
    """A line of maps a row, with the same label-sets in all: the most frequent ones."""
    generators = {run.experiment.title: Generator.load(run.workdir) for run in runs}
    card = next(iter(generators.values())).card
    frequent = card.label_sets[np.argsort(-card.counts, kind="stable")[:num_label_sets]]
    label_sets = np.resize(frequent, (_SAMPLES, frequent.shape[1]))
    return np.concatenate([_line(title, generator, label_sets) for title, generator in generators.items()])


def _line(title: str, generator: Generator, label_sets: np.ndarray) -> UInt8[np.ndarray, "h w 3"]:
    index_maps = generator.draw(label_sets)
    scale = max(1, _PIXELS // index_maps.shape[1])
    drawn = pictures.sheet(index_maps, generator.space, _SAMPLES, scale)
    margin = Image.new("RGB", (_TITLE_WIDTH, len(drawn)), "white")
    ImageDraw.Draw(margin).text((4, len(drawn) // 2 - 6), title, fill="black")
    return np.concatenate([np.asarray(margin), drawn], axis=1)


def _page(result: Mapping[str, Any], label_sets: str, samples: str) -> str:
    edits = f"\nEdits of held-out maps, a class each:\n\n{_table(result['edits'])}\n" if result["edits"] else ""
    height, width = result["size"]
    of_many = f"Mean +- standard deviation over {result['seeds']} training runs a row"
    runs = of_many if result["seeds"] > 1 else "One training run a row"
    return f"""# {result["name"].replace("_", ", ").capitalize()}

{result["budget"]}; {height} x {width} px, {result["splits"]["train"]} training maps, {result["num_maps"]} held-out.
{runs}; anchors over the runs of all rows.
{result["training_hours"]:.1f} hours of training steps in all, on {result["machine"]}.

{_table(result["rows"])}
{edits}
The most frequent label-sets, the same in all lines:

![Samples of every row]({label_sets})

Samples of the most frequent label-set:

![Samples of one label-set]({samples})
"""


def _table(rows: Mapping[str, Any]) -> str:
    header = ["", *next(iter(rows.values()))]
    lines = [header, ["---"] * len(header), *([title, *_cells(figures)] for title, figures in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(figures: Mapping[str, Any]) -> list[str]:
    digits = {column: digits for column, _, digits in (*COLUMNS, *EDIT_COLUMNS)}
    number = lambda value, column: f"{value:.{digits[column]}f}"
    return [
        number(figure["mean"], column) + (f" +- {number(figure['sd'], column)}" if figure["sd"] is not None else "")
        for column, figure in figures.items()
    ]
