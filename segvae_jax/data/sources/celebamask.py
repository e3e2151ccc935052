"""CelebAMask-HQ: as its authors publish it, as the authors of SegVAE repackaged it, and as index maps.

Some of its maps have left and right exchanged, which is put right.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool

from segvae_jax import maps, pictures
from segvae_jax.data.sources.file_tree import FileTree
from segvae_jax.data.sources.layouts import INDEX_MAPS, Layout, Layouts, holds_index_maps, index_folder
from segvae_jax.data.sources.parquet import PARQUET, holds_parquet, parquet
from segvae_jax.data.sources.reading import (
    READING,
    Files,
    IndexMapReader,
    PictureReader,
    data_errors,
    image_id,
    pictures_in,
    unique,
)
from segvae_jax.data.sources.sides import with_sides_put_right
from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.errors import DataError
from segvae_jax.labels import BACKGROUND, CELEBAMASK_HQ, CELEBAMASK_RELEASE, LabelSpace

OFFICIAL_MAPS, RELEASE_MAPS = "CelebAMask-HQ-mask-anno", "segmentation_map"
_OFFICIAL_IMAGES, _RELEASE_IMAGES = "CelebA-HQ-img", "img"
_IMAGES_PER_FOLDER = 2_000  # of the official parts
AS_ANNOTATED, RESTORED = "as annotated", "restored under facial parts"

Parts = Mapping[str, Mapping[str, str]]  # id -> class -> file


@dataclasses.dataclass(frozen=True)
class PartMaps:
    """`Source.read` for maps that are stored as one mask per class. The masks overlap as they were annotated.

    Attributes:
      tree: the files.
      space: the classes.
      parts: file of each id and class; a class without a file is absent.
    """

    tree: FileTree
    space: LabelSpace
    parts: Parts

    def __call__(self, example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id, resized.

        Raises:
          DataError: naming the file, if a part is not a mask or its size differs from that of the other parts.
        """
        class_maps = np.zeros((*size, self.space.num_channels), bool)
        for channel, mask in self._masks(example_id).items():
            class_maps[..., channel] = maps.resize(mask[..., None], size)[..., 0]
        return class_maps

    def native(self, example_id: str) -> Bool[np.ndarray, "H W C"]:
        """The class maps of an id at the size of its files.

        Raises:
          DataError: naming the file, if a part is not a mask or its size differs from that of the other parts.
        """
        masks = self._masks(example_id)
        blank = np.zeros_like(next(iter(masks.values())))
        return np.stack([masks.get(channel, blank) for channel in range(self.space.num_channels)], axis=-1)

    def _masks(self, example_id: str) -> dict[int, Bool[np.ndarray, "H W"]]:
        masks: dict[int, np.ndarray] = {}
        shapes: dict[tuple[int, ...], str] = {}
        for class_name, file in self.parts[example_id].items():
            with data_errors():
                mask = pictures.decode_mask_png(self.tree.read(file), self.tree.place(file))
            shapes.setdefault(mask.shape, file)
            self._check_one(shapes)
            masks[self.space.channel(class_name)] = mask
        return masks

    def _check_one(self, shapes: Mapping[tuple[int, ...], str]) -> None:
        if len(shapes) > 1:
            (first, one), (second, other) = shapes.items()
            sizes = f"{second[1]} x {second[0]} pixels, but {self.tree.place(one)} has {first[1]} x {first[0]}"
            raise DataError(f"{self.tree.place(other)}: {sizes}: the parts of an image must agree")


def official(tree: FileTree) -> Source:
    """`CelebAMask-HQ-mask-anno/<0..14>/<id>_<part>.png` and, where present, `CelebA-HQ-img/<id>.jpg`.

    Raises:
      DataError: if there is no part, a part is misnamed, or a folder of parts is missing but its pictures are not.
    """
    root = tree.root_of(OFFICIAL_MAPS) or ""
    parts = _grouped(tree, _official_parts(tree, f"{root}{OFFICIAL_MAPS}/"))
    images = pictures_in(tree, f"{root}{_OFFICIAL_IMAGES}/", ".jpg", image_id)
    _check_folders(tree, parts, images)
    return _parts_source("celebamask_hq", tree, CELEBAMASK_HQ, parts, images)


def release(tree: FileTree) -> Source:
    """`segmentation_map/<id>/<channel>.png` in the release's numbering and, where present, `img/<id>.jpg`.

    Raises:
      DataError: if there is no part, or a part is misnamed.
    """
    root = tree.root_of(RELEASE_MAPS) or ""
    parts = _grouped(tree, _release_parts(tree, f"{root}{RELEASE_MAPS}/"))
    images = pictures_in(tree, f"{root}{_RELEASE_IMAGES}/", ".jpg", image_id)
    return _parts_source("celebamask_release", tree, CELEBAMASK_RELEASE, parts, images)


