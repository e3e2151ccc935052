"""What is stored in PNGs: grey values of any depth, palettes in any order, EXIF orientations, damage."""

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from segvae_jax import pictures
from segvae_jax.errors import MapError
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("roof", "wall", "door"))
INDEX = np.random.default_rng(0).integers(0, 4, (5, 7)).astype(np.uint8)
BLACK_WHITE = {0: (0, 0, 0), 1: (255, 0, 0), 2: (255, 255, 255)}
_GREY, _RGB = 0, 2  # colour types of PNG


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(index, bits, *chunks, colour_type=_GREY):
    """A greyscale PNG whose values are stored in so many bits, as Pillow does not write it."""
    rows = [np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].reshape(-1) for row in index]
    lines = b"".join(b"\0" + np.packbits(row).tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", index.shape[1], index.shape[0], bits, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def palette_png(index, palette, names=None, **options):
    """A palette PNG; `index` refers to `palette`."""
    image, info = Image.fromarray(index), PngImagePlugin.PngInfo()
    image.putpalette(np.asarray(palette, np.uint8).tobytes())
    if names:
        info.add_text("labels", json.dumps(names))
    buffer = io.BytesIO()
    image.save(buffer, "png", pnginfo=info, **options)
    return buffer.getvalue()


def reordered(order, names=None):
    """A file of `SPACE` as a program leaves it that writes its palette in another order."""
    order = np.array(order)
    return palette_png(np.argsort(order)[INDEX].astype(np.uint8), SPACE.palette_array()[order], names)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_values_of_any_depth_are_read_as_they_are_stored(tmp_path, bits):
    index = np.minimum(INDEX, 2**bits - 1).astype(np.uint8)
    data = grey_png(index, bits)
    (tmp_path / "map.png").write_bytes(data)
    for read in (
        pictures.read_index_png(tmp_path / "map.png", 4),
        pictures.read_index_map(tmp_path / "map.png", SPACE),
        pictures.decode_index_map(data, "it", SPACE, 35),
        pictures.decode_index_png(data, "it", 4),
        pictures.decode_index_or_rgb_png(data, "it", {}),
    ):
        np.testing.assert_array_equal(read, index)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_masks_of_any_depth_are_read(bits):
    mask = INDEX > 1
    for value in {1, 2**bits - 1}:
        data = grey_png(mask * np.uint8(value), bits)
        np.testing.assert_array_equal(pictures.decode_mask_png(data, "it"), mask)
    if bits == 4:
        with pytest.raises(MapError, match=r"it: value [12] beside 3: expected a mask of 0 and one other value"):
            pictures.decode_mask_png(grey_png(INDEX, bits), "it")


def test_sixteen_bits_are_refused_not_rounded():
    data = grey_png(np.tile(np.uint8([0, 255]), (2, 9)), 8)
    wide = data.replace(struct.pack(">IIBB", 18, 2, 8, _GREY), struct.pack(">IIBB", 3, 2, 16, _RGB))
    wide = wide[:29] + struct.pack(">I", zlib.crc32(wide[12:29])) + wide[33:]
    for read in (pictures.decode_mask_png, lambda *file: pictures.decode_index_or_rgb_png(*file, {})):
        with pytest.raises(MapError, match="it: 16 bits per channel: expected a PNG of 8 bits or fewer"):
            read(wide, "it")


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (3, 2, 1, 0), (2, 3, 0, 1)])
def test_a_palette_with_the_colours_of_other_indices_is_read_by_colour(order):
    meanings = dict(enumerate(SPACE.palette))
    read = pictures.decode_index_or_rgb_png(reordered(order), "it", meanings)
    np.testing.assert_array_equal(read, SPACE.palette_array()[INDEX])
    np.testing.assert_array_equal(pictures.decode_index_map(reordered(order, SPACE.names), "it", SPACE, 35), INDEX)


def test_a_palette_in_its_own_order_or_of_other_colours_is_read_by_index():
    meanings = dict(enumerate(SPACE.palette))
    other = np.random.default_rng(1).integers(100, 200, (4, 3))
    for data in (palette_png(INDEX, SPACE.palette), palette_png(INDEX, other)):
        np.testing.assert_array_equal(pictures.decode_index_or_rgb_png(data, "it", meanings), INDEX)
        np.testing.assert_array_equal(pictures.decode_index_or_rgb_png(data, "it", {}), INDEX)
        np.testing.assert_array_equal(pictures.decode_index_map(data, "it", SPACE, 35), INDEX)


def test_entries_of_a_palette_that_no_pixel_has_do_not_count():
    meanings, index = dict(enumerate(SPACE.palette)), np.minimum(INDEX, 2)
    palette = [*SPACE.palette[:3], (9, 9, 9), SPACE.palette[3], SPACE.palette[1]]
    np.testing.assert_array_equal(pictures.decode_index_or_rgb_png(palette_png(index, palette), "it", meanings), index)


