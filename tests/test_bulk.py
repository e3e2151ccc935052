"""Bulk generation: the maps of `Generator.generate_each`, in shards, whatever happens on the way."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import grain
import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from full_disk import small_files
from PIL import Image

from segvae_jax.bulk import Request, ahead, write_shards
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.errors import CheckpointError, LabelError, OutputError
from segvae_jax.files import locked
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace, read_label_sets
from segvae_jax.model.protocol import init_variables
from segvae_jax.pictures import read_index_png

ROOT = pathlib.Path(__file__).parent.parent
SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
LABEL_SETS = np.array([[0, 1, 1, 0], [0, 1, 0, 1]], bool)
ARGUMENTS = {
    "image_size": (8, 16),
    "ngf": 2,
    "context_dim": 5,
    "hidden_dim": 4,
    "latent_dim": 3,
    "spectral_norm": False,
    "gain": 1.0,
}
SMALL = Request(num=50, seed=3, shard_size=20)


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard(SPACE, ARGUMENTS, LABEL_SETS, np.array([3, 1]))


@pytest.fixture(scope="module")
def variables(card):
    return jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0)))


@pytest.fixture(scope="module")
def generator(card, variables) -> Generator:
    return Generator(card, variables)


@pytest.fixture(scope="module")
def written(generator, tmp_path_factory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("written")
    assert write_shards(generator, SMALL, directory) == 50
    return directory


def contents(directory: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def shards(directory: pathlib.Path) -> list[str]:
    return sorted(path.name for path in directory.glob("segvae-train.array_record-*"))


def test_tfds_and_grain_read_the_maps_of_the_generator(generator, written):
    label_sets = generator.random_label_sets(50, seed=3)
    expected = generator.generate_each(label_sets, seed=3)
    source = tfds.builder_from_directory(written).as_data_source(split="train")
    assert len(source) == 50 and len(shards(written)) == 3
    for i in (0, 19, 20, 49):
        np.testing.assert_array_equal(source[i]["map"], expected[i])
        np.testing.assert_array_equal(source[i]["label_set"], label_sets[i])
        assert (source[i]["seed"], source[i]["number"]) == (3, i)
    (batch,) = grain.MapDataset.source(source).batch(50)
    np.testing.assert_array_equal(batch["map"], expected)
    assert len(np.unique(expected.reshape(50, -1), axis=0)) > 25
    metadata = tfds.builder_from_directory(written).info.metadata
    assert LabelSpace.from_json(metadata["label_space"]) == SPACE and metadata["seed"] == 3


def test_one_device_or_two_processes_write_the_same(generator, written, tmp_path):
    assert jax.device_count() == 8
    write_shards(generator, SMALL, tmp_path / "one", devices=jax.devices()[:1])
    assert contents(tmp_path / "one") == contents(written)
    for index, done in ((0, 30), (1, 50)):
        assert not (tmp_path / "two" / "dataset_info.json").exists()
        assert write_shards(generator, SMALL, tmp_path / "two", None, index, 2) == done
    assert contents(tmp_path / "two") == contents(written)


def test_a_complete_folder_stays_as_it_is(generator, written):
    before = {path: path.stat().st_mtime_ns for path in written.glob("*array_record*")}
    assert write_shards(generator, SMALL, written) == 50
    assert {path: path.stat().st_mtime_ns for path in written.glob("*array_record*")} == before


def cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("form", ["arrayrecord", "png"])
def test_damaged_shards_are_made_again_and_the_others_stay(generator, tmp_path, capfd, form):
    request = dataclasses.replace(SMALL, num=12, shard_size=5, format=form)
    write_shards(generator, request, tmp_path)
    whole = contents(tmp_path)
    first, second, third = [path.name.removeprefix("SHA256SUMS.") for path in sorted(tmp_path.glob("SHA256SUMS.*"))]
    for name in (first, second):
        cut(next((tmp_path / name).glob("*.png")) if form == "png" else tmp_path / name)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / third, *(tmp_path / third).glob("*"))}
    assert write_shards(generator, request, tmp_path) == 12
    assert contents(tmp_path) == whole and all(path.stat().st_mtime_ns == then for path, then in kept.items())
    assert capfd.readouterr().err.count("is damaged, and is made again") == 2
    (tmp_path / f"SHA256SUMS.{first}").unlink()  # as of an earlier version
    assert write_shards(generator, request, tmp_path) == 12 and not (tmp_path / f"SHA256SUMS.{first}").exists()


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000])
def test_a_damaged_request_is_one_line(generator, tmp_path, text):
    (tmp_path / "generation.json").write_text(text)
    with pytest.raises(OutputError, match=r"generation\.json: damaged"):
        write_shards(generator, SMALL, tmp_path)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_files(card, variables, generator, tmp_path):
    checkpoint, killed, whole = tmp_path / "checkpoint", tmp_path / "killed", tmp_path / "whole"
    save_variables(checkpoint, card, variables)
    request = Request(num=1_920, seed=1, shard_size=64)
    flags = ["--num=1_920", "--seed=1", "--shard_size=64", "--format=arrayrecord", f"--out={killed}"]
    command = [sys.executable, str(ROOT / "generate.py"), f"--checkpoint={checkpoint}", *flags]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while not shards(killed):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        process.kill()
    kept = {name: (killed / name).stat().st_mtime_ns for name in shards(killed)}
    assert 1 <= len(kept) < 30
    with pytest.raises((OSError, ValueError, tfds.core.DatasetNotFoundError)):
        tfds.builder_from_directory(killed)
    assert write_shards(generator, request, killed) == write_shards(generator, request, whole) == 1_920
    assert contents(killed) == contents(whole)
    assert {name: (killed / name).stat().st_mtime_ns for name in kept} == kept


class Terminated(Generator):
    """Receives a SIGTERM when the third batch is asked for."""

    def sampler(self, devices):
        sample, calls = super().sampler(devices), []

        def counted(*arguments):
            calls.append(0)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGTERM)
            return sample(*arguments)

        return counted


def test_sigterm_stops_between_batches_and_leaves_complete_shards_alone(
    card, variables, generator, written, tmp_path, capfd
):
    assert write_shards(Terminated(card, variables), SMALL, tmp_path) == 20
    assert {path.name for path in tmp_path.iterdir()} == {
        "generation.json", shards(written)[0], f"SHA256SUMS.{shards(written)[0]}"
    }  # fmt: skip
    assert "stopped by SIGTERM" in capfd.readouterr().err
    write_shards(generator, SMALL, tmp_path)
    assert contents(tmp_path) == contents(written)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed=3, not 4"),
        ({"num": 60}, "num=50, not 60"),
        ({"label_sets": LABEL_SETS}, r"label_sets=random, not 2 given \(\w+\)"),
        ({"temperature": 0.5}, r"temperature=1\.0, not 0\.5"),
        ({"format": "png"}, "format=arrayrecord, not png"),
        ({"shard_size": 10}, "shard_size=20, not 10"),
    ],
)
def test_a_folder_of_another_request_is_refused(generator, written, changes, message):
    before = contents(written)
    with pytest.raises(OutputError, match=f"{written}: holds maps of {message}: give another folder"):
        write_shards(generator, dataclasses.replace(SMALL, **changes), written)
    assert contents(written) == before


def test_a_folder_of_another_checkpoint_or_of_other_files_is_refused(card, variables, generator, written, tmp_path):
    other = Generator(card, jax.tree.map(lambda a: a + 1, variables))
    with pytest.raises(OutputError, match=rf"holds maps of checkpoint={generator.fingerprint()} \(step 0\), not "):
        write_shards(other, SMALL, written)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match=r"holds other files \(thesis.tex\): give a new or empty folder"):
        write_shards(generator, SMALL, tmp_path)
    with pytest.raises(OutputError, match=r"thesis.tex: cannot be written \(File exists\)"):
        write_shards(generator, SMALL, tmp_path / "thesis.tex")


def test_a_folder_that_another_run_writes_to_is_refused(generator, written, tmp_path):
    with locked(tmp_path, name=".lock-0"):
        with pytest.raises(OutputError, match=f"{tmp_path}: another process is writing to it: wait for its end"):
            write_shards(generator, SMALL, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_no_cut_shard(generator, tmp_path):
    with small_files(300), pytest.raises(OutputError) as caught:
        write_shards(generator, SMALL, tmp_path)
    assert "cannot be written" in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["generation.json"]


def test_a_checkpoint_without_label_sets_is_refused_before_the_folder_is_taken(card, variables, tmp_path):
    bare = dataclasses.replace(card, label_sets=np.zeros((0, 4), bool), counts=np.zeros(0, int))
    with pytest.raises(CheckpointError, match="name the labels"):
        write_shards(Generator(bare, variables), SMALL, tmp_path / "maps")
    assert not (tmp_path / "maps").exists()


def test_few_batches_are_open_at_a_time():
    taken: list[int] = []
    items = (taken.append(i) or i for i in range(10))
    for given in ahead(items, 1):
        assert len(taken) == min(given + 2, 10), "the next batch is dispatched before one is fetched, and no other"
    assert taken == list(range(10))


def test_png_folders_are_numbered_and_hold_palette_names_and_label_sets(generator, tmp_path):
    (tmp_path / ".00001.999.partial").mkdir()
    request = dataclasses.replace(SMALL, format="png", label_sets=LABEL_SETS)
    assert write_shards(generator, request, tmp_path) == 50
    expected = generator.generate_each(np.tile(LABEL_SETS, (25, 1)), seed=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("00000", "00001", "00002"), *(f"SHA256SUMS.0000{i}" for i in range(3)), "generation.json"
    ]  # fmt: skip
    names = [f"{i:07d}.png" for i in range(20, 40)]
    assert sorted(path.name for path in (tmp_path / "00001").iterdir()) == [*names, "label_sets.txt"]
    np.testing.assert_array_equal(read_index_png(tmp_path / "00001" / names[3], 4), expected[23])
    with Image.open(tmp_path / "00001" / names[3]) as image:
        assert json.loads(image.text["labels"]) == list(SPACE.names)
    label_sets = read_label_sets(tmp_path / "00001" / "label_sets.txt", SPACE)
    np.testing.assert_array_equal(label_sets, np.tile(LABEL_SETS, (10, 1)))


def test_label_set_i_is_the_same_however_many_are_sampled(generator):
    rows = generator.random_label_sets(300, seed=2)
    np.testing.assert_array_equal(generator.random_label_sets(7, seed=2, first=123), rows[123:130])
    assert (generator.random_label_sets(300, seed=3) != rows).any()


def test_a_file_of_label_sets_names_the_line_that_is_wrong(tmp_path):
    file = tmp_path / "label_sets.txt"
    file.write_text("face, eye\n\nface,hat\n")
    np.testing.assert_array_equal(read_label_sets(file, SPACE), LABEL_SETS)
    for text, message in (
        ("face\n\nface,hatt\n", rf"{file}:3: unknown label 'hatt' \(did you mean 'hat'\?\)"),
        ("face\n,\n", f"{file}:2: no label given"),
        ("\n", f"{file}: holds no label-set"),
    ):
        file.write_text(text)
        with pytest.raises(LabelError, match=message):
            read_label_sets(file, SPACE)
    with pytest.raises(LabelError, match=r"absent.txt: cannot be read .*No such file"):
        read_label_sets(tmp_path / "absent.txt", SPACE)
