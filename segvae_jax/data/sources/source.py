"""What a set of maps is to the rest of the project: ids, and a function that reads one of them."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax.labels import LabelSpace

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Source:
    """A set of maps.

    Attributes:
      name: of the set; part of the name it is prepared under.
      space: the classes of its maps.
      ids: of its maps, sorted.
      read: `(id, (H, W)) -> class maps [H, W, C] bool`, channel 0 blank.
      version: changes whenever what `read` returns may change.
      native: `id -> class maps` as annotated, of which `read` is the `maps.resize`; None if there is no such size.
      image: `(id, (H, W)) -> RGB picture [H, W, 3]` that the map was annotated on; None where there are none.
      order_by_area: whether the drawing order is to be found from the maps, see `drawing_order.by_area`.
      notes: what else is known of the maps, `{"skin": "as annotated"}`; JSON can hold it.
    """

    name: str
    space: LabelSpace
    ids: tuple[str, ...]
    read: Callable[[str, Size], Bool[np.ndarray, "H W C"]]
    version: str
    native: Callable[[str], Bool[np.ndarray, "H W C"]] | None = None
    image: Callable[[str, Size], UInt8[np.ndarray, "H W 3"]] | None = None
    order_by_area: bool = False
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def fingerprint(parts: object) -> str:
    """A hash of what JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
