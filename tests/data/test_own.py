import json
import os

import numpy as np
import pytest
from PIL import Image

from segvae_jax import maps
from segvae_jax.data.own import folder
from segvae_jax.errors import DataError, LabelError, MapError

NAMES = ["nothing", "jacket", "skirt", "blazer", "bag", "shoe"]


def write_maps(path, **index_maps):
    path.mkdir(exist_ok=True)
    for name, index in index_maps.items():
        Image.fromarray(np.asarray(index, np.uint8)).save(path / f"{name}.png")
    return path


def write_labels(path, names=NAMES):
    path.write_text(json.dumps(names))
    return path


@pytest.fixture
def clothes(tmp_path):
    """A folder with one map of the indices 0 to 5, and its label list."""
    write_maps(tmp_path / "maps", one=np.arange(6).reshape(2, 3))
    return tmp_path / "maps", write_labels(tmp_path / "names.json")


def painted(source, example_id, size):
    """Names of the classes that show, pixel by pixel."""
    index = maps.paint(source.read(example_id, size), source.space)
    return [source.space.names[i] for i in index.ravel()]


def refusal(error_type, make, *arguments, **settings):
    with pytest.raises(error_type) as error:
        make(*arguments, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_all_labels_are_classes_unless_told_otherwise(clothes):
    source = folder(*clothes)
    assert source.name == "folder" and source.space.classes == tuple(NAMES[1:])
    assert painted(source, "one", (2, 3)) == ["background", *NAMES[1:]]


def test_native_maps_are_those_that_are_resized(clothes):
    source = folder(*clothes)
    native = source.native("one")
    assert native.shape == (2, 3, 6)
    np.testing.assert_array_equal(source.read("one", (5, 4)), maps.resize(native, (5, 4)))


def test_merged_classes_share_a_channel(clothes):
    source = folder(*clothes, merge="jacket,blazer=coat; bag , shoe = thing ;")
    assert source.space.classes == ("coat", "skirt", "thing")
    assert painted(source, "one", (2, 3)) == ["background", "coat", "skirt", "coat", "thing", "thing"]


def test_what_is_merged_into_the_background_is_no_class(clothes):
    source = folder(*clothes, merge="bag,shoe=background;skirt=nothing")
    assert source.space.classes == ("jacket", "blazer")
    assert painted(source, "one", (2, 3)) == ["background", "jacket", "background", "blazer", *["background"] * 2]


def test_left_and_right_are_paired_by_name(clothes):
    assert folder(*clothes, merge="shoe=left shoe;bag=right shoe").space.pairs == (("left shoe", "right shoe"),)


def test_kept_classes_are_drawn_in_the_order_given_and_others_in_one_to_be_found(clothes):
    source = folder(*clothes, merge="blazer=jacket", classes=" shoe, jacket ,bag")
    assert source.space.classes == source.space.drawing_order == ("shoe", "jacket", "bag")
    assert painted(source, "one", (2, 3)) == ["background", "jacket", "background", "jacket", "bag", "shoe"]
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
        assert refusal(MapError, source.read, "one", (2, 3)) == (
            f"{maps_of / 'one.png'}: index 5 has no name in {labels}: name it there, or make its pixels background"
            " with data.ignore=5"
        )


@pytest.mark.parametrize("listed", [{}, {"255": "edge"}], ids=["not named", "named"])
def test_ignored_pixels_are_background(tmp_path, listed):
    write_maps(tmp_path / "maps", one=[[0, 1, 2, 255]])
    labels = write_labels(tmp_path / "names.json", {"1": "road", "2": "tree"} | listed)
    source = folder(tmp_path / "maps", labels, ignore=255)
    assert source.space.classes == ("road", "tree")
    assert painted(source, "one", (1, 4)) == ["background", "road", "tree", "background"]
    write_maps(tmp_path / "maps", one=[[0, 1, 2, 254]])
    assert "index 254 has no name" in refusal(MapError, source.read, "one", (1, 4))


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
    assert message in refusal(error_type, folder, *clothes, **settings)


def test_a_missing_folder_is_refused(clothes):
    assert "nowhere: no such folder: set data.path" in refusal(DataError, folder, "nowhere", clothes[1])


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
