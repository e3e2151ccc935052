"""The command `edit`, as users call it."""

import dataclasses
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from segvae_jax import pictures
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.cli.main import main
from segvae_jax.errors import MapError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables
from segvae_jax.original_labels import Label, OriginalLabels

SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
ARGUMENTS = {"image_size": (8, 8), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "gain": 1.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A checkpoint, a map without palette, one under names of its own, and a region."""
    folder = tmp_path_factory.mktemp("edit")
    card = ModelCard(SPACE, ARGUMENTS, np.zeros((0, 4), bool), np.zeros(0, int))
    save_variables(folder / "run", card, init_variables(card.model(), 0))
    Image.fromarray(a_map()).save(folder / "plain.png")
    pictures.write_index_png(folder / "foreign.png", a_map(), LabelSpace(("face", "moon", "hat")))
    pictures.write_index_png(folder / "renamed.png", a_map(), LabelSpace(("hat", "face", "eye")))
    Image.fromarray(np.pad(np.full((21, 10), 255, np.uint8), ((0, 0), (0, 7)))).save(folder / "left.png")
    return folder


def a_map() -> np.ndarray:
    """A face with eyes, 21 x 17 pixels."""
    index = np.zeros((21, 17), np.uint8)
    index[5:, 3:14] = 1
    index[9, 6:8] = index[9, 10:12] = 2
    return index


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Runs the command in the folder; returns its exit status, what it prints and its errors."""
    monkeypatch.chdir(folder)
    return lambda *flags: (main(["edit", f"--checkpoint={folder / 'run'}", *flags]), *capsys.readouterr())


def test_writes_maps_of_the_size_of_the_given_one_and_a_sheet(folder, run):
    status, out, errors = run(
        "--map=plain.png", "--add=hat", "--restyle=eye", "--num=3", "--region=left.png", "--out=edited"
    )
    assert status == 0, errors
    assert "wrote 3 index PNGs" in out
    edited = [pictures.read_index_map(folder / f"edited/{number:05d}.png", SPACE) for number in range(3)]
    for index in edited:
        assert index.shape == (21, 17)
        np.testing.assert_array_equal(index[:, 10:], a_map()[:, 10:])
    assert any((index != a_map()).any() for index in edited)
    with Image.open(folder / "edited/sheet.png") as sheet:
        assert sheet.width > 4 * 17


def test_names_in_a_map_say_what_its_indices_mean(folder, run):
    """Channel 1 of the map is its hat, 2 its face, 3 its eye, of which it has none."""
    status, _, errors = run(
        "--map=renamed.png", "--complete=eye,hat", "--region=0,0,21,17", "--out=completed", "--num=1"
    )
    assert status == 0, errors
    index = pictures.read_index_map(folder / "completed/00000.png", SPACE)
    eye = index == SPACE.channel("eye")
    assert eye.any()
    np.testing.assert_array_equal(index[~eye], np.array([0, 3, 1])[a_map()][~eye])


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            ["--map=plain.png", "--remove=hat"],
            "plain.png: 'hat' is not in the map, which has face, eye: add it instead",
        ),
        (["--map=foreign.png", "--remove=eye"], "foreign.png: unknown label 'moon'"),
        (["--map=plain.png", "--add=hat", "--region=1,2,x,4"], "--region=1,2,x,4: expected TOP,LEFT,BOTTOM,RIGHT"),
        *(
            (
                ["--map=plain.png", "--add=hat", f"--region={box}"],
                f"--region={box}: expected a box inside the map, 0 <= TOP < BOTTOM <= 21 and 0 <= LEFT < RIGHT <= 17",
            )
            for box in ("0,0,22,17", "0,0,21,18", "5,0,5,17", "9,0,5,17", "30,30,40,40")
        ),
        (["--map=plain.png", "--add=hat", "--region=-1,0,5,5"], "--region=-1,0,5,5: expected TOP,LEFT,BOTTOM,RIGHT"),
        (["--map=plain.png", "--add=hat", "--seed=-1"], "flag --seed=-1: expected a whole number from 0 to 2147483647"),
        (["--map=plain.png", "--add=hat", "stray"], "unexpected argument 'stray': expected flags only, see --help"),
    ],
)
def test_mistakes_are_one_line(folder, run, flags, message):
    status, _, errors = run(*flags, "--out=nothing")
    assert status == 2
    assert message in errors and errors.count("\n") == 1
    assert not (folder / "nothing").exists()


