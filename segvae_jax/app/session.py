"""What one user of the page has done: calls of a Generator, the maps that came of them, and those that were picked.

A call is a mapping that JSON can hold: the name of a method under "call", its arguments, and under "picked" the number
of the map that was gone on from. The page makes every map by `perform`, so that `repeat` makes it again.
"""

import base64
import binascii
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

import segvae_jax
from segvae_jax import pictures
from segvae_jax.errors import MapError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace

HISTORY = 20  # steps that can be gone back to
MAX_PIXELS = 512 * 512  # of an uploaded map

Call = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One call and what came of it.

    Attributes:
      before: the calls that led to the map that it was made of.
      call: what was done.
      index_maps: that came of it.
      picked: number of the one to go on from.
    """

    before: tuple[Call, ...]
    call: Call
    index_maps: UInt8[np.ndarray, "N H W"]
    picked: int = 0

    @property
    def index_map(self) -> UInt8[np.ndarray, "H W"]:
        """The map that was picked."""
        return self.index_maps[self.picked]

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that lead to the map that was picked."""
        return (*self.before, {**self.call, "picked": self.picked})

    @property
    def title(self) -> str:
        """What was done, in few words."""
        if (name := self.call["call"]) != "edit":
            return {"generate": "drawn", "load": "uploaded", "complete": "completed"}[name]
        signs = (("+", "add"), ("−", "remove"), ("↻", "restyle"))
        return ", ".join(f"{sign} {label}" for sign, kind in signs for label in self.call.get(kind, ()))


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """The steps of a user, and the one that is shown; those after it can be redone."""

    steps: tuple[Step, ...] = ()
    position: int = -1

    @property
    def step(self) -> Step | None:
        """What is shown."""
        return self.steps[self.position] if self.steps else None

    @property
    def index_map(self) -> UInt8[np.ndarray, "H W"]:
        """The map that is shown.

        Raises:
          MapError: if there is none yet.
        """
        if self.step is None:
            raise MapError("there is no map yet: draw or upload one first")
        return self.step.index_map

    def apply(self, generator: Generator, call: Call) -> "Session":
        """With one more step in place of what could be redone; the oldest is forgotten after `HISTORY`.

        Args:
          generator: makes the maps.
          call: "generate" and "load" start anew, "edit" and "complete" go on from the map that is shown.

        Raises:
          SegVAEError: if it cannot be done.
        """
        starts = call["call"] in ("generate", "load")
        before = () if starts or self.step is None else self.step.calls
        step = Step(before, call, perform(generator, None if starts else self.index_map, call))
        steps = (*self.steps[: self.position + 1], step)[-HISTORY:]
        return Session(steps, len(steps) - 1)

    def pick(self, number: int) -> "Session":
        """With another map of the step that is shown; what was made of the former one cannot be redone.

        Raises:
          MapError: if there is no such map.
        """
        if self.step is None or not 0 <= number < len(self.step.index_maps):
            raise MapError(f"there is no map {number} to pick: pick one that is shown")
        if number == self.step.picked:
            return self
        picked = dataclasses.replace(self.step, picked=number)
        return Session((*self.steps[: self.position], picked), self.position)

    def go_to(self, position: int) -> "Session":
        """At another step, the first or the last at most."""
        return Session(self.steps, min(max(position, 0), len(self.steps) - 1))

    def undo(self) -> "Session":
        """One step back."""
        return self.go_to(self.position - 1)

    def redo(self) -> "Session":
        """One step on."""
        return self.go_to(self.position + 1)

    def record(self, checkpoint: str, weights: str) -> str:
        """JSON from which `repeat` makes the map that is shown.

        Args:
          checkpoint: name of that of the generator.
          weights: its fingerprint.
        """
        about = {"segvae_jax": segvae_jax.__version__, "checkpoint": checkpoint, "weights": weights}
        return json.dumps({**about, "calls": self.step.calls if self.step else ()}, indent=1)


def repeat(generator: Generator, record: str) -> UInt8[np.ndarray, "H W"]:
    """The map of a record.

    Args:
      generator: of the checkpoint of the record.
      record: JSON that the page wrote.

    Raises:
      MapError: if it is none, or of other weights.
    """
    try:
        content = json.loads(record)
        weights, calls = content["weights"], content["calls"]
    except (ValueError, KeyError, TypeError) as error:
        raise MapError(f"this is no record of the page ({error!r}): give the JSON that it wrote") from None
    if weights != generator.fingerprint():
        raise MapError(f"the record is of other weights than these: load {content.get('checkpoint')!r}")
    session = Session()
    for call in calls:
        session = session.apply(generator, {k: v for k, v in call.items() if k != "picked"}).pick(call["picked"])
    return session.index_map


def perform(generator: Generator, index_map: UInt8[np.ndarray, "H W"] | None, call: Call) -> UInt8[np.ndarray, "N H W"]:
    """The maps that come of a call.

    Args:
      generator: whose methods are called.
      index_map: the map that "edit" and "complete" go on from.
      call: see the top of this module. "load" has the map as a PNG in base64, "edit" and "complete" may have a
        "region": a PNG of two colours in base64 of the size of the map, black where nothing may change.

    Raises:
      SegVAEError: if it cannot be done.
    """
    arguments = {key: value for key, value in call.items() if key != "call"}
    if call["call"] == "load":
        return _loaded(arguments["png"], generator.space)[None]
    if call["call"] == "generate":
        return generator.generate(**arguments)
    if call["call"] not in ("edit", "complete"):
        raise MapError(f"unknown call {call['call']!r}: expected generate, load, edit or complete")
    region = region_of(arguments.pop("region", ""))
    return getattr(generator, call["call"])(index_map, **arguments, region=region).index_maps


def loading(png: bytes, space: LabelSpace) -> Call:
    """The call that loads an uploaded map; it holds the map itself, so that a record needs no other file.

    Raises:
      MapError: if the file cannot be used.
    """
    index_map = pictures.decode_index_map(png, "your map", space, MAX_PIXELS)
    return {"call": "load", "png": base64.b64encode(pictures.index_png_bytes(index_map, space)).decode()}


def _loaded(text: str, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    return pictures.decode_index_map(_bytes(text), "your map", space, MAX_PIXELS)


def region_of(text: str) -> Bool[np.ndarray, "H W"] | None:
    """The region of a call, None if it has none.

    Raises:
      MapError: if it cannot be read.
    """
    return pictures.decode_mask_png(_bytes(text), "the brushed region", MAX_PIXELS) if text else None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MapError("what was sent is no PNG in base64: reload the page") from None
