"""The history of one user of the page: calls of a Generator, the maps that they returned, and those that were picked.

A call is a mapping that JSON can hold: the name of a method under "call", its arguments, and under "picked" the number
of the map that the user continued with. The page makes every map by `perform`, so `repeat` can make it again.
"""

import base64
import binascii
import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

import segvae_jax
from segvae_jax import maps, pictures
from segvae_jax.app.values import MAX_MAPS, checked_call, checked_number, parsed, short
from segvae_jax.errors import MapError
from segvae_jax.generation import Generator
from segvae_jax.given_maps import MapFile, Meaning, read_given
from segvae_jax.json_objects import opened, sealed
from segvae_jax.labels import LabelSpace

HISTORY = 20  # steps that are kept
MAX_BYTES = 8 * 2**20  # of their maps; the last step is kept in any case
MAX_RECORD = 2**20  # characters
MAX_PIXELS = 512 * 512  # of a map; a larger one that is uploaded becomes smaller
MAX_UPLOADED_PIXELS = 4096 * 4096  # which keeps the memory of reading it bounded

Call = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One call and its result.

    Attributes:
      before: the calls that led to the map that the call started from.
      call: the call.
      index_maps: the maps that it returned.
      picked: number of the map to continue with.
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

    def title(self, space: LabelSpace) -> str:
        """The call in a few words."""
        if (name := self.call["call"]) != "edit":
            return {"generate": "new", "load": "uploaded", "complete": "completed"}[name]
        signs = (("+", "add"), ("−", "remove"), ("↻", "restyle"))
        return ", ".join(f"{sign} {space.title(name)}" for sign, kind in signs for name in self.call.get(kind, ()))


@dataclasses.dataclass(frozen=True, eq=False)
class Session:
    """The steps of a user, and the position of the one that is shown; later steps can be redone.

    Attributes:
      steps, position: as said.
      look: seed of the pictures that maps are translated to.
    """

    steps: tuple[Step, ...] = ()
    position: int = -1
    look: int = 0

    @property
    def step(self) -> Step | None:
        """The step that is shown, if there is any."""
        return self.steps[self.position] if self.steps else None

    @property
    def index_map(self) -> UInt8[np.ndarray, "H W"]:
        """The map that is shown.

        Raises:
          MapError: if there is none yet.
        """
        if self.step is None:
            raise MapError("there is no map yet: generate or upload one first")
        return self.step.index_map

    def apply(self, generator: Generator, call: Call) -> "Session":
        """The session with one more step, which replaces those that could be redone.

        At most `HISTORY` steps are kept, with maps of at most `MAX_BYTES`.

        Args:
          generator: makes the maps.
          call: "generate" and "load" start from nothing, "edit" and "complete" from the map that is shown.

        Raises:
          SegVAEError: if the call fails.
        """
        call = checked_call(call)
        starts = call["call"] in ("generate", "load")
        before = () if starts else _of_bounded_length(self.step.calls if self.step else ())
        step = Step(before, call, perform(generator, None if starts else self.index_map, call))
        steps = _latest((*self.steps[: self.position + 1], step))
        return dataclasses.replace(self, steps=steps, position=len(steps) - 1)

    def pick(self, number: int) -> "Session":
        """The session with another map of the shown step picked; later steps are removed.

        Raises:
          MapError: if there is no such map.
        """
        if self.step is None or not 0 <= number < len(self.step.index_maps):
            raise MapError(f"there is no map {number} to pick: pick one that is shown")
        if number == self.step.picked:
            return self
        picked = dataclasses.replace(self.step, picked=number)
        return dataclasses.replace(self, steps=(*self.steps[: self.position], picked))

    def go_to(self, position: int) -> "Session":
        """The session at another step; positions out of range give the first or the last step."""
        return dataclasses.replace(self, position=min(max(position, 0), len(self.steps) - 1))

    def other_look(self) -> "Session":
        """The session with other pictures of the same maps."""
        return dataclasses.replace(self, look=self.look + 1)

    def undo(self) -> "Session":
        """The session one step back."""
        return self.go_to(self.position - 1)

    def redo(self) -> "Session":
        """The session one step further."""
        return self.go_to(self.position + 1)

    def record(self, checkpoint: str, weights: str) -> str:
        """JSON from which `repeat` makes the shown map again.

        Args:
          checkpoint: the name of the checkpoint.
          weights: the fingerprint of the generator.
        """
        about = {"segvae_jax": segvae_jax.__version__, "checkpoint": checkpoint, "weights": weights}
        return json.dumps(sealed({**about, "calls": self.step.calls if self.step else ()}), indent=1)


