"""The sources by the names that users give them."""

import dataclasses
from collections.abc import Callable, Sequence

from segvae_jax.data.prepare.conversion import Recipe
from segvae_jax.data.prepare.splits import by_number, official_partition
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.data.sources.detection import celebamask, human_parsing
from segvae_jax.data.sources.exclusions import read_exclusions, shipped_exclusions
from segvae_jax.data.sources.folder import folder
from segvae_jax.data.sources.source import Size, Source
from segvae_jax.errors import DataError


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What a source may need besides its name.

    Attributes:
      path: of the data set.
      layout: faces, people: name of its layout; detected if empty.
      fit: people: stretch or pad, see `human_parsing`.
      labels: folder: .txt, .json or .csv file with the name of each index, or colour.
      merge: folder: `old,old=new;old=new`.
      classes: folder: classes to keep, in drawing order; all, big ones first, if empty.
      ignore: folder: index of pixels that become background; -1 for none.
      kind: cartoon: faces or people.
      num_maps: cartoon: how many are drawn.
      seed: cartoon: of the drawings.
    """

    path: str = ""
    layout: str = ""
    fit: str = "stretch"
    labels: str = ""
    merge: str = ""
    classes: str = ""
    ignore: int = -1
    kind: str = "faces"
    num_maps: int = 8_000
    seed: int = 0


SOURCES: dict[str, Callable[[SourceOptions], Source]] = {
    "celebamask_hq": lambda options: celebamask(options.path, options.layout),
    "celebamask_release": lambda options: celebamask(options.path, layout="celebamask_release"),
    "humanparsing": lambda options: human_parsing(options.path, options.fit, options.layout),
    "humanparsing_release": lambda options: human_parsing(options.path, options.fit, "humanparsing_release"),
    "folder": lambda options: folder(options.path, options.labels, options.merge, options.classes, options.ignore),
    "cartoon": lambda options: cartoon(options.kind, options.num_maps, options.seed),
}


def open_source(name: str, options: SourceOptions, flag: str = "--") -> Source:
    """The source of that name.

    Args:
      name: one of `SOURCES`.
      options: what it needs.
      flag: what users type before the name of an option.

    Raises:
      DataError: if there is none, or it needs an option that is not given.
      SegVAEError: if it cannot be read.
    """
    if name not in SOURCES:
        raise DataError(f"source {name!r}: expected one of {', '.join(SOURCES)}")
    if name != "cartoon" and not options.path:
        raise DataError(f"{flag}path is not set: give the folder or .zip with the maps, {flag}path=FOLDER")
    if name == "folder" and not options.labels:
        raise DataError(f"{flag}labels is not set: give the file with the names of the indices, {flag}labels=FILE")
    return SOURCES[name](options)


def recipe_for(
    name: str,
    source: Source,
    *,
    size: Sequence[str],
    image_size: Sequence[str] = (),
    exclude: str = "",
    skip_broken: bool = False,
    celeba_mapping: str = "",
    celeba_partition: str = "",
) -> Recipe:
    """What to make of a source, from what users type.

    Args:
      name: of the source, as users give it.
      source: of the maps.
      size: side, or height and width, of the maps.
      image_size: the same of the pictures; none if empty.
      exclude: file of maps to be left out besides those that are known to be broken.
      skip_broken: leaves out maps that cannot be read.
      celeba_mapping, celeba_partition: files of the official splits; both or neither.

    Raises:
      DataError: if a value or a file cannot be used.
    """
    if bool(celeba_mapping) != bool(celeba_partition):
        raise DataError("the official splits of CelebA need two files: give --celeba_mapping and --celeba_partition")
    splits = by_number(official_partition(celeba_mapping, celeba_partition), source.ids) if celeba_mapping else None
    pictures = _size("image_size", image_size) if image_size else None
    return Recipe(_size("size", size), pictures, _excluded(name, source, exclude), splits, skip_broken)


def _excluded(name: str, source: Source, path: str) -> dict[str, str]:
    """The ids of the source that either list names."""
    own = read_exclusions(path) if path else {}
    if unknown := sorted(set(own) - set(source.ids)):
        raise DataError(f"{path}: no map {unknown[0]!r} in {source.name}: its ids look like {source.ids[0]!r}")
    return {i: reason for i, reason in (shipped_exclusions(name) | own).items() if i in set(source.ids)}


def _size(flag: str, words: Sequence[str]) -> Size:
    if len(words) not in (1, 2) or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise DataError(f"--{flag}={','.join(words)}: expected SIDE, or HEIGHT,WIDTH, in pixels")
    return int(words[0]), int(words[-1])
