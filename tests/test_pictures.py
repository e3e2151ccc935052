import dataclasses
import io
import json
import struct
import warnings
import zlib

import numpy as np
import pytest
from full_disk import small_files
from PIL import Image, PngImagePlugin

from segvae_jax import pictures
from segvae_jax.errors import LabelError, MapError, OutputError
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace
from segvae_jax.maps import colour

SPACE = LabelSpace(("roof", "wall", "door"))
WHITE = (255, 255, 255)


def index_map(shape=(8, 6), num_indices=4, seed=0):
    return np.random.default_rng(seed).integers(0, num_indices, shape).astype(np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_size(width, height):
    """The beginning of a greyscale PNG that claims a size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64))


def refusal(path, num_indices=4):
    with pytest.raises(MapError) as error:
        pictures.read_index_png(path, num_indices)
    message = str(error.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("shape", [(8, 6), (1, 1), (13, 7)])
def test_index_maps_round_trip(tmp_path, shape):
    index = index_map(shape, 19)
    pictures.write_index_png(tmp_path / "map.png", index, CELEBAMASK_HQ)
    again = pictures.read_index_png(tmp_path / "map.png", 19)
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, index)


def test_a_written_map_shows_its_palette_and_names_its_classes(tmp_path):
    index = index_map()
    pictures.write_index_png(tmp_path / "map.png", index, SPACE)
    with Image.open(tmp_path / "map.png") as image:
        assert image.format == "PNG" and image.mode == "P"
        assert json.loads(image.text["labels"]) == ["background", "roof", "wall", "door"]
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), SPACE.palette_array()[index])


def test_class_names_are_read_back_where_there_are_any(tmp_path):
    pictures.write_index_png(tmp_path / "named.png", index_map(), SPACE)
    assert pictures.read_class_names(tmp_path / "named.png") == SPACE.names
    Image.fromarray(index_map()).save(tmp_path / "bare.png")
    assert pictures.read_class_names(tmp_path / "bare.png") is None
    for text in ("roof, wall", '{"roof": 1}', "[1, 2]"):
        odd = PngImagePlugin.PngInfo()
        odd.add_text("labels", text)
        Image.fromarray(index_map()).save(tmp_path / "odd.png", pnginfo=odd)
        with pytest.raises(MapError, match=r"odd\.png: its metadata `labels` is not a JSON list"):
            pictures.read_class_names(tmp_path / "odd.png")


def test_greyscale_and_two_colour_maps_are_read(tmp_path):
    index = index_map(num_indices=2)
    Image.fromarray(index).save(tmp_path / "grey.png")
    Image.fromarray(index.astype(bool)).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(pictures.read_index_png(tmp_path / "grey.png", 2), index)
    np.testing.assert_array_equal(pictures.read_index_png(str(tmp_path / "bits.png"), 2), index)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_an_image_without_one_index_a_pixel_is_refused(tmp_path, mode):
    path = tmp_path / "picture.png"
    Image.new(mode, (6, 8)).save(path)
    assert refusal(path).startswith(f"image mode {mode}: expected one class index per pixel")


@pytest.mark.parametrize(("value", "num_indices"), [(4, 4), (255, 4), (19, 19)])
def test_an_index_out_of_range_is_named(tmp_path, value, num_indices):
    path, index = tmp_path / "map.png", index_map()
    index[3, 2] = value
    Image.fromarray(index).save(path)
    expected = f"index {value} is out of range: expected 0 to {num_indices - 1} ({num_indices} labels with background)"
    mend = ": if it marks pixels that are not annotated, set them to 0" if value == 255 else ""
    assert refusal(path, num_indices) == expected + mend
    assert pictures.read_index_png(path, value + 1)[3, 2] == value


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    whole, path = tmp_path / "whole.png", tmp_path / "cut.png"
    pictures.write_index_png(whole, index_map((40, 33)), SPACE)
    content = whole.read_bytes()
    end_of_pixels = content.rindex(b"IEND") - 8
    for length in [0, 1, 8, *range(20, end_of_pixels, 23)]:
        path.write_bytes(content[:length])
        assert refusal(path).startswith("cannot be read as an image (")


def test_a_file_with_damaged_pixels_is_refused(tmp_path):
    path = tmp_path / "map.png"
    pictures.write_index_png(path, index_map((40, 33)), SPACE)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 0xFF
    path.write_bytes(content)
    assert refusal(path).startswith("cannot be read as an image (")


def test_what_is_no_image_or_no_file_is_refused(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image\n" * 100)
    (tmp_path / "folder.png").mkdir()
    for path in (text, tmp_path / "folder.png", tmp_path / "missing.png"):
        assert refusal(path).endswith("replace or remove the file")


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (9000, 8000, "9000 x 8000 pixels: expected at most 64,000,000 pixels"),
        (8001, 8000, "8001 x 8000 pixels: expected at most 64,000,000 pixels"),
        (12000, 10000, "12000 x 10000 pixels: expected at most 64,000,000 pixels"),
        (50000, 40000, "cannot be read as an image (Image size (2000000000 pixels) exceeds limit"),
    ],
)
def test_a_huge_image_is_refused_before_it_is_read_and_without_warning(tmp_path, width, height, reason):
    path = tmp_path / "huge.png"
    path.write_bytes(png_of_size(width, height))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert refusal(path).startswith(reason)
    assert not caught


def test_a_sheet_shows_maps_row_by_row_between_white_gaps():
    index_maps = index_map((5, 8, 6))
    sheet = pictures.sheet(index_maps, SPACE, columns=3)
    assert sheet.shape == (2 * 10 + 2, 3 * 8 + 2, 3) and sheet.dtype == np.uint8
    rest = sheet.copy()
    for i, index in enumerate(index_maps):
        cell = np.s_[i // 3 * 10 + 2 : i // 3 * 10 + 10, i % 3 * 8 + 2 : i % 3 * 8 + 8]
        np.testing.assert_array_equal(sheet[cell], SPACE.palette_array()[index])
        rest[cell] = WHITE
    assert (rest == 255).all()


def test_a_legend_has_the_titles_of_the_classes():
    named = dataclasses.replace(SPACE, titles=(("roof", ("wall",)),))
    shown = pictures.legend(named, ["roof"], 100)
    np.testing.assert_array_equal(shown[:, 20:], pictures.legend(SPACE, ["wall"], 100)[:, 20:])
    assert (shown[:, 20:] != pictures.legend(SPACE, ["roof"], 100)[:, 20:]).any()


def test_a_map_may_name_its_classes_by_their_titles(tmp_path):
    index = index_map((5, 6), 3)
    pictures.write_index_png(tmp_path / "map.png", index, LabelSpace(("Glasses", "left-eye")))
    read = pictures.read_index_map(tmp_path / "map.png", CELEBAMASK_HQ)
    names = np.array([0, CELEBAMASK_HQ.channel("eye_g"), CELEBAMASK_HQ.channel("l_eye")])
    np.testing.assert_array_equal(read, names[index])


def test_a_scaled_sheet_repeats_pixels():
    index_maps = index_map((2, 8, 6))
    sheet = pictures.sheet(index_maps, SPACE, columns=1, scale=3)
    assert sheet.shape == (2 * 26 + 2, 22, 3)
    second = SPACE.palette_array()[index_maps[1]].repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_array_equal(sheet[28:52, 2:20], second)


@pytest.mark.parametrize(("width", "rows"), [(100, 3), (230, 2), (330, 1)])
def test_a_legend_has_a_swatch_and_a_text_for_each_name(width, rows):
    names = ("door", "roof", "wall")
    legend = pictures.legend(SPACE, names, width)
    assert legend.shape == (18 * rows + 4, width, 3) and legend.dtype == np.uint8
    columns = max(1, width // 110)
    for i, name in enumerate(names):
        top, left = i // columns * 18 + 4, i % columns * 110 + 4
        swatch = legend[top + 1 : top + 12, left + 1 : left + 12].reshape(-1, 3)
        assert {tuple(p) for p in swatch.tolist()} == {SPACE.palette[SPACE.channel(name)]}
        assert (legend[top : top + 14, left + 17 : left + 60] < 128).any()


def test_a_legend_of_an_unknown_class_is_refused():
    with pytest.raises(LabelError, match="did you mean 'roof'"):
        pictures.legend(SPACE, ["rof"], 100)


def test_a_saved_picture_is_read_back_equal(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (8, 6, 3)).astype(np.uint8)
    pictures.save_picture(tmp_path / "picture.png", rgb)
    with Image.open(tmp_path / "picture.png") as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), rgb)


def test_what_is_cut_short_does_not_get_its_name(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (80, 60, 3)).astype(np.uint8)
    for write in (
        lambda: pictures.save_picture(tmp_path / "sheet.png", noise),
        lambda: pictures.write_index_pngs(tmp_path / "maps", noise[None, ..., 0] % 4, SPACE),
    ):
        with (
            small_files(200),
            pytest.raises(OutputError, match=r"\.png: cannot be written \(File too large\): give a fol"),
        ):
            write()
    assert [path.name for path in tmp_path.rglob("*")] == ["maps"]


def test_a_picture_of_an_unknown_suffix_is_refused(tmp_path):
    for name in ("sheet.tgz", "sheet"):
        with pytest.raises(OutputError, match=f"{name}: not the name of a picture: expected a suffix of .png, .jpg, "):
            pictures.save_picture(tmp_path / name, np.zeros((2, 2, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "name", "error"), [("jpg", "JPEG", 20), ("JPEG", "JPEG", 20), ("webp", "WEBP", 0)])
def test_pictures_for_people_may_be_of_other_formats(tmp_path, suffix, name, error):
    rgb = SPACE.palette_array()[index_map((16, 24))].repeat(8, 0).repeat(8, 1)
    pictures.save_picture(tmp_path / f"sheet.{suffix}", rgb)
    with Image.open(tmp_path / f"sheet.{suffix}") as image:
        assert image.format == name and np.abs(np.asarray(image.convert("RGB")) - rgb.astype(int)).mean() <= error


def test_a_sheet_that_is_too_long_for_its_format_is_refused(tmp_path):
    for suffix, longest in (("jpg", 65_500), ("webp", 16_383)):
        with pytest.raises(OutputError, match=r"files cannot hold 1 x \d\d,\d\d\d pixels: give a .png file"):
            pictures.save_picture(tmp_path / f"sheet.{suffix}", np.zeros((1, longest + 1, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_coloured_pictures_are_enlarged_beside_index_maps_of_native_size(tmp_path):
    index_maps = index_map((2, 5, 7))
    pictures.write_index_pngs(tmp_path / "maps", index_maps, SPACE)
    pictures.write_pictures(tmp_path / "pictures", index_maps, SPACE, scale=3)
    for i, index in enumerate(index_maps):
        np.testing.assert_array_equal(pictures.read_index_png(tmp_path / f"maps/0000{i}.png", 4), index)
        with Image.open(tmp_path / f"pictures/0000{i}.png") as image:
            large = np.asarray(image)
        np.testing.assert_array_equal(large, SPACE.palette_array()[index].repeat(3, 0).repeat(3, 1))


def test_an_animation_shows_every_map_in_its_exact_colours():
    index_maps = index_map((3, 5, 7))
    with Image.open(io.BytesIO(pictures.animated_gif(index_maps, SPACE, 100))) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    np.testing.assert_array_equal(np.stack([rgb for rgb, _ in frames]), colour(index_maps, SPACE))
    assert [duration for _, duration in frames] == [100, 100, 500]


def test_a_decoded_map_is_that_of_the_file_and_bounded_in_size(tmp_path):
    index = index_map((2, 3))
    pictures.write_index_png(tmp_path / "map.png", index, SPACE)
    content = (tmp_path / "map.png").read_bytes()
    assert pictures.index_png_bytes(index, SPACE) == content
    np.testing.assert_array_equal(pictures.decode_index_map(content, "it", SPACE, 6), index)
    with pytest.raises(MapError, match="it: 3 x 2 pixels: expected at most 5 pixels"):
        pictures.decode_index_map(content, "it", SPACE, 5)
    with pytest.raises(MapError, match="it: 3 x 2 pixels"):
        pictures.decode_mask_png(content, "it", 5)
