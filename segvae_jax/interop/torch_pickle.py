"""Reads files written by `torch.save` without PyTorch, and without executing anything that they name.

Both layouts are supported: the zip file (PyTorch 1.6 and later) and the older sequence of pickles.
A pickle is a program that may name any function. Here it may name only four kinds of objects, which are
replaced by harmless stand-ins; a pickle that names anything else is refused. A file is read in two phases.
First, unpickling yields descriptions of tensors. Then only the storages that these use are read, and their
sizes and strides are checked.
"""

import io
import math
import pickle
import pickletools
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from segvae_jax.errors import CheckpointError

STORAGE_DTYPES = {
    "DoubleStorage": np.dtype(np.float64),
    "FloatStorage": np.dtype(np.float32),
    "HalfStorage": np.dtype(np.float16),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "ComplexDoubleStorage": np.dtype(np.complex128),
    "ComplexFloatStorage": np.dtype(np.complex64),
    "LongStorage": np.dtype(np.int64),
    "IntStorage": np.dtype(np.int32),
    "ShortStorage": np.dtype(np.int16),
    "CharStorage": np.dtype(np.int8),
    "ByteStorage": np.dtype(np.uint8),
    "BoolStorage": np.dtype(np.bool_),
}

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_START = pickle.dumps(_LEGACY_MAGIC, protocol=2)
_LEGACY_PROTOCOL = 1001
_AGAIN = "get a new copy of the file, or save it again with torch.save(model.state_dict(), path)"


class _Storage(NamedTuple):
    """A storage as described in a pickle: a name in `STORAGE_DTYPES`, the key of its bytes, and its length."""

    kind: Any
    key: Any
    length: Any


class _Tensor(NamedTuple):
    """A tensor as described in a pickle: its storage, and its offset, shape and strides in elements."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


_ReadBytes = Callable[[str], bytes]


def read_state_dicts(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint file that `torch.save` wrote, in either layout.

    Args:
      path: a file whose top level is a dictionary: a state dict, or a dictionary of state dicts.

    Returns:
      the nested dictionary of the file. It holds dictionaries, lists and tuples of `np.ndarray`, int,
      float, bool, str and None. The arrays have the dtype, shape and strides of the tensors, are
      read-only, and share memory if the tensors did.

    Raises:
      CheckpointError: if the file is missing, is damaged, is too short for the sizes it claims, was not
        written by `torch.save`, or names anything but tensors. Nothing that it names is executed.
    """
    path = Path(path)
    try:
        return _read(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {_one_line(error)}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}): check the path") from None
    except Exception as error:  # a damaged pickle or zip raises nearly anything
        reason = f"{type(error).__name__}: {_one_line(error)}"
        raise CheckpointError(f"{path}: the file is damaged ({reason}): {_AGAIN}") from None


def require_finite(path: str | Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Checks that tensors have finite values in float32.

    Raises:
      CheckpointError: naming the first tensor that has not.
    """
    with np.errstate(over="ignore"):
        odd = [name for name, tensor in tensors.items() if not np.isfinite(tensor.astype(np.float32)).all()]
    if odd:
        raise CheckpointError(f"{path}: {odd[0]} holds values that are not finite: get another copy of the weights")


def _one_line(error: Exception) -> str:
    """The message of an error in one line. Names from the file could contain anything, e.g. line breaks."""
    return " ".join(str(error).split())[:400]


def _read(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_LEGACY_START))
        file.seek(0)
        if start == _LEGACY_START:
            tree, read_bytes, swapped = _open_legacy(io.BytesIO(file.read()))
        elif zipfile.is_zipfile(file):
            tree, read_bytes, swapped = _open_zip(zipfile.ZipFile(file), size)
        elif start.startswith(b"PK"):
            raise CheckpointError(f"the file is truncated (a zip file without its end): {_AGAIN}")
        else:
            raise CheckpointError("not a PyTorch checkpoint: expected a file written by torch.save")
        if not isinstance(tree, dict):
            raise CheckpointError(f"contains a {type(tree).__name__}: expected a dictionary of tensors; {_AGAIN}")
        return _Resolver(read_bytes, size, swapped).resolve(tree, "")


def _open_zip(archive: zipfile.ZipFile, size: int) -> tuple[Any, _ReadBytes, bool]:
    """The unpickled tree of a zip file, a function that reads its storages, and whether their bytes are swapped."""
    if sum(entry.file_size for entry in archive.infolist()) > size:
        raise CheckpointError(f"its entries claim more than the {size} bytes of the file: {_AGAIN}")
    names = set(archive.namelist())
    roots = [name.removesuffix("data.pkl") for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise CheckpointError(
            f"the zip file has {len(roots)} entries '<name>/data.pkl': expected exactly one, as torch.save writes it"
        )

    def read_bytes(key: str) -> bytes:
        if (name := f"{roots[0]}data/{key}") not in names:
            raise CheckpointError(f"storage {key!r} is missing from the file: {_AGAIN}")
        return archive.read(name)

    order = archive.read(f"{roots[0]}byteorder").decode() if f"{roots[0]}byteorder" in names else "little"
    tree, _ = _unpickle(io.BytesIO(archive.read(f"{roots[0]}data.pkl")))
    return tree, read_bytes, order != sys.byteorder


def _open_legacy(stream: io.BytesIO) -> tuple[Any, _ReadBytes, bool]:
    """The same for a file from before PyTorch 1.6: five pickles, then for each storage its length and its bytes."""
    (_, _), (protocol, _), (_, _), (tree, storages), (keys, _) = [_unpickle(stream) for _ in range(5)]
    if protocol != _LEGACY_PROTOCOL:
        raise CheckpointError(f"its legacy protocol is not {_LEGACY_PROTOCOL}: {_AGAIN}")
    itemsizes = {storage.key: STORAGE_DTYPES[storage.kind].itemsize for storage in storages}
    contents = {}
    for key in keys:
        length = int.from_bytes(stream.read(8), "little")
        contents[key] = stream.getbuffer()[stream.tell() :][: length * itemsizes[key]]
        stream.seek(length * itemsizes[key], io.SEEK_CUR)

    def read_bytes(key: str) -> bytes:
        if key not in contents:
            raise CheckpointError(f"storage {key!r} is missing from the file: {_AGAIN}")
        return contents[key].tobytes()

    return tree, read_bytes, sys.byteorder == "big"


def _unpickle(stream: io.BytesIO) -> tuple[Any, list[_Storage]]:
    """The next pickle of a stream, with descriptions of its tensors, and the storages that it names."""
    start = stream.tell()
    slots = [arg or 0 for op, arg, _ in pickletools.genops(stream) if op.name.endswith("PUT")]
    if max(slots, default=0) > stream.tell() - start:  # the unpickler would allocate that many
        raise CheckpointError(f"its pickle claims an absurd memo size and was refused: {_AGAIN}")
    stream.seek(start)
    unpickler = _TensorUnpickler(stream)
    return unpickler.load(), unpickler.storages


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles descriptions of tensors, and refuses every global that tensors do not need.

    The stand-ins are strings and temporary functions, so a pickle that assigns attributes to them has no
    effect.
    """

    def __init__(self, stream: io.BytesIO):
        super().__init__(stream)
        self.storages: list[_Storage] = []

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return lambda storage, offset, shape, strides, *_: _Tensor(storage, offset, shape, strides)
            case "torch._utils", "_rebuild_parameter":
                return lambda tensor, *_: tensor
            case "torch", _ if name in STORAGE_DTYPES:
                return name
        raise CheckpointError(
            f"refused, because it names the global {f'{module}.{name}'!r}, which does not belong in a state dict;"
            " nothing was executed: save it again with torch.save(model.state_dict(), path)"
        )

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(kind), str(key), str(), int(length), *view) if kind in STORAGE_DTYPES:
                if view not in ([], [None]):
                    raise CheckpointError(
                        f"storage {key!r} is a view of another one, as written before PyTorch 0.4: {_AGAIN}"
                    )
                self.storages.append(_Storage(kind, key, length))
                return self.storages[-1]
        raise CheckpointError(f"its pickle refers to something other than a storage: {_AGAIN}")