def repeat(generator: Generator, record: str | bytes) -> UInt8[np.ndarray, "H W"]:
    """Makes the map of a record again.

    Args:
      generator: of the checkpoint that the record names.
      record: JSON that `Session.record` returned.

    Raises:
      MapError: if this is not a record, or it was made with other weights.
    """
    content = parsed(record)
    if not isinstance(content, dict) or not isinstance(calls := content.get("calls"), list) or not calls:
        raise MapError("this is not a record of the page: give the JSON that it wrote")
    try:
        opened(content, ("segvae_jax", "checkpoint", "weights", "calls"))
    except ValueError as error:
        raise MapError(f"this record was changed ({error}): give the JSON that the page wrote") from None
    if content.get("weights") != generator.fingerprint():
        raise MapError(f"the record was made with other weights: load {short(content.get('checkpoint'))}")
    session = Session()
    for entry in calls:
        call = dict(entry) if isinstance(entry, dict) else {}
        picked = checked_number("picked", call.pop("picked", None), 0, MAX_MAPS - 1)
        session = session.apply(generator, call).pick(picked)
    return session.index_map


def _latest(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The last of the steps, as many as are kept."""
    sizes = np.cumsum([step.index_maps.nbytes for step in steps[::-1]])
    return steps[-max(1, min(HISTORY, int((sizes <= MAX_BYTES).sum()))) :]


def _of_bounded_length(calls: tuple[Call, ...]) -> tuple[Call, ...]:
    if len(json.dumps(calls)) > MAX_RECORD:
        raise MapError("this map has too many edits for one record: download it, and upload it to go on")
    return calls


def perform(generator: Generator, index_map: UInt8[np.ndarray, "H W"] | None, call: Call) -> UInt8[np.ndarray, "N H W"]:
    """The maps that a call returns.

    Args:
      generator: whose methods are called.
      index_map: the map that "edit" and "complete" start from.
      call: as `checked_call` returns it. "load" has the map as a PNG in base64; "edit" and "complete" may
        have a "region", a PNG of two colours in base64, of the size of the map, black where nothing may change.

    Raises:
      SegVAEError: if the call fails.
    """
    arguments = {key: value for key, value in call.items() if key != "call"}
    if call["call"] == "load":
        return _loaded(arguments["png"], generator.space)[None]
    if call["call"] == "generate":
        return generator.generate(**arguments)
    region = region_of(arguments.pop("region", ""))
    return getattr(generator, call["call"])(index_map, **arguments, region=region).index_maps


def loading(png: bytes, meaning: Meaning) -> tuple[Call, str]:
    """The call that loads an uploaded map; it contains the map, so that a record needs no other file.

    Args:
      png: the file. A map of more than `MAX_PIXELS` becomes smaller.
      meaning: what its indices may mean.

    Returns:
      the call, and what was assumed or changed, in one line; "" if nothing was.

    Raises:
      MapError: if the file cannot be used.
    """
    space, notes = meaning.space, []
    (index_map,), note = read_given([MapFile(png, "your map")], meaning, MAX_UPLOADED_PIXELS)
    if index_map.size > MAX_PIXELS:
        shape = index_map.shape
        index_map = maps.resize_index(index_map, space, _bounded(*shape))
        notes.append("your map: resized from {} x {} to {} x {} pixels".format(*shape, *index_map.shape))
    call = {"call": "load", "png": base64.b64encode(pictures.index_png_bytes(index_map, space)).decode()}
    return call, "; ".join([*([note] if note else []), *notes])


def _bounded(height: int, width: int) -> tuple[int, int]:
    """The largest size of at most `MAX_PIXELS` with about the same aspect ratio."""
    scale = math.sqrt(MAX_PIXELS / (height * width))
    rows, columns = (min(max(1, int(side * scale)), MAX_PIXELS) for side in (height, width))
    return min(rows, MAX_PIXELS // columns), min(columns, MAX_PIXELS // rows)


def _loaded(text: str, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    return pictures.decode_index_map(_bytes(text), "your map", space, MAX_PIXELS)


def region_of(text: str) -> Bool[np.ndarray, "H W"] | None:
    """The region of a call; None if the text is empty.

    Raises:
      MapError: if it cannot be read.
    """
    return pictures.decode_mask_png(_bytes(text), "the brushed region", MAX_PIXELS) if text else None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MapError("what was sent is not a PNG in base64: reload the page") from None
