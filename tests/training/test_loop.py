import dataclasses
import json
import math
import shutil
import signal
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from error_lines import one_line

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.errors import CheckpointError, ConfigError, OutputError, TrainingDiverged
from segvae_jax.files import locked
from segvae_jax.labels import LabelSpace
from segvae_jax.training import loop
from segvae_jax.training import run as run_module
from segvae_jax.training.loop import train
from segvae_jax.training.run import Run
from segvae_jax.training.state import as_vector

SPEED = {"steps_per_second", "samples_per_second", "utilisation", "data_wait"}


def rows(workdir) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def saved_steps(workdir) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "steps").iterdir())


def assert_same(ours, theirs) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_every_step_has_one_row_and_every_checkpoint_its_validation(run):
    found = rows(run.workdir)
    assert [row["step"] for row in found] == list(range(1, 25))
    train_keys = {"step", "total", "kl", "reconstruction", "gradient_norm", "update_norm"} | SPEED
    validation_keys = {"validation_total", "validation_kl", "validation_reconstruction", "validation_active"}
    for row in found:
        assert set(row) == train_keys | (validation_keys if row["step"] % 3 == 0 else set())
        assert all(math.isfinite(value) for value in row.values())
        assert row["samples_per_second"] == pytest.approx(8 * row["steps_per_second"])


def test_the_latest_steps_and_the_best_are_left(run):
    losses = {row["step"]: row["validation_total"] for row in rows(run.workdir) if "validation_total" in row}
    assert saved_steps(run.workdir) == sorted({21, 24, min(losses, key=lambda step: losses[step])})


def test_the_checkpoint_is_the_final_state_and_its_card_says_what_it_was_trained_on(run):
    card, variables, step = load_variables(run.workdir)
    assert step == int(run.state.step) == 24
    assert_same(variables["params"], run.state.ema)
    assert {len(leaf.devices()) for leaf in jax.tree.leaves(variables)} == {1}, "whatever it was trained on"
    assert_same(variables["spectral"], run.state.spectral)
    data = open_prepared(card.prepared)
    assert card.space == data.space and card.model() == loop.setup.build_model(run.config, data.space)
    label_sets = data.label_sets("train")
    assert card.counts.sum() == len(label_sets)
    assert {row.tobytes() for row in card.label_sets} == {row.tobytes() for row in label_sets}
    assert json.loads((run.workdir / "config.json").read_text())["model"]["ngf"] == run.config.model.ngf


def test_the_first_updates_are_those_of_the_warm_up(run):
    # Adam moves a weight by at most about the rate, here 1/4, 2/4, ... of 1e-4.
    norms = [row["update_norm"] for row in rows(run.workdir)[:4]]
    size = math.sqrt(sum(leaf.size for leaf in jax.tree.leaves(run.state.params)))
    assert all(0 < norm < 1.5e-4 * (i + 1) / 4 * size for i, norm in enumerate(norms))
    assert norms == sorted(norms)


def test_a_finished_run_is_left_alone(run, capsys):
    before = (run.workdir / "metrics.jsonl").read_bytes()
    state = train(run.config, run.workdir)
    assert_same(vars(state), vars(run.state))
    assert (run.workdir / "metrics.jsonl").read_bytes() == before
    assert "trained already, 24 of 24 steps" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"batch_size": 8}', None])
def test_a_damaged_configuration_does_not_block_a_run(run, tmp_path, content):
    workdir = shutil.copytree(run.workdir, tmp_path / "copy")
    (workdir / "config.json").unlink() if content is None else (workdir / "config.json").write_bytes(content)
    with mock.patch.object(run_module.logging, "warning") as warning:
        assert_same(vars(train(run.config, workdir)), vars(run.state))
    assert "batch_size and seed are taken" in warning.call_args.args[0]


def test_a_damaged_file_of_the_latest_step_is_named(run, tmp_path):
    workdir = shutil.copytree(run.workdir, tmp_path / "copy")
    path = next((workdir / "steps" / "24" / "optimizer" / "d").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=f"{path}: not the file that SHA256SUMS lists"):
        train(run.config, workdir)
    shutil.rmtree(workdir / "steps" / "24")
    assert load_variables(workdir)[2] == 21


