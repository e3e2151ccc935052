"""Maps of the user's own: a folder of PNGs, whatever their indices or colours mean."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.data.sources.label_list import Colour, LabelList, merged, read_labels
from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import BACKGROUND, LabelSpace, pairs_by_name
from segvae_jax.pictures import INDEX_PNG, read_index_or_rgb_png

_CODE = np.array([1 << 16, 1 << 8, 1])  # of a colour, as one number


def folder(path: str | Path, labels: str | Path, merge: str = "", classes: str = "", ignore: int = -1) -> Source:
    """Index PNGs of the user's own, and RGB PNGs if the labels have colours.

    Args:
      path: of the folder.
      labels: file that names the indices, see `label_list`; index 0 is the background whatever its name.
      merge: classes to be joined by name, `old,old=new;old=new`; what becomes `background` is left out.
      classes: names of the classes to keep, in drawing order, separated by commas; the others become
        background. All, in an order found at preparation, if empty.
      ignore: index of pixels that become background, named or not; none if negative.

    Raises:
      DataError: if a file is missing or malformed.
      LabelError: if a name is unknown.
    """
    listed = read_labels(labels)
    renamed = merged({i: name for i, name in listed.names.items() if i != ignore or i == 0}, merge)
    found = tuple(dict.fromkeys(renamed[i] for i in sorted(renamed) if renamed[i] != BACKGROUND))
    keep = tuple(n.strip() for n in classes.split(",") if n.strip()) or found
    if unknown := [name for name in keep if name not in (*found, BACKGROUND)]:
        raise LabelError(f"data.classes names {unknown[0]!r}: known classes are {', '.join(found)}")
    space = LabelSpace(keep, pairs=pairs_by_name(keep), palette=_palette(listed, renamed, keep))
    read_index = _reader(listed, renamed, space, ignore, labels)
    version = [sorted(renamed.items()), ignore, bool(classes.strip()), sorted(listed.colours.items())]
    return _index_folder(path, space, read_index, version, order_by_area=not classes.strip())


def _palette(listed: LabelList, renamed: Mapping[int, str], keep: tuple[str, ...]) -> tuple[Colour, ...]:
    """A class has the colour of the index of its name, or else of the first that was merged into it; `()` if none."""
    if not listed.colours:
        return ()
    own = {name: i for i, name in listed.names.items()}
    first = {name: i for i, name in sorted(renamed.items(), reverse=True)}
    indices = [own[name] if renamed.get(own.get(name, -1)) == name else first[name] for name in keep]
    return tuple(listed.colours.get(i, (0, 0, 0)) for i in (0, *indices))


def _reader(
    listed: LabelList, renamed: Mapping[int, str], space: LabelSpace, ignore: int, labels: str | Path
) -> Callable[[Path], UInt8[np.ndarray, "H W"]]:
    """Reads a map into channels of `space`; an index or colour that has no name is refused."""
    channels = np.zeros(256, np.uint8)
    for index, name in renamed.items():
        channels[index] = space.channel(name) if name in space.classes else 0
    known = np.isin(np.arange(256), [*renamed, ignore])
    colours = _by_colour(listed, channels)

    def read(file: Path) -> UInt8[np.ndarray, "H W"]:
        pixels = read_index_or_rgb_png(file)
        if pixels.ndim == 3:
            return _channels_of(pixels, colours, str(file), labels)
        if nameless := sorted(set(np.unique(pixels)) - set(known.nonzero()[0])):
            value = nameless[0]
            raise MapError(
                f"{file}: index {value} has no name in {labels}: name it there, or make its pixels background"
                f" with data.ignore={value}"
            )
        return channels[pixels]

    return read


def _by_colour(listed: LabelList, channels: UInt8[np.ndarray, "256"]) -> dict[int, int]:
    """Code of a colour -> its channel; -1 of a colour that several channels have."""
    found: dict[int, int] = {}
    for index, colour in listed.colours.items():
        code, channel = int(np.array(colour) @ _CODE), int(channels[index])
        found[code] = channel if found.get(code, channel) == channel else -1
    return found


def _channels_of(
    rgb: UInt8[np.ndarray, "H W 3"], colours: Mapping[int, int], place: str, labels: str | Path
) -> UInt8[np.ndarray, "H W"]:
    """The channel of each pixel, by its very colour."""
    if not colours:
        raise MapError(f"{place}: image mode RGB: expected {INDEX_PNG}, or a colour to each name in {labels}")
    codes, inverse, counts = np.unique(rgb @ _CODE, return_inverse=True, return_counts=True)
    found = np.array([colours.get(code, -1) for code in codes.tolist()])
    if (found < 0).any():
        odd = np.argmax(counts * (found < 0))
        pixels = f"{counts[odd]:,} pixels of colour #{codes[odd]:06x}"
        raise MapError(f"{place}: {pixels}, which no class in {labels} has, or several: give it to one")
    return found[inverse].astype(np.uint8).reshape(rgb.shape[:2])


def _index_folder(
    path: str | Path,
    space: LabelSpace,
    read_index: Callable[[Path], UInt8[np.ndarray, "H W"]],
    version: object,
    order_by_area: bool,
) -> Source:
    """A folder of index PNGs, one a map.

    Args:
      path: of the folder.
      space: of its maps.
      read_index: reads a file as an index map in the channels of `space`.
      version: whatever else, as JSON, changes what is read.
      order_by_area: as in `Source`.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise DataError(f"{path}: no such folder: set data.path to the folder of index PNGs")
    files = {file.stem: file for file in sorted(path.glob("[!.]*")) if file.suffix.lower() == ".png"}
    if not files:
        raise DataError(f"{path}: no PNG file in it: expected index maps, one PNG each")

    def native(example_id: str) -> Bool[np.ndarray, "H W C"]:
        return maps.index_to_class_maps(read_index(files[example_id]), space.num_channels)

    def read(example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        return maps.resize(native(example_id), size)

    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files.values()]
    stamp = fingerprint([str(path.resolve()), stamps, version])
    return Source("folder", space, tuple(sorted(files)), read, stamp, native=native, order_by_area=order_by_area)
