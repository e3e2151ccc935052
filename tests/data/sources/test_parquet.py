import io
import pickle
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layout_writers import (
    BODIES,
    BODY_SIZE,
    FACE_SIZE,
    FACES,
    celebamask,
    damaged,
    detect,
    encoded,
    human_parsing,
    painted,
    placed,
    put,
    refusal,
    rgb_of,
    zipped,
)

from segvae_jax.data.sources import parquet
from segvae_jax.labels import CELEBAMASK_HQ, HUMAN_PARSING

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def shard(rows, group_rows=2, **columns):
    """A parquet file: columns of (bytes, path), and a column that is no picture."""
    cells = {
        name: [cell and dict(zip(("bytes", "path"), cell, strict=True)) for cell in c] for name, c in columns.items()
    }
    table = pa.table({"number": list(range(rows))} | {name: pa.array(c, PICTURE) for name, c in cells.items()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=group_rows)
    return buffer.getvalue()


def bodies_shard(names, with_paths=True, image=True):
    path = lambda name, suffix: f"some/{name}.{suffix}" if with_paths else None
    mask = [(encoded(painted(BODIES[name], HUMAN_PARSING)[0]), path(name, "png")) for name in names]
    images = {"image": [(encoded(rgb_of(name, (48, 32)), "JPEG"), path(name, "jpg")) for name in names]}
    return shard(len(names), mask=mask, **(images if image else {}))


def body_shards(**settings):
    shards = (bodies_shard(["10_1", "9_2", "10_1"][i:], **settings) for i in (0, 2))
    return {f"data/train-{i:05d}-of-00002.parquet": data for i, data in enumerate(shards)}


def truth(name):
    return painted(BODIES[name], HUMAN_PARSING)[1]


def test_rows_without_distinct_paths_are_numbered_across_files(tmp_path, kind):
    for with_paths in (False, True):
        source = human_parsing(
            placed(kind, tmp_path, body_shards(with_paths=with_paths)), layout="humanparsing_parquet"
        )
        assert source.ids == ("000000", "000001", "000002", "000003") and source.notes["ids"] == "row numbers"
        for example_id, name in zip(source.ids, ("10_1", "9_2", "10_1", "10_1"), strict=True):
            np.testing.assert_array_equal(source.read(example_id, BODY_SIZE), truth(name))
            assert np.abs(source.image(example_id, BODY_SIZE).astype(int) - rgb_of(name, BODY_SIZE)).mean() < 6


def test_distinct_paths_give_the_ids(tmp_path):
    source = human_parsing(put(tmp_path, {"a.parquet": bodies_shard(["9_2", "10_1"])}), fit="pad")
    assert source.ids == ("10_1", "9_2") and source.notes["layout"] == "humanparsing_parquet"
    np.testing.assert_array_equal(source.read("9_2", (24, 24))[:, 4:20], truth("9_2"))


@pytest.mark.parametrize("column", ["mask", "label", "annotation", "segmentation"])
def test_faces_have_image_numbers_and_get_their_skin_back(tmp_path, column):
    flat = {number: painted(class_maps, CELEBAMASK_HQ) for number, class_maps in FACES.items()}
    cells = [(encoded(index), f"{number:05d}.png") for number, (index, _) in flat.items()]
    source = celebamask(put(tmp_path, {"a.parquet": shard(len(cells), **{column: cells})}))
    assert source.ids == ("0", "2003", "7") and source.image is None
    assert source.notes["skin"] == "restored under facial parts" and source.notes["ids"] == "file names"
    for number, (_, restored) in flat.items():
        np.testing.assert_array_equal(source.read(str(number), FACE_SIZE), restored)


def test_which_data_set_it_is_must_be_told(tmp_path):
    put(tmp_path, body_shards())
    assert "could be celebamask_parquet or humanparsing_parquet: name one of them" in refusal(detect, tmp_path)


def test_a_source_that_was_pickled_reads_the_same(tmp_path, kind):
    source = human_parsing(placed(kind, tmp_path, body_shards()))
    source.read("000002", BODY_SIZE)
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read("000001", BODY_SIZE), truth("9_2"))


def test_a_row_without_mask_and_one_that_is_no_index_map_are_named(tmp_path):
    rgb = encoded(np.zeros((8, 8, 3), np.uint8))
    cells = [None, (None, "b.png"), (rgb, "c.png"), (b"?", "d.png")]
    source = human_parsing(put(tmp_path, {"a.parquet": shard(4, mask=cells)}))
    errors = ("holds no picture", "holds no picture", "image mode RGB: expected", "cannot be read as an image")
    for example_id, error in zip(source.ids, errors, strict=True):
        where = f"row {int(example_id) % 2} of group {int(example_id) // 2}"
        assert refusal(source.read, example_id, (8, 8)).startswith(
            f"{tmp_path}/a.parquet, {where}, column mask: {error}"
        )


