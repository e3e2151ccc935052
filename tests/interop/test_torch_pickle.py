"""Handwritten files in the format of `torch.save`: valid ones are read exactly, and all others are refused."""

import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_writer import Command, Parameter, Storage, Tensor, legacy_file, saved, torch_pickled, zip_file

from segvae_jax.errors import CheckpointError
from segvae_jax.interop.torch_pickle import STORAGE_DTYPES, read_state_dicts

LAYOUTS = ("zip", "legacy")


def read(content: bytes, folder: Path):
    path = folder / "weights.pth"
    path.write_bytes(content)
    return read_state_dicts(path)


def refusal(content: bytes, folder: Path) -> str:
    """The one-line error message for a refused file."""
    with pytest.raises(CheckpointError) as caught:
        read(content, folder)
    message = str(caught.value)
    assert str(folder / "weights.pth") in message
    assert "\n" not in message
    return message


def floats(*shape: int, key="0") -> Storage:
    return Storage(np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape), key, "FloatStorage")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", STORAGE_DTYPES)
def test_every_dtype_is_read_exactly(kind, layout, tmp_path):
    values = (np.arange(15).reshape(3, 5) % 7 - 2).astype(STORAGE_DTYPES[kind])
    array = read(saved({"weight": Tensor(Storage(values, "0", kind))}, layout), tmp_path)["weight"]
    assert array.dtype == values.dtype
    np.testing.assert_array_equal(array, values)
    assert not array.flags.writeable


