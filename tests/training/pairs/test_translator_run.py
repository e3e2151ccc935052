"""A translator from a configuration to pictures: trained for seconds, stopped and continued, loaded and used."""

import json
import signal

import jax
import numpy as np
import pytest

from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.cli.main import main
from segvae_jax.configs import translator as experiment
from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import CheckpointError, ConfigError, DataError
from segvae_jax.generation import Generator
from segvae_jax.sharding import device_mesh
from segvae_jax.training import loop
from segvae_jax.training.config import check
from segvae_jax.training.loop import train
from segvae_jax.training.setup import prepare_data
from segvae_jax.translation import Translator

SETTINGS = {
    "batch_size": 4, "num_steps": 12, "log_every": 1, "checkpoint_every": 6,
    "model.image_size": (16, 8), "model.widths": (6, 8),
    "model.discriminator_widths": (6, 8), "model.style_dim": 5, "model.noise_channels": 3, "model.class_style": 2,
    "model.convolved": 4, "model.hidden": 7, "data.num_maps": 40, "data.kind": "people", "data.shift": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture
def config(prepared):
    config = experiment.get_config()
    config.update_from_flattened_dict({**SETTINGS, "data.prepared": str(prepared)})
    return config


@pytest.fixture(scope="module")
def workdir(prepared, tmp_path_factory):
    config, directory = experiment.get_config(), tmp_path_factory.mktemp("translator") / "run"
    config.update_from_flattened_dict({**SETTINGS, "data.prepared": str(prepared)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
        train(config, directory)
    return directory


def test_training_logs_losses_and_draws_pictures(workdir):
    rows = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert {"real", "fake", "label_mix", "generator", "reconstruction", "kl"} <= set(rows[0])
    assert rows[-1]["validation_reconstruction"] < rows[0]["reconstruction"]


def test_a_trained_translator_gives_pictures_that_depend_on_map_seed_and_number_alone(workdir):
    translator = Translator.load(workdir)
    assert translator.step == 12 and translator.image_size == (16, 8)
    maps = np.random.default_rng(0).integers(0, len(translator.space.names), (3, 16, 8))
    pictures = translator.translate(maps, num=2, seed=5)
    assert pictures.shape == (3, 2, 16, 8, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(translator.translate(maps[1], num=1, seed=5)[0], pictures[1, 0])
    np.testing.assert_array_equal(translator.translate(maps[1:2], num=7, seed=5)[:, :2], pictures[1:2])
    assert (pictures[:, 0] != pictures[:, 1]).any() and (
        translator.translate(maps[0], seed=6)[0] != pictures[0, 0]
    ).any()


def test_a_style_holds_for_all_pictures_of_a_call(workdir):
    translator = Translator.load(workdir)
    maps = np.zeros((2, 16, 8), np.uint8)
    bright, dark = (translator.encode(np.full((16, 8, 3), value, np.uint8)) for value in (250, 5))
    assert bright.shape == (5,) and (bright != dark).any()
    assert (translator.translate(maps, style=bright) != translator.translate(maps, style=dark)).any()


def test_a_run_that_was_stopped_ends_with_the_same_weights(workdir, config, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
    compiled = loop._compiled

    def stopping(*given):
        step, cost = compiled(*given)

        def stopped(state, number):
            if number == 5:
                signal.raise_signal(signal.SIGTERM)
            return step(state, number)

        return stopped, cost

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_compiled", stopping)
        assert int(train(config, tmp_path / "run").step) == 5
    assert int(train(config, tmp_path / "run").step) == 12
    whole, parts = (load_variables(directory)[1] for directory in (workdir, tmp_path / "run"))
    jax.tree.map(np.testing.assert_array_equal, whole, parts)


def test_a_step_over_eight_devices_has_the_same_losses(workdir, config, tmp_path):
    config.batch_size, config.num_steps = 8, 2
    train(config, tmp_path / "eight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "device_mesh", lambda: device_mesh(jax.devices()[:1]))
        train(config, tmp_path / "one")
    eight, one = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("eight", "one")
    )
    for name in ("real", "fake", "generator", "reconstruction", "kl"):
        np.testing.assert_allclose([row[name] for row in eight], [row[name] for row in one], rtol=2e-4)


def test_a_saved_translator_is_the_same_without_its_discriminator(workdir, tmp_path):
    translator = Translator.load(workdir)
    assert [path.name for path in translator.save(tmp_path / "saved")] == ["model.json", "weights.npz"]
    again = Translator.load(tmp_path / "saved")
    assert again.step == 12 and not any("discriminator" in name for name in np.load(tmp_path / "saved" / "weights.npz"))
    maps = np.ones((1, 16, 8), int)
    np.testing.assert_array_equal(again.translate(maps), translator.translate(maps))
    assert main(["export", f"--checkpoint={workdir}", f"--out={tmp_path / 'exported'}"]) == 0
    np.testing.assert_array_equal(Translator.load(tmp_path / "exported").translate(maps), translator.translate(maps))


def test_translators_and_generators_are_not_taken_for_each_other(workdir):
    with pytest.raises(CheckpointError, match="this checkpoint holds a translator, which turns maps into pictures"):
        Generator.load(workdir)
    with pytest.raises(CheckpointError, match="this checkpoint holds a hierarchical model, which generates maps"):
        Translator(*load_variables("cartoon"))


def test_a_set_without_pictures_or_of_another_size_is_refused(config, tmp_path):
    maps_only = prepare(cartoon("people", 30, 0), Recipe((16, 8)), tmp_path)
    config.data.prepared = str(maps_only.directory)
    with pytest.raises(DataError, match="has maps only, no pictures: prepare it with --image_size"):
        prepare_data(config)
    small = prepare(cartoon("people", 30, 0), Recipe((16, 8), (8, 4)), tmp_path)
    config.data.prepared = str(small.directory)
    with pytest.raises(ConfigError, match=r"holds pictures of \(8, 4\), but config.model.image_size=\(16, 8\)"):
        prepare_data(config)


def test_patches_are_not_mixed_and_need_their_resolutions(config):
    config.model.patch_discriminator = True
    with pytest.raises(ConfigError, match=r"loss\.label_mix: model.patch_discriminator judges no pixels: set it to 0"):
        check(config)
    config.loss.label_mix = 0.0
    check(config)
    config.model.discriminator_widths = (4, 4, 4, 4)
    with pytest.raises(ConfigError, match=r"image_size: model.discriminator_widths has 4 widths, .*that 32 divides"):
        check(config)
