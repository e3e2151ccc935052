"""The model zoo says what the models' cards say, and its pictures are made by its commands."""

import re
import runpy

import pytest
from pages import ROOT
from PIL import Image

ZOO = runpy.run_path(str(ROOT / "docs/zoo.py"))
PAGE = (ROOT / "docs/zoo.md").read_text()


def test_the_table_is_that_of_the_cards():
    assert ZOO["with_table"](PAGE) == PAGE, "run python docs/zoo.py"


def test_every_card_has_a_row_and_a_changed_card_changes_it(tmp_path):
    text = (ROOT / "segvae_jax/shipped/README.md").read_text()
    cards = list(ZOO["cards"](text.replace("layout AUC 0.", "layout AUC 0.1")))
    assert [(name, kind) for name, kind, _ in cards] == [
        ("cartoon", "maps"), ("cartoon", "pictures"), ("fashion", "maps"), ("fashion", "pictures"),
    ]  # fmt: skip
    line = ZOO["_line"]("cartoon", "maps", cards[0][2], "segvae_jax/shipped/README.md")
    assert "layout AUC 0.1" in line[5] and line[6] == re.search(r"([\d,]+) bytes", text)[1]


def test_a_row_of_pictures_says_what_the_card_of_its_model_says():
    lines = [line.split(" | ") for line in ZOO["table"]().splitlines()[2:]]
    assert [line[1] for line in lines] == [
        "`cartoon`",
        "`cartoon`, pictures",
        "`fashion`",
        "`fashion`, pictures",
        "`faces`",
        "`faces_128`",
    ]
    assert lines[1][2] == lines[0][2] and "Frechet distance" in lines[1][5]


def test_pictures_are_small_and_each_has_its_command():
    made = {f"{value}/00000.png" if flag == "save_enlarged" else value
            for command in ZOO["commands"]() for flag, value in (word[2:].split("=") for word in command[2:])
            if flag in ("save_enlarged", "pictures")}  # fmt: skip
    shown = {f"docs/{name}" for name in re.findall(r"\]\((zoo/[^)]+)\)", PAGE)}
    assert made == shown == {str(path.relative_to(ROOT)) for path in (ROOT / "docs/zoo").rglob("*.png")}
    for name in shown:
        assert (ROOT / name).stat().st_size < 30_000
        with Image.open(ROOT / name) as picture:
            assert max(picture.size) <= 256


@pytest.mark.parametrize("command", ZOO["commands"](), ids=lambda command: command[2].removeprefix("--checkpoint="))
def test_commands_name_models_of_the_table(command):
    assert command[:2] == ["python", "generate.py"]
    assert command[2].rpartition("/")[2].removeprefix("--checkpoint=") in {"cartoon", "fashion", "faces", "faces_128"}
