"""The layouts in which a published data set may lie on disk, and which of them a folder or .zip has."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from segvae_jax.data.sources.file_tree import FileTree
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import DataError

INDEX_MAPS = "<id>.png in one folder"


@dataclasses.dataclass(frozen=True)
class Layout:
    """One way in which a data set lies on disk.

    Attributes:
      looks_for: the files, as error messages name them.
      open: makes the source of a tree that has this layout; takes the options of the data set, except its path
        and layout, as keywords.
      folder: a tree that has this folder has this layout; "" where the files themselves identify the layout.
      fits: whether a tree has this layout, judged by its files; asked only if no folder identifies a layout.
    """

    looks_for: str
    open: Callable[..., Source]
    folder: str = ""
    fits: Callable[[FileTree], bool] = lambda tree: False


Layouts = Mapping[str, Layout]  # by name


def index_folder(tree: FileTree) -> str | None:
    """The folder of the PNG files, `"a/b/"`.

    Returns:
      `""`, the top of the tree, if it holds PNG files itself; else the only folder that does; None if there are
      none or several.
    """
    names = (PurePosixPath(name) for name in tree.names)
    folders = {str(name.parent) for name in names if name.suffix.lower() == ".png"}
    if "." in folders or len(folders) != 1:
        return "" if "." in folders else None
    return f"{folders.pop()}/"


def holds_index_maps(tree: FileTree) -> bool:
    """Whether there is one folder of PNG files."""
    return index_folder(tree) is not None


def choose_layout(tree: FileTree, layout: str, of_data_set: Layouts, of_all: Layouts) -> Layout:
    """The layout that a tree is read in.

    Args:
      tree: the files.
      layout: the name that the user gave; detected if empty.
      of_data_set: the layouts of the data set that the user named.
      of_all: the layouts of all data sets, so that files of another one are not mistaken.

    Raises:
      DataError: if the tree has no such layout, or several fit and none is named.
    """
    name = layout or detect_layout(tree, of_data_set, of_all)
    if name not in of_data_set:
        raise DataError(f"layout {name!r}: expected one of {', '.join(of_data_set)}")
    if name not in _fitting(tree, of_all):
        raise DataError(f"{tree.path}: not in the layout {name}: looked for {of_data_set[name].looks_for}")
    return of_data_set[name]


def detect_layout(tree: FileTree, of_data_set: Layouts, of_all: Layouts) -> str:
    """The name of the only layout of the data set that fits; see `choose_layout`.

    Raises:
      DataError: if no layout fits, with a list of the files that were looked for; or if several fit.
    """
    found = _fitting(tree, of_all)
    fitting = [name for name in found if name in of_data_set]
    if len(fitting) > 1:
        raise DataError(f"{tree.path}: could be {' or '.join(fitting)}: name one of them as the layout")
    if not fitting:
        other = f"is in the layout {found[0]}" if found else "has no known layout"
        sought = "; ".join(f"{layout.looks_for} ({name})" for name, layout in of_data_set.items())
        raise DataError(f"{tree.path}: {other}: looked for {sought}")
    return fitting[0]


def _fitting(tree: FileTree, layouts: Layouts) -> list[str]:
    """Names of the layouts whose folder is there; only if there is none, of those whose files are there."""
    by_folder = [name for name, layout in layouts.items() if layout.folder and tree.root_of(layout.folder) is not None]
    return by_folder or [name for name, layout in layouts.items() if layout.fits(tree)]
