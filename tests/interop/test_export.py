"""Exports: what they hold, and that they generate the same maps with and without this package."""

import hashlib
import pathlib
import runpy
import shutil
import subprocess
import sys

import jax
import jax.export
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from PIL import Image

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.loading import load_variables
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.errors import OutputError
from segvae_jax.files import locked
from segvae_jax.generation import Generator
from segvae_jax.interop.export import PROGRAM, export, sampling_program
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.registry import MODELS, hyperparameters

ROOT = pathlib.Path(__file__).parents[2]
SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
LABEL_SETS = np.array([[0, 1, 1, 0], [0, 1, 0, 1]], bool)
ARGUMENTS = {"image_size": (8, 16), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3,
             "spectral_norm": True, "gain": 1.0, "draw_steps": 2}  # fmt: skip
ALONE = """
import runpy, sys
sys.modules["segvae_jax"] = None  # which makes its import an error
del sys.argv[0]
runpy.run_path(sys.argv[0])
"""


def make_checkpoint(name: str) -> tuple[ModelCard, dict]:
    arguments = {key: value for key, value in ARGUMENTS.items() if key in hyperparameters(name)}
    card = ModelCard(SPACE, arguments, LABEL_SETS, np.array([3, 1]), "/somewhere/private", name)
    scale = 1 if name == "sg2im" else 3  # larger weights make maps differ, but boxes flat
    return card, jax.tree.map(lambda a: scale * a, dict(init_variables(card.model(), 0)))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("checkpoint")
    save_variables(directory, *make_checkpoint("segvae"))
    return directory


@pytest.fixture(scope="module")
def generator(checkpoint) -> Generator:
    return Generator.load(checkpoint)


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory) -> pathlib.Path:
    directory = tmp_path_factory.mktemp("export") / "new" / "folder"
    export(checkpoint, directory)
    return directory


def read(folder: pathlib.Path) -> tuple[jax.export.Exported, dict[str, np.ndarray]]:
    with np.load(folder / "weights.npz") as arrays:
        weights = {path: array.astype(np.float32) for path, array in arrays.items()}
    return jax.export.deserialize(bytearray((folder / PROGRAM).read_bytes())), weights


def call(program: jax.export.Exported, weights, label_sets, seed=0, first=0, temperature=1.0):
    return np.asarray(program.call(weights, label_sets, np.int32(seed), np.int32(first), np.float32(temperature)))


def assert_samples_the_same(program: jax.export.Exported, weights, generator: Generator) -> None:
    """Any number of maps, from any on."""
    label_sets = np.tile(LABEL_SETS, (3, 1))
    expected = generator.generate_each(label_sets, seed=3, temperature=1.2)
    assert len(np.unique(expected)) > 2 and len(np.unique(expected, axis=0)) > 2
    np.testing.assert_array_equal(call(program, weights, label_sets, 3, 0, 1.2), expected)
    np.testing.assert_array_equal(call(program, weights, label_sets[3:5], 3, 3, 1.2), expected[3:5])


def test_the_program_samples_what_the_generator_does_whose_spectral_norm_it_lacks(generator, exported):
    program, weights = read(exported)
    assert program.platforms == ("cpu", "cuda", "tpu") and not any("spectral" in path for path in weights)
    assert_samples_the_same(program, weights, generator)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "cvae_global" else pytest.mark.slow)
        for name in sorted(set(MODELS) - {"segvae"})
    ],
)
def test_the_program_of_every_other_model_samples_the_same_too(name):
    card, variables = make_checkpoint(name)
    model, folded = fold_spectral_norm(card.model(), variables)
    program = sampling_program(model, folded, SPACE)
    assert_samples_the_same(program, flatten_dict(folded, sep="/"), Generator(card, variables))


