import json
import os

import numpy as np
import pytest
from PIL import Image

from segvae_jax import maps
from segvae_jax.data import sources
from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING

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


def test_celebamask_reads_official_indices_and_restores_skin(tmp_path):
    index = np.arange(19, dtype=np.uint8)[None].repeat(2, axis=0)
    source = sources.celebamask(write_maps(tmp_path / "maps", face=index))
    assert source.space is CELEBAMASK_HQ and source.ids == ("face",)
    class_maps = source.read("face", (2, 19))
    assert class_maps.dtype == bool and not class_maps[..., 0].any()
    assert painted(source, "face", (2, 19))[:19] == list(CELEBAMASK_HQ.names)
    under = {CELEBAMASK_HQ.names[i] for i in class_maps[0, :, CELEBAMASK_HQ.channel("skin")].nonzero()[0]}
    assert under == set("skin nose eye_g l_eye r_eye l_brow r_brow mouth u_lip l_lip".split())


def test_human_parsing_reads_atr_indices(tmp_path):
    source = sources.human_parsing(write_maps(tmp_path / "maps", body=np.arange(18)[None]))
    assert source.space is HUMAN_PARSING
    np.testing.assert_array_equal(source.read("body", (1, 18))[0], np.eye(18, dtype=bool) & (np.arange(18) > 0))


@pytest.mark.parametrize(("make", "limit"), [(sources.celebamask, 19), (sources.human_parsing, 18)])
def test_an_index_beyond_the_known_classes_is_refused(tmp_path, make, limit):
    folder = write_maps(tmp_path / "maps", odd=np.full((8, 6), limit))
    message = refusal(DataError, make(folder).read, "odd", (4, 3))
    assert message.startswith(f"{folder / 'odd.png'}: index {limit} is out of range: expected 0 to {limit - 1}")


def test_maps_are_read_at_the_size_asked_for(tmp_path):
    index = np.random.default_rng(0).integers(0, 18, (9, 7))
    source = sources.human_parsing(write_maps(tmp_path / "maps", body=index.repeat(4, 0).repeat(4, 1)))
    small = maps.index_to_class_maps(index.astype(np.uint8), 18)
    np.testing.assert_array_equal(source.read("body", (9, 7)), small)
    assert source.read("body", (5, 3)).shape == (5, 3, 18)


def test_ids_are_sorted_and_other_files_are_passed_over(tmp_path):
    folder = write_maps(tmp_path / "maps", **{name: [[1]] for name in ("b", "a-1", "a", "10", "9")})
    (folder / "notes.txt").write_text("no map")
    assert sources.human_parsing(folder).ids == ("10", "9", "a", "a-1", "b")


@pytest.mark.parametrize("make", [sources.celebamask, sources.human_parsing])
def test_a_missing_or_empty_folder_is_refused(tmp_path, make):
    assert "no such folder or .zip: set data.path" in refusal(DataError, make, tmp_path / "missing")
    assert f"{tmp_path}: is empty" in refusal(DataError, make, tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.txt", "\n".join(NAMES)),
        ("names.txt", "\r\n".join(NAMES) + "\r\n\r\n"),
        ("names.json", json.dumps(NAMES)),
        ("names.json", json.dumps({str(i): name for i, name in reversed(list(enumerate(NAMES)))})),
    ],
    ids=["text", "text of Windows", "JSON list", "JSON object"],
)
def test_labels_come_as_text_list_or_object(tmp_path, name, text):
    labels = tmp_path / name
    labels.write_bytes(text.encode())
    assert sources.read_labels(labels) == dict(enumerate(NAMES))
    source = sources.folder(write_maps(tmp_path / "maps", one=np.arange(6)[None]), labels)
    assert source.name == "folder" and source.space.classes == tuple(NAMES[1:])
    assert painted(source, "one", (1, 6)) == ["background", *NAMES[1:]]


def test_an_object_may_leave_indices_out_which_become_background(tmp_path):
    labels = tmp_path / "names.json"
    labels.write_text('{"7": "tree", "0": "void", "2": " road ", "255": "ignored"}')
    source = sources.folder(write_maps(tmp_path / "maps", one=[[0, 1, 2, 7, 255]]), labels, classes="tree,road")
    assert painted(source, "one", (1, 5)) == ["background", "background", "road", "tree", "background"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("names.json", "[broken", "cannot be read as a label list"),
        ("names.txt", b"\xff\xfe\xfa", "cannot be read as a label list"),
        ("names.json", '"hat"', "expected a list of names or an object"),
        ("names.json", "3", "expected a list of names or an object"),
        ("names.json", "[]", "expected names of indices 0 (background)"),
        ("names.txt", "", "expected names of indices 0 (background)"),
        ("names.txt", "background\n", "expected names of indices 0 (background)"),
        ("names.json", '["background", 3]', "expected names of indices 0 (background)"),
        ("names.json", '{"hat": 1, "hair": 2}', "expected names of indices 0 (background)"),
        ("names.json", '{"0": "background", "-1": "hat"}', "expected names of indices 0 (background)"),
        ("names.json", '{"0": "background", "256": "hat"}', "expected names of indices 0 (background) to at most 255"),
        ("names.txt", "background\n\nhat\n", "none empty"),
        ("names.json", '["background", "hat", ""]', "none empty"),
        ("names.txt", "background\nhat\nhair\nhat\n", "listed twice"),
        ("names.json", '{"0": "background", "1": "hat", "01": "hair"}', "listed twice"),
    ],
)
def test_a_malformed_label_list_is_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = refusal(DataError, sources.read_labels, path)
    assert error.startswith(f"{path}: ") and message in error


