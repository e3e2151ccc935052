"""Writes files in the format of `torch.save` without PyTorch."""

import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from unittest import mock

import numpy as np

from segvae_jax.interop.torch_checkpoint import NETWORKS, release_layers
from segvae_jax.interop.torch_pickle import STORAGE_DTYPES

LSTM_NAMES = {
    "kernel_input": "weight_ih",
    "kernel_recurrent": "weight_hh",
    "bias_input": "bias_ih",
    "bias_recurrent": "bias_hh",
}


class Storage:
    """Stands for a storage in a pickle."""

    def __init__(self, values: np.ndarray, key: str, kind: str, length: int | None = None):
        self.values, self.key, self.kind = values, key, kind
        self.length = values.size if length is None else length


class Tensor:
    """Stands for a tensor, and is pickled as PyTorch pickles a tensor."""

    def __init__(self, storage: Storage, offset=0, shape=None, strides=None):
        shape = storage.values.shape if shape is None else shape
        contiguous = tuple(int(np.prod(shape[i + 1 :])) for i in range(len(shape)))
        self.state = (storage, offset, shape, contiguous if strides is None else strides)

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (*self.state, False, OrderedDict())


class Parameter:
    """Stands for a parameter around a tensor."""

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_parameter, (self.tensor, True, OrderedDict())


class Command:
    """Is pickled as a call of `os.system`."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def _rebuild(*_):
    raise AssertionError("only its name is pickled")


def torch_stubs() -> dict[str, types.ModuleType]:
    """Modules in which a pickler finds the names of PyTorch."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in STORAGE_DTYPES:
        setattr(torch, name, type(name, (), {"__module__": "torch"}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        stub = types.FunctionType(_rebuild.__code__, {}, name)
        stub.__module__, stub.__qualname__ = "torch._utils", name
        setattr(utils, name, stub)
    return {"torch": torch, "torch._utils": utils}


def torch_pickled(tree, legacy: bool) -> tuple[bytes, dict[str, Storage]]:
    """The pickle of a tree of stand-ins and the storages in it by key."""
    stream, storages = io.BytesIO(), {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, node):
            if not isinstance(node, Storage):
                return None
            storages[node.key] = node
            kind = getattr(sys.modules["torch"], node.kind)
            return ("storage", kind, node.key, "cpu", node.length, *([None] if legacy else []))

    with mock.patch.dict(sys.modules, torch_stubs()):
        Pickler(stream, protocol=2).dump(tree)
    return stream.getvalue(), storages


def zip_file(pickled: bytes, contents: dict[str, bytes], byteorder="little", method=zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", byteorder)
        for key, content in contents.items():
            archive.writestr(f"archive/data/{key}", content)
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def legacy_file(pickled: bytes, contents: dict[str, tuple[int, bytes]]) -> bytes:
    """The old layout: magic number, protocol, system, tree and keys, then the length and bytes of each storage."""
    start = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    dump = lambda value: pickle.dumps(value, protocol=2)
    storages = [struct.pack("<q", length) + content for length, content in contents.values()]
    return b"".join([*map(dump, start), pickled, dump(list(contents)), *storages])


def saved(tree, layout: str) -> bytes:
    """The bytes that `torch.save` would write for a tree of stand-ins."""
    pickled, storages = torch_pickled(tree, layout == "legacy")
    raw = {key: storage.values.tobytes() for key, storage in storages.items()}
    if layout == "zip":
        return zip_file(pickled, raw)
    return legacy_file(pickled, {key: (storages[key].values.size, content) for key, content in raw.items()})


def state_dicts(state) -> dict:
    """Stand-ins for `{network: {name: array}}`, as the release saves it."""
    dicts = {
        network: OrderedDict(
            (name, Tensor(Storage(np.ascontiguousarray(array), f"{network}.{name}", "FloatStorage", array.size)))
            for name, array in tensors.items()
        )
        for network, tensors in state.items()
    }
    return {**dicts, "epoch": 3}


def release_tensors(params, levels: int, spectral=None):
    """A tree of params, and of singular vectors, in the release's names and layouts: `{network: {name: array}}`."""
    state = {network: {} for network in NETWORKS}
    layouts = {
        "dense": lambda kernel: kernel.T,
        "conv": lambda kernel: kernel.transpose(3, 2, 0, 1),
        "up": lambda kernel: kernel[::-1, ::-1].transpose(2, 3, 0, 1),
        "unflatten": lambda kernel: kernel.transpose(2, 3, 0, 1),
    }
    for network, name, path, kind in release_layers(levels):
        layer = _at(params[NETWORKS[network]], path)
        state[network][f"{name}.weight"] = layouts[kind](np.asarray(layer["kernel"]))
        state[network][f"{name}.bias"] = np.asarray(layer["bias"])
        if vectors := _at(spectral or {}, (NETWORKS[network], *path)):
            state[network][f"{name}.u0"] = np.asarray(vectors["u"])[None]
    for network in ("prior", "posterior"):
        for ours, theirs in LSTM_NAMES.items():
            state[network][f"lstm.0.{theirs}"] = np.asarray(params[network]["lstm"][ours]).T
    return state


def _at(tree, path):
    for name in path:
        tree = tree.get(name, {})
    return tree
