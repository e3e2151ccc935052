"""Published PyTorch weights of networks that score maps, as Flax variables."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from segvae_jax.errors import CheckpointError


def digest_of(path: str | Path, expected_name: str) -> str:
    """Hexadecimal SHA-256 of a file.

    Raises:
      CheckpointError: if it cannot be read; the message asks for the file named `expected_name`.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): give the path of {expected_name}") from None


def variables_of(
    module: nn.Module,
    sample: jax.ShapeDtypeStruct,
    state: Mapping[str, Any],
    torch_name: Callable[[tuple[str, ...]], str],
) -> dict[str, Any]:
    """Variables of a module from the entries of a PyTorch state dict.

    Args:
      module: a module that is applied to one array.
      sample: shape and dtype of such an array.
      state: arrays by PyTorch name; the kernels of convolutions are `[out, in, h, w]`.
      torch_name: gives the PyTorch name of the entry at a path in the variables.

    Raises:
      CheckpointError: if an entry is missing, unexpected, or has a different shape or dtype.
    """
    expected = traverse_util.flatten_dict(jax.eval_shape(module.init, jax.random.key(0), sample))
    names = {entry: torch_name(entry) for entry in expected}
    if odd := sorted(set(names.values()) ^ set(state)):
        raise CheckpointError(f"entry {odd[0]!r} is {'extra' if odd[0] in state else 'missing'}, of {len(odd)} such")
    if odd := sorted(name for name, value in state.items() if not isinstance(value, np.ndarray)):
        raise CheckpointError(f"entry {odd[0]!r} is not a tensor")
    arrays = {entry: _flax_array(state[name]) for entry, name in names.items()}
    for entry, array in arrays.items():
        if array.shape != expected[entry].shape or array.dtype != np.float32:
            found = f"{array.dtype} of shape {state[names[entry]].shape}"
            raise CheckpointError(f"entry {names[entry]!r} is {found}")
    return traverse_util.unflatten_dict({entry: jnp.asarray(array) for entry, array in arrays.items()})


def _flax_array(array: np.ndarray) -> np.ndarray:
    """Transposes the kernel of a convolution from `[out, in, h, w]` to `[h, w, in, out]`; leaves other arrays as is."""
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
