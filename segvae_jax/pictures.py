"""Index PNGs and coloured sheets: the only place that reads and writes images."""

import json
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, PngImagePlugin

from segvae_jax.errors import MapError
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import colour

_MAX_PIXELS = 64_000_000
_GAP = 2


def read_index_png(path: str | Path, num_indices: int) -> UInt8[np.ndarray, "H W"]:
    """The index map of a palette or greyscale PNG.

    Args:
      path: the file.
      num_indices: indices 0 to `num_indices - 1` are allowed.

    Raises:
      MapError: naming the file, if it is unreadable, too large, of another mode, or holds an index out of
        range.
    """
    try:
        with _opened(path) as image:
            mode, (width, height) = image.mode, image.size
            if width * height > _MAX_PIXELS:
                raise MapError(f"{path}: {width} x {height} pixels: expected at most {_MAX_PIXELS:,} pixels")
            if mode not in ("P", "L", "1"):
                raise MapError(
                    f"{path}: image mode {mode}: expected one class index a pixel (a palette or 8-bit greyscale PNG)"
                )
            index = np.asarray(image, np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MapError(f"{path}: cannot be read as an image ({error}): replace or remove the file") from None
    if index.max(initial=0) >= num_indices:
        raise MapError(
            f"{path}: index {index.max()} is out of range: expected 0 to {num_indices - 1}"
            f" ({num_indices} labels with background)"
        )
    return index


def _opened(path: str | Path) -> Image.Image:
    """Opens an image without PIL's warning on its size, which is checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path)


def write_index_png(path: str | Path, index: UInt8[np.ndarray, "H W"], space: LabelSpace) -> None:
    """Writes an index map with its palette, and its class names as JSON under the key `labels`.

    Raises:
      MapError: if it cannot be written.
    """
    image = Image.fromarray(index)
    image.putpalette(space.palette_array().tobytes())
    names = PngImagePlugin.PngInfo()
    names.add_text("labels", json.dumps(space.names))
    _save(image, path, pnginfo=names)


def write_index_pngs(folder: str | Path, index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace) -> None:
    """Writes numbered index PNGs, `00000.png` and on."""
    for i, index in enumerate(index_maps):
        write_index_png(Path(folder) / f"{i:05d}.png", index, space)


def save_picture(path: str | Path, rgb: UInt8[np.ndarray, "H W 3"]) -> None:
    """Writes an RGB picture.

    Raises:
      MapError: if it cannot be written.
    """
    _save(Image.fromarray(rgb), path)


def _save(image: Image.Image, path: str | Path, **options: Any) -> None:
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)
    except (OSError, ValueError) as error:
        raise MapError(f"{path}: cannot be written ({error}): give a .png file in a folder you may write to") from None


def sheet(
    index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace, columns: int | None = None, scale: int = 1
) -> UInt8[np.ndarray, "h w 3"]:
    """Coloured maps in rows of `columns` (a near-square grid if None), each pixel `scale` wide."""
    count, height, width = index_maps.shape
    columns = columns or min(count, math.ceil(math.sqrt(count * height / width)))
    rows = math.ceil(count / columns)
    cell_height, cell_width = height * scale + _GAP, width * scale + _GAP
    canvas = np.full((rows * cell_height + _GAP, columns * cell_width + _GAP, 3), 255, np.uint8)
    for i, picture in enumerate(colour(index_maps, space)):
        top, left = (i // columns) * cell_height + _GAP, (i % columns) * cell_width + _GAP
        canvas[top : top + height * scale, left : left + width * scale] = picture.repeat(scale, 0).repeat(scale, 1)
    return canvas


def legend(space: LabelSpace, names: Sequence[str], width: int) -> UInt8[np.ndarray, "h w 3"]:
    """A strip of colour swatches with the names of the classes shown."""
    columns = max(1, width // 110)
    image = Image.new("RGB", (width, 18 * math.ceil(len(names) / columns) + 4), "white")
    draw = ImageDraw.Draw(image)
    for i, name in enumerate(names):
        left, top = (i % columns) * 110 + 4, (i // columns) * 18 + 4
        draw.rectangle((left, top, left + 12, top + 12), fill=space.palette[space.channel(name)], outline="black")
        draw.text((left + 17, top), name, fill="black")
    return np.asarray(image)
