import numpy as np
import pytest
from layout_writers import (
    FACE_SIZE,
    FACES,
    celebamask,
    detect,
    encoded,
    in_release_order,
    index_files,
    official_files,
    painted,
    placed,
    put,
    refusal,
    release_files,
    rgb_of,
    zipped,
)

from segvae_jax import maps
from segvae_jax.data.sources.sides import sides_put_right
from segvae_jax.labels import CELEBAMASK_HQ, CELEBAMASK_RELEASE

ANNO = "CelebAMask-HQ-mask-anno"
FILES = {"celebamask_hq": official_files, "celebamask_index": index_files}
WHITE = encoded(np.full(FACE_SIZE, 255, np.uint8))


@pytest.mark.parametrize(
    ("layout", "files", "space", "expected"),
    [
        ("celebamask_hq", official_files, CELEBAMASK_HQ, lambda class_maps: class_maps),
        ("celebamask_release", release_files, CELEBAMASK_RELEASE, in_release_order),
    ],
)
def test_parts_stay_as_they_were_annotated_and_pictures_beside_them(tmp_path, kind, layout, files, space, expected):
    path = placed(kind, tmp_path, files())
    assert detect(path) == layout
    source = celebamask(path)
    assert source.space is space and source.ids == ("0", "2003", "7") and source.notes["skin"] == "as annotated"
    for number, class_maps in FACES.items():
        read, rgb = source.read(str(number), FACE_SIZE), source.image(str(number), (16, 24))
        assert read.dtype == bool and rgb.dtype == np.uint8
        np.testing.assert_array_equal(read, expected(class_maps))
        assert np.abs(rgb.astype(int) - rgb_of(number, (16, 24))).mean() < 6
    assert (FACES[0].sum(axis=-1) > 1).any(), "the parts are to overlap"


def test_flattened_maps_get_their_skin_back_and_say_so(tmp_path, kind):
    path = placed(kind, tmp_path, index_files())
    source = celebamask(path, layout="celebamask_index")
    assert source.ids == celebamask(path).ids == ("0", "2003", "7")
    assert source.notes["skin"] == "restored under facial parts" and source.image is None
    for number, class_maps in FACES.items():
        _, restored = painted(class_maps, CELEBAMASK_HQ)
        np.testing.assert_array_equal(source.read(str(number), FACE_SIZE), restored)


def exchanged(class_maps):
    return class_maps[..., list(CELEBAMASK_HQ.mirrored)]


@pytest.mark.parametrize("layout", ["celebamask_hq", "celebamask_index"])
def test_exchanged_sides_are_put_right_and_noted(tmp_path, monkeypatch, layout):
    right = celebamask(put(tmp_path / "right", FILES[layout]()))
    monkeypatch.setattr("layout_writers.FACES", {number: exchanged(face) for number, face in FACES.items()})
    wrong = celebamask(put(tmp_path / "wrong", FILES[layout]()))
    assert wrong.notes["sides"] == "left is the left of the person"
    for number in right.ids:
        np.testing.assert_array_equal(wrong.read(number, FACE_SIZE), right.read(number, FACE_SIZE))
        np.testing.assert_array_equal(wrong.native(number), right.native(number))


def test_sides_are_exchanged_only_if_all_pairs_say_so():
    face = FACES[0]
    np.testing.assert_array_equal(sides_put_right(face, CELEBAMASK_HQ), face)
    np.testing.assert_array_equal(sides_put_right(exchanged(face), CELEBAMASK_HQ), face)
    eyes = [CELEBAMASK_HQ.channel(name) for name in ("l_eye", "r_eye")]
    odd = face.copy()
    odd[..., eyes] = odd[..., eyes[::-1]]
    np.testing.assert_array_equal(sides_put_right(odd, CELEBAMASK_HQ), odd)
    alone = exchanged(face)
    alone[..., [CELEBAMASK_HQ.channel(name) for name in ("l_eye", "l_brow", "l_ear")]] = False
    np.testing.assert_array_equal(sides_put_right(alone, CELEBAMASK_HQ), alone)


def test_every_part_is_reduced_as_if_alone(tmp_path):
    source = celebamask(put(tmp_path, official_files()))
    for number, class_maps in FACES.items():
        np.testing.assert_array_equal(source.native(str(number)), class_maps)
        np.testing.assert_array_equal(source.read(str(number), (11, 8)), maps.resize(class_maps, (11, 8)))


def test_without_pictures_the_maps_are_read_all_the_same(tmp_path):
    files = {name: data for name, data in official_files().items() if not name.endswith(".jpg")}
    source = celebamask(put(tmp_path, files))
    assert source.image is None and source.read("7", FACE_SIZE).any()


