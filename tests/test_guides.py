"""Guides whose commands and snippets run on shipped models: editing.md, translation.md, export.md and gallery.md."""

import contextlib
import json
import pathlib
import re
import runpy

import numpy as np
import pytest
from pages import ROOT, blocks, run_all
from PIL import Image

from segvae_jax import maps, pictures
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map, cartoon_picture

SPACE = CARTOON_SPACES["faces"]


def edited(folder: pathlib.Path, name: str) -> np.ndarray:
    files = sorted((folder / name).glob("0*.png"))
    return np.stack([pictures.read_index_map(file, SPACE) for file in files])


@pytest.mark.slow
def test_the_guide_to_editing(tmp_path):
    page = (ROOT / "docs/editing.md").read_text()
    run_all(page, tmp_path)
    face = pictures.read_index_map(tmp_path / "face/00000.png", SPACE)
    shows = lambda index_maps, name: (index_maps == SPACE.channel(name)).any((1, 2))
    assert shows(edited(tmp_path, "edited"), "eye_g").all() and len(edited(tmp_path, "edited")) == 4
    assert not shows(edited(tmp_path, "bald"), "hair").any()
    np.testing.assert_array_equal(edited(tmp_path, "fringe")[:, 32:], np.stack([face[32:]] * 4))
    # what lies outside can tell so much of the shape that one alternative is the shape that was there
    assert (edited(tmp_path, "fringe")[:, :32] != face[:32]).any((1, 2)).sum() >= 2
    assert shows(edited(tmp_path, "completed"), "hair").all()
    (snippet,) = blocks(page, "python")
    with contextlib.chdir(tmp_path):
        exec(snippet, {})
    with Image.open(tmp_path / "edits.png") as sheet:
        assert sheet.width > 2 * 64


def test_the_guide_to_exports(tmp_path):
    run_all((ROOT / "docs/export.md").read_text(), tmp_path)
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size == (4 * 64, 64) and len(np.unique(np.asarray(drawn))) >= 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_pictures_of_maps(tmp_path):
    """On pairs of drawn faces and their pictures, as the guide names them."""
    drawn = [maps.paint(cartoon_map("faces", 0, i, (64, 64)), SPACE) for i in range(40)]
    pictures.write_index_pngs(tmp_path / "masks", np.stack(drawn), SPACE)
    (tmp_path / "photos").mkdir()
    for i in range(40):
        pictures.save_picture(tmp_path / f"photos/{i:05d}.jpg", cartoon_picture("faces", 0, i, (64, 64)))
    (tmp_path / "labels.json").write_text(json.dumps(SPACE.names))
    ran = run_all((ROOT / "docs/translation.md").read_text(), tmp_path)
    assert ran == {"generate", "translate", "edit", "prepare", "train"}
    assert len(list((tmp_path / "styled").glob("0*.png"))) == 32
    with Image.open(tmp_path / "pictures.png") as sheet, Image.open(tmp_path / "maps.png") as of_maps:
        assert sheet.width == of_maps.width


def test_the_snippet_of_the_guide_to_pictures_of_maps():
    (snippet,) = blocks((ROOT / "docs/translation.md").read_text(), "python")
    names: dict = {}
    exec(snippet, names)
    assert names["pictures"].shape == (4, 3, 96, 64, 3) and names["same_style"].shape == (4, 1, 96, 64, 3)
    assert np.abs(names["pictures"][:, 0].astype(int) - names["pictures"][:, 1]).mean() > 5


def test_the_gallery_has_ten_short_snippets_each_above_its_picture():
    sections = re.split(r"^## ", (ROOT / "docs/gallery.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(sections) == 10
    for section in sections:
        (snippet,), (picture,) = blocks(section, "python"), re.findall(r"!\[.+\]\(gallery/(.+)\)", section)
        assert f'save_picture("{picture}"' in snippet and 2 <= len(snippet.splitlines()) <= 6
        assert (ROOT / "docs/gallery" / picture).stat().st_size < 30_000


@pytest.mark.slow
def test_the_gallery_is_made_by_its_code(tmp_path):
    """Another machine rounds differently, which moves single pixels."""
    runpy.run_path(str(ROOT / "docs/gallery.py"))["make"](tmp_path)
    made, kept = (sorted(path.name for path in folder.iterdir()) for folder in (tmp_path, ROOT / "docs/gallery"))
    assert made == kept
    for name in made:
        with Image.open(tmp_path / name) as new, Image.open(ROOT / "docs/gallery" / name) as old:
            assert new.size == old.size
            assert (np.asarray(new) != np.asarray(old)).any(-1).mean() < 0.02
