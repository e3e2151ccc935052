"""Pictures in a folder of their own, beside maps of the same names."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from segvae_jax.data.sources.file_tree import FileTree, open_tree
from segvae_jax.data.sources.reading import Files, PictureReader, image_id, pictures_in, unique
from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.errors import DataError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def with_images(source: Source, path: str | Path) -> Source:
    """The source with the pictures of a folder or .zip; a picture has the name of its map, with a suffix of its own.

    Reading the picture of a map that has none raises a DataError, so that such maps can be skipped.

    Raises:
      DataError: if there is no picture of any map, or two have the same name.
    """
    tree = open_tree(path)
    named = _named(tree)
    numbered = {image_id(stem): name for stem, name in named.items()}  # ids of published sets have no leading zeros
    files = {each: name for each in source.ids if (name := named.get(each) or numbered.get(each))}
    if not files:
        raise DataError(f"{tree.path}: no picture with the name of a map, as {source.ids[0]}{_SUFFIXES[0]}")
    read = PictureReader(Files(tree, files), native=source.native)

    def image(example_id: str, size: Size) -> UInt8[np.ndarray, "H W 3"]:
        if example_id not in files:
            raise DataError(f"{tree.path}: no picture of map {example_id!r}: add it, or leave the map out")
        return read(example_id, size)

    version = fingerprint([source.version, tree.stamps(sorted(files.values()))])
    return dataclasses.replace(source, version=version, image=image)


def _named(tree: FileTree) -> dict[str, str]:
    """Names of all pictures by their names without suffix."""
    by_suffix = [pictures_in(tree, "", suffix) for suffix in _SUFFIXES]
    return unique(tree, (pair for files in by_suffix for pair in files.items()))
