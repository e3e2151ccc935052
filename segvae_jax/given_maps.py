"""Maps that users give, read in the classes of a model. All commands, methods and the page follow one rule:

1. If `labels` names a list, it says what indices and colours mean.
2. Else the class names in a file do, as the PNGs of this project have them.
3. Else, for a model whose training maps had other labels than its classes, the map is one of these, or one in the
   indices of the model. `labels="data"` and `labels="model"` say which. Without them, all maps that are given together
   are read in the only way that is possible. If both are, they are in the indices of the model if their palettes have
   its colours, and else in the labels of the training maps; a note says so.
"""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from segvae_jax import arguments, pictures
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.label_list import read_labels
from segvae_jax.data.sources.reading import pictures_in
from segvae_jax.decoding import MAX_PIXELS
from segvae_jax.errors import AmbiguousMapError, DataError, MapError
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import BACKGROUND, LabelSpace
from segvae_jax.original_labels import Label, OriginalLabels

MODEL, DATA = "model", "data"  # values of `labels` besides files

Index = UInt8[np.ndarray, "H W"]


class MapFile(NamedTuple):
    """The content of an index or RGB PNG, and its name in error messages."""

    data: bytes
    place: str


class Given(NamedTuple):
    """Maps in the channels of a model, and what was assumed about them: one line, or "" if there was no choice."""

    index_maps: list[Index]
    note: str


class Meaning(NamedTuple):
    """What the indices of given maps may mean.

    Attributes:
      space: the classes of the model.
      original: the labels of its training maps; None if these had the indices of the model, or nobody knows.
      labels: the file of a list, "model", "data", or "", as the module says.
    """

    space: LabelSpace
    original: OriginalLabels | None = None
    labels: str | Path = ""


def map_file(path: str | os.PathLike[str]) -> MapFile:
    """Reads a file.

    Raises:
      MapError: if it cannot be read.
    """
    try:
        return MapFile(Path(path).expanduser().read_bytes(), str(path))
    except OSError as error:
        raise MapError(f"{path}: cannot be read as an image ({error.strerror}): replace or remove the file") from None


