"""Damage to prepared sets and to converted chunks is named or mended; sets of earlier versions are read."""

# Fixtures of the other file are imported by name.
# ruff: noqa: F401, F811

import json
import pathlib
import shutil

import numpy as np
import pytest
from test_builder import SIZE, TOY, build, contents, prepared, root

from segvae_jax.data.prepare import builder
from segvae_jax.data.prepare.builder import open_prepared
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.errors import DataError


@pytest.fixture
def copy(prepared, tmp_path):
    return pathlib.Path(shutil.copytree(prepared.directory, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "metadata.json", "survey.json"])
def test_a_damaged_description_is_named(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content.replace(b"1", b"2", 1))
    with pytest.raises(DataError, match=f"{name}: not the file that SHA256SUMS lists"):
        open_prepared(copy).data_report()


def test_a_damaged_split_is_named_and_does_not_block_the_others(copy):
    path = next(copy.glob("*-test.array_record-*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content), bytes(content[:100]), b""):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=rf"{path.name}: not the file"):
            open_prepared(copy).split("test")
        assert len(open_prepared(copy).label_sets("train"))


def test_a_set_of_an_earlier_version_has_no_digests_and_is_read(copy, prepared):
    (copy / "SHA256SUMS").unlink()
    np.testing.assert_array_equal(open_prepared(copy).packed("test"), prepared.packed("test"))


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json", "metadata.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b"3", b"\xff", b"[" * 100_000])
def test_an_old_description_that_is_none_is_one_line(copy, name, content):
    (copy / "SHA256SUMS").unlink()
    (copy / name).write_bytes(content)
    with pytest.raises(DataError, match="no prepared data set in it") as caught:
        open_prepared(copy)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"image_size": [8]}, {"image_size": "8"}, {"duplicates": None}, {"label_space": 3}, {"label_space": "3"}]
)
def test_odd_metadata_of_an_old_set_is_one_line(copy, change):
    (copy / "SHA256SUMS").unlink()
    path = copy / "metadata.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="no prepared data set in it"):
        open_prepared(copy)


def test_damaged_chunks_are_converted_again(tmp_path, prepared, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(builder, "_assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        build(TOY, Recipe(SIZE), tmp_path / "out")
    chunks = sorted((tmp_path / ".out.preparing" / "chunks").glob("*.npz"))
    chunks[0].write_bytes(chunks[0].read_bytes()[:50])
    records = chunks[1].with_suffix(".array_record")
    records.write_bytes(records.read_bytes()[:-1] + b"x")
    assert contents(build(TOY, Recipe(SIZE), tmp_path / "out").directory) == contents(prepared.directory)
