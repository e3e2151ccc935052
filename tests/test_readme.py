"""Every block of the README and of its guides runs as it stands, at a tiny size, on maps that the project draws."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from pages import ROOT, blocks, commands, run_all
from PIL import Image
from torch_writer import release_tensors, saved, state_dicts

from segvae_jax.data.cartoon import CARTOON_SPACES
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE

README = (ROOT / "README.md").read_text()
# In this order: they use what the README and one another make.
GUIDES = [
    (ROOT / "docs" / f"{name}.md").read_text()
    for name in ("generation", "differences", "training", "evaluation", "comparisons")
]
# In the place of `python` and `segvae`: the same commands at a tiny size.
SMALL_COMMAND = f"""#!{sys.executable}
import pathlib, sys
sys.path.insert(0, "{{tests}}")
import pages
status, errors = pages.run(["{{name}}", *sys.argv[1:]], pathlib.Path.cwd())
sys.stderr.write(errors)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> pathlib.Path:
    """A clone as the README's reader has it after `make`, and the files that guides ask for."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (bin_folder := folder / ".venv-python3/bin").mkdir(parents=True)
    (bin_folder / "activate").write_text(f'export PATH="{bin_folder}:$PATH"\n')
    for name in ("python", "segvae"):
        (bin_folder / name).write_text(SMALL_COMMAND.format(name=name, tests=ROOT / "tests"))
        (bin_folder / name).chmod(0o755)
    for stamp in (".installed", ".with-page"):  # newer than the files above, so that nothing is installed
        (folder / ".venv-python3" / stamp).touch()
    space = CARTOON_SPACES["faces"]
    (folder / "labels.json").write_text(json.dumps(space.names))
    model = SegVAE(space.num_channels, space.order, (16, 16), 2, 5, 3, 4, spectral_norm=False)
    tensors = release_tensors(init_variables(model, 0)["params"], levels=2)
    (folder / "release.pth").write_bytes(saved(state_dicts(tensors), "zip"))
    return folder


def pasted(shell: str, folder: pathlib.Path) -> str:
    """What a new shell prints when text is pasted into it. Its own Python has no jax."""
    paths = os.pathsep.join([str(folder / "no_jax"), "/usr/bin", "/bin"])
    (folder / "no_jax").mkdir(exist_ok=True)
    for name in ("python", "segvae"):
        (folder / "no_jax" / name).write_text("#!/bin/sh\necho No module named jax; exit 1\n")
        (folder / "no_jax" / name).chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "JAX_COMPILATION_CACHE_DIR") if name in os.environ}
    done = subprocess.run(
        ["bash", "-e"], input=shell, cwd=folder, env={**kept, "PATH": paths, "PYTHONPATH": str(ROOT)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_block_runs_when_it_is_pasted_in_order_and_so_do_the_guides(workplace):
    """The first block in one shell, all others in the next one, which enters the environment likewise."""
    first, *others = blocks(README, "bash")
    assert "source .venv-python3/bin/activate" in pasted(first, workplace)
    pasted("".join([next(line for line in first.splitlines(True) if line.startswith("source ")), *others]), workplace)
    for file in ("cartoons.png", "dresses.png", "edited/00000.png", "photos.png", "exported.png"):
        assert (workplace / file).is_file(), file
    assert list((workplace / "pictures").glob("*.png"))
    ran = set().union(*(run_all(page, workplace) for page in GUIDES))
    assert ran >= {"train", "generate", "prepare", None}
    for folder in (workplace / "runs/cartoon/evaluation", workplace / "maps/evaluation"):
        rows = json.loads((folder / "scores.json").read_text())["rows"]
        assert set(rows) == {"generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape"}
        assert all("control" in row for row in rows.values())
        assert "One label-set, many maps" in (folder / "report.html").read_text()
    assert "Which looks more real?" in (workplace / "study.html").read_text()
    metrics = (workplace / "runs/cartoon/metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics[-1])["step"] == 4 and any("validation_total" in row for row in metrics)
    with Image.open(workplace / "maps/00063.png") as image:
        assert image.size == (16, 16) and json.loads(image.text["labels"])[1] == "skin"
    for snippet in (snippet for page in (README, *GUIDES) for snippet in blocks(page, "python")):
        with contextlib.chdir(workplace):
            exec(snippet, {})


@pytest.mark.slow
def test_the_demo_ends_with_its_picture_and_what_to_do_next(workplace):
    lines = pasted("make demo", workplace).splitlines()
    assert (workplace / "demo/faces.png").is_file() and (workplace / "demo/report.html").is_file()
    assert lines[-2] == "The generated maps: demo/faces.png"
    assert lines[-1].startswith("Next, 'make page' opens a page")
    text = "\n".join(lines)
    assert "parameters, listed in" in text and "params/" not in text
    assert "no weights" not in text and "FID" not in text


def test_the_make_targets_exist():
    named = set(re.findall(r"`make ([\w-]+)`", README))
    assert {"page", "demo"} <= named and commands(README)[0] == ["make"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{name}: " in makefile for name in named)
    command = ["make", "-n", "VENV=absent", "page", "demo", "test"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    steps = "-m venv", "demo.py", "train.py --config=configs/cartoon.py:tiny", "generate.py", "eval.py", "-m pytest"
    for step in steps:
        assert step in shown


def test_the_demo_needs_no_extra_and_shows_what_pip_does():
    command = ["make", "-n", "VENV=absent", "demo"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (install,) = [line for line in shown.splitlines() if "pip install" in line]
    assert install.endswith("--editable .") and "quiet" not in install


def test_every_file_that_the_readme_links_to_exists():
    for target in re.findall(r"\]\((?!http|#)([^)#]+)[^)]*\)", README):
        assert (ROOT / target).is_file(), target
