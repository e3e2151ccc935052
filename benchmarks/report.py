"""Prints rows as tables and writes them to a file."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import machine
from benchmarks.measure import Row
from segvae_jax.files import write_atomically

FILE = "benchmarks.json"
_MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def print_table(rows: Sequence[Row], console: Console) -> None:
    """Prints the rows of one section, each value beside its target."""
    table = Table(title=rows[0].section, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", overflow="fold")
    for name in ("median", "min - max", "target", ""):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        value = f"{_formatted(row.median)} {row.unit}".strip() if row.values else "not measured"
        spread = f"{_formatted(min(row.values))} - {_formatted(max(row.values))}" if len(row.values) > 1 else ""
        below = "".join(f"\n[dim]{escape(text)}[/]" for text in (row.reason, row.note) if text)
        table.add_row(escape(row.name) + below, value, spread, str(row.target or ""), _MARKS[row.met])
    console.print(table)


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
