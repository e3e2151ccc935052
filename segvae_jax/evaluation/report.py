"""The table of an evaluation result."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from segvae_jax.evaluation.inception import WEIGHTS_FILE

ROWS = ("generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape")
WORST = 5


def print_table(result: Mapping[str, Any], console: Console, fid: bool = True) -> None:
    """Prints a result of `run_suite`: the model beside the anchors, then reconstruction and, if asked for, FID."""
    console.print(_table(result))
    console.print(_conditions_line(result), highlight=False, markup=False)
    if result["reconstruction"]:
        console.print(_reconstruction_line(result), highlight=False, markup=False)
    if fid:
        console.print(_fid_line(result["rows"]), highlight=False, markup=False)


def _table(result: Mapping[str, Any]) -> Table:
    table = Table(title="What is drawn, against held-out real maps", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for name in ROWS:
        table.add_column(name.replace("_", "\n", 1).replace("_", " "), justify="right", no_wrap=True)
    rows = [result["rows"][name] for name in ROWS]
    table.add_row("exact label-set", *(_figure(row["control"]["exact"], 2) for row in rows))
    table.add_row("FSD x 1e4", *(_figure(row["fsd"], 0) for row in rows))
    table.add_row("C2ST AUC", *(f"{row['c2st']['auc']['value']:.3f}\n+-{row['c2st']['auc']['sd']:.3f}" for row in rows))
    table.add_row("Frechet random CNN", *(_figure(row["frechet_random_cnn"], 2) for row in rows))
    table.add_row("diversity 1 - mIoU", *(_figure(row["diversity"], 2) for row in rows))
    table.add_row("nearest train mIoU", *(_figure(row["memorisation"]["nearest"], 2) for row in rows))
    return table


def _figure(estimate: Mapping[str, float], digits: int) -> str:
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:.{max(digits, 1)}f}\n{low:.{digits}f}-{high:.{digits}f}"


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
    estimate = reconstruction["mean_iou"]
    scored = zip(reconstruction["per_class"], result["classes"], strict=True)
    worst = sorted((iou, name) for iou, name in scored if iou is not None)[:WORST]
    return (
        f"Reconstruction: mIoU {estimate['value']:.3f} ({estimate['low']:.3f}-{estimate['high']:.3f}); "
        f"worst classes: {', '.join(f'{name} {iou:.2f}' for iou, name in worst)}."
    )


def _fid_line(rows: Mapping[str, Any]) -> str:
    scored = {name.replace("_", " "): row["fid_inception"] for name, row in rows.items() if "fid_inception" in row}
    if not scored:
        return (
            f"FID (Inception, coloured maps): no weights. Give --inception_weights=PATH, the file {WEIGHTS_FILE} "
            "(Inception-v3 for FID; a release asset of the pytorch-fid project)."
        )
    figures = ", ".join(f"{name} {estimate['value']:.1f}" for name, estimate in scored.items())
    return f"FID (Inception, coloured maps; out of its domain): {figures}."