def test_an_id_without_picture_is_named(tmp_path):
    files = official_files()
    del files["CelebA-HQ-img/7.jpg"]
    source = celebamask(put(tmp_path, files))
    assert "no picture of '7'" in refusal(source.image, "7", FACE_SIZE)


def test_parts_may_be_palette_or_two_colour_pngs_and_all_zero(tmp_path):
    mask = np.zeros((8, 8), np.uint8)
    mask[2:4] = 255
    parts = {"skin": encoded(mask, mode="P"), "nose": encoded(mask // 255), "hair": encoded(mask > 0)}
    parts["neck"] = encoded(mask * 0)
    source = celebamask(put(tmp_path, {f"{ANNO}/0/00000_{name}.png": data for name, data in parts.items()}))
    read = source.read("0", (8, 8))
    for name in ("skin", "nose", "hair"):
        np.testing.assert_array_equal(read[..., CELEBAMASK_HQ.channel(name)], mask > 0)
    assert CELEBAMASK_HQ.decode(maps.label_set_of(read)) == ("skin", "nose", "hair")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (WHITE[:60], "cannot be read as an image"),
        (b"", "cannot be read as an image (not a PNG file)"),
        (encoded(np.zeros(FACE_SIZE, np.uint16) + 300), "image mode I;16: expected a black and white PNG"),
        (encoded(np.arange(1024, dtype=np.uint8).reshape(FACE_SIZE)), "value 1 beside 255: expected a mask"),
        (encoded(np.full((31, 32), 255, np.uint8)), "32 x 31 pixels, but"),
    ],
    ids=["cut short", "empty", "16 bits", "many values", "another size"],
)
def test_a_part_that_is_no_mask_is_named(tmp_path, data, expected):
    source = celebamask(put(tmp_path, {f"{ANNO}/0/00003_hair.png": WHITE, f"{ANNO}/0/00003_skin.png": data}))
    message = refusal(source.read, "3", (8, 8))
    assert message.startswith(f"{tmp_path}/{ANNO}/0/00003_skin.png: ") and expected in message


@pytest.mark.parametrize(
    ("folder", "good", "odd", "expected"),
    [
        *((ANNO, "0/00004_skin.png", name, "<0..14>/<id, 5 digits>_<part>.png, part one of skin") for name in
          ("0/00003_moustache.png", "0/3_skin.png", "00003_skin.png", "0/00003.png")),
        *(("segmentation_map", "00004/1.png", name, "<id, 5 digits>/<channel, 0 to 18>.png") for name in
          ("00003/19.png", "00003/skin.png", "3/1.png", "1.png")),
    ],
)  # fmt: skip
def test_a_misnamed_part_is_refused(tmp_path, folder, good, odd, expected):
    put(tmp_path, {f"{folder}/{name}": WHITE for name in (good, odd)})
    assert refusal(celebamask, tmp_path).startswith(f"{tmp_path}/{folder}/{odd}: expected {expected}")


@pytest.mark.parametrize("names", [(f"{ANNO}/0/00003_skin.png", f"{ANNO}/1/00003_skin.png"), ("00003.png", "3.png")])
def test_two_files_of_the_same_are_refused(tmp_path, names):
    put(tmp_path, dict.fromkeys(names, WHITE))
    first, second = (f"{tmp_path}/{name}" for name in names)
    assert refusal(celebamask, tmp_path) == f"{second}: {first} stands for the same: remove one of them"


def test_a_folder_of_parts_that_is_missing_is_told_by_the_pictures(tmp_path):
    files = {name: data for name, data in official_files().items() if not name.startswith(f"{ANNO}/1/")}
    message = refusal(celebamask, put(tmp_path, files))
    assert message == f"{tmp_path}: no parts in {ANNO}/1 for CelebA-HQ-img/2003.jpg: unpack the data set again"


def test_without_any_part_the_set_is_refused(tmp_path):
    files = {name: data for name, data in official_files().items() if not name.endswith(".png")}
    assert "no PNG file of a part in it" in refusal(celebamask, put(tmp_path, files))


def test_the_version_follows_parts_and_not_pictures(tmp_path, kind):
    first = celebamask(placed(kind, tmp_path, official_files())).version
    files = {name: data for name, data in official_files().items() if not name.endswith(".jpg")}
    if kind == "zip":  # checksums know the content; of a folder only sizes and times are looked at
        assert celebamask(zipped(tmp_path / "copy.zip", files, top="Data-Set/")).version == first
    files[f"{ANNO}/0/00007_skin.png"] = WHITE
    assert celebamask(zipped(tmp_path / "other.zip", files, top="Data-Set/")).version != first
