"""What the readers of all layouts share: encoded pictures by id, decoded into class maps and RGB pictures."""

import contextlib
import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps, pictures
from segvae_jax.data.sources.file_tree import FileTree
from segvae_jax.data.sources.source import Size
from segvae_jax.errors import DataError, MapError
from segvae_jax.labels import LabelSpace

READING = 3  # in the versions of sources; differs whenever equal files may be read as other maps or pictures
T = TypeVar("T")


class EncodedPicture(NamedTuple):
    """The bytes of an encoded picture, and its name in error messages."""

    data: bytes
    place: str


ReadEncoded = Callable[[str], EncodedPicture]  # by id; raises DataError if there is no such picture


@dataclasses.dataclass(frozen=True)
class Files:
    """Pictures that are stored as one file each.

    Attributes:
      tree: the files.
      names: file in the tree, by id.
    """

    tree: FileTree
    names: Mapping[str, str]

    def __call__(self, example_id: str) -> EncodedPicture:
        """The file of an id.

        Raises:
          DataError: if there is none, or it cannot be read.
        """
        if example_id not in self.names:
            raise DataError(f"{self.tree.path}: no picture of {example_id!r} in it: put it beside the others")
        name = self.names[example_id]
        return EncodedPicture(self.tree.read(name), self.tree.place(name))


@dataclasses.dataclass(frozen=True)
class IndexMapReader:
    """`Source.read` for index maps. Where a class continues under others, its hidden pixels are restored.

    Attributes:
      encoded: reads the PNG of an id.
      space: the classes, numbered as in the maps.
      fit: "stretch" resizes to the requested size; "pad" first adds background up to its aspect ratio.
    """

    encoded: ReadEncoded
    space: LabelSpace
    fit: str = "stretch"

    def __call__(self, example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id, resized.

        Raises:
          DataError: naming the file, if it is not an index map of these classes.
        """
        return maps.resize(maps.fitted(self.native(example_id), size, self.fit), size)

    def native(self, example_id: str) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id at the size of its file.

        Raises:
          DataError: naming the file, if it is not an index map of these classes.
        """
        encoded = self.encoded(example_id)
        with data_errors():
            index = pictures.decode_index_map(encoded.data, encoded.place, self.space)
        return maps.index_to_shapes(index, self.space)


@dataclasses.dataclass(frozen=True)
class PictureReader:
    """`Source.image` for encoded pictures.

    Attributes:
      encoded: reads the JPEG, PNG or WebP file of an id.
      fit: as for the maps; padding is black.
      native: reads the class maps of an id, turned upright, at the size of their file; None if they have no such size.
    """

    encoded: ReadEncoded
    fit: str = "stretch"
    native: Callable[[str], Bool[np.ndarray, "H W C"]] | None = None

    def __call__(self, example_id: str, size: Size) -> UInt8[np.ndarray, "H W 3"]:
        """The picture of an id.

        Raises:
          DataError: naming the file, if it cannot be read, or lies on its side beside its map.
        """
        encoded = self.encoded(example_id)
        with data_errors():
            rgb, turned = pictures.decode_turned_rgb(encoded.data, encoded.place)
            if turned and self.native:
                self._check_same_way_up(encoded.place, rgb.shape[:2], self.native(example_id).shape[:2])
        return pictures.resize_rgb(maps.fitted(rgb, size, self.fit), size)

    def _check_same_way_up(self, place: str, size: Size, of_map: Size) -> None:
        """A map may have been drawn on the picture as it is stored, before its EXIF orientation turns it."""
        height, width = of_map
        if (size[0] - size[1]) * (height - width) < 0:
            sizes = f"EXIF data turn it to {size[1]} x {size[0]} pixels, but its map has {width} x {height}"
            raise DataError(f"{place}: {sizes}: remove the orientation from the picture, or turn the map")


def check_fit(fit: str) -> None:
    """Checks the name of a way to fit maps into a size.

    Raises:
      DataError: if there is no such way.
    """
    if fit not in maps.FITS:
        raise DataError(f"fit {fit!r}: expected {' or '.join(maps.FITS)}")


@contextlib.contextmanager
def data_errors() -> Iterator[None]:
    """Turns a MapError into a DataError of the same message."""
    try:
        yield
    except MapError as error:
        raise DataError(str(error)) from None


def pictures_in(tree: FileTree, folder: str, suffix: str, key: Callable[[str], str] = str) -> dict[str, str]:
    """Names of the pictures in a folder (`a/b/`, or `""` for the top), by the id that their name gives.

    They lie in the folder itself, or all in subfolders; then the ids are paths, from the folder that holds them all.

    Args:
      tree: the files.
      folder: with which the names begin.
      suffix: of the pictures, e.g. `.png`, in lower case; files may have it in upper case.
      key: makes an id of a path without its suffix.

    Raises:
      DataError: if there are pictures in the folder itself and in subfolders, or if two have the same id.
    """
    paths = {PurePosixPath(relative): name for relative, name in tree.below(folder).items()}
    found = {path: name for path, name in paths.items() if path.suffix.lower() == suffix}
    for name in found.values():
        if any("\ud800" <= letter <= "\udfff" for letter in name):
            raise DataError(f"{tree.place(name)}: a file name that is not UTF-8, as the ids of maps are: rename it")
    parents = {path.parent for path in found}
    if len(parents) > 1 and PurePosixPath() in parents:
        here, below = (next(n for path, n in found.items() if bool(path.parent.name) == deep) for deep in (False, True))
        mixed = "are in one folder and in a subfolder of it: move those that do not belong to the data set"
        raise DataError(f"{tree.place(here)} and {tree.place(below)} {mixed}")
    top = os.path.commonpath(parents) if parents else ""
    return unique(tree, ((key(str(path.relative_to(top).with_suffix(""))), name) for path, name in found.items()))


def unique(tree: FileTree, named: Iterator[tuple[T, str]]) -> dict[T, str]:
    """Names by key.

    Raises:
      DataError: naming both files, if two have the same key.
    """
    names: dict[T, str] = {}
    for key, name in named:
        if key in names:
            raise DataError(f"{tree.place(name)}: {tree.place(names[key])} stands for the same: remove one of them")
        names[key] = name
    return names


def image_id(stem: str) -> str:
    """The id of a numbered image: without leading zeros, so that all layouts of a data set agree on ids and splits."""
    return str(int(stem)) if re.fullmatch(r"[0-9]{1,5}", stem) else stem
