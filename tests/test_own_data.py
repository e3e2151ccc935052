"""docs/own_data.md holds: its commands run on maps that the project draws, its errors are what they are said to be."""

import json
import pathlib
import re

import numpy as np
import pytest
from pages import ROOT, blocks, run_all
from PIL import Image
from scipy.io import savemat

from segvae_jax import maps, pictures
from segvae_jax.configs import clothing
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.prepare.builder import open_prepared, prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.folder import folder
from segvae_jax.data.sources.label_list import read_labels
from segvae_jax.errors import SegVAEError
from segvae_jax.labels import LabelSpace, pairs_by_name

PAGE = (ROOT / "docs/own_data.md").read_text()
TAGS = {
    "background": "null", "hat": "hat", "hair": "hair", "sunglass": "sunglasses", "upper-clothes": "blazer",
    "skirt": "skirt", "pants": "jeans", "dress": "dress", "belt": "belt", "left-shoe": "boots", "right-shoe": "heels",
    "face": "skin", "left-leg": "skin", "right-leg": "skin", "left-arm": "skin", "right-arm": "skin", "bag": "purse",
    "scarf": "tie",
}  # fmt: skip


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> pathlib.Path:
    """Cartoon people, with the tags of the example on the page."""
    place = tmp_path_factory.mktemp("own")
    merged = [name.strip() for rule in clothing.MERGE.split(";") for name in rule.partition("=")[0].split(",")]
    tags = sorted({*merged, *clothing.CLASSES.split(","), "earrings", "ring"})
    people, space = CARTOON_SPACES["people"], LabelSpace(tuple(tags))
    (place / "label_names.json").write_text(json.dumps(["null", *tags]))
    of_class = np.array([0, *(space.channel(TAGS[name]) for name in people.classes)], np.uint8)
    drawn = np.stack([maps.paint(cartoon_map("people", 0, i, (48, 32)), people) for i in range(60)])
    pictures.write_index_pngs(place / "masks", of_class[drawn], space)
    for path in sorted((place / "masks").iterdir()):  # numbered as those of the example
        path.rename(path.with_stem(f"{int(path.stem) + 1:04}"))
    return place


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_page_run_in_its_order(workplace):
    ran = run_all(PAGE, workplace)
    assert ran == {"train", "generate", "eval", "edit"}
    scores = json.loads((workplace / "runs/clothing/evaluation/scores.json").read_text())
    assert scores["classes"] == clothing.CLASSES.split(",")
    with Image.open(workplace / "generated/00031.png") as image:
        assert json.loads(image.text["labels"]) == ["background", *clothing.CLASSES.split(",")]
    prepared = [open_prepared(path.parent) for path in workplace.glob("prepared/**/features.json")]
    small, whole = sorted((data.space for data in prepared), key=lambda space: space.num_channels)
    assert small.drawing_order == ("skin", "hair", "top", "dress", "coat", "pants", "skirt", "shoes", "bag")
    assert whole.drawing_order == tuple(clothing.CLASSES.split(","))


def test_the_code_of_the_page_reads_the_set_of_the_example_as_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    published = tmp_path / "clothing-co-parsing"
    (published / "annotations/pixel-level").mkdir(parents=True)
    tags = np.random.default_rng(0).integers(0, 59, (2, 7, 5))
    for number, groundtruth in enumerate(tags, start=1):
        savemat(published / f"annotations/pixel-level/{number:04}.mat", {"groundtruth": groundtruth.astype(np.uint8)})
    savemat(published / "label_list.mat", {"label_list": np.array([["null", "bag", "wedges"]], object)})
    exec(blocks(PAGE, "python")[0], {})
    assert read_labels("label_names.json").names == {0: "null", 1: "bag", 2: "wedges"}
    stored = [np.asarray(Image.open(f"masks/{number:04}.png")) for number in (1, 2)]
    np.testing.assert_array_equal(stored, tags)


def test_the_list_of_the_page_can_be_read(tmp_path):
    (tmp_path / "labels.csv").write_text(blocks(PAGE, "csv")[0])
    listed = read_labels(tmp_path / "labels.csv")
    assert listed.names[3] == "dress" and listed.colours[1] == (120, 60, 20)
    assert pairs_by_name(list(listed.names.values())) == (("left-shoe", "right-shoe"),)


def test_the_first_choice_of_classes_makes_whole_people(workplace, tmp_path):
    """And another one, which leaves clothes out, is warned of."""
    command = next(block for block in blocks(PAGE, "bash") if "runs/first" in block)
    merge, classes = (re.search(rf'data\.{key}="(.*?)"', command)[1] for key in ("merge", "classes"))
    for chosen, warned in ((classes, False), ("skin,hair,dress,pants,bag", True)):
        source = folder(workplace / "masks", workplace / "label_names.json", merge, chosen)
        report = prepare(source, Recipe((16, 16)), tmp_path).data_report()
        assert any("of the pixels that have a label" in line for line in report["warnings"]) is warned, report


def test_its_errors_are_what_users_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rgb = np.zeros((2, 2, 3), np.uint8)
    names = ["null", "hat", "jeans", "pants"]
    merge = "jeans=pants"
    cases = [
        (np.uint8([[1, 255]]), names, {}),
        (rgb, names, {}),
        (rgb + np.uint8([0, 0, 1]), dict(zip(names, ("#000000", "#ff0000", "#00ff00", "#0000ff"), strict=True)), {}),
        (rgb, ["null", "hat", "hat"], {}),
        (rgb, ["null", "hat, cap"], {}),
        (rgb, names, {"merge": "pants=jeans,leggings"}),
        (rgb, names, {"merge": "trousers=pants"}),
        (rgb, names, {"merge": merge, "classes": "jeans"}),
        (np.uint8([[0, 255]]), names, {"ignore": 255}),
    ]
    assert [f"error: {refusal(*case)}" for case in cases] == blocks(PAGE, "text")[0].splitlines()


def test_the_pictures_of_the_page_are_what_its_code_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(blocks(PAGE, "python")[1], {})
    for kind in CARTOON_SPACES:
        assert f"](cartoon_{kind}.png)" in PAGE
        with Image.open(f"cartoon_{kind}.png") as drawn, Image.open(ROOT / f"docs/cartoon_{kind}.png") as shown:
            np.testing.assert_array_equal(drawn, shown)


def refusal(pixels: np.ndarray, names: list[str] | dict[str, str], settings: dict) -> str:
    """The error message for a folder with one map."""
    pathlib.Path("masks").mkdir(exist_ok=True)
    Image.fromarray(pixels).save("masks/0007.png")
    pathlib.Path("labels.json").write_text(json.dumps(names))
    with pytest.raises(SegVAEError) as error:
        prepare(folder("masks", "labels.json", **settings), Recipe((8, 8)), "prepared")
    return str(error.value)
