"""Measures speed and memory, beside PyTorch where it is installed, and beside the project's targets.

    python -m benchmarks.run --out=DIR [--only=training,generation] [--quick]

Prints a table a section, writes `benchmarks.json` after each of them, and a picture at the end. What cannot
be measured here (no GPU, no PyTorch) says so. Times mean something on a machine that does nothing else.
Where JAX finds a GPU that is what is measured; with JAX_PLATFORMS=cpu it is the processor.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

# Before JAX starts: PyTorch and child processes need a part of the same GPU's memory.
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
_QUICK = flags.DEFINE_bool("quick", False, "Tiny problems, one timing a row: to see that all of it runs.")
_OUT = flags.DEFINE_string("out", "benchmarks-out", "Folder for benchmarks.json and benchmarks.png.")


def main(argv: list[str]) -> None:
    """Measures."""
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
            rows += _measured(name, plan, failed)
            report.print_table([row for row in rows if row.section == name], console)
            report.write_json(rows, directory)
    console.print(
        f"wrote {directory / report.FILE}{_picture(rows, directory)}", highlight=False, markup=False, soft_wrap=True
    )
    if failed:
        raise SystemExit(1)


def _sections() -> list[str]:
    for name in _ONLY.value:
        if name not in SECTIONS:
            raise SegVAEError(f"--only={name}: no such section: choose from {', '.join(SECTIONS)}")
    return _ONLY.value


def _share_compilations(directory: str) -> None:
    """Sections meet the same programs: each is compiled once a run. The compile section has caches of its own."""
    jax.config.update("jax_compilation_cache_dir", directory)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _measured(name: str, plan: Plan, failed: list[str]) -> list[Row]:
    """A section's rows; one that breaks shows its traceback and leaves the others their time."""
    rows = []
    try:
        for row in SECTIONS[name](plan):
            rows.append(row)
    except Exception as error:
        traceback.print_exc()
        failed.append(name)
        rows.append(Row(name, "the rest of this section", "", reason=f"failed: {type(error).__name__}"))
    return rows


def _picture(rows: list[Row], directory: Path) -> str:
    try:
        path = plot.write_picture(rows, directory)
    except ImportError:
        return "; no picture: matplotlib is not installed (pip install '.[bench]')"
    return f" and {path}" if path else ""


if __name__ == "__main__":
    run_user_script(main)
