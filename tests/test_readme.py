"""Every command and snippet of the README and of its guides runs, on small maps that the project draws."""

import contextlib
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest
from pages import ROOT, blocks, commands, run_all
from PIL import Image
from torch_writer import release_tensors, saved, state_dicts

from segvae_jax import maps, pictures
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE

README = (ROOT / "README.md").read_text()
# In this order: they use what the README and one another make.
GUIDES = [
    (ROOT / "docs" / f"{name}.md").read_text() for name in ("generation", "training", "evaluation", "comparisons")
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> pathlib.Path:
    """A folder with the files of a reader: masks, their label list and a checkpoint of the release."""
    folder = tmp_path_factory.mktemp("readme")
    space = CARTOON_SPACES["faces"]
    index_maps = np.stack([maps.paint(cartoon_map("faces", 0, i, (32, 32)), space) for i in range(90)])
    pictures.write_index_pngs(folder / "masks", index_maps, space)
    (folder / "labels.json").write_text(json.dumps(space.names))
    model = SegVAE(space.num_channels, space.order, (16, 16), 2, 5, 3, 4, spectral_norm=False)
    tensors = release_tensors(init_variables(model, 0)["params"], levels=2)
    (folder / "release.pth").write_bytes(saved(state_dicts(tensors), "zip"))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_run_in_the_order_of_the_readme_and_its_guides(workplace):
    ran = set().union(*(run_all(page, workplace) for page in (README, *GUIDES)))
    assert ran >= {"train", "generate", "edit", "eval", "export", "prepare", "demo", None}
    for folder in (workplace / "runs/celeba/evaluation", workplace / "maps/evaluation"):
        rows = json.loads((folder / "scores.json").read_text())["rows"]
        assert set(rows) == {"generated", "real_vs_real", "retrieval", "independent_parts", "mean_shape"}
        assert all("control" in row for row in rows.values())
        assert "One label-set, many maps" in (folder / "report.html").read_text()
    assert "Which looks more real?" in (workplace / "study.html").read_text()
    metrics = (workplace / "runs/celeba/metrics.jsonl").read_text().splitlines()
    assert json.loads(metrics[-1])["step"] == 4 and any("validation_total" in row for row in metrics)
    with Image.open(workplace / "maps/00063.png") as image:
        assert image.size == (16, 16) and json.loads(image.text["labels"])[1] == "skin"
    for snippet in (snippet for page in (README, *GUIDES) for snippet in blocks(page, "python")):
        with contextlib.chdir(workplace):
            exec(snippet, {})


def test_the_make_targets_exist():
    assert [command[1] for command in commands(README) if command[0] == "make"] == ["page", "demo", "test"]
    command = ["make", "-n", "VENV=absent", "page", "demo", "test"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    steps = "-m venv", "demo.py", "train.py --config=configs/cartoon.py:tiny", "generate.py", "eval.py", "-m pytest"
    for step in steps:
        assert step in shown


def test_every_file_that_the_readme_links_to_exists():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