class _Resolver:
    """Replaces the descriptions of tensors in nested containers by arrays. Reads each storage once."""

    def __init__(self, read_bytes: _ReadBytes, file_size: int, swapped: bool):
        self._read_bytes, self._file_size, self._swapped = read_bytes, file_size, swapped
        self._contents: dict[_Storage, np.ndarray] = {}
        self._done: dict[int, Any] = {}  # by identity, so that shared parts stay shared and are resolved once

    def resolve(self, node: Any, name: str) -> Any:
        """The node with arrays instead of descriptions. `name` is its place in the file, for error messages."""
        if id(node) not in self._done:
            self._done[id(node)] = self._resolved(node, name)
        return self._done[id(node)]

    def _resolved(self, node: Any, name: str) -> Any:
        match node:
            case _Tensor():
                return self._array(node, name)
            case dict():
                if not all(isinstance(key, str | int) for key in node):
                    raise CheckpointError(f"{name or 'the file'}: a key is neither a string nor a number: {_AGAIN}")
                return {key: self.resolve(child, f"{name}.{key}".lstrip(".")) for key, child in node.items()}
            case list() | tuple() if not isinstance(node, _Storage):
                return type(node)(self.resolve(child, f"{name}[{i}]") for i, child in enumerate(node))
            case int() | float() | str() | None:
                return node
        raise CheckpointError(f"{name} is neither a tensor, a number, a string nor a container of these: {_AGAIN}")

    def _array(self, tensor: _Tensor, name: str) -> np.ndarray:
        storage, offset, shape, strides = tensor
        fits = isinstance(storage, _Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)
        if not fits or not _are_counts(offset, *shape, *strides) or len(shape) != len(strides):
            raise CheckpointError(f"{name}: the description of this tensor is malformed: {_AGAIN}")
        elements, count = self._elements(storage), math.prod(shape)
        last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        if (count and last >= elements.size) or count * elements.itemsize > self._file_size:
            raise CheckpointError(
                f"{name}: shape {shape}, strides {strides}, offset {offset} reach beyond its storage of"
                f" {elements.size} values, or beyond the size of the file: {_AGAIN}"
            )
        steps = tuple(step * elements.itemsize for step in strides)
        return np.lib.stride_tricks.as_strided(elements[offset:], shape, steps, writeable=False)

    def _elements(self, storage: _Storage) -> np.ndarray:
        """All values of a storage as a one-dimensional array."""
        if storage not in self._contents:
            dtype, content = STORAGE_DTYPES[storage.kind], self._read_bytes(storage.key)
            if len(content) != storage.length * dtype.itemsize:
                raise CheckpointError(
                    f"storage {storage.key!r} has {len(content)} bytes: expected {storage.length} values of"
                    f" {dtype.itemsize} bytes each; {_AGAIN}"
                )
            elements = np.frombuffer(content, dtype)
            self._contents[storage] = elements.byteswap() if self._swapped else elements
        return self._contents[storage]


def _are_counts(*values: Any) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)
