"""Pictures by the commands `translate`, `generate` and `edit`, as users make them."""

import numpy as np
import pytest
from PIL import Image

from segvae_jax import pictures
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.cli.main import main
from segvae_jax.errors import ArgumentError, MapError
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables
from segvae_jax.translation import Translator
from segvae_jax.translator.networks import TRANSLATOR

SPACE = LabelSpace(("face", "eye", "hat"))
ARGUMENTS = {"image_size": (8, 8), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "gain": 1.0}
SIZES = {"image_size": (8, 8), "widths": (4, 5), "discriminator_widths": (4, 5)}
NONE = np.zeros((0, 4), bool), np.zeros(0, int)


def save_translator(folder, space=SPACE):
    card = ModelCard(space, SIZES, *NONE, name=TRANSLATOR)
    translator = Translator(card, card.networks().init(0))
    translator.save(folder)
    return translator


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A model that is not trained, with and without a translator beside it, a folder of maps, and a picture."""
    place = tmp_path_factory.mktemp("pictures")
    card = ModelCard(SPACE, ARGUMENTS, *NONE)
    for name in ("run", "alone"):
        save_variables(place / name, card, init_variables(card.model(), 0))
    save_translator(place / "run/translator")
    save_translator(place / "other", LabelSpace(("face", "moon", "hat")))
    (place / "maps").mkdir()
    for name, shift in (("one", 0), ("two", 5)):
        index = np.zeros((21, 17), np.uint8)
        index[5 + shift :, 3:14] = 1
        pictures.write_index_png(place / f"maps/{name}.png", index, SPACE)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(place / "photo.jpg")
    return place


@pytest.fixture
def run(place, monkeypatch, capsys):
    """Runs a command in the folder; returns its exit status, what it prints and its errors."""
    monkeypatch.chdir(place)
    return lambda *words: (main(list(words)), *capsys.readouterr())


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_folder_of_maps_of_any_size_becomes_numbered_pictures_and_a_sheet(place, run):
    (place / "maps/._one.png").write_bytes(b"")  # as some systems write them beside each file
    status, out, errors = run("translate", "--map=maps", "--checkpoint=run", "--num=3", "--out=made")
    assert status == 0, errors
    assert out == "wrote 6 pictures and sheet.png to made\n"
    made = {path.name: opened(path) for path in (place / "made").glob("0*.png")}
    assert sorted(made) == [f"0000{row}_{number}.png" for row in (0, 1) for number in (0, 1, 2)]
    assert all(picture.shape == (8, 8, 3) for picture in made.values())
    assert (made["00000_0.png"] != made["00000_1.png"]).any() and (made["00000_0.png"] != made["00001_0.png"]).any()
    assert opened(place / "made/sheet.png").shape[1] > 4 * 8


def test_one_map_gets_the_style_of_a_picture(place, run):
    for out, style in (("plain", ()), ("styled", ("--style=photo.jpg",))):
        status, _, errors = run(
            "translate", "--map=maps/one.png", "--checkpoint=run", "--num=1", *style, f"--out={out}"
        )
        assert status == 0, errors
    assert (opened(place / "plain/00000_0.png") != opened(place / "styled/00000_0.png")).any()


def test_generated_maps_become_pictures_with_a_noise_each(place, run):
    flags = "--labels=face", "--num=4", "--columns=4", "--scale=1"
    status, out, errors = run("generate", "--checkpoint=run", *flags, "--pictures=sheet.png", "--save_maps=saved")
    assert status == 0, errors
    assert "wrote sheet.png\n" in out
    maps = np.stack([pictures.read_index_map(place / f"saved/0000{i}.png", SPACE) for i in range(4)])
    made = Translator.load("run").translate_each(maps, 0)
    for i, picture in enumerate(made):
        left = 2 + i * 10
        np.testing.assert_array_equal(opened(place / "sheet.png")[2:10, left : left + 8], picture)


def test_an_edit_keeps_the_noise_of_the_map(place, run):
    edit = "--map=maps/one.png", "--add=hat", "--num=2", "--region=0,0,4,17"
    status, _, errors = run("edit", "--checkpoint=alone", "--translator=run", *edit, "--pictures", "--out=edited")
    assert status == 0, errors
    assert {"pictures.png", "00000_picture.png", "00001_picture.png"} <= {p.name for p in (place / "edited").iterdir()}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "--checkpoint=alone", "--pictures=x.png"], "--checkpoint=alone: has no translator: name one"),
        (
            ["generate", "--checkpoint=alone", "--translator=other", "--pictures=x.png"],
            "the translator has the classes face, moon, hat: expected those of the maps, face, eye, hat",
        ),
        (["generate", "--out=a.png", "--pictures=./a.png"], "--pictures=./a.png: --out names this file"),
        (["generate", "--out=a", "--pictures=b.png", "--format=png"], "--pictures: --format=png writes to one folder"),
        (["translate", "--checkpoint=run", "--map=photo.jpg", "--out=x"], "photo.jpg: "),
        (["translate", "--map=maps", "--checkpoint=alone", "--out=x"], "this checkpoint holds a segvae model"),
        (["translate", "--map=other", "--checkpoint=run", "--out=x"], "other: no PNG file in it"),
        (
            ["translate", "--map=maps", "--checkpoint=run", "--style=absent.png", "--out=x"],
            "absent.png: cannot be read",
        ),
        (["eval", "--checkpoint=other"], "this checkpoint holds a translator"),
    ],
)
def test_mistakes_take_one_line(words, message, place, run):
    status, _, errors = run(*words)
    assert status == 2 and errors.startswith(f"error: {message}") and errors.count("\n") == 1
    assert not (place / "x").exists() and not (place / "x.png").exists()


def test_arrays_of_any_size_are_resized(place):
    translator = Translator.load(place / "run")
    index = np.zeros((8, 8), np.uint8)
    index[2:5, 1:6], index[6] = 1, 3
    large = np.kron(index, np.ones((3, 2), np.uint8))
    np.testing.assert_array_equal(translator.translate(large, num=2), translator.translate(index, num=2))
    np.testing.assert_array_equal(translator.translate_each(large[None]), translator.translate_each(index[None]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.full((8, 8), 4), "the map holds index 4: the model knows 0 to 3"),
    ],
)
def test_wrong_maps_are_named(given, message, place):
    translator = Translator.load(place / "run")
    with pytest.raises(MapError, match=message):
        translator.translate(given)
    with pytest.raises(ArgumentError, match="style of float64, shape \\(3,\\): expected what `encode` returns"):
        translator.translate(np.zeros((8, 8), int), style=np.zeros(3))
    with pytest.raises(ArgumentError, match="picture of uint8, shape \\(9, 8, 3\\): expected uint8 of shape"):
        translator.encode(np.zeros((9, 8, 3), np.uint8))
