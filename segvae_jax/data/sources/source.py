"""A set of maps as the rest of the project sees it: ids, and a function that reads the map of an id."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax.labels import LabelSpace
from segvae_jax.original_labels import OriginalLabels

Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Source:
    """A set of maps.

    Attributes:
      name: of the set; the folder of the prepared set begins with it.
      space: the classes of its maps.
      ids: of its maps, sorted.
      read: `(id, (H, W)) -> class maps [H, W, C] bool`; channel 0 is blank.
      version: differs whenever the maps that `read` returns may differ.
      native: `id -> class maps` at the size of the annotation; `read` resizes them with `maps.resize`. None if the
        maps have no such size.
      image: `(id, (H, W)) -> RGB picture [H, W, 3]` that the map annotates; None if there are no pictures.
      order_by_area: whether the drawing order is determined from the maps, see `drawing_order.by_area`.
      original: the labels of the user's own maps, and the class that each becomes; None for published sets.
      left_out: labels of the user's own maps that become background although the list does not call them so.
      foreground: `id -> number of pixels that have a label`, those that are left out among them; None if none are.
      notes: other properties of the maps that JSON can hold, e.g. `{"skin": "as annotated"}`.
    """

    name: str
    space: LabelSpace
    ids: tuple[str, ...]
    read: Callable[[str, Size], Bool[np.ndarray, "H W C"]]
    version: str
    native: Callable[[str], Bool[np.ndarray, "H W C"]] | None = None
    image: Callable[[str, Size], UInt8[np.ndarray, "H W 3"]] | None = None
    order_by_area: bool = False
    original: OriginalLabels | None = None
    left_out: tuple[str, ...] = ()
    foreground: Callable[[str], int] | None = None
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def fingerprint(parts: object) -> str:
    """A hash of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
