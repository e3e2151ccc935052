"""Prints rows and writes them to a file."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from benchmarks import machine
from benchmarks.measure import Row
from segvae_jax.files import write_atomically

FILE = "benchmarks.json"
_MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def print_row(row: Row, console: Console) -> None:
    """Prints a row: section, name, median, least and most, target; below it why it is not measured, and its note."""
    value = f"{_formatted(row.median)} {row.unit}".strip() if row.values else "not measured"
    spread = f"({_formatted(min(row.values))} - {_formatted(max(row.values))})" if len(row.values) > 1 else ""
    target = f"target {row.target} {_MARKS[row.met]}" if row.target else ""
    line = f"{row.section:<11} {row.name:<58} {value:>13} {spread:<17}"
    console.print(f"{escape(line)} {target}".rstrip(), highlight=False)
    for text in filter(None, (row.reason, row.note)):
        console.print(f"[dim]{'':<11} {escape(text)}[/]", highlight=False)


def _formatted(value: float) -> str:
    """Three significant digits, without an exponent if that is short enough."""
    if value == 0 or 1e-3 <= abs(value) < 1e3:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1e3 else f"{value:.1e}"


def write_json(rows: Sequence[Row], directory: Path) -> Path:
    """Writes the rows. Each holds the machine and the versions it was measured with, so that files can be merged."""
    path = directory / FILE
    entries = [{**row.to_json(), "machine": machine.facts()} for row in rows]
    text = json.dumps({"rows": entries}, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text))
    return path
