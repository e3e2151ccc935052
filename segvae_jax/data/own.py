"""Maps of the user's own: a folder of index PNGs, whatever their indices mean."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.data.label_list import Colour, LabelList, merged, read_labels
from segvae_jax.data.source import Size, Source, fingerprint
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import BACKGROUND, LabelSpace, pairs_by_name
from segvae_jax.pictures import read_index_png


def folder(path: str | Path, labels: str | Path, merge: str = "", classes: str = "", ignore: int = -1) -> Source:
    """Index PNGs of the user's own.

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
    read_index = _reader(renamed, space, ignore, labels)
    version = [sorted(renamed.items()), ignore, bool(classes.strip())]
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
    renamed: Mapping[int, str], space: LabelSpace, ignore: int, labels: str | Path
) -> Callable[[Path], UInt8[np.ndarray, "H W"]]:
    """Reads an index map into channels of `space`; an index that has no name is refused."""
    channels = np.zeros(256, np.uint8)
    for index, name in renamed.items():
        channels[index] = space.channel(name) if name in space.classes else 0
    known = np.isin(np.arange(256), [*renamed, ignore])

    def read(file: Path) -> UInt8[np.ndarray, "H W"]:
        index = read_index_png(file, 256)
        if nameless := sorted(set(np.unique(index)) - set(known.nonzero()[0])):
            value = nameless[0]
            raise MapError(
                f"{file}: index {value} has no name in {labels}: name it there, or make its pixels background"
                f" with data.ignore={value}"
            )
        return channels[index]

    return read


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
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder: set data.path to the folder of index PNGs")
    files = {file.stem: file for file in sorted(path.glob("*.png"))}
    if not files:
        raise DataError(f"{path}: no PNG file in it: expected index maps, one PNG each")

    def native(example_id: str) -> Bool[np.ndarray, "H W C"]:
        return maps.index_to_class_maps(read_index(files[example_id]), space.num_channels)

    def read(example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        return maps.resize(native(example_id), size)

    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files.values()]
    stamp = fingerprint([str(path.resolve()), stamps, version])
    return Source("folder", space, tuple(sorted(files)), read, stamp, native=native, order_by_area=order_by_area)
