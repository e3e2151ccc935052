"""How benchmarks run: what is measured is kept, in order of worth, within the time; and what a trace tells."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from benchmarks import device, runner
from benchmarks.measure import Row, at_least, at_most
from benchmarks.plan import Plan, Task
from benchmarks.rows import generation, trace, training
from benchmarks.workload import Setup, budget, build_model, noise
from segvae_jax.errors import ConfigError
from segvae_jax.model.hierarchical import Hierarchical

ROOT = Path(__file__).parents[2]
INFINITE = float("inf")


def written(directory) -> list[tuple[str, str]]:
    rows = json.loads((directory / "benchmarks.json").read_text())["rows"]
    return [(row["name"], row["reason"]) for row in rows]


def task(name: str, run=lambda name: [Row("speed", name, "s", (1.0,))], **options) -> Task:
    return Task("speed", name, lambda: run(name), **options)


def record_of(tasks, tmp_path) -> runner.Record:
    return runner.Record(tmp_path, Console(file=io.StringIO(), width=200), tasks)


def test_rows_are_on_disk_as_soon_as_they_are_measured(tmp_path):
    seen = []

    def two_rows(name):
        yield Row("speed", f"{name} 1", "s", (1.0,), at_most(2))
        seen.extend(written(tmp_path))
        yield Row("speed", f"{name} 2", "s", (3.0,))

    record = record_of([task("step", two_rows)], tmp_path)
    assert runner.measure(record, INFINITE)
    assert seen == [("step 1", "")]
    assert written(tmp_path) == [("step 1", ""), ("step 2", "")]
    assert record.summary().startswith("2 of 2 rows are measured: ")


def test_a_failure_leaves_the_other_tasks(tmp_path, capsys):
    def fails(name):
        yield Row("speed", f"{name}: half", "s", (1.0,))
        raise ValueError("no such thing")

    record = record_of([task("one", fails), task("two")], tmp_path)
    assert not runner.measure(record, INFINITE)
    assert written(tmp_path) == [("one: half", ""), ("one: the rest", "failed: ValueError"), ("two", "")]
    assert "no such thing" in capsys.readouterr().err


def test_what_would_not_fit_is_not_begun(tmp_path):
    slow = lambda name: (time.sleep(0.2), [Row("speed", name, "s", (1.0,))])[1]
    tasks = [
        task("long", slow),
        task("other", slow),
        Task("size", "small", lambda: [Row("size", "small", "GiB", (1.0,))]),
    ]
    record = record_of(tasks, tmp_path)
    runner.measure(record, time.monotonic() + 0.35)
    assert written(tmp_path) == [("long", ""), ("other", runner.NO_TIME), ("small", "")]


PROGRAM = """
import itertools, sys, time
from benchmarks import runner
from benchmarks.measure import Row
from benchmarks.plan import Task

def endless():
    for number in itertools.count():
        yield Row("speed", f"endless: {number}", "s", (1.0,))
        time.sleep(0.1 if number < 3 else 60)

