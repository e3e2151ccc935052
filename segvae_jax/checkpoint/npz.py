"""Weights in one file that NumPy reads: `weights.npz`, one array per weight, named e.g. `params/decoder/up_0/kernel`.

The model card beside it holds its SHA-256; a file with another hash is not read. Nothing in it is ever executed.
"""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from segvae_jax.errors import CheckpointError
from segvae_jax.files import write_atomically

WEIGHTS = "weights.npz"
_LARGEST = float(np.finfo(np.float16).max)


def write_weights(directory: Path, variables: Mapping[str, Any], half: bool = False) -> str:
    """Writes `weights.npz`; complete or not at all.

    Args:
      directory: where the file goes; it is made if it is missing.
      variables: nested arrays.
      half: whether kernels are rounded to float16, which halves the file; vectors, which are small, stay float32.

    Returns:
      SHA-256 of the file, the same for the same weights.

    Raises:
      OutputError: if the directory cannot be written to.
    """
    arrays = {path: np.asarray(array) for path, array in flatten_dict(dict(variables), sep="/").items()}
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{path: _rounded(a) if half else a for path, a in arrays.items()})
    write_atomically(directory / WEIGHTS, lambda path: path.write_bytes(content.getvalue()))
    return hashlib.sha256(content.getvalue()).hexdigest()


def read_weights(directory: Path, sha256: str) -> dict[str, Any]:
    """The nested arrays of `weights.npz`, in float32.

    Args:
      directory: that holds the file.
      sha256: that the file must have.

    Raises:
      CheckpointError: if there is no such file, its SHA-256 differs, or it holds no weights.
    """
    path = directory / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): it belongs beside model.json") from None
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise CheckpointError(f"{path}: SHA-256 {found}, but model.json says {sha256}: damaged, copy it again")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            variables = unflatten_dict({name: arrays[name].astype(np.float32) for name in arrays.files}, sep="/")
        return {"params": variables["params"]}
    except Exception as error:  # what other files make NumPy raise
        raise CheckpointError(f"{path}: holds no weights ({error!r:.100}): expected those of a model") from None


def _rounded(array: np.ndarray) -> np.ndarray:
    """The array in float16, unless it is a vector or has values out of range."""
    return array.astype(np.float16) if array.ndim > 1 and np.abs(array).max(initial=0) <= _LARGEST else array
