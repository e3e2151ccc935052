"""From prepared data over maps to scores and an export, by the commands alone, with a tiny model."""

import contextlib
import json
import pathlib

import numpy as np
import pytest
from PIL import Image

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.cli.main import main
from segvae_jax.data.cartoon import CARTOON_SPACES
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.model.protocol import init_variables

ARGUMENTS = {"image_size": (16, 16), "ngf": 2, "context_dim": 4, "hidden_dim": 4, "latent_dim": 2, "gain": 1.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> pathlib.Path:
    """A folder with a prepared data set, and a model of its classes that is not trained."""
    place = tmp_path_factory.mktemp("walk")
    with contextlib.chdir(place):
        assert main(["prepare", "--source=cartoon", "--num_maps=60", "--size=16", "--workers=1", "--out=data"]) == 0
    data = open_prepared(place / "data")
    label_sets, counts = np.unique(data.label_sets("train"), axis=0, return_counts=True)
    card = ModelCard(data.space, ARGUMENTS, label_sets, counts)
    save_variables(place / "run", card, init_variables(card.model(), 0))
    return place


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=x.xyz"], "x.xyz: not the name of a picture: expected a suffix of .png, .jpg, .jpeg, .webp"),
        (["--out=folder"], "folder: not the name of a picture"),
        (["--out=run/model.json/x.png"], "--out=run/model.json: cannot be written (Not a directory)"),
        (["--save_maps=run/model.json"], "--save_maps=run/model.json: cannot be written (Not a directory)"),
        (["--save_maps=a", "--save_enlarged=a"], "--save_enlarged=a: another flag names this folder"),
        (["--out=a", "--save_enlarged=b", "--format=png"], "--save_enlarged: --format=png writes to one folder"),
    ],
)
def test_outputs_are_checked_before_anything_is_loaded(flags, message, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    assert main(["generate", "--checkpoint=absent", *flags]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}") and error.count("\n") == 1
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--save_maps=kept", "--num=2"], "--save_maps=kept: holds 00002.png, which is none of these maps: give a new"),
        (["--save_maps=kept", "--num=3", "--out=kept/00000.png"], "--out=kept/00000.png: in the folder of --save_maps"),
    ],
)
def test_maps_of_two_calls_are_not_mixed(flags, message, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    (place / "kept").mkdir(exist_ok=True)
    (place / "kept/00002.png").write_bytes(b"a map")
    assert main(["generate", "--checkpoint=absent", *flags]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert (place / "kept/00002.png").read_bytes() == b"a map"


def test_maps_of_a_model_that_is_not_trained_give_one_line_of_warning(tmp_path, capsys):
    space = CARTOON_SPACES["faces"]
    card = ModelCard(
        space, {**ARGUMENTS, "image_size": (32, 32)}, np.ones((1, space.num_channels), bool), np.ones(1, int)
    )
    save_variables(tmp_path / "run", card, init_variables(card.model(), 0))
    assert main(["generate", f"--checkpoint={tmp_path / 'run'}", "--num=2", f"--out={tmp_path / 'x.png'}"]) == 0
    warning = capsys.readouterr().err
    assert warning.startswith("warning: specks of one or two pixels are ") and warning.count("\n") == 1


def test_maps_are_generated_scored_and_exported(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    generate = ["generate", "--checkpoint=run", "--num=16"]
    pictures = ["--out=sheet.png", "--save_enlarged=pictures", "--scale=3", "--columns=8"]
    assert main([*generate, "--save_maps=maps", *pictures]) == 0
    assert len((place / "maps/label_sets.txt").read_text().splitlines()) == len(list(place.glob("maps/*.png"))) == 16
    with Image.open("sheet.png") as sheet, Image.open("maps/00015.png") as index_map:
        assert sheet.width == 8 * (3 * 16 + 2) + 2 and index_map.size == (16, 16)
        with Image.open("pictures/00015.png") as picture:
            large = index_map.convert("RGB").resize((48, 48), Image.Resampling.NEAREST)
            np.testing.assert_array_equal(picture, large)

    assert main(["eval", "--maps=maps", "--data=data", "--max_test=10", "--max_train=20"]) == 0
    assert "warning: FSD " in capsys.readouterr().err, "the model is not trained"
    assert "generated" in json.loads(pathlib.Path("maps/evaluation/scores.json").read_text())["rows"]
    assert pathlib.Path("maps/evaluation/report.html").is_file()

    assert main(["export", "--checkpoint=run", "--out=exported", "--noprogram"]) == 0
    generate[1] = "--checkpoint=exported"
    assert main([*generate, "--labels=@maps/label_sets.txt", "--format=png", "--shard_size=10", "--out=again"]) == 0
    assert "again: 16 of 16 maps" in capsys.readouterr().out
    for number in range(16):
        with (
            Image.open(f"maps/{number:05d}.png") as first,
            Image.open(f"again/{number // 10:05d}/{number:07d}.png") as b,
        ):
            np.testing.assert_array_equal(first, b)
