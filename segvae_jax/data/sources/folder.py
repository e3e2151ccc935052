"""The user's own maps: a folder of PNGs, and a list that says what their indices or colours mean."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.label_list import Colour, LabelList, merged, read_labels
from segvae_jax.data.sources.reading import READING, EncodedPicture, Files, pictures_in
from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import BACKGROUND, LabelSpace, pairs_by_name
from segvae_jax.pictures import INDEX_PNG, decode_index_or_rgb_png

_CODE = np.array([1 << 16, 1 << 8, 1])  # makes one number of an RGB colour


def folder(path: str | Path, labels: str | Path, merge: str = "", classes: str = "", ignore: int = -1) -> Source:
    """The user's own index PNGs, and RGB PNGs if the list has colours.

    Args:
      path: of the folder or .zip.
      labels: file that names the indices or the colours, see `label_list`.
      merge: classes to join by name, `old,old=new;old=new`; a class that becomes `background` is left out.
      classes: names of the classes to keep, in drawing order, separated by commas; all others become background.
        If empty, all classes are kept, in an order that preparing determines.
      ignore: index of the pixels that become background, whether it has a name or not; none if negative.

    Raises:
      DataError: if a file is missing or malformed.
      LabelError: if a name is unknown.
    """
    listed = read_labels(labels)
    named = {i: name for i, name in listed.names.items() if i != ignore or i in listed.background}
    renamed = merged(dataclasses.replace(listed, names=named), merge)
    found = tuple(dict.fromkeys(renamed[i] for i in sorted(renamed) if renamed[i] != BACKGROUND))
    keep = tuple(n.strip() for n in classes.split(",") if n.strip()) or found
    if unknown := [name for name in keep if name not in (*found, BACKGROUND)]:
        raise LabelError(f"data.classes names {unknown[0]!r}: known classes are {', '.join(found)}")
    space = LabelSpace(keep, pairs=pairs_by_name(keep), palette=_palette(listed, renamed, keep))
    read_index = _reader(listed, renamed, space, ignore, labels)
    version = [sorted(renamed.items()), ignore, bool(classes.strip()), sorted(listed.colours.items())]
    return _index_source(path, space, read_index, version, order_by_area=not classes.strip())


def _palette(listed: LabelList, renamed: Mapping[int, str], keep: tuple[str, ...]) -> tuple[Colour, ...]:
    """Each class has the colour of its own index, or else of the first index merged into it; `()` without colours."""
    if not listed.colours:
        return ()
    own = {name: i for i, name in listed.names.items()}
    first = {name: i for i, name in sorted(renamed.items(), reverse=True)}
    indices = [own[name] if renamed.get(own.get(name, -1)) == name else first[name] for name in keep]
    return tuple(listed.colours.get(i, (0, 0, 0)) for i in (min(listed.background), *indices))


def _reader(
    listed: LabelList, renamed: Mapping[int, str], space: LabelSpace, ignore: int, labels: str | Path
) -> Callable[[EncodedPicture], UInt8[np.ndarray, "H W"]]:
    """A function that reads a map into the channels of `space` and refuses indices and colours without a name."""
    channels = np.zeros(256, np.uint8)
    for index, name in renamed.items():
        channels[index] = space.channel(name) if name in space.classes else 0
    known = np.isin(np.arange(256), [*renamed, ignore])
    colours = _by_colour(listed, channels)

    def read(file: EncodedPicture) -> UInt8[np.ndarray, "H W"]:
        pixels = decode_index_or_rgb_png(*file, listed.colours, ignore)
        if pixels.ndim == 3:
            return _channels_of(pixels, colours, file.place, labels)
        if not listed.by_index:
            why = f"{labels} has no indices, and the background is not its first entry"
            raise MapError(f"{file.place}: holds indices, but {why}: write the index before each name")
        if nameless := sorted(set(np.unique(pixels)) - set(known.nonzero()[0])):
            value = nameless[0]
            raise MapError(
                f"{file.place}: index {value} has no name in {labels}: name it there, or make its pixels background"
                f" with data.ignore={value}"
            )
        return channels[pixels]

    return read


def _by_colour(listed: LabelList, channels: UInt8[np.ndarray, "256"]) -> dict[int, int]:
    """Code of a colour -> its channel; -1 for a colour of several channels."""
    found: dict[int, int] = {}
    for index, colour in listed.colours.items():
        code, channel = int(np.array(colour) @ _CODE), int(channels[index])
        found[code] = channel if found.get(code, channel) == channel else -1
    return found


def _channels_of(
    rgb: UInt8[np.ndarray, "H W 3"], colours: Mapping[int, int], place: str, labels: str | Path
) -> UInt8[np.ndarray, "H W"]:
    """The channel of each pixel; colours must match exactly."""
    if not colours:
        raise MapError(f"{place}: image mode RGB: expected {INDEX_PNG}, or a colour for each name in {labels}")
    codes, inverse, counts = np.unique(rgb @ _CODE, return_inverse=True, return_counts=True)
    found = np.array([colours.get(code, -1) for code in codes.tolist()])
    if (found < 0).any():
        odd = np.argmax(counts * (found < 0))
        pixels = f"{counts[odd]:,} pixels of colour #{codes[odd]:06x}"
        raise MapError(f"{place}: {pixels}, a colour of no class in {labels}, or of several: give it to one")
    return found[inverse].astype(np.uint8).reshape(rgb.shape[:2])


def _index_source(
    path: str | Path,
    space: LabelSpace,
    read_index: Callable[[EncodedPicture], UInt8[np.ndarray, "H W"]],
    version: object,
    order_by_area: bool,
) -> Source:
    """A folder or .zip of PNGs, one per map.

    Args:
      path: of the folder or .zip.
      space: the classes of its maps.
      read_index: reads a file as an index map in the channels of `space`.
      version: a value that JSON can hold; differs whenever `read_index` may return different maps.
      order_by_area: as in `Source`.
    """
    tree = open_tree(path)
    files = pictures_in(tree, "", ".png")
    if not files:
        raise DataError(f"{tree.path}: no PNG file in it: expected index maps, one PNG each")
    encoded = Files(tree, files)

    def native(example_id: str) -> Bool[np.ndarray, "H W C"]:
        return maps.index_to_class_maps(read_index(encoded(example_id)), space.num_channels)

    def read(example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        return maps.resize(native(example_id), size)

    stamp = fingerprint([READING, tree.stamps(files.values()), version])
    return Source("folder", space, tuple(sorted(files)), read, stamp, native=native, order_by_area=order_by_area)
