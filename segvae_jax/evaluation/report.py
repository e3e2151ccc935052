"""The table of an evaluation result."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

ROWS = ("generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape")
WORST = 5


def print_table(result: Mapping[str, Any], console: Console) -> None:
    """Prints a result of `run_suite`: the model beside the anchors, then reconstruction and FID."""
    console.print(_table(result))
    console.print(_conditions_line(result), highlight=False, markup=False)
    console.print(_reconstruction_line(result), highlight=False, markup=False)
    console.print(_fid_line(result["rows"]), highlight=False, markup=False)


def _table(result: Mapping[str, Any]) -> Table:
    table = Table(title="What is drawn, against held-out real maps")
    table.add_column("")
    for heading in (
        "exact label-set",
        "FSD x 1e4",
        "C2ST AUC",
        "Frechet\n(random CNN)",
        "1 - mIoU",
        "nearest train\nmIoU",
    ):
        table.add_column(heading, justify="right")
    for name in ROWS:
        row = result["rows"][name]
        auc = row["c2st"]["auc"]
        table.add_row(
            name.replace("_", " "),
            _figure(row["control"]["exact"], 2),
            _figure(row["fsd"], 1),
            f"{auc['value']:.3f}\n+- {auc['sd']:.3f}",
            _figure(row["frechet_random_cnn"], 3),
            _figure(row["diversity"], 2),
            _figure(row["memorisation"]["nearest"], 2),
        )
    return table


def _figure(estimate: Mapping[str, float], digits: int) -> str:
    low, high = estimate["low"], estimate["high"]
    return f"{estimate['value']:.{digits}f}\n{low:.{digits}f}..{high:.{digits}f}"


def _conditions_line(result: Mapping[str, Any]) -> str:
    splits = ", ".join(f"{count} {name}" for name, count in result["splits"].items())
    height, width = result["size"]
    return (
        f"N = {result['num_maps']} maps of {height} x {width} ({splits}), seed {result['seed']}. "
        "a..b: 95 % bootstrap interval; +-: over folds. "
        f"A class counts from {result['area_threshold']} px. "
        f"Real vs real takes {result['real_vs_real_from_train']} maps from training."
    )


def _reconstruction_line(result: Mapping[str, Any]) -> str:
    reconstruction = result["reconstruction"]
    estimate = reconstruction["mean_iou"]
    scored = zip(reconstruction["per_class"], result["classes"], strict=True)
    worst = sorted((iou, name) for iou, name in scored if iou is not None)[:WORST]
    return (
        f"Reconstruction: mIoU {estimate['value']:.3f} ({estimate['low']:.3f}..{estimate['high']:.3f}); "
        f"worst classes: {', '.join(f'{name} {iou:.2f}' for iou, name in worst)}."
    )


def _fid_line(rows: Mapping[str, Any]) -> str:
    scored = {name.replace("_", " "): row["fid_inception"] for name, row in rows.items() if "fid_inception" in row}
    if not scored:
        return "FID is not part of this result: it needs the weights of Inception-v3 pt_inception-2015-12-05."
    figures = ", ".join(f"{name} {estimate['value']:.1f}" for name, estimate in scored.items())
    return f"FID (Inception, coloured maps; out of its domain): {figures}."
