"""Checkpoints of add-ons are found by name, and the add-on in the repository declares what it has."""

import hashlib
import importlib.metadata
import pathlib
import sys
import tomllib

import numpy as np
import pytest

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.cli.main import main
from segvae_jax.errors import CheckpointError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables
from segvae_jax.shipped import ADD_ONS, GROUP, NAMES, checkpoint_directory, checkpoint_names

ADD_ON = pathlib.Path(__file__).parents[1] / "addons" / "segvae_faces"
PROJECT = tomllib.loads((ADD_ON / "pyproject.toml").read_text())
DECLARED = PROJECT["project"]["entry-points"][GROUP]
MOST_BYTES = 8_000_000


@pytest.fixture(scope="module")
def generator() -> Generator:
    space = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
    sizes = {"image_size": (8, 16), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3}
    card = ModelCard(space, {**sizes, "spectral_norm": False}, np.array([[0, 1, 1, 0]], bool), np.array([3]))
    return Generator(card, dict(init_variables(card.model(), 0)), step=7)


def install(folder: pathlib.Path, package: str, declared: dict[str, str]) -> None:
    """What pip writes for a distribution with these entry points, and a package that must not be imported."""
    metadata = folder / f"{package}-9.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.0\n")
    lines = [f"{name} = {value}" for name, value in declared.items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("raise RuntimeError('imported')")


@pytest.fixture
def site(tmp_path, monkeypatch) -> pathlib.Path:
    """An empty folder of installed packages, in which the working directory is another one."""
    (tmp_path / "site").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "site"


def refusal(name: str) -> str:
    """The error for a name, which every command prints as one line."""
    with pytest.raises(CheckpointError) as error:
        Generator.load(name)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_checkpoint_of_an_add_on_is_loaded_by_its_name(site, generator, capsys):
    install(site, "segvae_faces", DECLARED)
    generator.save(site / "segvae_faces" / "faces")
    loaded = Generator.load("faces")
    assert loaded.step == 7 and loaded.fingerprint() == generator.fingerprint()
    assert checkpoint_directory("faces") == site / "segvae_faces" / "faces"
    assert main(["generate", "--checkpoint=faces", "--num=2", "--out=faces.png"]) == 0
    assert main(["export", "--checkpoint=faces", "--program=False", "--out=exported"]) == 0
    assert pathlib.Path("faces.png").is_file() and Generator.load("exported").fingerprint() == generator.fingerprint()
    assert "segvae_faces" not in sys.modules


def test_the_names_of_installed_checkpoints_are_listed_where_names_are(site, generator, capsys):
    install(site, "segvae_faces", DECLARED)
    generator.save(site / "segvae_faces" / "faces")
    assert checkpoint_names() == (*NAMES, "faces")
    assert refusal("face").endswith("or a name: cartoon, fashion, faces")
    for command in ("generate", "edit", "eval", "export", "demo"):
        assert main([command, "--help"]) == 0
        assert "or a name: cartoon, fashion, faces." in " ".join(capsys.readouterr().out.split())


def test_an_add_on_may_keep_its_checkpoints_in_a_package_inside_its_own(site):
    install(site, "tools", {"tiny": "tools.models"})
    (site / "tools" / "models" / "tiny").mkdir(parents=True)
    assert checkpoint_directory("tiny") == site / "tools" / "models" / "tiny" and "tools" not in sys.modules


def test_a_directory_of_such_a_name_is_written_as_a_path(site, generator):
    install(site, "segvae_faces", DECLARED)
    (site / "segvae_faces" / "faces").mkdir()
    assert (
        checkpoint_directory("./faces")
        == pathlib.Path("faces").absolute()
        == checkpoint_directory(pathlib.Path("faces"))
    )


@pytest.mark.parametrize("name", ADD_ONS)
def test_an_add_on_that_is_not_installed_is_named_with_its_licence_and_its_command(name, site, monkeypatch, capsys):
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: ())
    pathlib.Path(name).mkdir()  # what a name means does not depend on the working directory
    assert main(["generate", f"--checkpoint={name}", "--out=x.png"]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {name}: this checkpoint is in a separate add-on, with a licence of its own (non-")
    assert f"pip install ./addons/{ADD_ON.name}; a directory of your own is written ./{name}\n" in error
    assert error.count("\n") == 1 and checkpoint_names() == NAMES


DAMAGED = (
    "segvae_faces",
    "segvae_faces.inner",
    "segvae_faces:faces",
    "absent",
    "absent.faces",
    "",
    ".faces",
    "json.tool",
)


@pytest.mark.parametrize("package", DAMAGED)
def test_a_damaged_add_on_is_one_line_and_no_other_checkpoint_suffers(package, site, generator):
    install(site, "segvae_faces", {"faces": package})
    assert refusal("faces") == f"faces: its folder is missing in the add-on {package}: install the add-on again"
    assert checkpoint_names() == NAMES and Generator.load("cartoon").step == 8000
    generator.save("mine")
    assert Generator.load("mine").step == 7


def test_an_add_on_replaces_no_shipped_checkpoint(site, generator):
    install(site, "tiny_faces", {"cartoon": "tiny_faces"})
    generator.save(site / "tiny_faces" / "cartoon")
    assert checkpoint_directory("cartoon").parent.parent.name == "segvae_jax"
    assert checkpoint_names() == NAMES


def test_a_name_in_two_add_ons_is_refused(site):
    for package in ("segvae_faces", "other_faces"):
        install(site, package, {"faces": package})
    expected = "faces: in several add-ons, other_faces, segvae_faces: expected one: uninstall the others"
    assert refusal("faces") == expected


def test_the_add_on_declares_its_checkpoints_and_its_licence():
    assert DECLARED == ADD_ONS
    (package,) = PROJECT["tool"]["setuptools"]["packages"]
    assert ADD_ON.name == package and (ADD_ON / package / "__init__.py").is_file()
    assert PROJECT["project"]["license-files"] == ["LICENSE"]
    licence = (ADD_ON / "LICENSE").read_text()
    assert "CelebAMask-HQ" in licence and "non-commercial research" in licence


def test_its_checkpoints_are_small_and_those_that_its_table_names(generator, tmp_path):
    (package,), text = PROJECT["tool"]["setuptools"]["packages"], (ADD_ON / "README.md").read_text()
    generator.save(tmp_path)
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    for folder in [path.parent for path in (ADD_ON / package).glob("*/model.json")]:
        files = {path.name: path.stat().st_size for path in folder.iterdir()}
        assert folder.name in DECLARED and set(files) == {path.name for path in tmp_path.iterdir()}
        assert sum(files.values()) <= MOST_BYTES
        assert hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest() in text
    assert sorted(patterns) == [f"*/{path.name}" for path in sorted(tmp_path.iterdir())]
