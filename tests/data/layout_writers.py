"""Writes the layouts of data sets with maps that the project draws itself, and opens them."""

import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segvae_jax import maps
from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.layouts import detect_layout
from segvae_jax.data.sources.registry import LAYOUTS, SourceOptions, open_source
from segvae_jax.errors import DataError
from segvae_jax.labels import CELEBAMASK_HQ, CELEBAMASK_RELEASE, HUMAN_PARSING

FACE_SIZE, BODY_SIZE = (32, 32), (24, 16)
FACES = {number: cartoon_map("faces", 0, number, FACE_SIZE) for number in (0, 7, 2003)}
BODIES = {name: cartoon_map("people", 0, i, BODY_SIZE) for i, name in enumerate(("10_1", "9_2"))}


def celebamask(path, layout=""):
    return open_source("celebamask_hq", SourceOptions(path=str(path), layout=layout))


def human_parsing(path, fit="stretch", layout=""):
    return open_source("humanparsing", SourceOptions(path=str(path), fit=fit, layout=layout))


def detect(path):
    """The name of the layout of a folder or .zip, whatever the data set."""
    return detect_layout(open_tree(path), LAYOUTS, LAYOUTS)


def in_release_order(class_maps):
    """Faces in the channels of the release, by name."""
    return class_maps[..., [0, *map(CELEBAMASK_HQ.channel, CELEBAMASK_RELEASE.classes)]]


def painted(class_maps, space):
    """The flattened map as the reader of index maps is to return it."""
    index = maps.paint(class_maps.astype(np.float32), space)
    return index, maps.restore_covered(maps.index_to_class_maps(index, space.num_channels), space)


def rgb_of(number, size):
    """A picture that differs from number to number: smooth, so that JPEG keeps it."""
    rows, columns = np.linspace(0, 200, size[0])[:, None], np.linspace(50, 150, size[1])[None]
    grid = np.zeros(size)
    return np.stack([rows + grid, columns + grid, grid + zlib.crc32(str(number).encode()) % 200], -1).astype(np.uint8)


def encoded(pixels, kind="PNG", mode=None):
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def put(root, files):
    """Writes files by relative name; returns the folder."""
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def index_files():
    """CelebAMask-HQ as index maps in one folder."""
    return {f"{number:05d}.png": encoded(painted(face, CELEBAMASK_HQ)[0]) for number, face in FACES.items()}


def official_files():
    """CelebAMask-HQ as published: a PNG a part, in RGB and greyscale, and JPEGs of twice the size."""
    files = {"README.txt": b"no picture", "CelebAMask-HQ-mask-anno/Thumbs.db": b"no picture"}
    for number, class_maps in FACES.items():
        for name in CELEBAMASK_HQ.decode(maps.label_set_of(class_maps)):
            mask = class_maps[..., CELEBAMASK_HQ.channel(name)] * np.uint8(255)
            part = f"CelebAMask-HQ-mask-anno/{number // 2000}/{number:05d}_{name}.png"
            files[part] = encoded(mask, mode="RGB" if name in ("skin", "hair") else "L")
        files[f"CelebA-HQ-img/{number}.jpg"] = encoded(rgb_of(number, (64, 64)), "JPEG")
    return files


def release_files():
    """CelebAMask-HQ as the release repackages it; channel 0, the background, is there too."""
    files = {}
    for number, class_maps in FACES.items():
        for channel, mask in enumerate(np.moveaxis(in_release_order(class_maps), -1, 0)):
            if mask.any() or channel == 0:
                files[f"segmentation_map/{number:05d}/{channel}.png"] = encoded(mask * np.uint8(255))
        files[f"img/{number}.jpg"] = encoded(rgb_of(number, (64, 64)), "JPEG")
    return files


def body_files(map_folder="SegmentationClassAug", image_folder="JPEGImages"):
    """HumanParsing."""
    files = {}
    for name, class_maps in BODIES.items():
        files[f"{map_folder}/{name}.png"] = encoded(painted(class_maps, HUMAN_PARSING)[0])
        files[f"{image_folder}/{name}.jpg"] = encoded(rgb_of(name, (48, 32)), "JPEG")
    return files


def zipped(path, files, top="", compression=zipfile.ZIP_DEFLATED):
    """Writes an archive of files by name, all of them below `top`; returns its path."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return path


def placed(kind, tmp_path, files):
    """The files as a folder, or as an archive that has them one folder deep, as published ones do."""
    if kind == "folder":
        return put(tmp_path / "data set", files)
    return zipped(tmp_path / "data set.zip", {**files, "__MACOSX/._x.png": b"?"}, top="Data-Set/")


def write_maps(folder, **index_maps):
    """Writes greyscale index PNGs, or RGB ones, by name; returns the folder."""
    return put(folder, {f"{name}.png": encoded(np.asarray(index, np.uint8)) for name, index in index_maps.items()})


def names_painted(source, example_id, size):
    """Names of the classes that show, pixel by pixel."""
    index = maps.paint(source.read(example_id, size), source.space)
    return [source.space.names[i] for i in index.ravel()]


def refusal(call, *arguments, error_type=DataError, **settings) -> str:
    """The one line that a call is refused with."""
    with pytest.raises(error_type) as error:
        call(*arguments, **settings)
    message = str(error.value)
    assert "\n" not in message and "object at 0x" not in message
    return message


def damaged(path: Path, offset_from_end: int) -> None:
    """Flips the bits of one byte."""
    content = bytearray(path.read_bytes())
    content[-offset_from_end] ^= 0xFF
    path.write_bytes(content)
