"""Where maps come from: data sets in a layout that is known, folders with a label list, and the cartoon set.

A source lists ids and reads one map at a time at the size asked for; it knows nothing of splits,
files of its own, or batches.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.layouts.detection import celebamask, human_parsing
from segvae_jax.data.source import Size, Source, fingerprint
from segvae_jax.errors import DataError, LabelError
from segvae_jax.labels import BACKGROUND, LabelSpace, pairs_by_name
from segvae_jax.pictures import read_index_png

__all__ = ["Source", "cartoon", "celebamask", "folder", "human_parsing", "read_labels"]


def folder(path: str | Path, labels: str | Path, merge: str = "", classes: str = "") -> Source:
    """Index PNGs of the user's own.

    Args:
      path: of the folder.
      labels: file that names the indices: JSON (a list, or index -> name) or text, one name a line; index 0
        is the background whatever its name.
      merge: classes to be joined by name, `new=old,old;new=old`.
      classes: names of the classes to keep, in drawing order, separated by commas; the others become
        background. All, in the order of their indices, if empty.

    Raises:
      DataError: if a file is missing or malformed.
      LabelError: if a name is unknown.
    """
    names = read_labels(labels)
    renamed = _merged(names, merge)
    keep = tuple(n.strip() for n in classes.split(",") if n.strip())
    keep = keep or tuple(dict.fromkeys(renamed[i] for i in sorted(renamed) if i > 0))
    if unknown := sorted(set(keep) - set(renamed.values())):
        known = ", ".join(dict.fromkeys(renamed.values()))
        raise LabelError(f"data.classes names {unknown[0]!r}: known classes are {known}")
    return _index_folder("folder", path, LabelSpace(keep, pairs=pairs_by_name(keep)), renamed)


def cartoon(kind: str, num_maps: int, seed: int) -> Source:
    """Maps that the project draws itself: `faces` or `people`."""
    if kind not in CARTOON_SPACES:
        raise DataError(f"cartoon kind {kind!r}: expected {' or '.join(CARTOON_SPACES)}")
    read = lambda example_id, size: cartoon_map(kind, seed, int(example_id), size)
    ids = tuple(f"{i:06d}" for i in range(num_maps))
    return Source(f"cartoon_{kind}", CARTOON_SPACES[kind], ids, read, fingerprint([seed, "1"]))


def read_labels(path: str | Path) -> dict[int, str]:
    """Index -> name from a label list.

    Raises:
      DataError: if the file is missing, malformed, or names a class twice.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        listed = json.loads(text) if path.suffix == ".json" else text.rstrip().split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a label list ({error}): expected JSON or one name a line") from None
    if isinstance(listed, Mapping):
        pairs = list(listed.items())
    elif isinstance(listed, Sequence) and not isinstance(listed, str):
        pairs = list(enumerate(listed))
    else:
        raise DataError(f"{path}: expected a list of names or an object index -> name")
    if not all(_is_index(i) and isinstance(name, str) and name.strip() for i, name in pairs) or len(pairs) < 2:
        raise DataError(f"{path}: expected names of indices 0 (background) to at most 255, two or more, none empty")
    names = {int(i): name.strip() for i, name in pairs}
    if len(set(names.values())) != len(pairs):
        raise DataError(f"{path}: a name or an index is listed twice")
    return names


def _is_index(value: object) -> bool:
    return str(value).isdecimal() and int(str(value)) < 256


def _merged(names: Mapping[int, str], rules: str) -> dict[int, str]:
    """Applies `new=old,old;...` to the names of indices; index 0 becomes the background."""
    renames: dict[str, str] = {}
    for rule in filter(None, (r.strip() for r in rules.split(";"))):
        new, equals, old = rule.partition("=")
        if not equals:
            raise DataError(f"data.merge rule {rule!r}: expected new=old,old")
        renames |= {name.strip(): new.strip() for name in old.split(",")}
    if unknown := sorted(set(renames) - set(names.values())):
        raise LabelError(f"data.merge names {unknown[0]!r}: known labels are {', '.join(names.values())}")
    return {i: BACKGROUND if i == 0 else renames.get(name, name) for i, name in names.items()}


def _index_folder(name: str, path: str | Path, space: LabelSpace, index_names: Mapping[int, str]) -> Source:
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder: set data.path to the folder of index PNGs")
    files = {file.stem: file for file in sorted(path.glob("*.png"))}
    if not files:
        raise DataError(f"{path}: no PNG file in it: expected index maps, one PNG each")
    channels = np.zeros(max(index_names) + 1, np.uint8)
    for index, class_name in index_names.items():
        channels[index] = space.channel(class_name) if class_name in space.classes else 0

    def read(example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        index = channels[read_index_png(files[example_id], len(channels))]
        class_maps = maps.index_to_class_maps(index, space.num_channels)
        return maps.resize(maps.restore_covered(class_maps, space), size)

    stamps = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files.values()]
    version = fingerprint([str(path.resolve()), stamps, sorted(index_names.items())])
    return Source(name, space, tuple(sorted(files)), read, version)
