import datetime
import json
import struct

import jax.numpy as jnp
import numpy as np
import pytest
from full_disk import small_files
from tensorboardX.proto.event_pb2 import Event

from segvae_jax.errors import TrainingDiverged
from segvae_jax.training import monitor as monitor_module
from segvae_jax.training.monitor import Monitor, parameter_names
from segvae_jax.training.writers import MetricWriter


def metrics(total: float = 1.0, **finite: bool) -> dict:
    """Metrics on the device, as a training step returns them."""
    flags = jnp.array([finite.get("bias", True), finite.get("kernel", True)])
    return {"total": jnp.array(total), "gradient_norm": jnp.array(2.0), "finite": flags}


def rows(directory) -> list[dict]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def events(directory) -> list[Event]:
    """The events of all TensorBoard files, in the order in which they were written."""
    found = []
    for path in sorted((directory / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(monitor_module.time, "monotonic", lambda: self.now)


PARAMETERS = parameter_names({"encoder": {"kernel": 1.0, "bias": 2.0}})


def make_monitor(
    directory, first_step=0, num_steps=10, last_good=lambda: None, quiet=False, parameters=PARAMETERS
) -> Monitor:
    return Monitor(directory, first_step, num_steps, 4, parameters, last_good, quiet)


def test_the_means_of_all_pending_steps_come_with_their_speed(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    with make_monitor(tmp_path) as monitor:
        for step, total in [(1, 5.0), (2, 4.0)]:
            monitor.record(step, metrics(total))
            clock.now += 2
        scalars = monitor.flush()
    assert scalars == {"total": 4.5, "gradient_norm": 2.0, "steps_per_second": 0.5, "samples_per_second": 2.0}


def test_speed_leaves_out_what_is_done_between_flush_and_write(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    with make_monitor(tmp_path) as monitor:
        clock.now += 1
        monitor.record(1, metrics())
        scalars = monitor.flush()
        clock.now += 1000  # validation
        monitor.write(1, scalars, {})
        clock.now += 1
        monitor.record(2, metrics())
        assert monitor.flush()["steps_per_second"] == 1


def test_the_eta_counts_neither_the_time_before_the_start_nor_steps_of_earlier_processes(tmp_path, monkeypatch, capsys):
    clock = Clock(monkeypatch)
    monitor = make_monitor(tmp_path, first_step=100, num_steps=4100)
    clock.now += 500  # compilation
    with monitor:
        clock.now += 20
        monitor.record(110, metrics())
        monitor.write(110, monitor.flush(), {})
    printed = capsys.readouterr().err
    eta = datetime.timedelta(seconds=(4100 - 110) * 2)
    assert f"eta {eta}" in printed and "110/4100" in printed


def test_a_row_is_one_printed_line(tmp_path, capsys):
    with make_monitor(tmp_path) as monitor:
        monitor.record(3, metrics())
        monitor.write(3, {**monitor.flush(), **{f"validation_{i}": i / 7 for i in range(20)}}, {})
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("step 3:"))
    assert "total 1 " in line and "validation_19 2.714 " in line and "eta 0:00:0" in line


def test_a_step_is_shown_as_done_once_the_device_is_done_with_it(tmp_path):
    with make_monitor(tmp_path) as monitor:
        task = monitor._progress.tasks[0]
        shown = []
        for step in (1, 2, 3, 4):
            monitor.record(step, metrics())
            shown.append(task.completed)
        monitor.flush()
        assert shown == [0, 0, 1, 2] and task.completed == 4 and task.total == 10


@pytest.mark.parametrize(
    ("poisoned", "names"),
    [
        (metrics(float("nan")), "total"),
        (metrics(-float("inf")), "total"),
        (metrics(bias=False), "gradient of encoder/bias"),
        (
            metrics(float("nan"), bias=False, kernel=False),
            "total, gradient of encoder/bias, gradient of encoder/kernel",
        ),
    ],
)
def test_what_is_not_finite_is_named_with_its_step_and_the_last_good_checkpoint(tmp_path, poisoned, names):
    with make_monitor(tmp_path, last_good=lambda: 40) as monitor:
        monitor.record(41, metrics())
        monitor.record(42, poisoned)
        monitor.record(43, metrics(float("nan")))
        with pytest.raises(TrainingDiverged) as caught:
            monitor.flush()
    assert str(caught.value) == (
        f"non-finite at step 42: {names}; last good checkpoint: step 40: lower the learning rate"
    )


def test_many_names_are_cut_short_and_no_checkpoint_is_none(tmp_path):
    poisoned = {"finite": jnp.zeros(30, bool)}
    with make_monitor(tmp_path, parameters=[f"layer_{i:02d}" for i in range(30)]) as monitor:
        monitor.record(1, poisoned)
        with pytest.raises(TrainingDiverged, match=r"gradient of layer_07 and 22 more; last good checkpoint: none:"):
            monitor.flush()


def test_validation_that_is_not_finite_stops_too(tmp_path):
    with make_monitor(tmp_path) as monitor:
        with pytest.raises(TrainingDiverged, match="non-finite at step 7: validation_total;"):
            monitor.write(7, {"total": 1.0, "validation_total": float("nan")}, {})
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_quiet_monitor_watches_and_leaves_no_trace(tmp_path, capsys):
    with make_monitor(tmp_path, quiet=True) as monitor:
        monitor.record(1, metrics())
        monitor.write(1, monitor.flush(), {"picture": np.zeros((2, 2, 3), np.uint8)})
        monitor.record(2, metrics(float("nan")))
        with pytest.raises(TrainingDiverged):
            monitor.flush()
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_rows_and_events_say_the_same(tmp_path):
    writer = MetricWriter(tmp_path, first_step=0)
    writer.write_scalars(2, {"total": 1.5, "kl": 0.25})
    writer.write_images(2, {"prior": np.full((4, 6, 3), 7, np.uint8)})
    writer.close()
    written = [value for event in events(tmp_path) for value in event.summary.value if event.step == 2]
    assert rows(tmp_path) == [{"step": 2, "total": 1.5, "kl": 0.25}]
    assert {v.tag: v.simple_value for v in written if not v.HasField("image")} == {"total": 1.5, "kl": 0.25}
    assert [(v.tag, v.image.height, v.image.width) for v in written if v.HasField("image")] == [("prior", 4, 6)]


def test_a_row_is_on_disk_as_soon_as_it_is_written(tmp_path):
    writer = MetricWriter(tmp_path, first_step=0)
    writer.write_scalars(1, {"total": 1.0})
    assert rows(tmp_path) == [{"step": 1, "total": 1.0}]
    writer.close()


def test_rows_of_a_killed_run_beyond_its_checkpoint_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        "".join(json.dumps({"step": step, "total": 0.5}) + "\n" for step in range(1, 6)) + '{"step": 6, "to'
    )
    writer = MetricWriter(tmp_path, first_step=3)
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3]
    writer.write_scalars(4, {"total": 0.25})
    writer.close()
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.jsonl", "tensorboard"]
    assert any(event.session_log.status for event in events(tmp_path) if event.step == 4), "TensorBoard drops them too"


@pytest.mark.parametrize(
    "line", [b'{"step": 2, "to', b"[]", b"{}", b'{"step": "2"}', b'{"step": null}', b"\xff\0", b"[" * 100_000, b""]
)
def test_damaged_rows_do_not_block_the_others(tmp_path, line):
    good = [json.dumps({"step": step, "total": 0.5}).encode() for step in (1, 3, 4)]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([good[0], line, *good[1:], b""]))
    MetricWriter(tmp_path, first_step=3).close()
    assert [row["step"] for row in rows(tmp_path)] == [1, 3]


def test_a_full_disk_is_an_error_of_the_writer_and_leaves_no_file_open(tmp_path):
    writer = MetricWriter(tmp_path, first_step=0)
    with small_files(10):
        with pytest.raises(OSError, match="File too large"):
            writer.write_scalars(1, {"total": 1.0})
        with pytest.raises(OSError, match="File too large"):
            writer.close()


def test_a_fresh_start_drops_all_rows(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "total": 1.0}\n')
    MetricWriter(tmp_path, first_step=0).close()
    assert rows(tmp_path) == []
