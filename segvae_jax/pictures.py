"""Index PNGs and coloured sheets; the only module that reads and writes images."""

import functools
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageChops, ImageDraw, PngImagePlugin

from segvae_jax.decoding import MAX_PIXELS, Colour, Encoded, StoredPng, open_picture, open_png
from segvae_jax.errors import LabelError, MapError, OutputError
from segvae_jax.files import write_atomically
from segvae_jax.labels import BACKGROUND, LabelSpace
from segvae_jax.maps import colour
from segvae_jax.sheets import enlarged, grid

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # of pictures for people
_LITTLE_LOSS: dict[str, Any] = {"quality": 95, "subsampling": 0, "lossless": True}  # each format takes what it knows
INDEX_PNG = "one class index per pixel (a palette or 8-bit greyscale PNG)"  # for error messages


def read_index_png(path: str | Path, num_indices: int) -> UInt8[np.ndarray, "H W"]:
    """Reads an index map from a palette or greyscale PNG.

    Args:
      path: of the file.
      num_indices: indices 0 to `num_indices - 1` are allowed.

    Raises:
      MapError: naming the file, if it is unreadable, too large, of another mode, or has an index out of range.
    """
    return _index_map(path, str(path), num_indices)


def read_index_map(path: str | Path, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    """Reads an index map from a PNG, in the channels of `space`.

    If the PNG has class names in its metadata, as `write_index_png` stores them, its indices are numbers of these
    names; otherwise they are channels.

    Raises:
      MapError: naming the file, if it cannot be read, or has a class that `space` does not know.
    """
    return _map_by_names(path, str(path), space, MAX_PIXELS, {})


def decode_index_map(
    data: bytes, place: str, space: LabelSpace, max_pixels: int = MAX_PIXELS, becomes: Mapping[str, str] | None = None
) -> UInt8[np.ndarray, "H W"]:
    """Like `read_index_map`, from the content of a file with at most `max_pixels`; errors call it `place`.

    Names in the metadata that are keys of `becomes` stand for the classes that are its values.
    """
    return _map_by_names(io.BytesIO(data), place, space, max_pixels, becomes or {})


def read_class_names(path: str | Path) -> tuple[str, ...] | None:
    """The class names that `write_index_png` stored in a PNG, by index, background first; None if it has none.

    Raises:
      MapError: naming the file, if it is unreadable, or its metadata holds something else.
    """
    return _class_names(open_png(path, str(path)).image, str(path))


def decode_class_names(data: bytes, place: str) -> tuple[str, ...] | None:
    """Like `read_class_names`, from the content of a file; errors call it `place`."""
    return _class_names(open_png(io.BytesIO(data), place).image, place)


def has_class_names(data: bytes, place: str, max_pixels: int) -> bool:
    """Whether the content of a PNG of at most `max_pixels` has class names; errors as in `read_class_names`."""
    return _class_names(open_png(io.BytesIO(data), place, max_pixels).image, place) is not None


def has_palette(data: bytes, place: str, space: LabelSpace, max_pixels: int) -> bool:
    """Whether each index in the content of a palette PNG has the colour of that channel of `space`."""
    stored = open_png(io.BytesIO(data), place, max_pixels)
    if stored.image.mode != "P":
        return False
    return stored.compare(np.asarray(stored.image, np.uint8), dict(enumerate(space.palette))) == ([], [])


def decode_index_or_rgb_png(
    data: bytes, place: str, meanings: Mapping[int, Colour], ignore: int = -1, max_pixels: int = MAX_PIXELS
) -> UInt8[np.ndarray, "H W"] | UInt8[np.ndarray, "H W 3"]:
    """The indices of a palette or greyscale PNG, or the colours of an RGB PNG; opacity is ignored.

    A palette PNG whose palette has the colours of other indices is read by colour, as if it were an RGB PNG: this is
    what programs that shrink or quantise RGB PNGs write.

    Args:
      data: content of the file.
      place: name of the file in error messages.
      meanings: the colour of each index; may be empty.
      ignore: an index whose colour in the file means nothing; none if negative.
      max_pixels: of the picture.

    Raises:
      MapError: naming the file, if it is unreadable, too large, of another mode, or could be read in both ways.
    """
    stored = open_png(io.BytesIO(data), place, max_pixels)
    image = stored.image
    if image.mode in ("RGB", "RGBA"):
        return np.asarray(image.convert("RGB"))
    index = _indices(image, place)
    moved, unknown = stored.compare(index, meanings)
    moved = [value for value in moved if value != ignore]
    if image.mode == "P" and moved and not unknown:
        return stored.shown()[index]
    if moved and (image.mode == "P" or not unknown):
        raise stored.ambiguous(place, moved[0])
    return index


def decode_index_png(data: bytes, place: str, num_indices: int) -> UInt8[np.ndarray, "H W"]:
    """Like `read_index_png`, from the content of a file; errors call it `place`."""
    return _index_map(io.BytesIO(data), place, num_indices)


def read_mask_png(path: str | Path) -> Bool[np.ndarray, "H W"]:
    """Reads a mask from a PNG of two values: 0 is False, the other one True. The PNG is greyscale, palette or RGB.

    What is transparent is False. If all pixels have one colour, their opacity is the mask.

    Raises:
      MapError: naming the file, if it is unreadable, too large, of another mode, or has a third value.
    """
    return _mask(path, str(path))


def decode_mask_png(data: bytes, place: str, max_pixels: int = MAX_PIXELS) -> Bool[np.ndarray, "H W"]:
    """Like `read_mask_png`, from the content of a file with at most `max_pixels`; errors call it `place`."""
    return _mask(io.BytesIO(data), place, max_pixels)


def _mask(file: Encoded, place: str, max_pixels: int = MAX_PIXELS) -> Bool[np.ndarray, "H W"]:
    image = open_png(file, place, max_pixels).image
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise MapError(f"{place}: image mode {image.mode}: expected a black and white PNG of 8 bits or fewer")
    bands = [image] if image.mode in ("1", "L") else image.convert("RGB").split()
    values = np.asarray(functools.reduce(ImageChops.lighter, bands), np.uint8)
    if image.mode in ("LA", "RGBA") and np.ptp(opacity := np.asarray(image.getchannel("A"))):
        values = np.where(opacity > 0, values, 0) if np.ptp(values) else opacity
    peak = values.max()
    between = (values > 0) & (values < peak)
    if between.any():
        raise MapError(f"{place}: value {values[between][0]} beside {peak}: expected a mask of 0 and one other value")
    return values > 0


def read_rgb(path: str | Path) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a JPEG, PNG or WebP file, turned upright by its EXIF orientation.

    Raises:
      MapError: naming the file, if it is unreadable or too large.
    """
    try:
        return decode_rgb(Path(path).expanduser().read_bytes(), str(path))
    except OSError as error:
        raise MapError(f"{path}: cannot be read ({error.strerror}): expected a picture") from None


def decode_rgb(data: bytes, place: str) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture from the content of a JPEG, PNG or WebP file, turned upright by its EXIF orientation.

    Args:
      data: content of the file.
      place: name of the file in error messages.

    Raises:
      MapError: naming the file, if it is unreadable or too large.
    """
    return decode_turned_rgb(data, place)[0]


def decode_turned_rgb(data: bytes, place: str) -> tuple[UInt8[np.ndarray, "H W 3"], bool]:
    """Like `decode_rgb`; returns also whether the picture was turned by a quarter."""
    image, turned = open_picture(io.BytesIO(data), place)
    return np.asarray(image.convert("RGB")), turned


def png_size(data: bytes, place: str) -> tuple[int, int]:
    """(H, W) of a PNG, turned upright.

    Raises:
      MapError: naming the file, if it is unreadable or too large.
    """
    image = open_png(io.BytesIO(data), place).image
    return image.height, image.width


def resize_rgb(rgb: UInt8[np.ndarray, "H W 3"], size: tuple[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Resizes a picture by bicubic filtering with antialiasing."""
    return np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def _index_map(file: Encoded, place: str, num_indices: int) -> UInt8[np.ndarray, "H W"]:
    return _in_range(_indices(open_png(file, place).image, place), place, num_indices)


def _in_range(index: UInt8[np.ndarray, "H W"], place: str, num_indices: int) -> UInt8[np.ndarray, "H W"]:
    expected = f"expected 0 to {num_indices - 1} ({num_indices} labels with background)"
    if index.max(initial=0) < num_indices:
        return index
    if np.isin(index, (0, 255)).all():
        raise MapError(f"{place}: holds only 0 and 255, a mask of one class and not an index map: {expected}")
    mend = ": if it marks pixels that are not annotated, set them to 0" if index.max() == 255 else ""
    raise MapError(f"{place}: index {index.max()} is out of range: {expected}{mend}")


def _indices(image: Image.Image, place: str) -> UInt8[np.ndarray, "H W"]:
    if image.mode not in ("P", "L", "1"):
        raise MapError(f"{place}: image mode {image.mode}: expected {INDEX_PNG}")
    return np.asarray(image, np.uint8)


def _map_by_names(
    file: Encoded, place: str, space: LabelSpace, max_pixels: int, becomes: Mapping[str, str]
) -> UInt8[np.ndarray, "H W"]:
    stored = open_png(file, place, max_pixels)
    given = _class_names(stored.image, place)
    names = given or space.names
    index = _indices(stored.image, place)
    if stored.image.mode == "P" and names == space.names:
        index = _in_palette_order(index, stored, space, place, bool(given))
    index = _in_range(index, place, len(names))
    becomes = {} if names == space.names else becomes
    channels = np.zeros(256, np.uint8)
    for used in np.unique(index):
        channels[used] = _channel(becomes.get(names[used], names[used]), place, space)
    return channels[index]


def _in_palette_order(
    index: UInt8[np.ndarray, "H W"], stored: StoredPng, space: LabelSpace, place: str, ours: bool
) -> UInt8[np.ndarray, "H W"]:
    """The map by channel. Programs that shrink PNGs reorder palettes; a file of `ours` is then read by colour.

    A palette most of whose colours no class has is another one, which has a colour of ours by chance.
    """
    moved, unknown = stored.compare(index, dict(enumerate(space.palette)))
    if len(unknown) > len(moved) or not moved:
        return index
    channel = {colour: i for i, colour in enumerate(space.palette)}
    if unknown or not ours or len(channel) < len(space.palette):
        raise stored.ambiguous(place, moved[0], rgb=False)
    order = [channel.get((r, g, b), 0) for r, g, b in stored.shown().tolist()]
    return np.array(order, np.uint8)[index]


def _class_names(image: Image.Image, place: str) -> tuple[str, ...] | None:
    if (text := image.info.get("labels")) is None:
        return None
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MapError(f"{place}: its metadata `labels` is not a JSON list of class names: correct or remove it")
    return tuple(names)


def _channel(name: str, place: str, space: LabelSpace) -> int:
    try:
        return 0 if name == BACKGROUND else space.channel(name)
    except LabelError as error:
        raise MapError(f"{place}: {error}") from None


def write_index_png(path: str | Path, index: UInt8[np.ndarray, "H W"], space: LabelSpace) -> None:
    """Writes an index map as a PNG with its palette, and with its class names as JSON under the key `labels`.

    Raises:
      OutputError: if it cannot be written.
    """
    _write(path, index_png_bytes(index, space))


def index_png_bytes(index: UInt8[np.ndarray, "H W"], space: LabelSpace) -> bytes:
    """The content of the file that `write_index_png` writes."""
    names, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    names.add_text("labels", json.dumps(space.names))
    _coloured(index, space).save(buffer, "png", pnginfo=names)
    return buffer.getvalue()


def animated_gif(index_maps: UInt8[np.ndarray, "S H W"], space: LabelSpace, milliseconds: int) -> bytes:
    """A looping animation of index maps in the exact colours of their palette; the last map stays longer."""
    frames = [_coloured(index, space) for index in index_maps]
    durations = [milliseconds] * (len(frames) - 1) + [5 * milliseconds]
    buffer = io.BytesIO()
    frames[0].save(buffer, "gif", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return buffer.getvalue()


def _coloured(index: UInt8[np.ndarray, "H W"], space: LabelSpace) -> Image.Image:
    image = Image.fromarray(index)
    image.putpalette(space.palette_array().tobytes())
    return image


def write_index_pngs(folder: str | Path, index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace) -> None:
    """Writes numbered index PNGs: `00000.png`, `00001.png`, ...

    Raises:
      OutputError: if one cannot be written.
    """
    for i, index in enumerate(index_maps):
        write_index_png(Path(folder) / f"{i:05d}.png", index, space)


def write_pictures(
    folder: str | Path, index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace, scale: int | None = None
) -> None:
    """Writes numbered coloured PNGs, `00000.png`, ..., each pixel a square of `scale`; see `enlarged` if None.

    Raises:
      OutputError: if one cannot be written.
    """
    for i, index in enumerate(index_maps):
        _write(Path(folder) / f"{i:05d}.png", png_bytes(enlarged(colour(index, space), scale)))


def save_picture(path: str | Path, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
    """Writes an RGB picture, in the format that the suffix names.

    Raises:
      OutputError: if it cannot be written.
    """
    content, name = io.BytesIO(), picture_format(path)
    try:
        Image.fromarray(rgb).save(content, name, **_LITTLE_LOSS)
    except (OSError, ValueError):
        size = "{:,} x {:,} pixels".format(*rgb.shape)
        raise OutputError(f"{path}: {name} files cannot hold {size}: give a .png file") from None
    _write(path, content.getvalue())


def picture_format(path: str | Path) -> str:
    """The format in which `save_picture` writes a file of this name.

    Raises:
      OutputError: if the suffix names none.
    """
    if (name := _FORMATS.get(Path(path).suffix.lower())) is None:
        raise OutputError(f"{path}: not the name of a picture: expected a suffix of {', '.join(_FORMATS)}")
    return name


def _write(path: str | Path, content: bytes) -> None:
    write_atomically(Path(path), lambda partial: partial.write_bytes(content), shared=True)


def png_bytes(rgb: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """The content of a PNG file of an RGB picture."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "png")
    return buffer.getvalue()


def sheet(
    index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace, columns: int | None = None, scale: int = 1
) -> UInt8[np.ndarray, "h w 3"]:
    """Coloured maps in rows of `columns` (see `grid` if None), magnified `scale` times."""
    return grid(enlarged(colour(index_maps, space), scale), columns)


def sheet_of_translations(
    index_maps: UInt8[np.ndarray, "N H W"], translations: UInt8[np.ndarray, "N P H W 3"], space: LabelSpace
) -> UInt8[np.ndarray, "h w 3"]:
    """A sheet in which each row has a map and its pictures, magnified where they are small."""
    rows = np.concatenate([colour(index_maps, space)[:, None], translations], axis=1)
    return grid(enlarged(rows.reshape(-1, *rows.shape[2:]), None), columns=rows.shape[1])


def sheet_with_legend(
    index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace, columns: int | None = None, scale: int | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Like `sheet`, with a legend of the classes on the maps below it; without a scale, small maps are magnified."""
    maps_in_colour = grid(enlarged(colour(index_maps, space), scale), columns)
    names = [name for name in space.classes if (index_maps == space.channel(name)).any()]
    return np.concatenate([maps_in_colour, legend(space, names, maps_in_colour.shape[1])])


def legend(space: LabelSpace, names: Sequence[str], width: int) -> UInt8[np.ndarray, "h w 3"]:
    """A strip of colour swatches with the titles of the given classes."""
    columns = max(1, width // 110)
    image = Image.new("RGB", (width, 18 * math.ceil(len(names) / columns) + 4), "white")
    draw = ImageDraw.Draw(image)
    for i, name in enumerate(names):
        left, top = (i % columns) * 110 + 4, (i // columns) * 18 + 4
        draw.rectangle((left, top, left + 12, top + 12), fill=space.palette[space.channel(name)], outline="black")
        draw.text((left + 17, top), space.title(name), fill="black")
    return np.asarray(image)
