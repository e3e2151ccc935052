"""HumanParsing (ATR): as published, as the authors of SegVAE repackaged it, and as index maps alone."""

from collections.abc import Mapping

from segvae_jax.data.sources.file_tree import FileTree
from segvae_jax.data.sources.layouts import INDEX_MAPS, Layout, Layouts, holds_index_maps, index_folder
from segvae_jax.data.sources.parquet import PARQUET, holds_parquet, parquet
from segvae_jax.data.sources.reading import READING, Files, IndexMapReader, PictureReader, pictures_in
from segvae_jax.data.sources.source import Source, fingerprint
from segvae_jax.errors import DataError
from segvae_jax.labels import HUMAN_PARSING

_NAME = "human_parsing"  # in the fingerprints of prepared sets, so it stays; users say "humanparsing"
OFFICIAL_MAPS, RELEASE_MAPS = "SegmentationClassAug", "seg_deploy"
_OFFICIAL_IMAGES, _RELEASE_IMAGES = "JPEGImages", "img_deploy"


def official(tree: FileTree, fit: str) -> Source:
    """`SegmentationClassAug/<id>.png` and, where present, `JPEGImages/<id>.jpg`.

    Raises:
      DataError: if there is no index map.
    """
    root = tree.root_of(OFFICIAL_MAPS) or ""
    images = pictures_in(tree, f"{root}{_OFFICIAL_IMAGES}/", ".jpg")
    return _index_source("humanparsing", tree, f"{root}{OFFICIAL_MAPS}/", images, fit)


def release(tree: FileTree, fit: str) -> Source:
    """`seg_deploy/<id>.png` and, where present, `img_deploy/<id>.jpg`.

    Raises:
      DataError: if there is no index map.
    """
    root = tree.root_of(RELEASE_MAPS) or ""
    images = pictures_in(tree, f"{root}{_RELEASE_IMAGES}/", ".jpg")
    images = images or pictures_in(tree, f"{root}{_RELEASE_IMAGES}/", ".png")
    return _index_source("humanparsing_release", tree, f"{root}{RELEASE_MAPS}/", images, fit)


def index_maps(tree: FileTree, fit: str) -> Source:
    """`<id>.png` in one folder of the tree."""
    return _index_source("humanparsing_index", tree, index_folder(tree) or "", {}, fit)


def parquet_rows(tree: FileTree, fit: str) -> Source:
    """Index maps in parquet files, see `parquet`."""
    return parquet(tree, HUMAN_PARSING, _NAME, {"layout": "humanparsing_parquet", "fit": fit}, str, fit)


LAYOUTS: Layouts = {
    "humanparsing": Layout(f"{OFFICIAL_MAPS}/<id>.png", official, OFFICIAL_MAPS),
    "humanparsing_release": Layout(f"{RELEASE_MAPS}/<id>.png", release, RELEASE_MAPS),
    "humanparsing_index": Layout(INDEX_MAPS, index_maps, fits=holds_index_maps),
    "humanparsing_parquet": Layout(PARQUET, parquet_rows, fits=holds_parquet),
}


def _index_source(layout: str, tree: FileTree, folder: str, images: Mapping[str, str], fit: str) -> Source:
    files = pictures_in(tree, folder, ".png")
    if not files:
        raise DataError(f"{tree.place(folder)}: no PNG file in it: expected index maps, one PNG each")
    notes = {"layout": layout, "fit": fit}
    version = fingerprint([READING, notes, tree.stamps(files.values())])
    read = IndexMapReader(Files(tree, files), HUMAN_PARSING, fit)
    native = read.native if fit == "stretch" else None
    image = PictureReader(Files(tree, images), fit, read.native) if images else None
    ids = tuple(sorted(files))
    return Source(_NAME, HUMAN_PARSING, ids, read, version, native=native, image=image, notes=notes)