def test_a_missing_label_list_is_refused(clothes):
    folder, labels = clothes
    missing = labels.with_name("missing.json")
    assert refusal(DataError, sources.folder, folder, missing).startswith(f"{missing}: cannot be read as a label list")


def test_merged_classes_share_a_channel(clothes):
    source = sources.folder(*clothes, merge="coat=jacket,blazer; thing = bag , shoe ;")
    assert source.space.classes == ("coat", "skirt", "thing")
    assert painted(source, "one", (2, 3)) == ["background", "coat", "skirt", "coat", "thing", "thing"]


def test_left_and_right_are_paired_by_name(clothes):
    source = sources.folder(*clothes, merge="left shoe=shoe;right shoe=bag")
    assert source.space.pairs == (("left shoe", "right shoe"),)


def test_a_class_may_be_merged_into_another_listed_one(clothes):
    source = sources.folder(*clothes, merge="jacket=blazer", classes="bag,jacket")
    assert source.space.classes == ("bag", "jacket")
    assert painted(source, "one", (2, 3)) == ["background", "jacket", "background", "jacket", "bag", "background"]


def test_kept_classes_are_drawn_in_the_order_given(clothes):
    source = sources.folder(*clothes, classes=" shoe, jacket ,bag")
    assert source.space.classes == source.space.drawing_order == ("shoe", "jacket", "bag")
    assert painted(source, "one", (2, 3)) == ["background", "jacket", "background", "background", "bag", "shoe"]


@pytest.mark.parametrize(
    ("settings", "error_type", "message"),
    [
        ({"merge": "coat"}, DataError, "data.merge rule 'coat': expected new=old,old"),
        ({"merge": "coat=jacket,cape"}, LabelError, "data.merge names 'cape': known labels are nothing, jacket"),
        ({"classes": "hat"}, LabelError, "data.classes names 'hat': known classes are background, jacket"),
        (
            {"merge": "coat=jacket,blazer", "classes": "blazer"},
            LabelError,
            "data.classes names 'blazer': known classes are background, coat, skirt, bag, shoe",
        ),
        ({"classes": "bag,bag"}, LabelError, "class 'bag' is listed twice"),
        ({"classes": "bag,background"}, LabelError, "'background' is implied"),
    ],
)
def test_a_wrong_merge_rule_or_class_is_refused(clothes, settings, error_type, message):
    assert message in refusal(error_type, sources.folder, *clothes, **settings)


def test_an_index_beyond_the_label_list_is_refused(clothes):
    folder, labels = clothes
    source = sources.folder(folder, write_labels(labels, NAMES[:5]))
    assert "one.png: index 5 is out of range: expected 0 to 4" in refusal(MapError, source.read, "one", (2, 3))


def test_the_version_follows_files_and_indices(clothes):
    folder, labels = clothes
    first = sources.folder(folder, labels)
    assert sources.folder(folder, labels).version == first.version
    assert sources.folder(folder, labels, merge="coat=jacket").version != first.version
    os.utime(folder / "one.png", ns=(1, 1))
    touched = sources.folder(folder, labels)
    assert touched.version != first.version
    write_maps(folder, two=[[1]])
    assert sources.folder(folder, labels).version not in (first.version, touched.version)


def test_cartoon_source_draws_its_numbered_maps():
    source = sources.cartoon("faces", 3, 5)
    assert source.name == "cartoon_faces" and source.ids == ("000000", "000001", "000002")
    np.testing.assert_array_equal(source.read("000002", (16, 12)), cartoon_map("faces", 5, 2, (16, 12)))
    assert source.version == sources.cartoon("faces", 9, 5).version != sources.cartoon("faces", 3, 6).version
    assert sources.cartoon("people", 3, 5).space != source.space


def test_an_unknown_cartoon_is_refused():
    assert refusal(DataError, sources.cartoon, "cats", 3, 0) == "cartoon kind 'cats': expected faces or people"
