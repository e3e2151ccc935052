import json
import os

import numpy as np
import pytest
from layout_writers import names_painted, refusal, write_maps, zipped
from PIL import Image

from segvae_jax import maps, pictures
from segvae_jax.data.sources.folder import folder
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import LabelSpace

NAMES = ["nothing", "jacket", "skirt", "blazer", "bag", "shoe"]
COLOURS = dict(zip(NAMES, ("#000000", "#ff0000", "#00ff00", "#0000ff", "#c86432", "#326400"), strict=True))


def write_labels(path, names=NAMES):
    path.write_text(json.dumps(names))
    return path


@pytest.fixture
def clothes(tmp_path):
    """A folder with one map of the indices 0 to 5, and its label list."""
    write_maps(tmp_path / "maps", one=np.arange(6).reshape(2, 3))
    return tmp_path / "maps", write_labels(tmp_path / "names.json")


def test_all_labels_are_classes_unless_told_otherwise(clothes):
    source = folder(*clothes)
    assert source.name == "folder" and source.space.classes == tuple(NAMES[1:])
    assert names_painted(source, "one", (2, 3)) == ["background", *NAMES[1:]]


def test_native_maps_are_those_that_are_resized(clothes):
    source = folder(*clothes)
    native = source.native("one")
    assert native.shape == (2, 3, 6)
    np.testing.assert_array_equal(source.read("one", (5, 4)), maps.resize(native, (5, 4)))


def test_class_names_in_a_file_that_contradict_the_list_are_refused(clothes):
    folder_of_maps, _ = clothes
    index = np.arange(6, dtype=np.uint8).reshape(2, 3)
    pictures.write_index_png(folder_of_maps / "one.png", index, LabelSpace(("jacket", "blazer", "x", "bag", "shoe")))
    message = "one.png: index 2 is 'blazer' by the names in the file, but 'blazer' has index 3 in"
    assert message in refusal(folder(*clothes).native, "one")
    translated = LabelSpace(("Jacke", "Rock", "blazer", "bag", "shoe"))
    pictures.write_index_png(folder_of_maps / "one.png", index, translated)
    assert names_painted(folder(*clothes), "one", (2, 3)) == ["background", *NAMES[1:]]


def test_file_names_that_are_not_utf_8_are_refused(clothes):
    folder_of_maps, _ = clothes
    os.rename(os.fsencode(folder_of_maps / "one.png"), os.fsencode(folder_of_maps) + b"/caf\xe9.png")
    message = refusal(folder, *clothes)
    assert "caf\\udce9.png: a file name that is not UTF-8" in message and message.isprintable()


def test_merged_classes_share_a_channel(clothes):
    source = folder(*clothes, merge="jacket,blazer=coat; bag , shoe = thing ;")
    assert source.space.classes == ("coat", "skirt", "thing")
    assert names_painted(source, "one", (2, 3)) == ["background", "coat", "skirt", "coat", "thing", "thing"]


def test_accents_may_be_parts_of_their_letters_or_apart(clothes):
    apart, whole = "cafe\u0301", "caf\u00e9"
    for listed, asked in ((apart, whole), (whole, apart)):
        write_labels(clothes[1], ["nothing", listed, *NAMES[2:]])
        source = folder(*clothes, merge=f"{asked},skirt={asked}", classes=f"{asked},bag")
        assert source.space.classes == (whole, "bag") and source.space.resolve(asked) == (whole,)
    with pytest.raises(DataError, match="listed twice"):
        folder(clothes[0], write_labels(clothes[1], ["nothing", apart, whole, *NAMES[3:]]))


def test_what_is_merged_into_the_background_is_no_class(clothes):
    source = folder(*clothes, merge="bag,shoe=background;skirt=nothing")
    assert source.space.classes == ("jacket", "blazer")
    assert names_painted(source, "one", (2, 3)) == ["background", "jacket", "background", "blazer", *["background"] * 2]


def test_left_and_right_are_paired_by_name(clothes):
    assert folder(*clothes, merge="shoe=left shoe;bag=right shoe").space.pairs == (("left shoe", "right shoe"),)


def test_kept_classes_are_drawn_in_the_order_given_and_others_in_one_to_be_found(clothes):
    source = folder(*clothes, merge="blazer=jacket", classes=" shoe, jacket ,bag")
    assert source.space.classes == source.space.drawing_order == ("shoe", "jacket", "bag")
    assert names_painted(source, "one", (2, 3)) == ["background", "jacket", "background", "jacket", "bag", "shoe"]
    assert not source.order_by_area and folder(*clothes).order_by_area


