import multiprocessing
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from layout_writers import (
    FACE_SIZE,
    FACES,
    body_files,
    celebamask,
    detect,
    encoded,
    human_parsing,
    official_files,
    placed,
    put,
    refusal,
    release_files,
    zipped,
)

from segvae_jax.data.sources import file_tree as trees
from segvae_jax.data.sources.file_tree import DirectoryTree, ZipTree, open_tree
from segvae_jax.data.sources.registry import LAYOUTS
from segvae_jax.errors import DataError
from segvae_jax.labels import HUMAN_PARSING
from segvae_jax.pictures import write_index_png

PIXEL = encoded(np.ones((1, 1), np.uint8))


def test_names_are_sorted_and_hidden_files_left_out(tmp_path, kind):
    files = {
        name: b"x"
        for name in (
            "b/c.png",
            "a.png",
            ".hidden",
            "b/.git/config",
            "__MACOSX/a.png",
            "a/._b.png",
            "b/.ipynb_checkpoints/c-checkpoint.png",
            "b/@eaDir/c.png",
        )
    }
    tree = open_tree(put(tmp_path, files) if kind == "folder" else zipped(tmp_path / "a.zip", files))
    assert tree.names == ("a.png", "b/c.png")
    assert tree.read("b/c.png") == b"x" and tree.place("b/c.png") == f"{tree.path}/b/c.png"
    assert tree.root_of("b") == "" and tree.root_of("c") is None
    assert tree.below("b/") == {"c.png": "b/c.png"}


def test_a_folder_is_found_at_any_depth_but_only_once(tmp_path):
    tree = open_tree(put(tmp_path, {"x/y/maps/a.png": b"", "x/maps.png": b""}))
    assert tree.root_of("maps") == "x/y/"
    put(tmp_path, {"maps/a.png": b""})
    message = refusal(open_tree(tmp_path).root_of, "maps")
    assert message == f"{tmp_path}: holds 'maps' and 'x/y/maps': give the folder that holds one of them"


@pytest.mark.parametrize("read", [celebamask, human_parsing, detect])
def test_what_is_missing_empty_or_no_archive_is_refused(tmp_path, read):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no archive")
    zipped(tmp_path / "empty.zip", {})
    assert "missing: no such folder or .zip: set data.path" in refusal(read, tmp_path / "missing")
    assert "empty: is empty: expected the files of a data set" in refusal(read, tmp_path / "empty")
    assert "empty.zip: is empty" in refusal(read, tmp_path / "empty.zip")
    assert "text.zip: cannot be read as a .zip (File is not a zip file)" in refusal(read, tmp_path / "text.zip")


def test_what_was_looked_for_is_listed_where_nothing_fits(tmp_path):
    put(tmp_path, {"a/one.png": PIXEL, "b/two.png": PIXEL, "notes.txt": b""})
    message = refusal(detect, tmp_path)
    assert message.startswith(f"{tmp_path}: has no known layout: looked for ")
    assert all(f"{layout.looks_for} ({name})" in message for name, layout in LAYOUTS.items())
    assert "humanparsing" not in refusal(celebamask, tmp_path)


def test_a_layout_of_another_set_is_not_taken_for_index_maps(tmp_path):
    put(tmp_path, body_files())
    assert f"{tmp_path}: is in the layout humanparsing: looked for" in refusal(celebamask, tmp_path)


def test_two_layouts_in_one_folder_have_to_be_told_apart(tmp_path):
    put(put(tmp_path, official_files()), release_files())
    assert "could be celebamask_hq or celebamask_release: name one of them" in refusal(celebamask, tmp_path)
    assert celebamask(tmp_path, layout="celebamask_release").name == "celebamask_release"
    assert "layout 'humanparsing': expected one of celebamask_hq" in refusal(
        celebamask, tmp_path, layout="humanparsing"
    )
    message = refusal(celebamask, tmp_path, layout="celebamask_parquet")
    assert "not in the layout celebamask_parquet: looked for *.parquet with a column of masks" in message