def pngs_in(folder: str | os.PathLike[str]) -> list[Path]:
    """All PNGs in a folder, or in its subfolders, sorted by subfolder and name; see `pictures_in` for what counts.

    Raises:
      DataError: if there is no folder, or no PNG in it.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise DataError(f"{folder}: no such folder: give the folder of index PNGs")
    found = pictures_in(open_tree(place), "", ".png").values()
    if not found:
        raise DataError(f"{folder}: no PNG file in it: expected index maps, one PNG per map")
    return sorted((place / name for name in found), key=lambda file: (file.parent, file.name))


def read_given(
    files: Sequence[MapFile],
    meaning: Meaning,
    max_pixels: int = MAX_PIXELS,
    resized: Callable[[Index], Index] = lambda index: index,
) -> Given:
    """Reads maps that are given together, in the channels of the model.

    Args:
      files: the maps.
      meaning: what their indices may mean.
      max_pixels: of each map.
      resized: is applied to each map as soon as it is read.

    Raises:
      MapError: naming the file, if it cannot be read, or has an index, a colour or a name without a class.
      DataError: if `labels` is no list that can be read.
    """
    space, original, labels = meaning
    if listed := _listed(meaning):
        return Given([resized(listed.decode(*file, space, max_pixels)) for file in files], "")
    becomes = original.becomes if original else None
    own = lambda file: resized(pictures.decode_index_map(file.data, file.place, space, max_pixels, becomes))
    unnamed = [i for i, file in enumerate(files) if original and not pictures.has_class_names(*file, max_pixels)]
    if not original or labels == MODEL or not unnamed:
        return Given([own(file) for file in files], "")
    others = {i: own(file) for i, file in enumerate(files) if i not in set(unnamed)}
    of_training = lambda file: resized(original.decode(file.data, file.place, space, max_pixels))
    coloured = lambda file: pictures.has_palette(file.data, file.place, space, max_pixels)
    chosen, note = _chosen([files[i] for i in unnamed], own, of_training, coloured, meaning)
    read = others | dict(zip(unnamed, chosen, strict=True))
    return Given([read[i] for i in range(len(files))], note and f"{files[unnamed[0]].place}{_more(unnamed)}: {note}")


def convert_given(index_maps: Any, meaning: Meaning) -> tuple[UInt8[np.ndarray, "*n H W"], str]:
    """Index maps in memory, `[H, W]` or `[N, H, W]`, in the channels of the model, and a note as in `Given`.

    Raises:
      MapError: if they are no index maps, or have an index without a class.
      DataError: as in `read_given`.
    """
    space, original, labels = meaning
    ndim = 2 if arguments.dimensions(index_maps) == 2 else 3
    index_maps = arguments.index_maps(index_maps, 256, ndim)
    if source := _listed(meaning):
        return source.convert(index_maps, "the map", space), ""
    own = lambda index: arguments.index_maps(index, space.num_channels, ndim).astype(np.uint8)
    if not original or labels == MODEL:
        return own(index_maps), ""
    of_training = lambda index: original.convert(index, "the map", space)
    chosen, note = _chosen([index_maps], own, of_training, lambda index: False, meaning)
    return chosen[0], note and f"the map: {note}"


def read_map(given: Any, meaning: Meaning) -> UInt8[IndexMaps, "*n H W"]:
    """The map of a file, or maps in memory, in the channels of the model; warns if they could be read in two ways.

    Raises:
      MapError, DataError: as in `read_given` and `convert_given`.
    """
    if isinstance(given, str | os.PathLike):
        (index_map,), note = read_given([map_file(given)], meaning)
    else:
        index_map, note = convert_given(given, meaning)
    if note:
        warnings.warn(note, stacklevel=3)
    return IndexMaps(index_map, meaning.space)


def _chosen(
    given: Sequence[Any],
    own: Callable[[Any], np.ndarray],
    of_training: Callable[[Any], np.ndarray],
    coloured: Callable[[Any], bool],
    meaning: Meaning,
) -> tuple[list[np.ndarray], str]:
    """The maps as one of two functions reads them, and a note if both could have been right."""
    as_trained = _attempt(of_training, given)
    if meaning.labels == DATA:
        return _required(as_trained), ""
    as_own = _attempt(own, given)
    if isinstance(as_own, AmbiguousMapError) and not (meaning.original and meaning.original.colours):
        raise as_own
    if isinstance(as_own, MapError):
        return _required(as_trained), ""
    if isinstance(as_trained, MapError) or all(map(np.array_equal, as_own, as_trained)):
        return as_own, ""
    if all(map(coloured, given)):
        return as_own, f"read as classes of the model, whose colours it has; labels={DATA} reads it otherwise"
    return as_trained, f"read by the labels of the training maps; labels={MODEL} reads it as classes of the model"


def _attempt(read: Callable[[Any], np.ndarray], given: Sequence[Any]) -> list[np.ndarray] | MapError:
    """All maps, or the first error."""
    try:
        return [read(one) for one in given]
    except MapError as error:
        return error


def _required(read: list[np.ndarray] | MapError) -> list[np.ndarray]:
    if isinstance(read, MapError):
        raise read
    return read


def _more(rows: Sequence[int]) -> str:
    return f" and {len(rows) - 1} more without class names" if len(rows) > 1 else ", without class names"


def _listed(meaning: Meaning) -> OriginalLabels | None:
    """The labels of the list that is named, with the class that each stands for; None if no list is."""
    space, original, labels = meaning
    if labels in ("", MODEL, DATA):
        return None
    listed = read_labels(labels)
    background = {i: BACKGROUND for i in listed.background}
    entries = [(i, name, background.get(i) or _class_of(name, space, original)) for i, name in listed.names.items()]
    found = tuple(Label(*entry, listed.colours.get(entry[0])) for entry in sorted(entries))
    return OriginalLabels(found, -1, listed.by_index, str(labels), "name it there")


def _class_of(name: str, space: LabelSpace, original: OriginalLabels | None) -> str:
    """The class that a name stands for: what became of this label in training, or the class of this name or title."""
    if original and name in original.becomes:
        return original.becomes[name]
    return space.known(name) or ""