def test_colours_of_the_list_are_the_palette(clothes):
    colours = {i: (i, 2 * i, 3 * i) for i in range(6)}
    table = clothes[1].with_suffix(".csv")
    table.write_text("\n".join(f"{i},{name},{i},{2 * i},{3 * i}" for i, name in enumerate(NAMES)))
    palette = lambda **settings: folder(clothes[0], table, **settings).space.palette
    assert palette() == tuple(colours.values())
    # Of the index of that name, or the first that became part of it: here blazer's, jacket's, bag's.
    assert palette(merge="jacket=blazer", classes="blazer") == (colours[0], colours[3])
    assert palette(merge="blazer,jacket=coat", classes="bag,coat") == (colours[0], colours[4], colours[1])
    assert palette(merge="bag=shoe;shoe=bag", classes="bag,shoe") == (colours[0], colours[5], colours[4])


def test_an_index_without_a_name_is_refused_with_file_and_value(clothes):
    maps_of, labels = clothes
    for names in (NAMES[:5], {str(i): name for i, name in enumerate(NAMES) if i != 5}):
        source = folder(maps_of, write_labels(labels, names))
        assert refusal(source.read, "one", (2, 3), error_type=MapError) == (
            f"{maps_of / 'one.png'}: index 5 has no name in {labels}: name it there, or make its pixels background"
            " with data.ignore=5"
        )


@pytest.mark.parametrize("listed", [{}, {"255": "edge"}], ids=["not named", "named"])
def test_ignored_pixels_are_background(tmp_path, listed):
    write_maps(tmp_path / "maps", one=[[0, 1, 2, 255]])
    labels = write_labels(tmp_path / "names.json", {"1": "road", "2": "tree"} | listed)
    source = folder(tmp_path / "maps", labels, ignore=255)
    assert source.space.classes == ("road", "tree")
    assert names_painted(source, "one", (1, 4)) == ["background", "road", "tree", "background"]
    write_maps(tmp_path / "maps", one=[[0, 1, 2, 254]])
    assert "index 254 has no name" in refusal(source.read, "one", (1, 4), error_type=MapError)


def test_index_0_is_a_class_where_another_index_is_the_background(tmp_path):
    write_maps(tmp_path / "maps", one=np.uint8([[0, 1, 7, 255]]))
    labels = write_labels(tmp_path / "names.json", {"0": "wall", "1": "floor", "7": "Void", "255": "ignore"})
    source = folder(tmp_path / "maps", labels)
    assert source.space.classes == ("wall", "floor")
    assert names_painted(source, "one", (1, 4)) == ["wall", "floor", "background", "background"]
    without = folder(tmp_path / "maps", labels, ignore=0)
    assert names_painted(without, "one", (1, 4)) == ["background", "floor", "background", "background"]


def test_colours_without_indices_and_with_the_background_elsewhere_tell_rgb_maps_alone(tmp_path):
    write_maps(tmp_path / "maps", index=np.uint8([[0, 1]]), rgb=np.uint8([[[9, 0, 0], [0, 0, 9], [5, 5, 5]]]))
    labels = write_labels(tmp_path / "names.json", {"wall": [9, 0, 0], "Void": [5, 5, 5], "floor": [0, 0, 9]})
    source = folder(tmp_path / "maps", labels)
    assert names_painted(source, "rgb", (1, 3)) == ["wall", "floor", "background"]
    assert source.space.palette == ((5, 5, 5), (9, 0, 0), (0, 0, 9))
    error = refusal(source.read, "index", (1, 2), error_type=MapError)
    assert error.startswith(f"{tmp_path / 'maps' / 'index.png'}: holds indices, but {labels} has no indices")


@pytest.fixture
def coloured(tmp_path):
    """A folder with one RGB map of the classes 0 to 5, and its label list."""
    pixels = [list(bytes.fromhex(colour[1:])) for colour in COLOURS.values()]
    write_maps(tmp_path / "maps", one=np.reshape(pixels, (2, 3, 3)))
    return tmp_path / "maps", write_labels(tmp_path / "names.json", COLOURS)


def odd_colour(colour, labels, pixels=1):
    return (
        f"one.png: {pixels} pixels of colour {colour}, a colour of no class in {labels}, or of several: give it to one"
    )


def test_rgb_maps_are_read_by_colour_and_others_by_index(coloured):
    rgb = np.asarray(Image.open(coloured[0] / "one.png"))
    write_maps(coloured[0], index=np.arange(6).reshape(2, 3), opaque=np.insert(rgb, 3, 200, axis=-1))
    for name in ("one", "index", "opaque"):
        assert names_painted(folder(*coloured), name, (2, 3)) == ["background", *NAMES[1:]]
        source = folder(*coloured, merge="jacket,blazer=coat", classes="skirt,coat,bag", ignore=5)
        assert names_painted(source, name, (2, 3)) == ["background", "coat", "skirt", "coat", "bag", "background"]


