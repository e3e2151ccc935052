"""The benchmark command end to end on tiny problems, and the parts of its rows. The times are meaningless."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import plot
from benchmarks.measure import Row, at_least, at_most, ratios, time_in_turn
from benchmarks.report import write_json
from benchmarks.rows import memory
from benchmarks.rows.devices import count_collectives
from benchmarks.workload import Setup, class_maps, label_sets
from segvae_jax.maps import label_set_of

ROOT = Path(__file__).parents[2]


def run(*arguments, name="run"):
    """Runs a command as a user does, on one device and without PyTorch."""
    # Each program runs only once, so compilation dominates the time.
    variables = {**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", "JAX_PLATFORMS": "cpu"}
    start = f"import runpy; runpy.run_module('benchmarks.{name}', None, '__main__')"
    hidden = f"import sys; sys.modules['torch'] = None; {start}"
    command = [sys.executable, "-c", hidden, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=variables, cwd=ROOT)


@pytest.mark.slow
def test_the_command_measures_every_section_or_says_why_not(tmp_path):
    done = run("--quick", f"--out={tmp_path}")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    found = {row["section"] for row in rows}
    assert found == {"training", "generation", "compile", "memory", "pipeline", "devices", "scaling", "parts"}
    for row in rows:
        assert row["values"] or row["reason"], row["name"]
        assert row["machine"]["cpu"] and row["machine"]["jax"] and row["machine"]["commit"]
        assert row["name"] in done.stdout
    assert any("hierarchical" in row["name"] for row in rows)
    compared = [row for row in rows if row["name"].endswith("PyTorch")]
    assert compared and all(row["median"] is None and "not installed" in row["reason"] for row in compared)
    equal = [row for row in rows if row["name"].endswith("losses, relative difference to 1 device")]
    assert equal and all(row["met"] for row in equal)


@pytest.mark.slow
def test_all_of_a_gpu_command_runs_on_a_cpu(tmp_path):
    done = run("--quick", "--device=cpu", f"--out={tmp_path}", name="gpu")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    found = {row["section"] for row in rows}
    assert found == {"sanity", "training", "trace", "train.py", "generation", "bulk", "memory", "compile", "pipeline"}
    assert [row for row in rows if row["section"] == "sanity" and row["met"] is False] == []
    assert {"sanity", "train.py", "bulk", "trace"} <= {row["section"] for row in rows if row["values"]}
    assert [row["name"] for row in rows if not row["values"] and not row["reason"]] == []
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--only=speed"], "--only=speed: no such section: choose from training"),
        (["--out=/proc/none"], "--out=/proc/none: cannot be written"),
        (["--device=gpu"], "--device=gpu: JAX_PLATFORMS=cpu hides it: unset it"),
    ],
)
def test_a_users_mistake_is_one_line(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


def test_a_row_holds_median_spread_and_target(tmp_path):
    row = Row("training", "step", "s", (3.0, 1.0, 2.0), at_most(2.5))
    assert (row.median, row.met) == (2.0, True)
    missing = Row("training", "GPU", "x", target=at_least(20), reason="no GPU")
    assert math.isnan(missing.median) and missing.met is None
    write_json([row, missing], tmp_path)
    first, second = json.loads((tmp_path / "benchmarks.json").read_text())["rows"]
    assert (first["min"], first["max"], first["repeats"], first["met"]) == (1.0, 3.0, 3, True)
    assert (second["median"], second["repeats"], second["reason"]) == (None, 0, "no GPU")


def test_works_are_timed_in_turn():
    calls = []
    works = {name: lambda count, name=name: calls.extend([name] * min(count, 1)) for name in ("a", "b")}
    times = time_in_turn(works, repeats=2)
    assert calls == ["a", "b", "a", "b", "a", "b", "a", "b"]
    assert {len(values) for values in times.values()} == {2}
    assert ratios((4.0, 9.0), (2.0, 3.0)) == (2.0, 3.0)


@pytest.mark.parametrize("dataset, share", [("celebamask_hq", 13.4 / 18), ("humanparsing", 7 / 17)])
def test_random_maps_hold_as_many_classes_as_real_ones(dataset, share):
    setup = Setup(dataset, batch=16, size=32)
    wanted = label_sets(setup)
    assert abs(wanted[:, 1:].mean() - share) < 1 / 200
    assert np.ptp(wanted.sum(1)) <= 1
    np.testing.assert_array_equal(label_set_of(class_maps(setup)), wanted)


def test_collectives_are_counted_in_the_program():
    hlo = """
      %x = f32[2] all-reduce(%a), to_apply=%add
      %y = (f32[2], f32[3]) all-reduce-start(%a, %b)
      %z = f32[4] all-gather(%x), dimensions={0}
      %w = f32[2] add(%all-reduce.1, %all-reduce.2)
    """
    assert count_collectives(hlo) == {"all-reduce": 2, "all-gather": 1}


def test_growth_is_one_where_memory_is_linear(monkeypatch):
    setups = [Setup(batch=batch) for batch in (4, 10, 16)]
    monkeypatch.setattr(memory, "planned_bytes", lambda setup: 1000 + 10 * setup.batch)
    assert memory.growth("batch", setups).median == 1
    monkeypatch.setattr(memory, "planned_bytes", lambda setup: setup.batch**2)
    assert memory.growth("batch", setups).met is False


def test_the_picture_shows_every_panel(tmp_path):
    # Drawn by matplotlib, which only the benchmarks use (extra `bench`).
    pytest.importorskip("matplotlib")
    swept = [
        Row("scaling", name, "s", (1.0, 2.0), conditions={"against": name, name: value})
        for name in ("batch", "classes", "size")
        for value in (4, 8)
    ]
    device = [Row("devices", "1 virtual device: step", "s", (1.0,), conditions={"devices": 1, "ngf": 16})]
    part = [Row("parts", name, "s", (1.0,), conditions={"part": name}) for name in ("decoder", "whole step")]
    path = plot.write_picture([*swept, *device, *part], tmp_path)
    assert path is not None and path.stat().st_size > 10_000
    assert plot.write_picture([], tmp_path) is None