@pytest.mark.parametrize("kind", ["FloatStorage", "BFloat16Storage", "ComplexFloatStorage", "LongStorage"])
def test_big_endian_storages_are_swapped(kind, tmp_path):
    values = np.arange(-3, 4).astype(STORAGE_DTYPES[kind])
    pickled, _ = torch_pickled({"weight": Tensor(Storage(values, "0", kind))}, legacy=False)
    array = read(zip_file(pickled, {"0": values.byteswap().tobytes()}, byteorder="big"), tmp_path)["weight"]
    np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_offsets_and_strides_are_honoured(layout, tmp_path):
    storage = floats(4, 6)
    base = storage.values
    tree = {
        "transposed": Tensor(storage, 0, (6, 4), (1, 6)),
        "sliced": Tensor(storage, 8, (3, 2), (6, 2)),
        "expanded": Tensor(storage, 0, (2, 6), (0, 1)),
        "scalar": Tensor(storage, 23, (), ()),
        "empty": Tensor(storage, 0, (0, 3), (3, 1)),
    }
    arrays = read(saved(tree, layout), tmp_path)
    np.testing.assert_array_equal(arrays["transposed"], base.T)
    np.testing.assert_array_equal(arrays["sliced"], base[1:, 2:5:2])
    np.testing.assert_array_equal(arrays["expanded"], np.stack([base[0], base[0]]))
    assert arrays["scalar"].shape == () and arrays["scalar"] == 24
    assert arrays["empty"].shape == (0, 3)
    assert np.shares_memory(arrays["transposed"], arrays["sliced"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_state_dicts_with_metadata_parameters_and_numbers(layout, tmp_path):
    state = OrderedDict(weight=Parameter(Tensor(floats(2, 3))), steps=Tensor(floats(1, key="1"), 0, (), ()))
    state._metadata = OrderedDict({"": {"version": 1}})
    tree = {"encoder": state, "epoch": 7, "rate": 0.5, "name": "small", "optimiser": {0: [None, (True, 2)]}}
    result = read(saved(tree, layout), tmp_path)
    np.testing.assert_array_equal(result["encoder"].pop("weight"), [[1, 2, 3], [4, 5, 6]])
    assert result.pop("encoder") == {"steps": 1.0}
    assert result == {"epoch": 7, "rate": 0.5, "name": "small", "optimiser": {0: [None, (True, 2)]}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_command_is_refused_and_not_run(layout, tmp_path):
    trap = tmp_path / "trap"
    message = refusal(saved({"weight": Command(f"touch {trap}")}, layout), tmp_path)
    assert not trap.exists()
    assert f"{os.system.__module__}.system" in message
    assert "nothing was executed" in message


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval",
        "collections\ndefaultdict",
        "numpy.core.multiarray\n_reconstruct",
        "torch\nload",
        "torch._utils\n_rebuild_qtensor",
        "torch._utils\nos.system",
        "torch.storage\nFloatStorage",
    ],
)
def test_any_other_global_is_refused(name, tmp_path):
    pickled = b"\x80\x02}X\x01\x00\x00\x00wc" + name.encode() + b"\n)Rs."
    assert name.replace("\n", ".") in refusal(zip_file(pickled, {}), tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_truncation_is_refused(layout, tmp_path):
    content = saved({"encoder": OrderedDict(weight=Tensor(floats(2, 3)))}, layout)
    for length in range(len(content)):
        refusal(content[:length], tmp_path)


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(LAYOUTS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1))
def test_damage_is_read_or_refused_but_never_crashes(tmp_path_factory, layout, changes):
    content = bytearray(saved({"encoder": OrderedDict(weight=Tensor(floats(2, 3)))}, layout))
    for position, value in changes:
        content[position % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(content)
    try:
        read_state_dicts(path)
    except CheckpointError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (2, 4), (3, 1)),
        (1, (2, 3), (3, 1)),
        (0, (2, 3), (4, 1)),
        (7, (), ()),
        (0, (2, 3), (-1, 1)),
        (-1, (2, 3), (3, 1)),
        (0, (2, 3), (1,)),
        (0, (2.0, 3), (3, 1)),
        (0, [2, 3], (3, 1)),
        (0, (2**40, 2**40), (0, 0)),
        (0, (2**62, 0), (2**62, 1)),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_that_leave_the_storage_are_refused(offset, shape, strides, layout, tmp_path):
    tree = {"encoder": {"weight": Tensor(floats(2, 3), offset, shape, strides)}}
    refusal(saved(tree, layout), tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("length", [0, 5, 7, 2**60])
def test_a_storage_of_another_length_is_refused(length, layout, tmp_path):
    values = np.zeros(6, np.float32)
    content = saved({"weight": Tensor(Storage(values, "0", "FloatStorage", length))}, layout)
    assert "has 24 bytes" in refusal(content, tmp_path)


def test_a_missing_storage_is_named(tmp_path):
    tree = {"weight": Tensor(floats(2, 3, key="5"))}
    assert "storage '5' is missing" in refusal(zip_file(torch_pickled(tree, False)[0], {}), tmp_path)
    assert "storage '5' is missing" in refusal(legacy_file(torch_pickled(tree, True)[0], {}), tmp_path)


def test_a_compressed_bomb_is_refused_unread(tmp_path):
    pickled, _ = torch_pickled({"weight": Tensor(floats(2, 3))}, legacy=False)
    content = zip_file(pickled, {"0": bytes(10**6)}, method=zipfile.ZIP_DEFLATED)
    with mock.patch.object(zipfile.ZipFile, "read", side_effect=AssertionError("read")):
        assert "claim more than" in refusal(content, tmp_path)


def test_an_absurd_memo_is_refused(tmp_path):
    assert "memo" in refusal(zip_file(b"\x80\x02}r\xff\xff\xff\xff.", {}), tmp_path)


def test_lists_within_lists_cost_their_number_not_their_product(tmp_path):
    node = [Tensor(floats(1))]
    for _ in range(60):
        node = [node, node]
    assert len(read(saved({"node": node}, "zip"), tmp_path)["node"]) == 2


def test_containers_that_hold_themselves_are_refused(tmp_path):
    loop: dict = {}
    loop["loop"] = loop
    assert "damaged" in refusal(saved(loop, "zip"), tmp_path)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ([1, 2], "expected a dictionary"),
        ({"weight": b"bytes"}, "refused"),
        ({"weight": {1, 2}}, "refused"),
        ({"encoder": {(1, 2): 3}}, "encoder: a key is neither"),
        ({"encoder": {"weight": floats(2)}}, "encoder.weight is neither"),
    ],
)
def test_other_contents_are_refused(tree, expected, tmp_path):
    assert expected in refusal(saved(tree, "zip"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02}.", b"\x89PNG\r\n\x1a\n"])
def test_other_files_are_refused(content, tmp_path):
    assert "not a PyTorch checkpoint" in refusal(content, tmp_path)


def test_a_zip_file_of_something_else_is_refused(tmp_path):
    stream = io.BytesIO()
    np.savez(stream, weight=np.zeros(3))
    assert "0 entries" in refusal(stream.getvalue(), tmp_path)


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "absent.pth", tmp_path):
        with pytest.raises(CheckpointError, match="cannot be read"):
            read_state_dicts(path)


def test_bfloat16_is_the_one_of_jax():
    assert STORAGE_DTYPES["BFloat16Storage"] == ml_dtypes.bfloat16
