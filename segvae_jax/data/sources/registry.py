"""The data sets by the names that users give them, in configurations (`data.source`) and to `prepare.py --source`.

A new data set needs a module that reads it and an entry here. A new layout of a known one needs an entry in the
`LAYOUTS` of its module.
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable, Mapping

from segvae_jax.data.sources import celebamask, human_parsing
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.folder import folder
from segvae_jax.data.sources.images import with_images
from segvae_jax.data.sources.layouts import Layouts, choose_layout
from segvae_jax.data.sources.reading import check_fit
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import DataError
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING, LabelSpace


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What users may say about a data set besides its name. Each data set takes some of the options.

    Attributes:
      path: folder or .zip of the data set.
      images: folder or .zip of the pictures, named as their maps; for data sets that do not bring their own.
      layout: name of a layout of the data set; detected if empty.
      fit: "stretch" resizes maps to the requested size, "pad" keeps their aspect ratio by adding background.
      labels: .txt, .json, .yaml or .csv file with the name of each index, or of each colour.
      merge: classes to join, `old,old=new;old=new`.
      classes: classes to keep, in drawing order; all, large ones first, if empty.
      ignore: index of the pixels that become background; -1 for none.
      kind: "faces" or "people".
      num_maps: number of cartoons.
      seed: random seed of the cartoons, at least 0.

    Raises:
      DataError: if there is no such fit.
    """

    path: str = ""
    images: str = ""
    layout: str = ""
    fit: str = "stretch"
    labels: str = ""
    merge: str = ""
    classes: str = ""
    ignore: int = -1
    kind: str = "faces"
    num_maps: int = 8_000
    seed: int = 0

    def __post_init__(self):
        check_fit(self.fit)


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A data set that users can name.

    Attributes:
      open: makes its source; takes the options below as keywords.
      options: names of the fields of `SourceOptions` that it takes.
      space: its classes; None where the options decide. A layout may number them differently.
      layouts: the ways in which it may lie on disk.
      exclusions: file in `exclusions/` that lists the maps whose annotation is known to be broken; "" for none.
    """

    open: Callable[..., Source]
    options: tuple[str, ...]
    space: LabelSpace | None = None
    layouts: Layouts = dataclasses.field(default_factory=dict)
    exclusions: str = ""


def _published(space: LabelSpace, layouts: Layouts, exclusions: str, *options: str) -> DataSet:
    """A data set that others publish, in one of several layouts."""
    opener = functools.partial(_open_in_layout, layouts)
    return DataSet(opener, ("path", "layout", *options), space, layouts, exclusions)


def _open_in_layout(layouts: Layouts, path: str, layout: str, **options: str) -> Source:
    tree = open_tree(path)
    return choose_layout(tree, layout, layouts, LAYOUTS).open(tree, **options)


DATA_SETS: Mapping[str, DataSet] = {
    "cartoon": DataSet(cartoon, ("kind", "num_maps", "seed")),
    "celebamask_hq": _published(CELEBAMASK_HQ, celebamask.LAYOUTS, "celebamask_hq.txt"),
    "humanparsing": _published(HUMAN_PARSING, human_parsing.LAYOUTS, "humanparsing.txt", "fit"),
    "folder": DataSet(folder, ("path", "labels", "merge", "classes", "ignore")),
}
LAYOUTS: Layouts = {name: layout for data_set in DATA_SETS.values() for name, layout in data_set.layouts.items()}
_REQUIRED = {
    "path": ("the folder or .zip with the maps", "FOLDER"),
    "labels": ("the file with the names of the indices", "FILE"),
}  # by option: what to give, and how help texts write it


def open_source(name: str, options: SourceOptions, flag: str = "--") -> Source:
    """The source of a data set.

    Args:
      name: of the data set, one of `DATA_SETS`.
      options: of the data set; every one takes `images`. Those of cartoons are ignored by others.
      flag: what users type before the name of an option.

    Raises:
      DataError: if there is no such data set, it needs an option that is not given, or does not take one that is.
      SegVAEError: if the data set cannot be read.
    """
    if name not in DATA_SETS:
        raise DataError(f"{flag}source={name}: no such data set{_hint(name)}: expected one of {', '.join(DATA_SETS)}")
    _refuse_others(name, options, flag)
    given = {option: getattr(options, option) for option in DATA_SETS[name].options}
    for option, (what, value) in _REQUIRED.items():
        if given.get(option) == "":
            raise DataError(f"{flag}{option} is not set: give {what}, {flag}{option}={value}")
    source = DATA_SETS[name].open(**given)
    return with_images(source, options.images) if options.images else source


def _refuse_others(name: str, options: SourceOptions, flag: str) -> None:
    """Refuses options that would be ignored; configurations always have those of cartoons."""
    taken = (*DATA_SETS[name].options, *DATA_SETS["cartoon"].options, "images")
    for field in dataclasses.fields(options):
        if field.name not in taken and (value := getattr(options, field.name)) != field.default:
            who = ", ".join(known for known, data_set in DATA_SETS.items() if field.name in data_set.options)
            raise DataError(f"{flag}{field.name}={value}: not an option of {name}, but of {who}: leave it out")


def _hint(name: str) -> str:
    owner = next((known for known, data_set in DATA_SETS.items() if name in data_set.layouts), "")
    near = difflib.get_close_matches(name, DATA_SETS, n=1)
    if owner:
        return f" (did you mean {owner!r} with layout={name}?)"
    return f" (did you mean {near[0]!r}?)" if near else ""