def test_divergence_stops_with_the_parameter_and_the_last_good_checkpoint(run, config, tmp_path, monkeypatch):
    """A weight becomes NaN after step 7. There is a checkpoint every 3 steps."""
    compiled = loop._compiled

    def poisoning(*arguments):
        step, cost = compiled(*arguments)

        def poisoned(state, number):
            state, metrics = step(state, number)
            if int(state.step) == 7:
                whole, sharding = state.whole(), state.params.sharding
                whole.params["decoder"]["up_0"]["bias"] *= jnp.nan
                state = dataclasses.replace(state, params=jax.device_put(as_vector(whole.params), sharding))
            return state, metrics

        return poisoned, cost

    monkeypatch.setattr(loop, "_compiled", poisoning)
    with pytest.raises(TrainingDiverged) as caught:
        train(config, tmp_path)
    text = str(caught.value)
    assert text.startswith("non-finite at step 8: gradient_norm, ") and "gradient of " in text
    assert "; last good checkpoint: step 6:" in text and "\n" not in text
    assert saved_steps(tmp_path)[-1] == 6 and load_variables(tmp_path)[2] == 6
    # Until then the runs were the same.
    same = lambda row: {key: value for key, value in row.items() if key not in SPEED}
    assert [same(row) for row in rows(tmp_path)] == [same(row) for row in rows(run.workdir)[:7]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model.ngf": 4}, "holds a model with ngf=2, the configuration says 4"),
        ({"data.kind": "people"}, "holds a model with classes="),
        ({"optimizer.ema_decay": 0.0}, "of another config.optimizer"),
        ({"batch_size": 16}, "a run with batch_size=8, but the configuration says 16"),
        ({"seed": 1}, "a run with seed=0, but the configuration says 1"),
        ({"data.num_maps": 60}, "training maps, but the data has "),
    ],
)
def test_a_directory_of_another_run_is_refused_and_left_as_it_was(run, config, changes, expected):
    before = {path: path.read_bytes() for path in run.workdir.glob("*.json*")}
    config.update_from_flattened_dict({**changes, "num_steps": 30})
    with pytest.raises(CheckpointError) as caught:
        train(config, run.workdir)
    assert str(run.workdir) in str(caught.value) and expected in str(caught.value) and "\n" not in str(caught.value)
    assert {path: path.read_bytes() for path in run.workdir.glob("*.json*")} == before


@pytest.mark.parametrize(("name", "own"), [("segvae", ""), ("hierarchical", ", with --config.init_from to begin with")])
def test_a_run_goes_on_with_maps_of_the_label_sets_that_it_began_with_alone(name, own):
    """Wherever they are now; cards of imported models know none."""
    card = lambda rows, counts: ModelCard(
        LabelSpace(("a", "b")), {}, np.array(rows, bool).reshape(-1, 3), np.array(counts, int), name=name
    )
    check = lambda begun: Run._require_same_maps(mock.Mock(card=now, workdir="runs/faces"), begun)
    now = card([[0, 0, 1], [0, 1, 1]], [3, 4])
    check(dataclasses.replace(now, prepared="elsewhere"))
    check(card([], []))
    more, other = "8 training maps, but the data has 7", "maps of other label-sets"
    for begun, differs in (
        (card([[0, 0, 1], [0, 1, 1]], [4, 4]), more), (card([[0, 0, 1], [0, 1, 1]], [4, 3]), other),
        (card([[0, 1, 0], [0, 1, 1]], [3, 4]), other), (card([[0, 1, 1]], [7]), other),
    ):  # fmt: skip
        with pytest.raises(CheckpointError) as caught:
            check(begun)
        text = one_line(caught.value)
        assert text.startswith(f"runs/faces: a run with {differs}: ") and f"use another --workdir{own}" in text


def test_a_batch_is_shared_evenly(config, tmp_path):
    config.batch_size = 12
    with pytest.raises(ConfigError, match=r"config\.batch_size=12: expected a multiple of the 8 devices"):
        train(config, tmp_path)


def test_a_directory_that_cannot_be_made_is_named(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"--workdir=.*file/run: cannot be written \(Not a directory\)"):
        train(config, tmp_path / "file" / "run")


def test_a_directory_in_which_another_process_trains_is_refused(run, config):
    before = {path: path.read_bytes() for path in run.workdir.glob("*.json*")}
    with locked(run.workdir, name=".lock-0"):
        with pytest.raises(OutputError, match=f"{run.workdir}: another process is writing to it: wait for its end"):
            train(config, run.workdir)
    assert {path: path.read_bytes() for path in run.workdir.glob("*.json*")} == before
    assert not list(run.workdir.glob(".*")), "nothing is left of locks and temporary files"


def test_a_step_that_cannot_fit_is_refused_before_it_is_compiled(config, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "_compiled", None)
    monkeypatch.setattr(run_module, "memory_of_device", lambda devices: 1e9)
    config.batch_size = 800_000
    message = r"^config\.batch_size=800000: a step needs at least [1-9][\d.]+ GB on a device that has 1\.0 GB: lower it"
    with pytest.raises(ConfigError, match=message):
        train(config, tmp_path)


def test_a_bad_value_is_named_before_anything_is_read(config, tmp_path):
    config.log_every, config.data.source = 0, "celebamask_hq"
    with pytest.raises(ConfigError, match=r"config\.log_every=0"):
        train(config, tmp_path)


def test_the_handler_of_sigterm_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with loop._termination() as terminated:
        assert not terminated(1)
        signal.raise_signal(signal.SIGTERM)
        assert terminated(2) == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