@pytest.mark.parametrize("limit", ["MAX_FILE_BYTES", "_MAX_COLUMN_BYTES"])
def test_a_row_or_group_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, limit):
    source = human_parsing(put(tmp_path, body_shards()))
    monkeypatch.setattr(parquet, limit, 60)
    assert "has more than 60 bytes" in refusal(source.read, "000000", BODY_SIZE)


def test_a_file_without_masks_is_refused_with_its_columns(tmp_path):
    put(tmp_path, {"a.parquet": shard(1, image=[(b"?", "a.jpg")])})
    message = refusal(human_parsing, tmp_path)
    assert "no column of masks: expected one of mask, label, annotation, segmentation, a struct with `bytes`" in message
    assert message.endswith("it has number, image")


def test_a_later_file_of_other_columns_is_refused(tmp_path):
    put(tmp_path, {"a.parquet": bodies_shard(["9_2"]), "b.parquet": shard(1, image=[(b"?", "a.jpg")])})
    assert refusal(human_parsing, tmp_path).startswith(f"{tmp_path}/b.parquet: no column of masks")
    put(tmp_path, {"b.parquet": bodies_shard(["10_1"], image=False)})
    message = refusal(human_parsing, tmp_path)
    assert message == f"{tmp_path}/b.parquet: its columns are not those of {tmp_path}/a.parquet"


def test_files_without_rows_are_refused(tmp_path):
    put(tmp_path, {"a.parquet": shard(0, mask=[])})
    assert "no row in its parquet files" in refusal(human_parsing, tmp_path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no parquet" * 9])
def test_what_is_no_parquet_file_is_named(tmp_path, data):
    assert refusal(human_parsing, put(tmp_path, {"a.parquet": data})).startswith(
        f"{tmp_path}/a.parquet: cannot be read"
    )


def test_damaged_pages_are_named(tmp_path):
    put(tmp_path, {"a.parquet": bodies_shard(["9_2", "10_1"], image=False)})
    source = human_parsing(tmp_path)
    path = tmp_path / "a.parquet"
    content = bytearray(path.read_bytes())
    content[60:200] = bytes(140)
    path.write_bytes(content)
    assert refusal(source.read, "9_2", BODY_SIZE).startswith(f"{path}")


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    path = zipped(tmp_path / "a.zip", body_shards())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert refusal(human_parsing, path) == "parquet files need pyarrow: pip install 'segvae_jax[parquet]'"


def test_a_shard_in_an_archive_is_not_read_into_memory_whole(tmp_path, monkeypatch):
    """No read is as large as the file of 96 MiB. A trace of memory would be more direct, but may crash: pyarrow has
    threads of its own, and `tracemalloc.stop` of Python 3.11 frees what they are about to use.
    """
    masks = pa.array([{"bytes": bytes(2**20), "path": f"{i}.png"} for i in range(96)], PICTURE)
    buffer = io.BytesIO()
    pq.write_table(pa.table({"mask": masks}), buffer, row_group_size=4, compression="none", use_dictionary=False)
    path = zipped(tmp_path / "a.zip", {"a.parquet": buffer.getvalue()})
    sizes, read = [], zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda *given: sizes.append(len(data := read(*given))) or data)
    assert len(human_parsing(path).ids) == 96
    assert 0 < max(sizes) < 24 * 2**20  # zipfile seeks by reading 16 MiB at a time


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rows_of_archives_are_read_in_any_order_and_damage_is_named(tmp_path, compression):
    path = zipped(tmp_path / "a.zip", body_shards(image=False), compression=compression)
    source = human_parsing(path)
    for example_id, name in (("000003", "10_1"), ("000000", "10_1"), ("000002", "10_1"), ("000001", "9_2")):
        np.testing.assert_array_equal(source.read(example_id, BODY_SIZE), truth(name))
    content = bytearray(path.read_bytes())
    content[100:300] = bytes(200)
    path.write_bytes(content)
    assert refusal(human_parsing, path).startswith(f"{path}/data/train-00000-of-00002.parquet: cannot be read")


def test_a_cut_archive_of_parquet_files_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", body_shards())
    damaged(path, 10)
    assert refusal(human_parsing, path).startswith(f"{path}: cannot be read as a .zip")
