"""Measures speed and memory, and compares them with the project's targets and, if it is installed, with PyTorch.

    python -m benchmarks.run --out=DIR [--only=training,generation] [--quick]

Prints one table per section, writes `benchmarks.json` after each section, and plots a picture at the end. Rows that
cannot be measured on this machine (without a GPU or PyTorch) say so. Times are meaningful only on an idle machine.
If JAX finds a GPU, the GPU is measured. Set JAX_PLATFORMS=cpu to measure the processor instead.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the slow imports

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

# Must be set before JAX starts: PyTorch and child processes need a part of the same GPU's memory.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
from absl import flags
from rich.console import Console

from benchmarks import machine, plot, report
from benchmarks.measure import Row
from benchmarks.plan import Plan
from benchmarks.rows import compiling, devices, generation, memory, parts, pipeline, scaling, training
from segvae_jax.cli.script import run_user_script
from segvae_jax.errors import SegVAEError
from segvae_jax.files import writable_directory

SECTIONS: dict[str, Callable[[Plan], Iterator[Row]]] = {
    module.SECTION: module.rows
    for module in (training, generation, compiling, memory, pipeline, devices, scaling, parts)
}

_ONLY = flags.DEFINE_list("only", list(SECTIONS), "Sections to measure, separated by commas.")
_QUICK = flags.DEFINE_bool("quick", False, "Use tiny problems and one timing per row, to check that everything runs.")
_OUT = flags.DEFINE_string("out", "benchmarks-out", "Folder for benchmarks.json and benchmarks.png.")


def main(argv: list[str]) -> None:
    """Measures the chosen sections, prints the tables and writes the files."""
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    sections, directory, console = _sections(), writable_directory(_OUT.value, "--out"), Console()
    plan = Plan(_QUICK.value, repeats=1 if _QUICK.value else 5)
    console.print(machine.one_line(), highlight=False, markup=False)
    rows: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as cache:
        _share_compilations(cache)
        for name in sections:
            rows += _measure_section(name, plan, failed)
            report.print_table([row for row in rows if row.section == name], console)
            report.write_json(rows, directory)
    console.print(
        f"wrote {directory / report.FILE}{_write_picture(rows, directory)}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if failed:
        raise SystemExit(1)


def _sections() -> list[str]:
    for name in _ONLY.value:
        if name not in SECTIONS:
            raise SegVAEError(f"--only={name}: no such section: choose from {', '.join(SECTIONS)}")
    return _ONLY.value


def _share_compilations(directory: str) -> None:
    """Lets sections share compiled programs; each compiles once per run. The compile section has its own caches."""
    jax.config.update("jax_compilation_cache_dir", directory)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _measure_section(name: str, plan: Plan, failed: list[str]) -> list[Row]:
    """The rows of a section. A failure prints its traceback and does not stop the other sections."""
    rows = []
    try:
        for row in SECTIONS[name](plan):
            rows.append(row)
    except Exception as error:
        traceback.print_exc()
        failed.append(name)
        rows.append(Row(name, "remaining rows of this section", "", reason=f"failed: {type(error).__name__}"))
    return rows


def _write_picture(rows: list[Row], directory: Path) -> str:
    try:
        path = plot.write_picture(rows, directory)
    except ImportError:
        return "; no picture: matplotlib is not installed (pip install '.[bench]')"
    return f" and {path}" if path else ""


if __name__ == "__main__":
    run_user_script(main)
