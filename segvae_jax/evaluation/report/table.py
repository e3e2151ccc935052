"""The table of an evaluation result."""

import functools
import math
import operator
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from segvae_jax.evaluation.edits import KINDS
from segvae_jax.evaluation.networks.inception import WEIGHTS_FILE

ROWS = ("generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape")
WORST = 5
FULL_ROWS = (  # title, decimals, factor, keys
    ("W1 log-area", 2, 1, "parts log_area"),
    ("W1 place y % of side", 1, 100, "parts centroid_y"),
    ("W1 place x % of side", 1, 100, "parts centroid_x"),
    ("W1 height % of side", 1, 100, "parts height"),
    ("W1 width % of side", 1, 100, "parts width"),
    ("W1 axis in degrees", 1, 180 / math.pi, "parts orientation"),
    ("W1 offsets % of side", 1, 100, "offsets"),
    ("adjacency", 3, 1, "adjacency"),
    ("W1 symmetry", 3, 1, "symmetry"),
    ("Frechet map encoder", 3, 1, "frechet_map_encoder"),
    ("KID x 1e3 random CNN", 1, 1e3, "kid_random_cnn"),
    ("KID x 1e3 encoder", 1, 1e3, "kid_map_encoder"),
    ("precision encoder", 2, 1, "neighbours_map_encoder precision"),
    ("recall encoder", 2, 1, "neighbours_map_encoder recall"),
    ("density encoder", 2, 1, "neighbours_map_encoder density"),
    ("coverage encoder", 2, 1, "neighbours_map_encoder coverage"),
    ("compatib. 1 - IoU", 3, 1, "compatibility error"),
    ("diversity encoder", 3, 1, "diversity_map_encoder"),
)

EDIT_ROWS = (
    ("class seen, or gone", "presence"),
    ("all else as it was", "untouched"),
    ("1 - IoU with before", "changed"),
)


def print_table(result: Mapping[str, Any], console: Console, fid: bool = True) -> None:
    """Prints a result of `run_suite`: the maps beside the anchors, reconstruction and, if asked for, FID."""
    console.print(_table(result))
    if result["suite"] == "all":
        console.print(_full_table(result))
    if result.get("edits"):
        console.print(_edits_table(result["edits"]))
    for told in (_conditions_line, _reconstruction_line, _latent_line, _lpips_line):
        if line := told(result):
            console.print(line, highlight=False, markup=False)
    if fid:
        console.print(_fid_line(result["rows"]), highlight=False, markup=False)


def _table(result: Mapping[str, Any]) -> Table:
    table = _empty_table("What is drawn, against held-out real maps")
    rows = [result["rows"][name] for name in ROWS]
    exact = (_figure(row["control"]["exact"], 2) if "control" in row else "-" for row in rows)
    table.add_row("exact label-set", *exact)
    table.add_row("FSD x 1e4", *(_figure(row["fsd"], 0) for row in rows))
    table.add_row("C2ST AUC", *(_over_folds(row["c2st"]["auc"]) for row in rows))
    table.add_row("Frechet random CNN", *(_figure(row["frechet_random_cnn"], 2) for row in rows))
    table.add_row("diversity 1 - mIoU", *(_figure(row["diversity"], 2) for row in rows))
    table.add_row("nearest train mIoU", *(_figure(row["memorisation"]["nearest"], 2) for row in rows))
    return table


def _full_table(result: Mapping[str, Any]) -> Table:
    table = _empty_table("Parts, relations and features (intervals in the JSON)")
    for title, digits, factor, keys in FULL_ROWS:
        values = [functools.reduce(operator.getitem, keys.split(), result["rows"][name])["value"] for name in ROWS]
        table.add_row(title, *("-" if value is None else f"{factor * value:.{digits}f}" for value in values))
    return table


def _edits_table(edits: Mapping[str, Any]) -> Table:
    table = _empty_table(f"Edits of {edits['num_maps']} held-out maps", KINDS)
    found = [edits[kind] or {} for kind in KINDS]
    for title, key in EDIT_ROWS:
        table.add_row(title, *(_figure(figures[key], 2) if key in figures else "-" for figures in found))
    tests = [figures.get("c2st") for figures in found]
    for title, key in (("C2ST AUC", "auc"), ("C2ST AUC unedited", "real_vs_real")):
        table.add_row(title, *(_over_folds(test[key]) if test else "-" for test in tests))
    return table


def _empty_table(title: str, columns: Sequence[str] = ROWS) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name.replace("_", "\n", 1).replace("_", " "), justify="right", no_wrap=True)
    return table


def _figure(estimate: Mapping[str, float], digits: int) -> str:
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:.{max(digits, 1)}f}\n{low:.{digits}f}-{high:.{digits}f}"


def _over_folds(estimate: Mapping[str, float]) -> str:
    return f"{estimate['value']:.3f}\n+-{estimate['sd']:.3f}"


def _conditions_line(result: Mapping[str, Any]) -> str:
    splits = ", ".join(f"{count} {name}" for name, count in result["splits"].items())
    height, width = result["size"]
    return (
        f"N = {result['num_maps']} maps of {height} x {width} ({splits}), seed {result['seed']}. "
        "a-b: 95 % bootstrap interval; +-: over folds. "
        f"A class counts from {result['area_threshold']} px. "
        f"Real vs real takes {result['real_vs_real_from_train']} maps from training."
    )


def _reconstruction_line(result: Mapping[str, Any]) -> str:
    reconstruction = result["reconstruction"]
    if reconstruction is None:
        return ""
    estimate = reconstruction["mean_iou"]
    scored = zip(reconstruction["per_class"], result["classes"], strict=True)
    worst = sorted((iou, name) for iou, name in scored if iou is not None)[:WORST]
    return (
        f"Reconstruction: mIoU {estimate['value']:.3f} ({estimate['low']:.3f}-{estimate['high']:.3f}); "
        f"worst classes: {', '.join(f'{name} {iou:.2f}' for iou, name in worst)}."
    )


def _latent_line(result: Mapping[str, Any]) -> str:
    latent = result["latent"]
    if latent is None:
        return ""
    units = [count for count in latent["active_units"] if count is not None]
    beyond = [count for count in latent["active_units_beyond_prior"] if count is not None]
    return (
        f"Latent: KL {latent['kl']['value']:.1f} nats a map; of {latent['latent_dim']} units a class "
        f"{statistics.mean(units):.1f} are active, {statistics.mean(beyond):.1f} beyond the prior."
    )


def _lpips_line(result: Mapping[str, Any]) -> str:
    scored = {name: row["diversity_lpips"]["value"] for name, row in result["rows"].items() if "diversity_lpips" in row}
    figures = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in scored.items())
    return f"Diversity by LPIPS (AlexNet, coloured maps; out of its domain): {figures}." if scored else ""


def _fid_line(rows: Mapping[str, Any]) -> str:
    scored = {name.replace("_", " "): row["fid_inception"] for name, row in rows.items() if "fid_inception" in row}
    if not scored:
        return (
            f"FID (Inception, coloured maps): no weights. Give --inception_weights=PATH, the file {WEIGHTS_FILE} "
            "(Inception-v3 for FID; a release asset of the pytorch-fid project)."
        )
    figures = ", ".join(f"{name} {estimate['value']:.1f}" for name, estimate in scored.items())
    return f"FID (Inception, coloured maps; out of its domain): {figures}."
