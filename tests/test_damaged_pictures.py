"""Damaged pictures: every reader of pictures gives the project's own error or a right value, whatever the bytes."""

import io
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from segvae_jax import pictures
from segvae_jax.app.session import loading
from segvae_jax.data.sources.file_tree import open_tree
from segvae_jax.data.sources.folder import folder
from segvae_jax.data.sources.registry import SourceOptions, open_source
from segvae_jax.errors import SegVAEError
from segvae_jax.evaluation.map_set import read_map_set
from segvae_jax.given_maps import Meaning
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("roof", "wall", "door"))
SIZE = (9, 7)
INDEX = np.random.default_rng(0).integers(0, 4, SIZE).astype(np.uint8)
RGB = SPACE.palette_array()[INDEX]
MEANINGS = dict(enumerate(SPACE.palette))
MOST = 10_000  # pixels
SECONDS = 8  # for each test, at most
KINDS = b"IHDR PLTE IDAT IEND tRNS iCCP gAMA cHRM sRGB pHYs tEXt zTXt iTXt eXIf acTL fcTL fdAT sBIT bKGD tIME zzzz"


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def chunks_of(png):
    """Type and content of the chunks of a PNG."""
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        found.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def flipped(data, rng):
    data = bytearray(data)
    for at in rng.integers(0, max(len(data), 1), rng.integers(1, 5)) if data else ():
        data[at] = rng.integers(256)
    return bytes(data)


def cut(data, rng):
    return data[: rng.integers(0, len(data) + 1)]


def whole_chunks(data, rng):
    """Chunks that are changed, added, exchanged or missing, with checksums that fit."""
    if not data.startswith(b"\x89PNG"):
        return flipped(data, rng)
    chunks = chunks_of(data)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(chunks)))
        kind, content = chunks[at]
        new = KINDS.split()[rng.integers(0, len(KINDS.split()))], rng.bytes(rng.integers(0, 40))
        text = b"tEXt", [b"labels\0" + b"[" * 5000, b"transparency\0x", b"exif\0MM", b'labels\0["a"]'][rng.integers(4)]
        changed = kind, (flipped, cut)[rng.integers(2)](content, rng)
        chunks[at : at + 1] = [[changed], [changed], [new, chunks[at]], [text, chunks[at]], []][rng.integers(5)]
        if not chunks:
            break
    return data[:8] + b"".join(chunk(*part) for part in chunks)


MAPS = {
    "ours": pictures.index_png_bytes(INDEX, SPACE),
    "grey": encoded(Image.fromarray(INDEX)),
    "bits": encoded(Image.fromarray(INDEX > 1)),
    "rgb": encoded(Image.fromarray(RGB)),
    "rgba": encoded(Image.fromarray(np.insert(RGB, 3, 9, axis=-1))),
    "grey and opacity": encoded(Image.fromarray(INDEX).convert("LA")),
    "two bits": encoded(Image.fromarray(INDEX).convert("P", palette=Image.Palette.ADAPTIVE, colors=4), bits=2),
    "oriented": encoded(Image.fromarray(INDEX), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
}
PHOTOS = {kind: encoded(Image.fromarray(RGB), kind) for kind in ("PNG", "JPEG", "WEBP")}


def index_like(value, top):
    assert value.dtype == np.uint8 and value.ndim == 2 and value.size and value.max() < top


READERS = {
    "index map": lambda data: index_like(pictures.decode_index_png(data, "it", 4), 4),
    "map by names": lambda data: index_like(pictures.decode_index_map(data, "it", SPACE, MOST), 4),
    "index or colour": lambda data: pictures.decode_index_or_rgb_png(data, "it", MEANINGS),
    "mask": lambda data: pictures.decode_mask_png(data, "it", MOST),
    "picture": lambda data: pictures.decode_rgb(data, "it"),
    "upload": lambda data: loading(data, Meaning(SPACE)),
    "size": lambda data: pictures.png_size(data, "it"),
}


def damaged(whole, seed, count):
    """Damaged files, until there are `count` or time is over; never fewer than 20."""
    rng, until = np.random.default_rng(seed), time.monotonic() + SECONDS
    for number in range(count):
        if number > 20 and time.monotonic() > until:
            return
        data = list(whole.values())[number % len(whole)]
        yield (flipped, cut, whole_chunks, whole_chunks)[rng.integers(4)](data, rng)


def survives(read, data):
    """Whether it can be read; the only errors are those of the project, in one line that names the place."""
    try:
        read(data)
    except SegVAEError as error:
        assert str(error).startswith(("it", "your map")) or ("/it" in str(error) and "\n" not in str(error)), error
        return False
    return True


@pytest.mark.parametrize("name", READERS)
def test_a_reader_of_bytes_gives_an_error_of_the_project_or_a_value(name):
    read = [survives(READERS[name], data) for data in damaged(PHOTOS if name == "picture" else MAPS, 1, count=1500)]
    assert 0 < sum(read) < len(read)


def test_readers_of_files_give_an_error_of_the_project_or_a_value(tmp_path):
    (tmp_path / "it").mkdir()
    path = tmp_path / "it/it.png"
    (tmp_path / "names.csv").write_text(
        "".join(f"{i},{n},#{bytes(c).hex()}\n" for i, (n, c) in enumerate(zip(SPACE.names, SPACE.palette, strict=True)))
    )
    path.write_bytes(MAPS["ours"])
    sources = [folder(tmp_path / "it", tmp_path / "names.csv")]
    options = SourceOptions(path=str(tmp_path / "it"))
    sources += [open_source(name, options) for name in ("celebamask_hq", "humanparsing")]
    readers = [call for s in sources for call in (lambda _, s=s: s.native("it"), lambda _, s=s: s.read("it", (4, 4)))]
    readers += [
        lambda _: read_map_set(tmp_path / "it", Meaning(SPACE), SIZE),
        lambda _: pictures.read_index_png(path, 4),
        lambda _: pictures.read_index_map(path, SPACE),
        lambda _: pictures.read_class_names(path),
        lambda _: pictures.read_mask_png(path),
    ]
    read = []
    for data in damaged(MAPS, seed=2, count=400):
        path.write_bytes(data)
        read += [survives(reader, "it") for reader in readers]
    assert 0 < sum(read) < len(read)


def test_a_flipped_byte_is_never_read_as_another_map(tmp_path):
    """The chunks have checksums: what is read in spite of damage is what was written."""
    rng = np.random.default_rng(3)
    for _ in range(1000):
        data = bytearray(MAPS["grey"])
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        try:
            np.testing.assert_array_equal(pictures.decode_index_png(bytes(data), "it", 256), INDEX)
        except SegVAEError:
            continue


@pytest.mark.parametrize("kind", ["celebamask_hq", "humanparsing"])
def test_damaged_archives_give_an_error_of_the_project_or_a_value(tmp_path, kind):
    path = tmp_path / "it.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("it.png", MAPS["ours"])
    whole = {"it": path.read_bytes()}
    for data in damaged(whole, seed=4, count=120):
        path.write_bytes(data)
        survives(lambda _: open_source(kind, SourceOptions(path=str(path))).native("it"), data)
        survives(lambda _: [open_tree(path).read(name) for name in open_tree(path).names], data)
