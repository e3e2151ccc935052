"""Maps of any other generator: a folder of index PNGs, read in the classes of the data."""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import maps
from segvae_jax.errors import DataError
from segvae_jax.given_maps import Meaning, map_file, pngs_in, read_given
from segvae_jax.labels import LABEL_SETS_FILE, LabelSpace, read_label_sets


@dataclasses.dataclass(frozen=True)
class MapSet:
    """A finished set of maps, from any generator.

    Attributes:
      index_maps: the maps, in the channels of a label space.
      label_sets: the label-sets that were requested for the maps; None if they are unknown.
      note: what was assumed when they were read, in one line; "" if nothing was.
    """

    index_maps: UInt8[np.ndarray, "N H W"]
    label_sets: Bool[np.ndarray, "N C"] | None
    note: str = ""

    def sample(self, count: int, seed: int) -> "MapSet":
        """A random subset of `count` maps, in their order; all maps if there are no more."""
        rows = np.sort(np.random.default_rng(seed).permutation(len(self.index_maps))[:count])
        return MapSet(self.index_maps[rows], None if self.label_sets is None else self.label_sets[rows])


def read_map_set(folder: str | Path, meaning: Meaning, size: tuple[int, int], fit: str = "stretch") -> MapSet:
    """Reads all PNGs in a folder, or in its subfolders, sorted by subfolder and name.

    `segvae_jax.given_maps` says what their indices mean. Maps of other sizes are resized by area. Label-sets are read
    from a `label_sets.txt` beside the maps, with one line per map, as `generate.py` writes it.

    Args:
      folder: the folder; see `pngs_in` for the files that are found in it.
      meaning: the label space of the real maps, and what else the indices may mean.
      size: height and width of the real maps.
      fit: how the real maps got their size, one of `maps.FITS`.

    Raises:
      DataError: if there is no folder or no PNG, or a `label_sets.txt` does not have one line per map.
      MapError: naming the file, if it cannot be read, or has an unknown class.
      LabelError: naming file and line, if a label-set cannot be read.
    """
    files, space = pngs_in(folder), meaning.space
    resized = lambda index: maps.resize_index(index, space, size, fit)
    read, note = read_given([map_file(file) for file in files], meaning, resized=resized)
    return MapSet(np.stack(read), _label_sets(files, space), note)


def _label_sets(files: Sequence[Path], space: LabelSpace) -> Bool[np.ndarray, "N C"] | None:
    """The label-sets of all maps; None if a folder with maps has no `label_sets.txt`."""
    counts = {folder: len(list(group)) for folder, group in itertools.groupby(files, key=lambda file: file.parent)}
    if not all((folder / LABEL_SETS_FILE).is_file() for folder in counts):
        return None
    return np.concatenate(
        [_read_label_sets(folder / LABEL_SETS_FILE, count, space) for folder, count in counts.items()]
    )


def _read_label_sets(path: Path, count: int, space: LabelSpace) -> Bool[np.ndarray, "N C"]:
    rows = read_label_sets(path, space)
    if len(rows) != count:
        raise DataError(f"{path}: {len(rows)} label-sets for {count} maps: expected one line per map, in their order")
    return rows