def test_a_region_may_be_drawn_in_opacity(folder, run):
    """White in some rows and nothing elsewhere; or in two colours, of which the transparent part is none."""
    opacity = np.zeros((21, 17), np.uint8)
    opacity[:7] = 255
    painted = np.dstack([np.full((21, 17, 3), 255, np.uint8), opacity])
    Image.fromarray(painted).save(folder / "white.png")
    painted[15:, :, :3] = 0
    Image.fromarray(painted).save(folder / "both.png")
    for name in ("white", "both"):
        assert run("--map=plain.png", "--restyle=face", "--num=2", f"--region={name}.png", f"--out={name}")[0] == 0
        for number in range(2):
            index = pictures.read_index_map(folder / name / f"{number:05d}.png", SPACE)
            np.testing.assert_array_equal(index[7:], a_map()[7:])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--map=plain.png", "--out=."], "--out=.: holds the map, which an edit could replace: give another folder"),
        (["--map=plain.png", "--out="], "--out is empty: expected a folder for the edits"),
        (["--map=plain.png", "--out=x", "--region="], "--region=: expected TOP,LEFT,BOTTOM,RIGHT in pixels, or a PNG"),
        (["--map=plain.png", "--out=x", "--region=0,0,9"], "--region=0,0,9: expected TOP,LEFT,BOTTOM,RIGHT in pixels"),
        (["--map=plain.png", "--out=x", f"--region=0,0,{'9' * 5000},5"], "--region=0,0,9999999999"),
    ],
)
def test_what_could_lose_a_map_or_is_no_region_is_one_line(folder, run, flags, message):
    before = (folder / "plain.png").read_bytes()
    status, _, errors = run("--restyle=face", *flags)
    assert status == 2 and errors.startswith(f"error: {message}") and errors.count("\n") == 1
    assert (folder / "plain.png").read_bytes() == before and not (folder / "00000.png").exists()


def test_classes_may_be_named_as_people_call_them(folder, run):
    for number, flag in enumerate(("--add=Cap", "--add=hat")):
        assert run("--map=plain.png", flag, "--num=1", f"--out=named{number}")[0] == 0
    named, plain = (pictures.read_index_map(folder / f"named{number}/00000.png", SPACE) for number in range(2))
    np.testing.assert_array_equal(named, plain)
    status, _, errors = run("--map=plain.png", "--complete=face,caps", "--out=nothing")
    assert status == 2 and "unknown label 'caps' (did you mean 'cap'?): known labels are face, eye, hat" in errors


def test_pictures_are_enlarged_and_the_maps_are_not(folder, run):
    flags = (
        "--map=plain.png",
        "--add=hat",
        "--num=3",
        "--out=large",
        "--save_enlarged=shown",
        "--scale=2",
        "--columns=4",
    )
    status, out, errors = run(*flags)
    assert status == 0, errors
    assert "wrote 3 pictures to shown" in out
    for number in range(3):
        index = pictures.read_index_map(folder / f"large/{number:05d}.png", SPACE)
        with Image.open(folder / f"shown/{number:05d}.png") as image:
            large = np.asarray(image)
        np.testing.assert_array_equal(large, SPACE.palette_array()[index].repeat(2, 0).repeat(2, 1))
    with Image.open(folder / "large/sheet.png") as sheet:
        assert sheet.width == 4 * (2 * 17 + 2) + 2


def test_one_folder_for_maps_and_pictures_is_refused(folder, run):
    status, _, errors = run("--map=plain.png", "--add=hat", "--out=same", "--save_enlarged=./same")
    assert (
        status == 2 and errors == "error: --save_enlarged=./same: another flag names this folder: give each its own\n"
    )
    assert not (folder / "same").exists()


def test_an_original_map_is_edited_by_the_labels_of_the_training_maps(folder, run, tmp_path):
    """Index 1 of the map is a cap, and 2 a head; the training maps had them as hat and face."""
    labels = Label(0, "null", "background"), Label(1, "cap", "hat"), Label(2, "head", "face"), Label(7, "x", "eye")
    card = dataclasses.replace(ModelCard.read(folder / "run"), original=OriginalLabels(labels))
    save_variables(tmp_path, card, init_variables(card.model(), 0))
    shutil.copy(folder / "plain.png", tmp_path)
    merged = np.array([0, 3, 1])[a_map()]
    flags = f"--checkpoint={tmp_path}", "--map=plain.png", "--remove=hat"
    expected = Generator.load(folder / "run").remove(merged, "hat").index_maps
    for number, (more, note) in enumerate((((), True), (("--labels=data",), False))):
        status, out, errors = run(*flags, *more, f"--out={tmp_path / str(number)}")
        assert status == 0, errors
        assert ("note: plain.png, without class names: read by the labels of the training maps" in out) is note
        edited = pictures.read_index_map(tmp_path / f"{number}/00000.png", SPACE)
        np.testing.assert_array_equal(edited, expected[0])
    status, _, errors = run(*flags, "--labels=model", f"--out={tmp_path / 'none'}")
    assert status == 2 and "'hat' is not in the map, which has face, eye" in errors
    (tmp_path / "list.txt").write_text("background\nCap\nhead\n")
    status, _, errors = run(*flags, f"--labels={tmp_path / 'list.txt'}", f"--out={tmp_path / 'listed'}")
    assert status == 0, errors
    edited = pictures.read_index_map(tmp_path / "listed/00000.png", SPACE)
    np.testing.assert_array_equal(edited, expected[0])
    status, _, errors = run(*flags, "--labels=absent.txt", f"--out={tmp_path / 'none'}")
    assert status == 2 and "absent.txt" in errors and errors.count("\n") == 1
    with pytest.warns(UserWarning, match="read by the labels of the training maps"):
        given = Generator.load(tmp_path).remove(folder / "plain.png", "hat").index_maps
    np.testing.assert_array_equal(given, expected)
    with pytest.raises(MapError, match="index 7: the model knows 0 to 3: merge or remove that class, or read an orig"):
        Generator.load(tmp_path).remove(np.full((4, 4), 7), "hat")