def test_a_palette_of_which_only_some_colours_are_known_under_other_indices_is_refused():
    palette = [*SPACE.palette[:1], SPACE.palette[2], (9, 9, 9), (8, 8, 8)]
    colour = bytes(SPACE.palette[2]).hex()
    with pytest.raises(MapError) as error:
        pictures.decode_index_or_rgb_png(palette_png(INDEX, palette), "it", dict(enumerate(SPACE.palette)))
    assert str(error.value) == (
        f"it: index 1 has the colour #{colour}, which is that of another class: save it as 8-bit greyscale to be read"
        " by index, or as RGB, by colour"
    )


def test_a_reordered_palette_without_names_is_refused_where_channels_are_expected():
    with pytest.raises(MapError, match=r"it: index 0 has the colour #.{6}, which is that of another class"):
        pictures.decode_index_map(reordered((1, 0, 2, 3)), "it", SPACE, 35)


def test_the_names_in_a_file_of_another_space_say_more_than_its_colours():
    other = LabelSpace(("door", "roof", "wall"))
    read = pictures.decode_index_map(pictures.index_png_bytes(INDEX, other), "it", SPACE, 35)
    np.testing.assert_array_equal(read, np.uint8([0, 3, 1, 2])[INDEX])


def test_what_is_ignored_has_no_colour():
    index = np.where(INDEX == 3, 255, INDEX).astype(np.uint8)
    palette = np.full((256, 3), 77)
    palette[:3], palette[255] = SPACE.palette[:3], SPACE.palette[3]
    meanings = dict(enumerate(SPACE.palette))
    read = pictures.decode_index_or_rgb_png(palette_png(index, palette), "it", meanings, ignore=255)
    np.testing.assert_array_equal(read, index)


def test_grey_that_could_be_a_colour_of_the_list_or_an_index_is_refused():
    index = INDEX % 2
    with pytest.raises(MapError, match="it: index 1 has the colour #ffffff"):
        pictures.decode_index_or_rgb_png(grey_png(index, 1), "it", BLACK_WHITE)
    np.testing.assert_array_equal(pictures.decode_index_or_rgb_png(grey_png(index, 8), "it", BLACK_WHITE), index)
    np.testing.assert_array_equal(pictures.decode_index_or_rgb_png(grey_png(INDEX, 4), "it", BLACK_WHITE), INDEX)


def saved(image, kind, orientation):
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image.save(buffer, kind, exif=exif, **({} if kind == "PNG" else {"quality": 95}))
    return buffer.getvalue()


STORED_AS = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud, 5: lambda a: np.swapaxes(a, 0, 1),
    6: lambda a: np.rot90(a, 1), 7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1), 8: lambda a: np.rot90(a, -1),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED_AS)
def test_pictures_are_turned_upright(kind, orientation):
    upright = np.zeros((24, 16, 3), np.uint8)
    upright[:12, :, 0], upright[:, :8, 2] = 250, 250
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](upright)))
    rgb, turned = pictures.decode_turned_rgb(saved(stored, kind, orientation), "it")
    assert turned == (orientation >= 5)
    np.testing.assert_allclose(rgb[2:-2:19, 2:-2:11].astype(int), upright[2:-2:19, 2:-2:11], atol=30)


@pytest.mark.parametrize("orientation", STORED_AS)
def test_maps_are_turned_upright_too(orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](INDEX)))
    data = saved(stored, "PNG", orientation)
    np.testing.assert_array_equal(pictures.decode_index_png(data, "it", 4), INDEX)
    assert pictures.png_size(data, "it") == INDEX.shape


def test_exif_data_that_cannot_be_read_are_passed_over():
    data = grey_png(INDEX, 8, (b"eXIf", b"MM\0*\xff\xff\xff\xff"), (b"tEXt", b"exif\0text"))
    np.testing.assert_array_equal(pictures.decode_index_png(data, "it", 4), INDEX)


@pytest.mark.parametrize(
    "odd",
    [
        (b"iCCP", bytes.fromhex("a589193e")),
        (b"iTXt", b"labels\0\1\0\0\0x"),
        (b"tRNS", b""),
        (b"PLTE", b"12"),
        (b"gAMA", b""),
    ],
    ids=lambda odd: odd[0].decode(),
)
def test_a_damaged_chunk_is_passed_over_or_an_error_of_the_project(odd):
    try:
        np.testing.assert_array_equal(pictures.decode_index_map(grey_png(INDEX, 8, odd), "it", SPACE, 35), INDEX)
    except MapError as error:
        assert str(error).startswith("it: ") and "\n" not in str(error)


def test_names_nested_too_deep_and_names_after_the_pixels(tmp_path):
    with pytest.raises(MapError, match="it: its metadata `labels` is not a JSON list of class names"):
        pictures.decode_index_map(grey_png(INDEX, 8, (b"tEXt", b"labels\0" + b"[" * 99_999)), "it", SPACE, 35)
    names = chunk(b"tEXt", b'labels\0["background", "door", "roof", "wall"]')
    late = grey_png(INDEX, 8).replace(chunk(b"IEND", b""), names + chunk(b"IEND", b""))
    np.testing.assert_array_equal(pictures.decode_index_map(late, "it", SPACE, 35), np.uint8([0, 3, 1, 2])[INDEX])
