import io

import numpy as np
import pytest
from layout_writers import (
    BODIES,
    BODY_SIZE,
    body_files,
    detect,
    encoded,
    human_parsing,
    painted,
    placed,
    put,
    refusal,
    rgb_of,
)
from PIL import ExifTags, Image

from segvae_jax import maps, pictures
from segvae_jax.labels import HUMAN_PARSING, LabelSpace

FOLDERS = {
    "humanparsing": ("SegmentationClassAug", "JPEGImages"),
    "humanparsing_release": ("seg_deploy", "img_deploy"),
}
TRUTH = {name: painted(class_maps, HUMAN_PARSING)[1] for name, class_maps in BODIES.items()}


@pytest.mark.parametrize("layout", FOLDERS)
def test_index_maps_and_pictures_are_found_by_name(tmp_path, kind, layout):
    path = placed(kind, tmp_path, body_files(*FOLDERS[layout]))
    assert detect(path) == layout
    source = human_parsing(path)
    assert source.space is HUMAN_PARSING and source.ids == ("10_1", "9_2")
    for name in source.ids:
        np.testing.assert_array_equal(source.read(name, BODY_SIZE), TRUTH[name])
        assert np.abs(source.image(name, BODY_SIZE).astype(int) - rgb_of(name, BODY_SIZE)).mean() < 6


def test_index_maps_alone_are_read(tmp_path, kind):
    files = {name.partition("/")[2]: data for name, data in body_files().items() if name.endswith(".png")}
    source = human_parsing(placed(kind, tmp_path, files))
    assert source.ids == ("10_1", "9_2") and source.image is None
    np.testing.assert_array_equal(source.read("9_2", BODY_SIZE), TRUTH["9_2"])


def test_padding_keeps_the_aspect_ratio_of_maps_and_pictures(tmp_path):
    source = human_parsing(put(tmp_path, body_files()), fit="pad")
    assert source.notes["fit"] == "pad"
    read, rgb = source.read("9_2", (24, 24)), source.image("9_2", (24, 24))
    np.testing.assert_array_equal(read[:, 4:20], TRUTH["9_2"])
    assert not read[:, :4].any() and not read[:, 20:].any()
    assert not rgb[:, :3].any() and not rgb[:, 21:].any() and rgb[:, 5:19].any(axis=-1).all()


def test_stretching_fills_the_size(tmp_path):
    stretched, padded = (human_parsing(put(tmp_path, body_files()), fit=fit) for fit in ("stretch", "pad"))
    np.testing.assert_array_equal(stretched.native("9_2"), TRUTH["9_2"])
    assert padded.native is None  # there the size asked for says what is added
    np.testing.assert_array_equal(stretched.read("9_2", (12, 24)), maps.resize(TRUTH["9_2"], (12, 24)))
    assert stretched.version != padded.version


def test_an_unknown_fit_is_refused(tmp_path):
    assert refusal(human_parsing, tmp_path, fit="crop") == "fit 'crop': expected stretch or pad"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(np.zeros(BODY_SIZE, np.uint8))[:50], "cannot be read as an image"),
        (encoded(np.zeros((*BODY_SIZE, 3), np.uint8)), "image mode RGB: expected one class index per pixel"),
        (encoded(np.zeros(BODY_SIZE, np.uint16) + 3), "image mode I;16: expected one class index per pixel"),
        (encoded(np.full(BODY_SIZE, 18, np.uint8)), "index 18 is out of range: expected 0 to 17"),
        (encoded(np.eye(9, dtype=np.uint8) * 255), "holds only 0 and 255, a mask of one class and not an index map"),
        (encoded(np.zeros((8, 8, 3), np.uint8), "JPEG"), "cannot be read as an image (not a PNG file)"),
    ],
    ids=["cut short", "RGB", "16 bits", "out of range", "0 and 255", "JPEG"],
)
def test_what_is_no_index_map_is_named(tmp_path, kind, data, expected):
    source = human_parsing(placed(kind, tmp_path, {"SegmentationClassAug/odd.png": data}))
    message = refusal(source.read, "odd", (8, 8))
    assert "SegmentationClassAug/odd.png: " in message and expected in message


def test_a_palette_without_names_is_read(tmp_path):
    index = np.arange(18, dtype=np.uint8)[None]
    source = human_parsing(put(tmp_path, {"SegmentationClassAug/one.png": encoded(index, mode="P")}))
    assert maps.label_set_of(source.read("one", (1, 18))).sum() == 17


def test_a_map_with_class_names_is_read_by_them(tmp_path):
    (tmp_path / "maps").mkdir()
    space, index = LabelSpace(("hair", "hat")), np.uint8([[0, 1, 2]])
    pictures.write_index_png(tmp_path / "maps/one.png", index, space)
    read = human_parsing(tmp_path / "maps").native("one")
    assert [HUMAN_PARSING.names[i] for i in maps.paint(read, HUMAN_PARSING)[0]] == ["background", "hair", "hat"]
    pictures.write_index_png(tmp_path / "maps/one.png", index, LabelSpace(("hair", "roof")))
    assert "one.png: unknown label 'roof'" in refusal(human_parsing(tmp_path / "maps").native, "one")


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    files = body_files()
    files["JPEGImages/9_2.jpg"] = files["JPEGImages/9_2.jpg"][:200]
    source = human_parsing(put(tmp_path, files))
    message = refusal(source.image, "9_2", BODY_SIZE)
    assert message.startswith(f"{tmp_path}/JPEGImages/9_2.jpg: cannot be read as an image")


def test_pictures_without_maps_are_refused(tmp_path):
    message = refusal(human_parsing, put(tmp_path, {"SegmentationClassAug/one.jpg": b"", "JPEGImages/one.jpg": b""}))
    assert message == f"{tmp_path}/SegmentationClassAug/: no PNG file in it: expected index maps, one PNG each"


def test_pictures_are_turned_as_their_maps_lie_or_named(tmp_path):
    files, upright, exif = body_files(), rgb_of("9_2", (48, 32)), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.rot90(upright).copy()).save(buffer, "JPEG", exif=exif)
    files["JPEGImages/9_2.jpg"] = buffer.getvalue()
    source = human_parsing(put(tmp_path, files))
    assert np.abs(source.image("9_2", BODY_SIZE).astype(int) - rgb_of("9_2", BODY_SIZE)).mean() < 6
    put(tmp_path, {"SegmentationClassAug/9_2.png": encoded(np.zeros(BODY_SIZE[::-1], np.uint8))})
    assert refusal(source.image, "9_2", BODY_SIZE) == (
        f"{tmp_path}/JPEGImages/9_2.jpg: EXIF data turn it to 32 x 48 pixels, but its map has 24 x 16: remove the"
        " orientation from the picture, or turn the map"
    )