never = lambda: [Row("speed", "never", "s", (1.0,))]
last = lambda: Task("speed", "never", never, worth=2)
runner.run_script({"speed": lambda plan: iter([last(), Task("speed", "endless", endless, worth=0)])}, "", "out")
"""


def started(tmp_path, *arguments):
    command = [sys.executable, "-c", PROGRAM, f"--out={tmp_path}", "--device=cpu", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_run_ends_in_its_time_and_says_what_it_left_out(tmp_path):
    process = started(tmp_path, "--minutes=0.1")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert written(tmp_path)[-2:] == [("endless: the rest", runner.NO_TIME), ("never", runner.NO_TIME)]
    assert written(tmp_path)[0] == ("endless: 0", "")
    assert "not measured" in out and "rows are measured" in out


@pytest.mark.parametrize("stop, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_stopped_keeps_its_rows(tmp_path, stop, status):
    process = started(tmp_path)
    while "endless: 3" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(stop)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (status, 1), err
    assert err.startswith("stopped by ")
    assert [name for name, _ in written(tmp_path)] == [f"endless: {number}" for number in range(4)]


@pytest.mark.parametrize(
    "platforms, installed, said",
    [
        ("cpu", True, "JAX_PLATFORMS=cpu hides it: unset it"),
        (None, False, "JAX is installed without support for it: pip install 'segvae_jax[cuda13]'"),
        (None, True, "JAX finds none on this machine"),
    ],
)
def test_a_missing_gpu_is_told_in_one_line(monkeypatch, platforms, installed, said):
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    if platforms:
        monkeypatch.setenv("JAX_PLATFORMS", platforms)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setattr(device, "_is_installed", lambda package: installed)
    with pytest.raises(ConfigError) as caught:
        device.use_device("gpu")
    assert str(caught.value).startswith(f"--device=gpu: {said}") and "\n" not in str(caught.value)


def test_a_trace_is_summed_by_kind_of_operation(tmp_path):
    def run(images, kernel, matrix):
        y = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        state, _ = jax.lax.scan(lambda c, _: (jnp.tanh(c @ matrix), None), matrix, None, length=5)
        return y, state, matrix @ matrix.T

    inputs = jnp.ones((2, 16, 16, 4)), jnp.ones((3, 3, 4, 4)), jnp.ones((64, 64))
    compiled = jax.jit(run).lower(*inputs).compile()
    jax.block_until_ready(compiled(*inputs))
    with jax.profiler.trace(tmp_path):
        jax.block_until_ready(compiled(*inputs))
    times = trace.by_kind(next(tmp_path.rglob("*.xplane.pb")), trace.operations(compiled.as_text()))
    assert {"convolutions", "scans", "matrix products"} <= set(times)
    assert all(seconds >= 0 for found in times.values() for seconds in found.values())
    assert not any(name.startswith("while") for found in times.values() for name in found)


@pytest.mark.parametrize(
    "name, opcode, source, kernel, kind",
    [
        ("cudnn-conv.1", "custom-call", "jit(f)/conv_general_dilated", "sm90_xmma_fprop", "convolutions"),
        ("fusion.2", "fusion", "jit(f)/while/body/dot_general", "gemm_fusion", "scans"),
        ("fusion.3", "fusion", "jit(f)/jvp/instance_norm/reduce_sum", "input_reduce_fusion", "norms"),
        ("fusion.4", "fusion", "jit(f)/random_normal/erf_inv", "loop_fusion", "random numbers"),
        ("MemcpyD2D", "", "", "MemcpyD2D", "copies and reordering"),
        ("fusion.5", "fusion", "jit(f)/convert_element_type", "loop_convert_fusion", "other"),
    ],
)
def test_kinds_follow_from_names(name, opcode, source, kernel, kind):
    assert trace.kind_of(name, trace.Operation(opcode, source), kernel) == kind


def test_recipes_make_their_models_and_pack_as_training_does():
    setup = Setup(size=64, recipe="small", batch=4)
    model = build_model(setup)
    assert isinstance(model, Hierarchical) and model.widths == (8, 16, 32, 64) and len(model.order) == 18
    assert noise(setup.changed(batch=2)).shape == (2, *model.noise_shape)
    slots = budget(setup.changed(dataset="humanparsing", batch=16), 1)
    assert slots is not None and slots.shapes < 0.9 * 16 * 17
    assert str(setup.changed(dtype="bfloat16")) == "CelebAMask-HQ, 64 px, hierarchical, batch 4, bfloat16"
    assert build_model(Setup(recipe="full")).widths == (8, 24, 48, 96)
    assert build_model(Setup(ngf=16)).latent_dim == 96


@pytest.mark.parametrize("on_gpu, targets", [(False, [None, None]), (True, [at_most(0.02), at_most(0.06)])])
def test_the_hierarchical_model_comes_first_with_the_targets_of_the_backend(monkeypatch, on_gpu, targets):
    monkeypatch.setattr(Plan, "on_gpu", on_gpu)
    tasks = sorted((task for module in (generation, training) for task in module.tasks(Plan())), key=lambda t: t.worth)
    first = [task for task in tasks[:5] if task.section == "training" and "hierarchical" in task.name]
    assert [task.target for task in first] == targets
    rates = [task.target for task in tasks if "best batch size" in task.name]
    assert rates == ([at_least(3_000), at_least(10_000)] if on_gpu else [])
    assert len({(task.section, task.name) for task in tasks}) == len(tasks) >= 12