@pytest.mark.parametrize("folder", ["", "masks/"])
def test_index_maps_of_unknown_kind_are_found(tmp_path, folder):
    put(tmp_path, {f"{folder}one.png": PIXEL})
    assert "could be celebamask_index or humanparsing_index" in refusal(detect, tmp_path)
    assert celebamask(tmp_path).ids == human_parsing(tmp_path).ids == ("one",)


@pytest.mark.parametrize("name", ["/a.png", "../a.png", "a/../../b.png", "C:/a.png", "\\a.png", "a\\..\\..\\b.png"])
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    path = zipped(tmp_path / "a.zip", {"good.png": PIXEL, name: PIXEL})
    assert f"{path}: member " in refusal(ZipTree, path) and "leads out of the archive" in refusal(ZipTree, path)


def test_a_name_that_occurs_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for data in (b"one", b"other"):
            archive.writestr("a.png", data)
    assert "1 of its members have the name of another one" in refusal(ZipTree, tmp_path / "a.zip")


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"secret.png": PIXEL})
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)
    assert (
        refusal(ZipTree, path) == f"{path}: member 'secret.png' is encrypted: unpack the archive, and give the folder"
    )


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_named(tmp_path, compression):
    noise = np.random.default_rng(0).bytes(999)
    path = zipped(tmp_path / "a.zip", {"one.png": noise, "two.png": noise}, compression=compression)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    tree = ZipTree(path)
    assert refusal(tree.read, "one.png").startswith(f"{path}/one.png: cannot be read from the archive (")
    assert tree.read("two.png") == noise