def test_the_example_generates_the_same_maps_where_the_package_cannot_be_imported(generator, exported, tmp_path):
    example, picture = ROOT / "examples" / "run_exported.py", tmp_path / "maps.png"
    command = [sys.executable, "-c", ALONE, str(example), str(exported), "face,hat", str(picture)]
    subprocess.run(command, check=True, cwd=tmp_path)
    with Image.open(picture) as image:
        index_maps = np.stack(np.split(np.asarray(image), 4, axis=1))
        assert image.getpalette()[:12] == np.ravel(SPACE.palette).tolist()
    np.testing.assert_array_equal(index_maps, generator.generate(["face", "hat"], num=4))


@pytest.mark.parametrize("name", ["model.json", "weights.npz", PROGRAM])
def test_the_example_names_a_file_that_is_not_what_was_exported(exported, tmp_path, name, monkeypatch):
    shutil.copytree(exported, tmp_path / "copy")
    path = tmp_path / "copy" / name
    content = bytearray(path.read_bytes())
    content[content.find(b"eye") if name == "model.json" else len(content) // 2] ^= 1
    example = str(ROOT / "examples" / "run_exported.py")
    monkeypatch.setattr("sys.argv", [example, str(path.parent), "face,hat", str(tmp_path / "maps.png")])
    for damaged in (bytes(content), path.read_bytes()[:60], b""):
        path.write_bytes(damaged)
        with pytest.raises(SystemExit, match=f"{name}: "):
            runpy.run_path(example)
    assert not (tmp_path / "maps.png").exists()


def test_a_card_names_the_program_that_it_was_exported_with(exported, generator, tmp_path):
    assert ModelCard.read(exported).program == hashlib.sha256((exported / PROGRAM).read_bytes()).hexdigest()
    Generator.load(exported).save(tmp_path)
    assert ModelCard.read(tmp_path).program == ""


def test_an_export_is_a_checkpoint_of_its_own(generator, exported):
    assert {path.name for path in exported.iterdir()} == {"model.json", "weights.npz", PROGRAM}
    assert "/somewhere" not in (exported / "model.json").read_text()
    loaded = Generator.load(exported)
    assert loaded.card.prepared == "" and loaded.space == SPACE
    np.testing.assert_array_equal(loaded.card.label_sets, LABEL_SETS)
    label_sets = np.tile(LABEL_SETS, (3, 1))
    np.testing.assert_array_equal(loaded.generate_each(label_sets, seed=1), generator.generate_each(label_sets, seed=1))
    shapes = np.zeros((2, 8, 16, 4), bool)
    shapes[:, 2:6, 3:9, 1] = True
    np.testing.assert_allclose(loaded.reconstruct(shapes), generator.reconstruct(shapes), atol=1e-6)


def test_half_the_size_moves_few_pixels(checkpoint, generator, exported, tmp_path):
    written = export(checkpoint, tmp_path, half=True, program=False)
    assert set(tmp_path.iterdir()) == set(written) == {tmp_path / "model.json", tmp_path / "weights.npz"}
    with np.load(tmp_path / "weights.npz") as arrays:
        kinds = {(array.ndim > 1, array.dtype.name) for array in arrays.values()}
    assert kinds == {(True, "float16"), (False, "float32")}
    half = Generator.load(tmp_path)
    assert {array.dtype.name for array in jax.tree.leaves(load_variables(tmp_path)[1])} == {"float32"}
    label_sets = np.tile(LABEL_SETS, (8, 1))
    moved = half.generate_each(label_sets) != generator.generate_each(label_sets)
    assert moved.mean() < 0.01
    (tmp_path / PROGRAM).write_bytes((exported / PROGRAM).read_bytes())
    np.testing.assert_array_equal(call(*read(tmp_path), label_sets), half.generate_each(label_sets))


def test_a_folder_that_cannot_be_written_to_is_named(checkpoint, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file: cannot be written"):
        export(checkpoint, tmp_path / "file", program=False)


def test_two_exports_into_one_folder_do_not_mix(checkpoint, generator, tmp_path):
    with locked(tmp_path):
        for write in (lambda: export(checkpoint, tmp_path, program=False), lambda: generator.save(tmp_path)):
            with pytest.raises(OutputError, match=f"{tmp_path}: another process is writing to it"):
                write()
    assert not list(tmp_path.iterdir())
