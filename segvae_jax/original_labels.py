"""The labels of the maps that a model was trained on: what indices or colours mean, and the class that each became.

Training merges labels into classes, and makes others background. With these labels the maps of the user are read in
the classes of the model wherever one is given.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Integer, UInt8

from segvae_jax.decoding import MAX_PIXELS, Colour
from segvae_jax.errors import LabelError, MapError
from segvae_jax.labels import BACKGROUND, LabelSpace
from segvae_jax.pictures import INDEX_PNG, decode_index_or_rgb_png

OF_TRAINING = "the labels of the training maps"
_CODE = np.array([1 << 16, 1 << 8, 1])  # makes one number of an RGB colour
_NO_CLASS = 256  # beyond every channel


class Label(NamedTuple):
    """A label of original maps: its index, its name, the class that it became, and its colour, if it has one.

    The class may be the background. It is "" for a label of another list that no class of the model stands for.
    """

    index: Any  # a whole number; `int` would contradict the method of tuples of this name
    name: str
    becomes: str
    colour: Colour | None = None


@dataclasses.dataclass(frozen=True)
class OriginalLabels:
    """The labels of original maps.

    Attributes:
      labels: one per index, sorted by index.
      ignore: index of pixels that are background, whether it has a label or not; none if negative.
      by_index: False if the colours alone have a meaning.
      place: what error messages call the list.
      mend: what a user can do about an index without a label; `{}` stands for the index.
    """

    labels: tuple[Label, ...]
    ignore: int = -1
    by_index: bool = True
    place: str = dataclasses.field(default=OF_TRAINING, compare=False)
    mend: str = dataclasses.field(default="give a list that names it, labels=FILE", compare=False)

    @functools.cached_property
    def colours(self) -> Mapping[int, Colour]:
        """The colour of each index that has one."""
        return {label.index: label.colour for label in self.labels if label.colour is not None}

    @functools.cached_property
    def becomes(self) -> Mapping[str, str]:
        """The class that the label of each name became."""
        return {label.name: label.becomes for label in self.labels}

    def decode(
        self, data: bytes, place: str, space: LabelSpace, max_pixels: int = MAX_PIXELS
    ) -> UInt8[np.ndarray, "H W"]:
        """Reads an original map, an index or RGB PNG, in the channels of `space`.

        Args:
          data: content of the file.
          place: name of the file in error messages.
          space: the classes of the model.
          max_pixels: of the map.

        Raises:
          MapError: naming the file, if it cannot be read, or has an index or colour without a label.
        """
        pixels = decode_index_or_rgb_png(data, place, self.colours, self.ignore, max_pixels)
        if pixels.ndim == 3:
            return self._by_colour(pixels, place, space)
        return self.convert(pixels, place, space)

    def convert(
        self, index: Integer[np.ndarray, "*n H W"], place: str, space: LabelSpace
    ) -> UInt8[np.ndarray, "*n H W"]:
        """The channels of `space` that the indices of original maps became.

        Raises:
          MapError: if an index has no label, or the list has no indices.
        """
        if not self.by_index:
            why = f"{self.place} has no indices, and the background is not its first entry"
            raise MapError(f"{place}: holds indices, but {why}: write the index before each name")
        used = set(np.unique(index).tolist())
        if nameless := sorted(used - {label.index for label in self.labels} - {self.ignore}):
            mend = self.mend.format(nameless[0])
            raise MapError(f"{place}: index {nameless[0]} has no name in {self.place}: {mend}")
        channels = self._channels(space)
        if lost := [label for label in self.labels if label.index in used and channels[label.index] == _NO_CLASS]:
            raise MapError(f"{place}: {self._unknown(lost[0], space)}")
        return channels[index].astype(np.uint8)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes; JSON can hold it."""
        rows = [
            [i, name, becomes, *([] if colour is None else [list(colour)])] for i, name, becomes, colour in self.labels
        ]
        return {"labels": rows, "ignore": self.ignore, "by_index": self.by_index}

    @classmethod
    def from_json(cls, value: Any, space: LabelSpace) -> "OriginalLabels":
        """Inverse of `to_json`, for the labels of a model with the classes `space`.

        Raises:
          LabelError: if it is anything else.
        """
        try:
            labels = tuple(_label(row, space) for row in value["labels"])
            ignore, by_index = value["ignore"], value["by_index"]
        except (TypeError, ValueError, KeyError, IndexError) as error:
            raise LabelError(f"no labels of original maps ({error}): expected what to_json writes") from None
        indices = [label.index for label in labels]
        if sorted(set(indices)) != indices or not indices or set(value) != {"labels", "ignore", "by_index"}:
            raise LabelError("labels of original maps: expected one per index, sorted by index")
        if type(ignore) is not int or not -1 <= ignore <= 255 or type(by_index) is not bool:
            raise LabelError("labels of original maps: ignore is no index, or by_index not True or False")
        return cls(labels, ignore, by_index)

    def _channels(self, space: LabelSpace) -> Int[np.ndarray, "256"]:
        """By index, the channel; `_NO_CLASS` where a label stands for no class."""
        channels = np.zeros(256, int)
        for label in self.labels:
            channels[label.index] = _channel_of(label.becomes, space)
        return channels

    def _by_colour(self, rgb: UInt8[np.ndarray, "H W 3"], place: str, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
        """The channel of each pixel; colours must match exactly."""
        if not self.colours:
            raise MapError(f"{place}: image mode RGB: expected {INDEX_PNG}, or a colour for each name in {self.place}")
        known = self._channels_of_colours(space)
        codes, inverse, counts = np.unique(rgb @ _CODE, return_inverse=True, return_counts=True)
        found = np.array([known.get(code, -1) for code in codes.tolist()])
        if (found < 0).any():
            odd = np.argmax(counts * (found < 0))
            pixels = f"{counts[odd]:,} pixels of colour #{codes[odd]:06x}"
            raise MapError(f"{place}: {pixels}, a colour of no class in {self.place}, or of several: give it to one")
        if _NO_CLASS in found:
            code = int(codes[np.argmax(found == _NO_CLASS)])
            lost = next(label for label in self.labels if label.colour and int(np.array(label.colour) @ _CODE) == code)
            raise MapError(f"{place}: {self._unknown(lost, space)}")
        return found[inverse].astype(np.uint8).reshape(rgb.shape[:2])

    def _channels_of_colours(self, space: LabelSpace) -> dict[int, int]:
        """Code of a colour -> its channel; -1 for a colour of several channels."""
        found: dict[int, int] = {}
        for label in self.labels:
            code, channel = int(np.array(label.colour) @ _CODE), _channel_of(label.becomes, space)
            found[code] = channel if found.get(code, channel) == channel else -1
        return found

    def _unknown(self, label: Label, space: LabelSpace) -> str:
        known = ", ".join(space.classes)
        which = f"{label.name!r}, index {label.index} in {self.place}"
        return f"{which}, is no class of the model: call it {BACKGROUND}, or {known}"


def _channel_of(name: str, space: LabelSpace) -> int:
    return space.channel(name) if name in space.classes else 0 if name == BACKGROUND else _NO_CLASS


def _label(row: Any, space: LabelSpace) -> Label:
    """A label of what JSON held.

    Raises:
      TypeError, ValueError, IndexError: if it is none.
    """
    index, name, becomes, *colours = row
    if type(index) is not int or not 0 <= index <= 255 or not isinstance(name, str):
        raise ValueError("an entry is no index with a name")
    if becomes not in (BACKGROUND, *space.classes):
        raise ValueError(f"{becomes!r:.40} is no class of the model")
    if not colours:
        return Label(index, name, becomes)
    (red, green, blue), *more = colours
    if more or not all(type(value) is int and 0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError("a colour is not three numbers from 0 to 255")
    return Label(index, name, becomes, (red, green, blue))
