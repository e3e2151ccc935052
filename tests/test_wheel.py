"""`python -m build` gives a wheel that has every file of the package, and works in a fresh environment."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest
from pages import ROOT, SMALL
from PIL import Image

import segvae_jax

pytest.importorskip("build", reason="wheels need build: see the extra dev")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MOST_BYTES = 20_000_000
SOURCES = ("LICENSE", "README.md", "pyproject.toml", "requirements.txt", "configs", "segvae_jax")


def said(*command: str | pathlib.Path, cwd: pathlib.Path) -> str:
    """What a command prints, without the repository on the path of Python; it has to succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    """Built from a copy, as building leaves files beside the sources; without network, so not in isolation."""
    copy = tmp_path_factory.mktemp("copy")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy(ROOT / name, copy)
    said(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", cwd=copy)
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def binaries(wheel, tmp_path_factory) -> pathlib.Path:
    """The commands of a fresh environment with the wheel. Other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    said(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    where = said(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    others = [path for path in sys.path if pathlib.Path(path).name == "site-packages"]
    (pathlib.Path(where) / "others.pth").write_text("\n".join(others))
    return folder / "bin"


def test_the_wheel_has_every_file_of_the_package(wheel):
    walked = os.walk(ROOT / "segvae_jax", followlinks=True)  # the configurations are a link
    files = [pathlib.Path(folder, name) for folder, _, names in walked for name in names]
    wanted = {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    with zipfile.ZipFile(wheel) as opened:
        assert wanted == {name for name in opened.namelist() if ".dist-info/" not in name}
    assert wheel.stat().st_size < MOST_BYTES


def test_the_version_is_said_in_one_place(wheel):
    assert wheel.name.split("-")[1] == segvae_jax.__version__
    for name in ("pyproject.toml", "CITATION.cff", "README.md", "mkdocs.yml"):
        assert not re.search(rf"\b{re.escape(segvae_jax.__version__)}\b", (ROOT / name).read_text()), name


def test_an_installed_wheel_generates_edits_and_trains(binaries, tmp_path):
    code = "import segvae_jax; print(segvae_jax.__file__, segvae_jax.__version__)"
    file, version = said(binaries / "python", "-c", code, cwd=tmp_path).split()
    assert pathlib.Path(file).is_relative_to(binaries.parent) and version == segvae_jax.__version__
    generate = [
        "generate",
        "--checkpoint=fashion",
        "--num=4",
        "--out=maps.png",
        "--save_maps=maps",
        "--pictures=pictures.png",
    ]
    said(binaries / "segvae", *generate, cwd=tmp_path)
    edit = ["edit", "--checkpoint=fashion", "--map=maps/00000.png", "--restyle=hair", "--num=2", "--out=edited"]
    said(binaries / "segvae", *edit, cwd=tmp_path)
    said(binaries / "segvae", "train", "--config=cartoon:tiny", *SMALL, "--workdir=run", cwd=tmp_path)
    assert (tmp_path / "edited/00001.png").is_file() and (tmp_path / "run/model.json").is_file()
    with Image.open(tmp_path / "maps.png") as maps, Image.open(tmp_path / "pictures.png") as pictures:
        assert maps.width == pictures.width
