"""Checks of what the public functions are given; each error names the argument, its value and what was expected."""

import os
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool

from segvae_jax.errors import ArgumentError, LabelError, MapError

LARGEST = 2**31 - 1  # of seeds and numbers of samples, which have 32 bits on the devices
HIGHEST_TEMPERATURE = 10.0  # noise of ten standard deviations: no model has learnt what lies there
MOST_MAGNIFIED = 64  # times, of pictures for people

Temperature = float | Mapping[str, float]  # of all scales of the latent, or by name


def whole(name: str, value: Any, low: int = 0, high: int = LARGEST) -> int:
    """A whole number of any type, within bounds; neither a bool nor a float is one.

    Raises:
      ArgumentError: if it is none, or out of bounds.
    """
    if _kind(value) not in "iu" or not low <= value <= high:
        raise ArgumentError(f"{name}={shown(value)}: expected a whole number from {low} to {high}")
    return int(value)


def checked_temperature(temperature: Any) -> Temperature:
    """A temperature from 0 to 10, or several by name of the scale, as plain numbers.

    Raises:
      ArgumentError: if one is not such a number, or none is given.
    """
    if not isinstance(temperature, Mapping):
        return _one_temperature("temperature", temperature)
    if not temperature:
        raise ArgumentError("temperature={}: expected a number, or a number for each of some scales of the latent")
    return {scale: _one_temperature(f"temperature of {shown(scale)}", value) for scale, value in temperature.items()}


def _one_temperature(name: str, value: Any) -> float:
    if _kind(value) not in "iuf" or not 0 <= value <= HIGHEST_TEMPERATURE:
        raise ArgumentError(f"{name}={shown(value)}: expected a number from 0 to {HIGHEST_TEMPERATURE:g}")
    return float(value)


def path(name: str, value: Any) -> Path:
    """The path of a file or folder, with the home directory filled in.

    Raises:
      ArgumentError: if it is empty, no path, or in the home directory of an unknown user.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ArgumentError(f"{name}={shown(value)}: expected a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ArgumentError(f"{name}={shown(value)}: no such user: expected a path") from None


def label_sets(value: Any, num_channels: int | None = None) -> Bool[np.ndarray, "N C"]:
    """Label-sets: at least one row of bools, one per channel. The background, channel 0, is ignored: it is False.

    Raises:
      LabelError: if they are none, or of another number of channels than `num_channels`.
    """
    rows = _array(value)
    width = rows.shape[-1] if rows.ndim and num_channels is None else num_channels
    if rows.dtype != bool or rows.ndim != 2 or not len(rows) or rows.shape[1] != width:
        expected = f"bool of shape (N, {num_channels or 'C'}), N at least 1, background first"
        raise LabelError(f"label-sets of {_described(rows)}: expected {expected}")
    return np.concatenate([np.zeros_like(rows[:, :1]), rows[:, 1:]], axis=1)


def class_maps(value: Any, shape: tuple[int, int, int]) -> Bool[np.ndarray, "N H W C"]:
    """Class maps: at least one, of bools, each of the shape `[H, W, C]`.

    Raises:
      MapError: if they are none.
    """
    maps = _array(value)
    if maps.dtype != bool or maps.ndim != 4 or not len(maps) or maps.shape[1:] != shape:
        expected = f"bool of shape (N, {', '.join(map(str, shape))}), N at least 1"
        raise MapError(f"class maps of {_described(maps)}: expected {expected}")
    return maps


def dimensions(value: Any) -> int:
    """The number of axes of an array, or of nested lists; 0 of all else."""
    return _array(value).ndim


def index_maps(value: Any, num_channels: int, ndim: int) -> np.ndarray:
    """Index maps: an array of `ndim` axes that is not empty, of any type of whole numbers, each below `num_channels`.

    Raises:
      MapError: if it is none.
    """
    maps = _array(value)
    if maps.dtype.kind not in "iu" or maps.ndim != ndim or not maps.size:
        shape = "({})".format(", ".join(("N", "H", "W")[-ndim:]))
        expected = f"one class index per pixel, whole numbers of shape {shape}"
        raise MapError(f"a map of {_described(maps)}: expected {expected}")
    worst = maps.max() if maps.min() >= 0 else maps.min()
    if not 0 <= worst < num_channels:
        raise MapError(
            f"the map holds index {worst}: the model knows 0 to {num_channels - 1}: merge or remove that class,"
            " or read an original map with read_map"
        )
    return maps


def shown(value: Any) -> str:
    """A value in one short line."""
    try:
        return " ".join(reprlib.repr(value).split())
    except ValueError:  # of a whole number of thousands of digits
        return f"a {type(value).__name__}"


def _kind(value: Any) -> str:
    """The kind of a number, as NumPy calls it; "O" of all else."""
    array = _array(value)
    return "O" if array.ndim else array.dtype.kind


def _array(value: Any) -> np.ndarray:
    """Any value as an array; one of the kind "O" if it is none."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError):  # of nested lists of different lengths
        return np.empty((), object)


def _described(array: np.ndarray) -> str:
    return f"shape {array.shape}, {array.dtype}"
