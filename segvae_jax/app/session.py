"""The history of one user of the page: calls of a Generator, the maps that they returned, and those that were picked.

A call is a mapping that JSON can hold: the name of a method under "call", its arguments, and under "picked" the number
of the map that the user continued with. The page makes every map by `perform`, so `repeat` can make it again.
"""

import base64
import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import UInt8

import segvae_jax
from segvae_jax import maps, pictures
from segvae_jax.app.alternatives import LIKELIEST_OF, PER_ALTERNATIVE, most_different
from segvae_jax.app.painting import MAX_PIXELS, around, painted, png_of, region_of, strokes_of
from segvae_jax.app.values import MAX_MAPS, checked_call, checked_number, parsed, short
from segvae_jax.errors import MapError
from segvae_jax.generation import Generator
from segvae_jax.given_maps import MapFile, Meaning, read_given
from segvae_jax.json_objects import opened, sealed
from segvae_jax.labels import LabelSpace

HISTORY = 20  # steps that are kept
MAX_BYTES = 8 * 2**20  # of their maps; the last step is kept in any case
MAX_RECORD = 2**20  # characters
MAX_UPLOADED_PIXELS = 4096 * 4096  # which keeps the memory of reading it bounded

_TITLES = {
    "generate": "new", "load": "uploaded", "blank": "blank", "paint": "painted", "complete": "completed",
}  # fmt: skip
_NO_MAP = "there is no map yet: generate or upload one first"
STARTS = ("generate", "load", "blank")  # calls that start from nothing

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
            return _TITLES[name]
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
            raise MapError(_NO_MAP)
        return self.step.index_map

    def apply(self, generator: Generator, call: Call) -> "Session":
        """The session with one more step, which replaces those that could be redone.

        At most `HISTORY` steps are kept, with maps of at most `MAX_BYTES`.

        Args:
          generator: makes the maps.
          call: "generate", "load" and "blank" start from nothing, the others from the map that is shown.

        Raises:
          SegVAEError: if the call fails.
        """
        call = checked_call(call)
        starts = call["call"] in STARTS
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

    def completion(self, labels: Iterable[str], region: str, space: LabelSpace) -> dict[str, Any]:
        """What an edit changes to complete the shown map around what was painted on it last; see `painting.around`.

        Raises:
          MapError: if there is no map yet, or the region cannot be used.
          LabelError: if nothing would change.
        """
        index_map = self.index_map
        calls = self.step.calls if self.step else ()
        last = itertools.takewhile(lambda call: call["call"] == "paint", reversed(calls))
        paintings = [strokes_of(call["png"], space) for call in last][::-1]
        return around(index_map, paintings, labels, region, space)

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
      index_map: the map that "paint", "edit" and "complete" start from.
      call: as `checked_call` returns it. "load" has the map as a PNG in base64, "paint" the strokes; "edit" and
        "complete" may have a "region", a PNG of two colours in base64, of the size of the map, black where nothing may
        change. If they have "of", so many maps are generated, and the `num` that differ most are returned.

    Raises:
      SegVAEError: if the call fails.
    """
    arguments = {key: value for key, value in call.items() if key != "call"}
    if call["call"] == "load":
        return _loaded(arguments["png"], generator.space)[None]
    if call["call"] == "blank":
        return np.zeros((1, *generator.card.model().image_size), np.uint8)
    if call["call"] == "generate":
        return generator.generate(**arguments)
    if index_map is None:
        raise MapError(_NO_MAP)
    if call["call"] == "paint":
        return painted(index_map, strokes_of(arguments["png"], generator.space))[None]
    return _edited(generator, index_map, call["call"], arguments)


def _edited(
    generator: Generator, index_map: UInt8[np.ndarray, "H W"], method: str, arguments: dict[str, Any]
) -> UInt8[np.ndarray, "N H W"]:
    num, region = arguments.get("num", 1), region_of(arguments.pop("region", ""))
    wanted = {"num": arguments.pop("of", num)}
    index_maps = getattr(generator, method)(index_map, **{**arguments, **wanted}, region=region).index_maps
    if len(index_maps) <= num:
        return index_maps
    return index_maps[most_different(index_maps, num, generator.space.num_channels)]


def widely(num: int) -> dict[str, int]:
    """The arguments of an edit for `num` alternatives that differ visibly."""
    return {"num": num, "of": PER_ALTERNATIVE * num, "candidates": LIKELIEST_OF}


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
    return pictures.decode_index_map(png_of(text), "your map", space, MAX_PIXELS)
