"""What the readers of all layouts share: encoded pictures by id, and class maps and RGB pictures of them."""

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from segvae_jax import maps, pictures
from segvae_jax.data.sources.file_tree import FileTree
from segvae_jax.data.sources.source import Size
from segvae_jax.errors import DataError, MapError
from segvae_jax.labels import LabelSpace

FITS = ("stretch", "pad")
T = TypeVar("T")


class Blob(NamedTuple):
    """An encoded picture, and what errors call it."""

    data: bytes
    place: str


Blobs = Callable[[str], Blob]  # by id; raises DataError where there is none


@dataclasses.dataclass(frozen=True)
class Files:
    """Pictures that are a file each.

    Attributes:
      tree: the files.
      names: in the tree, by id.
    """

    tree: FileTree
    names: Mapping[str, str]

    def __call__(self, example_id: str) -> Blob:
        """The file of an id.

        Raises:
          DataError: if there is none, or it cannot be read.
        """
        if example_id not in self.names:
            raise DataError(f"{self.tree.path}: no picture of {example_id!r} in it: put it beside the others")
        name = self.names[example_id]
        return Blob(self.tree.read(name), self.tree.place(name))


@dataclasses.dataclass(frozen=True)
class IndexMaps:
    """`Source.read` of index maps; what a class has lost under others is restored.

    Attributes:
      blobs: PNGs by id.
      space: whose numbering is that of the indices.
      fit: "stretch" to the size asked for, or "pad" with background to its aspect ratio first.
    """

    blobs: Blobs
    space: LabelSpace
    fit: str = "stretch"

    def __call__(self, example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id.

        Raises:
          DataError: naming the file, if it is no index map of the space.
        """
        return maps.resize(fitted(self.native(example_id), size, self.fit), size)

    def native(self, example_id: str) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id at the size of its file.

        Raises:
          DataError: naming the file, if it is no index map of the space.
        """
        blob = self.blobs(example_id)
        with data_errors():
            index = pictures.decode_index_png(blob.data, blob.place, self.space.num_channels)
        return maps.index_to_shapes(index, self.space)


@dataclasses.dataclass(frozen=True)
class Pictures:
    """`Source.image` of encoded pictures.

    Attributes:
      blobs: JPEG, PNG or WebP files by id.
      fit: as that of the maps; padding is black.
    """

    blobs: Blobs
    fit: str = "stretch"

    def __call__(self, example_id: str, size: Size) -> UInt8[np.ndarray, "H W 3"]:
        """The picture of an id.

        Raises:
          DataError: naming the file, if it cannot be read.
        """
        blob = self.blobs(example_id)
        with data_errors():
            rgb = pictures.decode_rgb(blob.data, blob.place)
        return pictures.resize_rgb(fitted(rgb, size, self.fit), size)


def fitted(pixels: Shaped[np.ndarray, "H W C"], size: Size, fit: str) -> Shaped[np.ndarray, "h w C"]:
    """Pixels whose aspect ratio is that of `size` if they are to be padded."""
    return maps.pad_to_ratio(pixels, size) if fit == "pad" else pixels


def check_fit(fit: str) -> None:
    """Raises DataError if there is no such way to fit a map into a size."""
    if fit not in FITS:
        raise DataError(f"fit {fit!r}: expected {' or '.join(FITS)}")


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Makes a picture that cannot be used a data set that cannot be used."""
    try:
        yield
    except MapError as error:
        raise DataError(str(error)) from None


def pictures_in(tree: FileTree, folder: str, suffix: str, key: Callable[[str], str] = str) -> dict[str, str]:
    """Names of the pictures that lie in a folder itself (`a/b/`, or `""` for the top), by the id in their name.

    Args:
      tree: the files.
      folder: as it begins the names.
      suffix: of the pictures, `.png`; capitals count as small letters.
      key: the id that a name without its suffix stands for.

    Raises:
      DataError: if two pictures have one id.
    """
    found = ((PurePosixPath(relative), name) for relative, name in tree.below(folder).items() if "/" not in relative)
    return unique(tree, ((key(path.stem), name) for path, name in found if path.suffix.lower() == suffix))


def unique(tree: FileTree, named: Iterator[tuple[T, str]]) -> dict[T, str]:
    """Names by key.

    Raises:
      DataError: naming both files, if two have one key.
    """
    names: dict[T, str] = {}
    for key, name in named:
        if key in names:
            raise DataError(f"{tree.place(name)}: {tree.place(names[key])} stands for the same: remove one of them")
        names[key] = name
    return names


def image_id(stem: str) -> str:
    """The id of a numbered image, padded with zeros or not, so that all layouts of a set agree on ids and splits."""
    return str(int(stem)) if re.fullmatch(r"[0-9]{1,5}", stem) else stem
