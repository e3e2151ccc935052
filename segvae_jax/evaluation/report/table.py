"""The table of an evaluation result in the terminal."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from segvae_jax.evaluation.edits import KINDS
from segvae_jax.evaluation.networks.inception import WEIGHTS_FILE
from segvae_jax.evaluation.rows import EDIT_ROWS, PICTURE_ROWS, ROWS, MetricRow

COLUMNS = ("generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape")
FID = next(row for row in ROWS if row.place == ("fid_inception",))
WORST = 5  # classes
_SHORT = {"generated": "GENERATED", "real_vs_real": "real", "independent_parts": "parts", "mean_shape": "mean"}


def print_table(result: Mapping[str, Any], console: Console, fid: bool = True) -> None:
    """Prints a result of `evaluate`, of `evaluate_translator`, or of both.

    Args:
      result: the maps beside the anchors, reconstruction, latent and edits; and the pictures of a translator.
      console: prints.
      fid: whether to print the FID of maps, or what it lacks.
    """
    if "rows" in result:
        _print_maps(result, console, fid)
    if "pictures" in result:
        _print_pictures(result, console)


def _print_pictures(result: Mapping[str, Any], console: Console) -> None:
    """The pictures of a translator beside real ones, with the rows that any of them has."""
    columns = {name: scores for name, scores in result["pictures"].items() if isinstance(scores, Mapping)}
    rows = [row for row in PICTURE_ROWS if any(map(row.find, columns.values()))]
    title = f"Pictures against {result['pictures']['num_maps']} held-out real pictures"
    console.print(_table(title, columns, rows, _with_interval))
    if missing := result.get("omitted", {}).get("pictures"):
        console.print(f"Distances of pictures: {missing}.", highlight=False, markup=False)


def _print_maps(result: Mapping[str, Any], console: Console, fid: bool) -> None:
    columns = {name: result["rows"][name] for name in COLUMNS}
    console.print(_table("Generated maps against held-out real maps", columns, _rows_of("quick"), _with_interval))
    console.print(_order(columns, _rows_of("quick")))
    if result["suite"] == "all":
        title = "Parts, relations and features (intervals are in scores.json)"
        console.print(_table(title, columns, _rows_of("all"), lambda row, estimate: row.format(estimate["value"])))
    if result.get("edits"):
        title = f"Edits of {result['edits']['num_maps']} held-out maps"
        console.print(_table(title, {kind: result["edits"][kind] for kind in KINDS}, EDIT_ROWS, _with_interval))
    for line in _lines(result, fid):
        console.print(line, highlight=False, markup=False)


def _rows_of(suite: str) -> list[MetricRow]:
    return [row for row in ROWS if row.suite == suite and row.in_terminal]


def _table(
    title: str,
    columns: Mapping[str, Any],
    rows: Iterable[MetricRow],
    cell: Callable[[MetricRow, Mapping[str, float]], str],
) -> Table:
    """Each row with the cell of every column's scores; a dash where these lack it."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name.replace("_", "\n", 1).replace("_", " "), justify="right", no_wrap=True)
    for row in rows:
        found = [row.find(scores) for scores in columns.values()]
        table.add_row(row.marked, *(cell(row, estimate) if estimate else "-" for estimate in found))
    return table


def _order(columns: Mapping[str, Any], rows: Iterable[MetricRow]) -> Table:
    """Each row with the names of all columns, the best one first; `=` where the table shows no difference."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("from best to worst", no_wrap=True)
    for row in rows:
        by_shortfall: dict[float, list[str]] = {}
        for name, scores in columns.items():
            if (shortfall := row.shortfall(scores, columns["real_vs_real"])) is not None:
                by_shortfall.setdefault(shortfall, []).append(_SHORT.get(name, name))
        table.add_row(row.title, ", ".join(" = ".join(by_shortfall[key]) for key in sorted(by_shortfall)))
    return table


def _with_interval(row: MetricRow, estimate: Mapping[str, float]) -> str:
    """The value and, below it, its interval or its standard deviation over folds."""
    value = row.format(estimate["value"])
    if "sd" in estimate:
        return f"{value}\n+-{row.format(estimate['sd'])}"
    if "low" not in estimate:
        return value
    # both ends must fit in 9 characters beside each other
    digits = row.digits - (estimate["high"] >= 10)
    return f"{value}\n{estimate['low']:.{digits}f}-{estimate['high']:.{digits}f}"


def _lines(result: Mapping[str, Any], fid: bool) -> Iterable[str]:
    """The lines printed below the tables."""
    yield _conditions_line(result)
    if result["reconstruction"]:
        yield _reconstruction_line(result)
    if result["latent"]:
        yield _latent_line("Latent", result["latent"])
        for scale, latent in result["latent"].get("scales", {}).items():
            yield _latent_line(f"  {scale}", latent)
    for row in _rows_of("weights"):
        if (line := _weights_line(row, result["rows"])) and (fid or row is not FID):
            yield line
    if fid and not _weights_line(FID, result["rows"]):
        yield (
            f"{FID.title}: no weights. Give --inception_weights=PATH, the file {WEIGHTS_FILE} "
            "(Inception-v3 for FID; a release asset of the pytorch-fid project)."
        )


def _conditions_line(result: Mapping[str, Any]) -> str:
    splits = ", ".join(f"{count} {name}" for name, count in result["splits"].items())
    height, width = result["size"]
    return (
        f"N = {result['num_maps']} maps of {height} x {width} ({splits}), seed {result['seed']}. "
        "a-b: 95 % bootstrap interval; +-: standard deviation over folds. "
        f"A class counts from {result['area_threshold']} px. "
        f"Real vs real takes {result['real_vs_real_from_train']} maps from training."
    )


def _reconstruction_line(result: Mapping[str, Any]) -> str:
    reconstruction = result["reconstruction"]
    estimate = reconstruction["mean_iou"]
    scored = zip(reconstruction["per_class"], result["classes"], strict=True)
    worst = sorted((iou, name) for iou, name in scored if iou is not None)[:WORST]
    return (
        f"Reconstruction: mIoU {estimate['value']:.3f} ({estimate['low']:.3f}-{estimate['high']:.3f}); "
        f"worst classes: {', '.join(f'{name} {iou:.2f}' for iou, name in worst)}."
    )


def _latent_line(name: str, latent: Mapping[str, Any]) -> str:
    active = [count for count in latent["active_units"] if count is not None]
    beyond_prior = [count for count in latent["active_units_beyond_prior"] if count is not None]
    return (
        f"{name}: KL {latent['kl']['value']:.1f} nats per map; of {latent['latent_dim']} units per class "
        f"{statistics.mean(active):.1f} are active, {statistics.mean(beyond_prior):.1f} beyond the prior."
    )


def _weights_line(row: MetricRow, rows: Mapping[str, Any]) -> str:
    """The row of a network whose weights the user gave; empty where it was not computed."""
    found = {name.replace("_", " "): row.find(scores) for name, scores in rows.items()}
    values = ", ".join(f"{name} {row.format(estimate['value'])}" for name, estimate in found.items() if estimate)
    return f"{row.title}: {values}." if values else ""
