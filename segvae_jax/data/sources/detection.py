"""Which layout a folder or .zip has, and the source that its reader makes of it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from segvae_jax.data.sources import celebamask as faces
from segvae_jax.data.sources import human_parsing as people
from segvae_jax.data.sources.file_tree import FileTree, open_tree
from segvae_jax.data.sources.parquet import SUFFIX, parquet
from segvae_jax.data.sources.reading import check_fit, image_id
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import DataError
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING


@dataclasses.dataclass(frozen=True)
class Layout:
    """A way in which a data set lies on disk.

    Attributes:
      looks_for: the files, as messages name them.
      open: the source in a tree that has the layout; of people also the fit.
      folder: whose presence tells the layout; "" where the files themselves do.
      fits: whether a tree without any such folder has the layout.
    """

    looks_for: str
    open: Callable[..., Source]
    folder: str = ""
    fits: Callable[[FileTree], bool] = lambda tree: False


def _index_folder(tree: FileTree) -> str | None:
    """The folder of the PNG files: the top if there are any, else the only one that has some."""
    names = (PurePosixPath(name) for name in tree.names)
    folders = {str(name.parent) for name in names if name.suffix.lower() == ".png"}
    if "." in folders or len(folders) != 1:
        return "" if "." in folders else None
    return f"{folders.pop()}/"


_holds_index_maps = lambda tree: _index_folder(tree) is not None
_holds_parquet = lambda tree: any(name.endswith(SUFFIX) for name in tree.names)


def _face_parquet(tree: FileTree) -> Source:
    notes = {"layout": "celebamask_parquet", "skin": faces.RESTORED}
    return parquet(tree, CELEBAMASK_HQ, "celebamask_hq", notes, image_id)


def _people_parquet(tree: FileTree, fit: str) -> Source:
    return parquet(tree, HUMAN_PARSING, "human_parsing", {"layout": "humanparsing_parquet", "fit": fit}, str, fit)


_INDEX_MAPS, _PARQUET = "<id>.png in one folder", "*.parquet with a column of masks"
_FACES: dict[str, Layout] = {
    "celebamask_hq": Layout(f"{faces.OFFICIAL_MAPS}/<0..14>/<id>_<part>.png", faces.official, faces.OFFICIAL_MAPS),
    "celebamask_release": Layout(f"{faces.RELEASE_MAPS}/<id>/<channel>.png", faces.release, faces.RELEASE_MAPS),
    "celebamask_index": Layout(
        _INDEX_MAPS, lambda tree: faces.flattened(tree, _index_folder(tree) or ""), fits=_holds_index_maps
    ),
    "celebamask_parquet": Layout(_PARQUET, _face_parquet, fits=_holds_parquet),
}
_PEOPLE: dict[str, Layout] = {
    "humanparsing": Layout(f"{people.OFFICIAL_MAPS}/<id>.png", people.official, people.OFFICIAL_MAPS),
    "humanparsing_release": Layout(f"{people.RELEASE_MAPS}/<id>.png", people.release, people.RELEASE_MAPS),
    "humanparsing_index": Layout(
        _INDEX_MAPS, lambda tree, fit: people.flattened(tree, _index_folder(tree) or "", fit), fits=_holds_index_maps
    ),
    "humanparsing_parquet": Layout(_PARQUET, _people_parquet, fits=_holds_parquet),
}
LAYOUTS: Mapping[str, Layout] = {**_FACES, **_PEOPLE}


def detect(path: str | Path) -> str:
    """The name in `LAYOUTS` of the layout of a folder or .zip.

    Raises:
      DataError: if none fits, naming what was looked for; if several do; or if the path cannot be read.
    """
    return _detected(open_tree(path), LAYOUTS)


def celebamask(path: str | Path, layout: str = "") -> Source:
    """CelebAMask-HQ in any of its layouts; what they do about skin under facial parts is in the notes.

    Args:
      path: a folder or .zip.
      layout: a name in `LAYOUTS`; detected if empty.

    Raises:
      DataError: if there is no such layout in it, or a file is missing, misnamed or unreadable.
    """
    tree = open_tree(path)
    return _FACES[_told(tree, layout, _FACES)].open(tree)


def human_parsing(path: str | Path, fit: str = "stretch", layout: str = "") -> Source:
    """HumanParsing (ATR) in any of its layouts.

    Args:
      path: a folder or .zip.
      fit: "stretch" resizes maps to the size asked for, "pad" keeps their aspect ratio by adding background.
      layout: a name in `LAYOUTS`; detected if empty.

    Raises:
      DataError: if there is no such layout in it, or a file is missing or unreadable.
    """
    check_fit(fit)
    tree = open_tree(path)
    return _PEOPLE[_told(tree, layout, _PEOPLE)].open(tree, fit)


def _told(tree: FileTree, layout: str, known: Mapping[str, Layout]) -> str:
    if not layout:
        return _detected(tree, known)
    if layout not in known:
        raise DataError(f"layout {layout!r}: expected one of {', '.join(known)}")
    if layout not in _fitting(tree):
        raise DataError(f"{tree.path}: not in the layout {layout}: looked for {known[layout].looks_for}")
    return layout


def _detected(tree: FileTree, known: Mapping[str, Layout]) -> str:
    found = _fitting(tree)
    fitting = [name for name in found if name in known]
    if len(fitting) > 1:
        raise DataError(f"{tree.path}: could be {' or '.join(fitting)}: set data.layout to one of them")
    if not fitting:
        other = f"is in the layout {found[0]}" if found else "no layout that is known"
        sought = "; ".join(f"{layout.looks_for} ({name})" for name, layout in known.items())
        raise DataError(f"{tree.path}: {other}: looked for {sought}")
    return fitting[0]


def _fitting(tree: FileTree) -> list[str]:
    """Layouts by the folders that tell them; only without any of these by the files alone."""
    told = [name for name, layout in LAYOUTS.items() if layout.folder and tree.root_of(layout.folder) is not None]
    return told or [name for name, layout in LAYOUTS.items() if layout.fits(tree)]
