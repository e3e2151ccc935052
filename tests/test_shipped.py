"""The checkpoints in the package: they are small, match their table, and generate the requested classes."""

import hashlib
import pathlib
import re

import numpy as np
import pytest

from segvae_jax.errors import CheckpointError
from segvae_jax.generation import Generator
from segvae_jax.shipped import NAMES, checkpoint_directory
from segvae_jax.translation import Translator

FOLDER = checkpoint_directory("cartoon").parent
MOST_BYTES = {"cartoon": 4_000_000, "fashion": 8_000_000}
SHOWN = {"cartoon": 0.98, "fashion": 0.95}  # minimum share of the requested classes that are visible, over 32 maps


def section(name: str) -> str:
    """The section of the README about a checkpoint."""
    return re.split(r"^## ", (FOLDER / "README.md").read_text(), flags=re.MULTILINE)[1 + NAMES.index(name)]


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_is_small_and_the_one_that_its_table_names(name):
    files = {path.name: path.stat().st_size for path in (FOLDER / name).iterdir() if path.is_file()}
    assert set(files) == {"model.json", "weights.npz"}
    assert sum(files.values()) <= MOST_BYTES[name]
    weights = (FOLDER / name / "weights.npz").read_bytes()
    assert section(name).startswith(f"{name}\n") and "TO BE MEASURED" not in section(name)
    assert f"`{hashlib.sha256(weights).hexdigest()}`" in section(name) and f"{len(weights):,} bytes" in section(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_draws_what_it_is_asked_for(name):
    generator = Generator.load(name)
    assert f"{generator.step:,} steps" in section(name)
    assert generator.card.prepared == "" and generator.card.counts.sum() > 500
    label_sets = generator.random_label_sets(32, seed=1)
    index_maps = generator.generate_each(label_sets, seed=1)
    assert min(index_maps.shape[1:]) >= 64
    shown = np.stack([np.isin(np.arange(generator.space.num_channels), index) for index in index_maps])
    assert not (shown & ~label_sets)[:, 1:].any()
    assert shown[label_sets].mean() > SHOWN[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_translator_is_small_and_takes_the_maps_of_its_model(name):
    folder = FOLDER / name / "translator"
    files = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert set(files) == {"model.json", "weights.npz"} and sum(files.values()) <= 8_000_000
    weights = (folder / "weights.npz").read_bytes()
    assert f"`{hashlib.sha256(weights).hexdigest()}`" in section(name) and f"{len(weights):,} bytes" in section(name)
    generator, translator = Generator.load(name), Translator.load(name)
    assert translator.space == generator.space and f"{translator.step:,} steps" in section(name)
    assert translator.card.prepared == ""
    pictures = translator.translate(generator.generate_each(generator.random_label_sets(4, seed=1)), num=2)
    assert pictures.shape[1:] == (2, *translator.image_size, 3)
    assert pictures.std(axis=(2, 3)).min() > 8 and np.abs(pictures[:, 0].astype(int) - pictures[:, 1]).mean() > 5


def test_a_directory_of_a_shipped_name_is_written_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checkpoint_directory("fashion") == FOLDER / "fashion"
    for written in ("./fashion", pathlib.Path("fashion")):
        assert checkpoint_directory(written) == tmp_path / "fashion"


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"{tmp_path}/cartoons: no checkpoint .*or a name: cartoon, fashion"):
        Generator.load("cartoons")