def test_a_colour_that_is_not_listed_is_refused_with_the_number_of_its_pixels(coloured):
    maps_of, labels = coloured
    write_maps(maps_of, one=[[[0, 0, 0], [254, 0, 0], [255, 0, 0], [1, 2, 3], [1, 2, 3]]])
    message = refusal(folder(maps_of, labels).read, "one", (1, 5), error_type=MapError)
    assert message == f"{maps_of}/{odd_colour('#010203', labels, 2)}"


def test_what_is_left_out_is_counted_and_the_background_is_not(coloured):
    maps_of, labels = coloured
    rgb = np.asarray(Image.open(maps_of / "one.png"))
    for index in (rgb, np.arange(6).reshape(2, 3)):
        write_maps(maps_of, one=index)
        source = folder(maps_of, labels, merge="jacket,blazer=coat", classes="skirt,coat", ignore=5)
        assert source.left_out == ("bag",) and source.foreground("one") == 4
        assert source.native("one").any(-1).sum() == 3
    whole = folder(maps_of, labels)
    assert whole.left_out == () and whole.foreground is None


def test_a_colour_of_several_classes_is_refused_unless_they_are_joined(coloured):
    maps_of, labels = coloured
    write_labels(labels, COLOURS | {"shoe": COLOURS["bag"], "skirt": COLOURS["bag"]})
    write_maps(maps_of, one=[[[200, 100, 50]]])
    assert odd_colour("#c86432", labels) in refusal(folder(*coloured).read, "one", (1, 1), error_type=MapError)
    assert names_painted(folder(*coloured, merge="skirt,bag,shoe=thing"), "one", (1, 1)) == ["thing"]


def test_rgb_maps_need_colours(clothes):
    write_maps(clothes[0], one=np.zeros((2, 2, 3)))
    message = refusal(folder(*clothes).read, "one", (2, 2), error_type=MapError)
    assert message.startswith(f"{clothes[0] / 'one.png'}: image mode RGB: expected one class index per pixel")
    assert message.endswith(f", or a colour for each name in {clothes[1]}")


@pytest.mark.parametrize(
    ("settings", "error_type", "message"),
    [
        ({"merge": "coat=jacket,blazer"}, DataError, "expected old,old=new, as in jacket,blazer=coat"),
        ({"merge": "jacket,cape=coat"}, LabelError, "data.merge names 'cape': known labels are bag, blazer"),
        ({"merge": "shoe=thing", "ignore": 5}, LabelError, "data.merge names 'shoe': known labels are bag, blazer"),
        ({"classes": "hat"}, LabelError, "data.classes names 'hat': known classes are jacket, skirt"),
        (
            {"merge": "jacket,blazer=coat", "classes": "blazer"},
            LabelError,
            "data.classes names 'blazer': known classes are coat, skirt, bag, shoe",
        ),
        ({"classes": "bag,bag"}, LabelError, "class 'bag' is listed twice"),
        ({"classes": "bag,background"}, LabelError, "'background' is implied"),
        ({"merge": "jacket,skirt,blazer,bag,shoe=background"}, LabelError, "the class list is empty"),
    ],
)
def test_a_wrong_merge_rule_or_class_is_refused(clothes, settings, error_type, message):
    assert message in refusal(folder, *clothes, **settings, error_type=error_type)


def test_the_home_folder_and_capitals_are_understood_and_hidden_files_left_out(clothes, monkeypatch):
    (clothes[0] / "one.png").rename(clothes[0] / "one.PNG")
    (clothes[0] / "._one.png").write_bytes(b"written beside it by macOS")
    monkeypatch.setenv("HOME", str(clothes[0].parent))
    source = folder("~/maps", "~/names.json")
    assert source.ids == ("one",) and source.read("one", (2, 3)).any()


def test_a_zip_is_read_as_its_folder(clothes):
    archive = zipped(clothes[0].with_suffix(".zip"), {"one.png": (clothes[0] / "one.png").read_bytes()}, top="Maps/")
    source, unpacked = folder(archive, clothes[1]), folder(*clothes)
    assert source.ids == unpacked.ids
    np.testing.assert_array_equal(source.native("one"), unpacked.native("one"))


def test_a_missing_folder_is_refused(clothes):
    assert "nowhere: no such folder or .zip: set data.path" in refusal(folder, "nowhere", clothes[1])


def test_the_version_follows_files_and_meaning(clothes):
    maps_of, labels = clothes
    in_order = ",".join(NAMES[1:])
    versions = [
        folder(maps_of, labels, **settings).version
        for settings in ({}, {"merge": "jacket=coat"}, {"ignore": 255}, {"classes": in_order})
    ]
    assert len(set(versions)) == 4 and folder(maps_of, labels).version == versions[0]
    os.utime(maps_of / "one.png", ns=(1, 1))
    assert folder(maps_of, labels).version != versions[0]


def test_the_version_follows_colours(coloured):
    first = folder(*coloured).version
    write_labels(coloured[1], COLOURS | {"shoe": "#326401"})
    assert folder(*coloured).version != first
