"""Maps that users give: which of their labels are merged, by which rule, and what is said where two are possible."""

import json
import pathlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from segvae_jax import pictures
from segvae_jax.data.sources.folder import folder
from segvae_jax.errors import DataError, MapError
from segvae_jax.given_maps import DATA, MODEL, Meaning, map_file, read_given, read_map
from segvae_jax.labels import LabelSpace
from segvae_jax.original_labels import OriginalLabels

LIST = ["null", "jeans", "hat", "leggings", "shoe", "purse"]
MERGE, CLASSES = "jeans,leggings=pants;purse=bag", "pants,bag,hat"
COLOURS = ["#000000", "#0000ff", "#ff0000", "#00ffff", "#808080", "#00ff00"]
BECAME = np.uint8([0, 1, 3, 1, 0, 2])  # channel of pants, bag, hat for each label


def meaning(place: pathlib.Path, coloured: bool = False, labels: str | pathlib.Path = "") -> Meaning:
    """What the maps of a folder with these labels may mean, for a model of the merged classes."""
    (place / "maps").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(place / "maps/a.png")
    (place / "list.json").write_text(json.dumps(dict(zip(LIST, COLOURS, strict=True)) if coloured else LIST))
    source = folder(place / "maps", place / "list.json", MERGE, CLASSES)
    stored = source.original.to_json() if source.original else None
    return Meaning(source.space, OriginalLabels.from_json(stored, source.space), labels)


def written(path: pathlib.Path, index: np.ndarray, names: LabelSpace | None = None, palette: bytes = b""):
    """A file with a map; without names, a greyscale one, or one with a palette."""
    if names:
        pictures.write_index_png(path, index, names)
    else:
        image = Image.fromarray(index)
        if palette:
            image.putpalette(palette)
        image.save(path)
    return map_file(path)


def test_an_original_map_of_any_size_is_merged_as_in_training(tmp_path):
    index = np.arange(6, dtype=np.uint8).repeat(3).reshape(9, 2)
    given = read_given([written(tmp_path / "a.png", index)], meaning(tmp_path))
    np.testing.assert_array_equal(given.index_maps[0], BECAME[index])
    assert given.note == ""  # the model has no index 5


def test_where_both_are_possible_a_note_says_which_is_taken_and_labels_decide(tmp_path):
    index = np.uint8([[0, 2], [3, 3]])
    files = [written(tmp_path / f"{name}.png", index) for name in "ab"]
    merged = read_given(files, meaning(tmp_path))
    np.testing.assert_array_equal(merged.index_maps, [BECAME[index]] * 2)
    assert merged.note == (
        f"{tmp_path}/a.png and 1 more without class names: read by the labels of the training maps; labels=model reads"
        " it as classes of the model"
    )
    for labels, expected in ((MODEL, index), (DATA, BECAME[index])):
        maps, note = read_given(files, meaning(tmp_path, labels=labels))
        np.testing.assert_array_equal(maps, [expected] * 2)
        assert note == ""


def test_maps_that_are_given_together_are_read_alike(tmp_path):
    low, high = np.uint8([[0, 2]]), np.uint8([[5, 2]])
    files = [written(tmp_path / "a.png", low), written(tmp_path / "b.png", high)]
    given = read_given(files, meaning(tmp_path))
    np.testing.assert_array_equal(given.index_maps, [BECAME[low], BECAME[high]])
    assert given.note == ""


def test_names_in_a_file_are_of_the_model_or_of_the_training_maps(tmp_path):
    what, index = meaning(tmp_path), np.uint8([[0, 1, 2, 3]])
    named = [
        (what.space, index),
        (LabelSpace(("hat", "purse", "leggings")), np.uint8([[0, 3, 2, 1]])),
        (LabelSpace(("shoe", "bag", "Pants")), np.uint8([[0, 0, 2, 1]])),
    ]
    for number, (space, expected) in enumerate(named):
        given = read_given([written(tmp_path / f"{number}.png", index, space)], what)
        np.testing.assert_array_equal(given.index_maps[0], expected)
        assert given.note == ""
    with pytest.raises(MapError, match=r"x\.png: unknown label 'moon'"):
        read_given([written(tmp_path / "x.png", index, LabelSpace(("moon", "hat", "bag")))], what)


def test_the_palette_of_the_model_is_told_and_said(tmp_path):
    what, index = meaning(tmp_path), np.uint8([[0, 1], [2, 3]])
    palette = what.space.palette_array().tobytes()
    given = read_given([written(tmp_path / "a.png", index, palette=palette)], what)
    np.testing.assert_array_equal(given.index_maps[0], index)
    assert given.note.endswith("read as classes of the model, whose colours it has; labels=data reads it otherwise")
    moved = what.space.palette_array()[[0, 2, 1, 3]].tobytes()
    with pytest.raises(MapError, match=r"b\.png: index 1 has the colour #\w+, which is that of another class"):
        read_given([written(tmp_path / "b.png", index, palette=moved)], what)


