"""Opens encoded images: the values that are stored in a PNG, and pictures as they are to be seen."""

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from segvae_jax.errors import AmbiguousMapError, MapError

MAX_PIXELS = 64_000_000
_STEPS = {"1": 255, "L;2": 85, "L;4": 17}  # between two grey values of 1, 2 and 4 bits, as viewers show them
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type of a PNG
_ALL = ((0, 0, 1, 1),)
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_AT_ONCE = 2**20  # bytes

Colour = tuple[int, int, int]
Encoded = str | Path | io.BytesIO  # a file, or its content


class StoredPng(NamedTuple):
    """A PNG.

    Attributes:
      image: its pixels as they are stored: grey values of 2 or 4 bits are those numbers, not a brightness up to 255.
      step: the brightness that viewers show for grey value 1.
    """

    image: Image.Image
    step: int

    def shown(self) -> UInt8[np.ndarray, "N 3"]:
        """The colour that viewers show for each index of a palette, or grey value."""
        if self.image.mode == "P":
            return np.array(self.image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return np.arange(0, 256, self.step, dtype=np.uint8)[:, None].repeat(3, axis=1)

    def compare(self, index: UInt8[np.ndarray, "H W"], meanings: Mapping[int, Colour]) -> tuple[list[int], list[int]]:
        """What the colours of the file say about its indices.

        Args:
          index: the indices of its pixels.
          meanings: the colour of each index, as a list of classes has them.

        Returns:
          of the indices that occur: those whose colour is that of other indices, and those whose colour no index has.
        """
        owners: dict[tuple[int, ...], set[int]] = {}
        for i, colour in meanings.items():
            owners.setdefault(colour, set()).add(i)
        colours = dict(enumerate(map(tuple, self.shown().tolist())))
        owned = {i: owners.get(colours.get(i, ()), set()) for i in np.bincount(index.ravel()).nonzero()[0].tolist()}
        return [i for i in owned if owned[i] and i not in owned[i]], [i for i in owned if not owned[i]]

    def ambiguous(self, place: str, index: int, rgb: bool = True) -> AmbiguousMapError:
        """The error for a file that could be read by index or by colour; `rgb` says whether RGB files are read."""
        means = f"index {index} has the colour #{bytes(self.shown()[index]).hex()}, which is that of another class"
        mend = "save it as 8-bit greyscale to be read by index" + (", or as RGB, by colour" if rgb else "")
        return AmbiguousMapError(f"{place}: {means}: {mend}")


def open_png(file: Encoded, place: str, max_pixels: int = MAX_PIXELS) -> StoredPng:
    """Opens a PNG of at most 8 bits per channel, turned upright by its EXIF orientation; errors call it `place`.

    Raises:
      MapError: if it is unreadable, too large, or has 16 bits per channel.
    """
    image, raw_mode = _loaded(file, place, ("PNG",), max_pixels)
    if raw_mode.endswith("16B") and image.mode != "I;16":
        raise MapError(f"{place}: 16 bits per channel: expected a PNG of 8 bits or fewer")
    step = _STEPS.get(raw_mode, 1)
    stored = image.point(lambda value: value // step) if raw_mode in ("L;2", "L;4") else image
    return StoredPng(_upright(stored), step)


def open_picture(file: Encoded, place: str) -> tuple[Image.Image, bool]:
    """Opens a JPEG, PNG or WebP picture, turned upright by its EXIF orientation, as viewers show it.

    Returns:
      the picture, and whether it was turned by a quarter.

    Raises:
      MapError: if it is unreadable or too large.
    """
    image, _ = _loaded(file, place, ("JPEG", "PNG", "WEBP"), MAX_PIXELS)
    upright = _upright(image)
    return upright, upright.size != image.size


def _loaded(file: Encoded, place: str, formats: tuple[str, ...], max_pixels: int) -> tuple[Image.Image, str]:
    """An image and the mode in which it is stored. Whatever decoders raise becomes a MapError."""
    try:
        with _no_warnings(), Image.open(file, formats=formats) as image:
            if not 0 < image.width * image.height <= max_pixels:
                size = f"{image.width} x {image.height} pixels"
                raise MapError(f"{place}: {size}: expected at most {max_pixels:,} pixels")
            raw_mode = str(image.tile[0].args) if image.tile else ""
            if image.format == "PNG":
                _check_whole(file)
            image.load()
            image.info.pop("transparency", None)  # opacity does not matter, and a text may have that name
            return image, raw_mode
    except (MapError, MemoryError):
        raise
    except Exception as error:  # damaged files make decoders raise nearly anything
        unknown = isinstance(error, UnidentifiedImageError)
        reason = f"not a {' or '.join(formats)} file" if unknown else " ".join(str(error).split())
        reason = reason or type(error).__name__
        raise MapError(f"{place}: cannot be read as an image ({reason}): replace or remove the file") from None


def _check_whole(file: Encoded) -> None:
    """Checks that a PNG has the pixels that its header says, and its checksums; Pillow checks neither for pixels.

    Raises:
      ValueError: if not.
    """
    inflate, size = zlib.decompressobj(), 0
    with contextlib.nullcontext(file) if isinstance(file, io.BytesIO) else open(file, "rb") as png:
        png.seek(8)
        expected = _bytes_of_pixels(*struct.unpack(">IIBBxxB", _chunk(png)[1]))
        kind = b""
        while kind != b"IEND":
            kind, data = _chunk(png)
            while kind == b"IDAT" and data and size <= expected:
                size += len(inflate.decompress(data, _AT_ONCE))
                data = inflate.unconsumed_tail
    if size != expected or not inflate.eof:
        raise ValueError(f"{size:,} bytes of pixels, but {expected:,} by its header")


def _chunk(png: io.BufferedIOBase) -> tuple[bytes, bytes]:
    """The type and the content of the next chunk of a PNG."""
    head = png.read(8)
    length, kind = struct.unpack(">I4s", head)
    data = png.read(length)
    if zlib.crc32(kind + data) != int.from_bytes(png.read(4)):
        raise ValueError(f"the checksum of its chunk {kind.decode('latin-1')} differs")
    return kind, data


def _bytes_of_pixels(width: int, height: int, bits: int, colour_type: int, interlaced: int) -> int:
    """How many bytes the pixels of a PNG have before compression: a byte more than its pixels in every row."""
    bits *= _CHANNELS[colour_type]
    passes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in (_ADAM7 if interlaced else _ALL)]
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in passes if columns > 0 and rows > 0)


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Decoders warn of damage that they pass over, and of sizes that are checked here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _upright(image: Image.Image) -> Image.Image:
    try:
        with _no_warnings():
            return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data say nothing about the picture
        return image
