import hashlib
import io

import numpy as np
import pytest

from segvae_jax.checkpoint.npz import WEIGHTS, read_weights, write_weights
from segvae_jax.errors import CheckpointError, OutputError

VARIABLES = {
    "params": {
        "decoder": {"kernel": np.float32([[0.1, -2.0], [1e-3, 7.0]]), "bias": np.float32([0.1, 1 / 3])},
        "large": {"kernel": np.float32([[1e6, 0.1]])},
    }
}


def assert_same(ours, theirs) -> None:
    assert ours["params"].keys() == theirs["params"].keys()
    for layer, arrays in theirs["params"].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(ours["params"][layer][name], array)
            assert ours["params"][layer][name].dtype == np.float32


def test_what_is_written_is_read_bit_for_bit_and_always_the_same_file(tmp_path):
    sha256 = write_weights(tmp_path / "new", VARIABLES)
    assert write_weights(tmp_path / "again", VARIABLES) == sha256
    assert_same(read_weights(tmp_path / "new", sha256), VARIABLES)
    with np.load(tmp_path / "new" / WEIGHTS) as arrays:
        assert set(arrays.files) == {"params/decoder/kernel", "params/decoder/bias", "params/large/kernel"}


def test_halves_are_kernels_within_the_range_of_float16(tmp_path):
    sha256 = write_weights(tmp_path, VARIABLES, half=True)
    rounded = {name: dict(arrays) for name, arrays in VARIABLES["params"].items()}
    rounded["decoder"]["kernel"] = np.float16(rounded["decoder"]["kernel"]).astype(np.float32)
    assert (rounded["decoder"]["kernel"] != VARIABLES["params"]["decoder"]["kernel"]).any()
    assert_same(read_weights(tmp_path, sha256), {"params": rounded})


def test_a_damaged_or_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=rf"{WEIGHTS}: cannot be read \(No such file"):
        read_weights(tmp_path, "0" * 64)
    sha256 = write_weights(tmp_path, VARIABLES)
    content = bytearray((tmp_path / WEIGHTS).read_bytes())
    content[200] ^= 1
    (tmp_path / WEIGHTS).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"{WEIGHTS}: SHA-256 .* but model.json says {sha256}: damaged"):
        read_weights(tmp_path, sha256)


def test_nothing_half_written_stays(tmp_path, monkeypatch):
    write_weights(tmp_path, VARIABLES)
    before = (tmp_path / WEIGHTS).read_bytes()

    def fails(path, content):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fails)
    with pytest.raises(OutputError, match=r"cannot be written \(No space left"):
        write_weights(tmp_path, {"params": {"other": np.zeros((2, 2), np.float32)}})
    assert (tmp_path / WEIGHTS).read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "arrays", [None, {}, {"other": np.zeros(2)}, {"params/a": np.zeros(2), "params/a/b": np.ones(2)}]
)
def test_a_file_without_weights_is_named(tmp_path, arrays):
    content = io.BytesIO(b"no zip file")
    if arrays is not None:
        np.savez(content, allow_pickle=False, **arrays)
    (tmp_path / WEIGHTS).write_bytes(content.getvalue())
    with pytest.raises(CheckpointError, match=f"{WEIGHTS}: holds no weights"):
        read_weights(tmp_path, hashlib.sha256(content.getvalue()).hexdigest())
