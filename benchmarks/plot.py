"""Plots training time against batch size, classes, image size and devices, and the parts of a training step."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.measure import Row
from benchmarks.rows import devices, parts, scaling

FILE = "benchmarks.png"
_AXES = {"batch": "batch size", "classes": "classes K", "size": "height and width, px"}
_COLUMNS = 3
_BLUE, _GREY = "#2a6f97", "#8d99ae"


def write_picture(rows: Sequence[Row], directory: Path) -> Path | None:
    """Writes a figure with one panel per group of rows.

    Returns:
      the path of the file, or None if there is nothing to plot.

    Raises:
      ImportError: if matplotlib is not installed.
    """
    panels = [panel for panel in (*_sweeps(rows), _device_panel(rows), _parts_panel(rows)) if panel]
    if not panels:
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = math.ceil(len(panels) / _COLUMNS)
    figure = Figure(figsize=(4.2 * _COLUMNS, 3.6 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    for number, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(lines, _COLUMNS, number), **panel)
    figure.suptitle(machine.one_line(), fontsize=8, color=_GREY)
    figure.savefig(directory / FILE, dpi=120)
    return directory / FILE


def _sweeps(rows: Sequence[Row]) -> list[dict[str, Any]]:
    swept = [row for row in rows if row.section == scaling.SECTION and row.values]
    panels = []
    for quantity, label in _AXES.items():
        if points := [row for row in swept if row.conditions["against"] == quantity]:
            panels.append({"rows": points, "positions": [row.conditions[quantity] for row in points], "label": label})
    return panels


def _device_panel(rows: Sequence[Row]) -> dict[str, Any] | None:
    points = [row for row in rows if row.section == devices.SECTION and row.unit == "s"]
    if not points:
        return None
    positions = [row.conditions["devices"] for row in points]
    return {"rows": points, "positions": positions, "label": "virtual devices on the same cores"}


def _parts_panel(rows: Sequence[Row]) -> dict[str, Any] | None:
    points = [row for row in rows if row.section == parts.SECTION and row.values]
    return {"rows": points, "positions": None, "label": "seconds, forward + backward"} if points else None


def _draw(axes: Any, rows: Sequence[Row], positions: list[float] | None, label: str) -> None:
    """Draws a line over the positions, or bars if there are none. Error bars show minimum and maximum."""
    spread = [[row.median - min(row.values) for row in rows], [max(row.values) - row.median for row in rows]]
    if positions is None:
        _bars(axes, rows, spread)
    else:
        axes.errorbar(positions, [row.median for row in rows], spread, color=_BLUE, marker="o", capsize=3)
        axes.set(ylabel="seconds per training step", xticks=positions)
        axes.set_ylim(bottom=0)
    axes.set_xlabel(label)
    axes.set_title(_common(rows), fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(axes: Any, rows: Sequence[Row], spread: list[list[float]]) -> None:
    """Draws one bar per part of a step and one for the whole step, each with its share of the whole."""
    names, medians = [row.conditions["part"] for row in rows], [row.median for row in rows]
    whole = medians[names.index(parts.WHOLE)]
    labels = [f"{name}\n{100 * value / whole:.0f} %" for name, value in zip(names, medians, strict=True)]
    axes.barh(labels, medians, xerr=spread, color=[_GREY if name == parts.WHOLE else _BLUE for name in names])
    axes.invert_yaxis()


def _common(rows: Sequence[Row]) -> str:
    """The conditions that all points of a panel share."""
    values = {name: {row.conditions.get(name) for row in rows} for name in ("ngf", "size", "batch")}
    return ", ".join(f"{name} {found.pop()}" for name, found in values.items() if len(found) == 1)