def index_maps(tree: FileTree) -> Source:
    """`<id>.png`, index maps in official order in one folder of the tree; skin is restored under facial parts."""
    files = pictures_in(tree, index_folder(tree) or "", ".png", image_id)
    notes = {"layout": "celebamask_index", "skin": RESTORED}
    version = fingerprint([READING, notes, tree.stamps(files.values())])
    read = IndexMapReader(Files(tree, files), CELEBAMASK_HQ)
    ids = tuple(sorted(files))
    source = Source("celebamask_hq", CELEBAMASK_HQ, ids, read, version, native=read.native, notes=notes)
    return with_sides_put_right(source)


def parquet_rows(tree: FileTree) -> Source:
    """Index maps in official order in parquet files, see `parquet`; skin is restored under facial parts."""
    notes = {"layout": "celebamask_parquet", "skin": RESTORED}
    return with_sides_put_right(parquet(tree, CELEBAMASK_HQ, "celebamask_hq", notes, image_id))


LAYOUTS: Layouts = {
    "celebamask_hq": Layout(f"{OFFICIAL_MAPS}/<0..14>/<id>_<part>.png", official, OFFICIAL_MAPS),
    "celebamask_release": Layout(f"{RELEASE_MAPS}/<id>/<channel>.png", release, RELEASE_MAPS),
    "celebamask_index": Layout(INDEX_MAPS, index_maps, fits=holds_index_maps),
    "celebamask_parquet": Layout(PARQUET, parquet_rows, fits=holds_parquet),
}


def _parts_source(name: str, tree: FileTree, space: LabelSpace, parts: Parts, images: Mapping[str, str]) -> Source:
    notes = {"layout": name, "skin": AS_ANNOTATED}
    files = [file for group in parts.values() for file in group.values()]
    version = fingerprint([READING, notes, tree.stamps(sorted(files))])
    read = PartMaps(tree, space, parts)
    image = PictureReader(Files(tree, images)) if images else None
    ids = tuple(sorted(parts))
    source = Source(name, space, ids, read, version, native=read.native, image=image, notes=notes)
    return with_sides_put_right(source)


def _official_parts(tree: FileTree, folder: str) -> Iterator[tuple[tuple[str, str], str]]:
    for relative, name in _pngs(tree, folder):
        match = re.fullmatch(r"[0-9]+/([0-9]{5})_(\w+)\.(?i:png)", relative)
        if not match or match[2] not in CELEBAMASK_HQ.classes:
            parts = ", ".join(CELEBAMASK_HQ.classes)
            raise DataError(f"{tree.place(name)}: expected <0..14>/<id, 5 digits>_<part>.png, part one of {parts}")
        yield (image_id(match[1]), match[2]), name


def _release_parts(tree: FileTree, folder: str) -> Iterator[tuple[tuple[str, str], str]]:
    names = CELEBAMASK_RELEASE.names
    for relative, name in _pngs(tree, folder):
        match = re.fullmatch(r"([0-9]{5})/([0-9]{1,3})\.(?i:png)", relative)
        if not match or int(match[2]) >= len(names):
            raise DataError(f"{tree.place(name)}: expected <id, 5 digits>/<channel, 0 to {len(names) - 1}>.png")
        if names[int(match[2])] != BACKGROUND:
            yield (image_id(match[1]), names[int(match[2])]), name


def _pngs(tree: FileTree, folder: str) -> Iterator[tuple[str, str]]:
    return ((relative, name) for relative, name in tree.below(folder).items() if relative.lower().endswith(".png"))


def _grouped(tree: FileTree, files: Iterator[tuple[tuple[str, str], str]]) -> Parts:
    parts: dict[str, dict[str, str]] = {}
    for (example_id, class_name), name in unique(tree, files).items():
        parts.setdefault(example_id, {})[class_name] = name
    if not parts:
        raise DataError(f"{tree.path}: no PNG file of a part in it: unpack the data set again")
    return parts


def _check_folders(tree: FileTree, parts: Parts, images: Mapping[str, str]) -> None:
    """If a whole folder of parts is missing, unpacking has failed; it does not mean pictures without parts."""
    folder_of = lambda example_id: int(example_id) // _IMAGES_PER_FOLDER
    present = {folder_of(example_id) for example_id in parts}
    for example_id, name in images.items():
        if example_id.isdecimal() and folder_of(example_id) not in present:
            missing = f"{OFFICIAL_MAPS}/{folder_of(example_id)}"
            raise DataError(f"{tree.path}: no parts in {missing} for {name}: unpack the data set again")