@pytest.mark.parametrize("named", [True, False])
def test_a_palette_in_another_order_with_a_colour_of_no_class_is_not_read_by_its_indices(tmp_path, named):
    """As programs write a coloured map on white, or one in which a pixel was painted."""
    what, index = Meaning(meaning(tmp_path).space), np.uint8([[0, 1], [2, 3]])
    palette = what.space.palette_array()[[0, 2, 1, 3]]
    palette[0] = 255
    written(tmp_path / "white.png", index, palette=palette.tobytes())
    if named:
        text = PngImagePlugin.PngInfo()
        text.add_text("labels", json.dumps(what.space.names))
        with Image.open(tmp_path / "white.png") as image:
            image.save(tmp_path / "white.png", pnginfo=text)
    with pytest.raises(MapError, match=r"white\.png: index 1 has the colour #\w+, which is that of another class"):
        read_given([map_file(tmp_path / "white.png")], what)


def test_a_foreign_palette_with_one_of_our_colours_by_chance_is_read_by_its_indices(tmp_path):
    what, index = Meaning(meaning(tmp_path).space), np.uint8([[0, 1], [2, 3]])
    palette = np.uint8([[1, 1, 1], [2, 2, 2], what.space.palette_array()[1], [3, 3, 3]])
    file = written(tmp_path / "foreign.png", index, palette=palette.tobytes())
    np.testing.assert_array_equal(read_given([file], what).index_maps[0], index)


def test_rgb_maps_are_read_by_the_colours_of_training(tmp_path):
    what, index = meaning(tmp_path, coloured=True), np.uint8([[0, 1, 2], [3, 4, 5]])
    colours = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in COLOURS], np.uint8)
    Image.fromarray(colours[index]).save(tmp_path / "rgb.png")
    rgb, indices = map_file(tmp_path / "rgb.png"), written(tmp_path / "p.png", index, palette=colours.tobytes())
    for file in (rgb, indices):
        np.testing.assert_array_equal(read_given([file], what).index_maps[0], BECAME[index])
    own = written(tmp_path / "own.png", np.uint8([[1, 2, 3]]), palette=what.space.palette_array().tobytes())
    np.testing.assert_array_equal(read_given([own], what).index_maps[0], [[1, 2, 3]])  # its colours tell it
    with pytest.raises(MapError, match="image mode RGB: expected one class index per pixel"):
        read_given([rgb], meaning(tmp_path))


def test_a_list_from_elsewhere_names_labels_classes_or_titles(tmp_path):
    (tmp_path / "theirs.txt").write_text("0 background\n7 leggings\n8 Cap\n9 bag\n10 shoe\n11 car\n")
    what = meaning(tmp_path, labels=tmp_path / "theirs.txt")
    index = np.uint8([[0, 7, 8, 9, 10]])
    given = read_given([written(tmp_path / "a.png", index, LabelSpace(tuple("abcdefghij")))], what)
    np.testing.assert_array_equal(given.index_maps[0], [[0, 1, 3, 2, 0]])
    for value, message in (
        (11, r"b\.png: 'car', index 11 in .*theirs\.txt, is no class of the model: call it background, or pants, bag"),
        (12, rf"b\.png: index 12 has no name in {tmp_path}/theirs\.txt: name it there"),
    ):
        with pytest.raises(MapError, match=message):
            read_given([written(tmp_path / "b.png", np.uint8([[value]]))], what)
    with pytest.raises(DataError, match=r"none\.json"):
        read_given([written(tmp_path / "b.png", index)], meaning(tmp_path, labels=tmp_path / "none.json"))


def test_an_index_of_neither_is_refused_in_one_line(tmp_path):
    for index in (np.uint8([[77]]), np.uint8([[0, 255]])):
        with pytest.raises(MapError, match=r"a\.png: index \d+ has no name in the labels of the training maps: give a"):
            read_given([written(tmp_path / "a.png", index)], meaning(tmp_path))


def test_without_labels_of_training_maps_nothing_changes(tmp_path):
    index, what = np.uint8([[0, 2, 3]]), Meaning(LabelSpace(("pants", "bag", "hat")))
    given = read_given([written(tmp_path / "a.png", index)], what)
    np.testing.assert_array_equal(given.index_maps[0], index)
    with pytest.raises(MapError, match=r"a\.png: index 4 is out of range: expected 0 to 3"):
        read_given([written(tmp_path / "a.png", np.uint8([[4]]))], what)


def test_a_map_in_memory_follows_the_same_rule(tmp_path):
    what, index = meaning(tmp_path), np.array([[0, 5], [2, 2]])
    np.testing.assert_array_equal(read_map(index, what), BECAME[index])
    assert read_map(index[None], what).space == what.space
    with pytest.warns(UserWarning, match="the map: read by the labels of the training maps; labels=model reads it as"):
        np.testing.assert_array_equal(read_map(index[1:], what), BECAME[index[1:]])
    own = what._replace(labels=MODEL)
    np.testing.assert_array_equal(read_map(index[1:], own), index[1:])
    with pytest.raises(MapError, match="the map holds index 5: the model knows 0 to 3"):
        read_map(index, own)