def test_an_archive_cut_short_anywhere_is_refused(tmp_path):
    content = zipped(tmp_path / "whole.zip", body_files()).read_bytes()
    for length in range(0, len(content), len(content) // 40):
        (tmp_path / "cut.zip").write_bytes(content[:length])
        assert "cut.zip: cannot be read as a .zip" in refusal(ZipTree, tmp_path / "cut.zip")


def test_an_archive_with_any_byte_damaged_reads_or_is_refused(tmp_path):
    files = {"SegmentationClassAug/one.png": encoded(np.ones((9, 9), np.uint8))}
    content = zipped(tmp_path / "whole.zip", files).read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        (tmp_path / "odd.zip").write_bytes(damaged)
        try:
            assert human_parsing(tmp_path / "odd.zip").read("one", (9, 9)).any()
        except DataError as error:
            assert str(error).startswith(str(tmp_path)) and "\n" not in str(error)


def test_a_png_with_any_byte_damaged_reads_or_is_refused(tmp_path):
    path = tmp_path / "one.png"
    write_index_png(path, np.arange(9, dtype=np.uint8).reshape(3, 3), HUMAN_PARSING)
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            assert human_parsing(tmp_path).read("one", (3, 3)).shape == (3, 3, 18)
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


def test_a_file_of_too_many_bytes_is_refused_before_it_is_read(tmp_path, kind, monkeypatch):
    path = placed(kind, tmp_path, {"zeros.png": bytes(100_000)})
    tree = open_tree(path)
    assert "has more than 99,999 bytes, the limit for such a file" in refusal(tree.read, tree.names[0], 99_999)
    assert len(tree.read(tree.names[0], 100_000)) == 100_000


def test_a_member_never_yields_more_than_its_header_claims(tmp_path):
    path = zipped(tmp_path / "bomb.zip", {"bomb.png": bytes(10_000_000)})
    content = path.read_bytes().replace(struct.pack("<I", 10_000_000), struct.pack("<I", 100))
    path.write_bytes(content)
    assert "bomb.png: cannot be read from the archive (" in refusal(ZipTree(path).read, "bomb.png")


def test_a_picture_of_too_many_pixels_is_refused(tmp_path, kind):
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    source = human_parsing(placed(kind, tmp_path, {"huge.png": header + b"\x1a\x9d\x02\x5a" + bytes(40)}))
    assert "huge.png: " in refusal(source.read, "huge", (8, 8))


def test_links_within_the_folder_are_followed_to_files_only(tmp_path):
    put(tmp_path, {"a/one.png": PIXEL})
    (tmp_path / "two.png").symlink_to(tmp_path / "a" / "one.png")
    assert open_tree(tmp_path).names == ("a/one.png", "two.png") and open_tree(tmp_path).read("two.png") == PIXEL
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert refusal(open_tree, tmp_path).startswith(f"{tmp_path}/b: is a link to a folder")


def test_links_to_files_are_followed_out_of_the_folder_as_in_the_cache_of_a_hub(tmp_path):
    put(tmp_path, {"blobs/deadbeef": PIXEL})
    (tmp_path / "snapshots/abc/data").mkdir(parents=True)
    (tmp_path / "snapshots/abc/data/one.png").symlink_to("../../../blobs/deadbeef")
    tree = open_tree(tmp_path / "snapshots/abc")
    assert tree.names == ("data/one.png",) and tree.read("data/one.png") == PIXEL


@pytest.mark.parametrize("target", ["..", "/etc"])
def test_a_link_to_a_folder_outside_is_refused(tmp_path, target):
    put(tmp_path, {"maps/one.png": PIXEL})
    (tmp_path / "maps" / "link").symlink_to(target)
    assert refusal(open_tree, tmp_path / "maps").startswith(f"{tmp_path}/maps/link: is a link to a folder")


@pytest.mark.parametrize("target", ["link", "missing", "../maps/link"])
def test_a_link_in_a_circle_or_to_nothing_is_refused(tmp_path, target):
    put(tmp_path, {"maps/one.png": PIXEL})
    (tmp_path / "maps" / "link").symlink_to(target)
    assert "link: is a link that leads nowhere or in a circle" in refusal(open_tree, tmp_path / "maps")


def test_a_folder_that_links_to_itself_is_refused(tmp_path):
    put(tmp_path, {"a/one.png": PIXEL})
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    assert "again: is a link to a folder, which could go in circles" in refusal(open_tree, tmp_path)


def test_a_folder_may_itself_be_given_by_a_link(tmp_path):
    put(tmp_path, {"maps/one.png": PIXEL})
    (tmp_path / "link").symlink_to(tmp_path / "maps")
    assert open_tree(tmp_path / "link").names == ("one.png",)


def test_pipes_are_passed_over(tmp_path):
    put(tmp_path, {"one.png": PIXEL})
    os.mkfifo(tmp_path / "two.png")
    assert open_tree(tmp_path).names == ("one.png",)


def test_a_file_that_has_gone_is_named(tmp_path):
    tree = DirectoryTree(put(tmp_path, {"one.png": PIXEL}))
    (tmp_path / "one.png").unlink()
    assert refusal(tree.read, "one.png") == f"{tmp_path}/one.png: cannot be read (No such file or directory)"


def test_a_name_with_line_breaks_stays_on_one_line(tmp_path):
    source = human_parsing(zipped(tmp_path / "a.zip", {"one\ntwo\u2028.png": b""}))
    assert "one\\ntwo\\u2028.png: cannot be read" in refusal(source.read, source.ids[0], (8, 8))


def _sums(source):
    return [int(source.read(example_id, FACE_SIZE).sum()) for example_id in source.ids]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_workers_read_the_same_at_the_same_time(tmp_path, kind):
    source = celebamask(placed(kind, tmp_path, official_files()))
    expected = [int(FACES[int(example_id)].sum()) for example_id in source.ids]
    assert _sums(source) == expected
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_sums, [source] * 4) == [expected] * 4


def test_a_handle_is_opened_once_a_process_and_left_out_of_pickles(tmp_path, monkeypatch):
    tree = ZipTree(zipped(tmp_path / "a.zip", {"one.png": PIXEL}))
    first = tree._archive.get()
    assert tree._archive.get() is first
    assert pickle.loads(pickle.dumps(tree))._archive.get() is not first
    monkeypatch.setattr(trees.os, "getpid", lambda: -1)
    assert tree._archive.get() is not first and tree.read("one.png") == PIXEL
