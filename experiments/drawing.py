"""Pictures for a table: maps that the model of each row generates, and edits by the models that edit."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw

from segvae_jax import pictures
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps

Picture = UInt8[np.ndarray, "h w 3"]

MAPS_PER_ROW = 8
EDITED = 2  # maps
_TITLE_WIDTH = 160
_PIXELS = 96  # minimum height of a map in a picture
_DONE = {"restyle": "restyled", "add": "added", "remove": "removed"}


@dataclasses.dataclass(frozen=True, eq=False)
class EditedMap:
    """A map and the edits to make.

    Attributes:
      index_map: the map.
      changes: name of the class to edit, by kind of edit.
    """

    index_map: UInt8[np.ndarray, "H W"]
    changes: Mapping[str, str]

    def description(self) -> str:
        """The edits in words."""
        return ", ".join(f"{name} {_DONE[kind]}" for kind, name in self.changes.items())


def picture_of_label_sets(generators: Mapping[str, Generator], num_label_sets: int) -> Picture:
    """One row of maps for each generator, by title; all rows have the same label-sets, the most frequent ones."""
    label_sets = _frequent(next(iter(generators.values())), num_label_sets)
    return np.concatenate([
        _row(title, generator.generate_each(label_sets), generator.space) for title, generator in generators.items()
    ])  # fmt: skip


def maps_to_edit(generator: Generator) -> list[EditedMap]:
    """Generated maps, of which the largest class is restyled, the commonest absent one added, the rarest removed.

    They are generated, as real maps may not be published. Empty if no generated map allows all of these edits.
    """
    names, card = generator.space.names, generator.card
    common = np.average(card.label_sets, axis=0, weights=card.counts)
    index_maps = generator.generate_each(_frequent(generator, MAPS_PER_ROW))
    areas = index_to_class_maps(index_maps, len(names)).sum(axis=(1, 2)) * (np.arange(len(names)) > 0)
    editable = [i for i, area in enumerate(areas) if (area > 0).sum() > 1 and ((area == 0) * common).any()]
    changes = lambda i: {kind: names[target] for kind, target in _targets(areas[i], common).items()}
    return [EditedMap(index_maps[i], changes(i)) for i in editable[:EDITED]]


def _targets(area: Int[np.ndarray, "C"], common: Float[np.ndarray, "C"]) -> dict[str, int]:
    """Channel of the class to edit, by kind of edit."""
    largest = int(area.argmax())
    rare = np.where(area > 0, common, np.inf)
    rare[largest] = np.inf
    return {"restyle": largest, "add": int(np.where(area > 0, 0, common).argmax()), "remove": int(rare.argmin())}


def _frequent(generator: Generator, count: int) -> Bool[np.ndarray, "8 C"]:
    """The most frequent label-sets of the training maps, repeated to fill a row."""
    card = generator.card
    frequent = card.label_sets[np.argsort(-card.counts, kind="stable")[:count]]
    return np.resize(frequent, (MAPS_PER_ROW, frequent.shape[1]))


def picture_of_edits(generators: Mapping[str, Generator], edited: Sequence[EditedMap]) -> Picture:
    """One row for each generator, by title: each map, followed by its edits."""
    return np.concatenate([
        _row(title, np.concatenate([_edits(generator, one) for one in edited]), generator.space)
        for title, generator in generators.items()
    ])  # fmt: skip


def _edits(generator: Generator, edited: EditedMap) -> UInt8[np.ndarray, "N H W"]:
    requests: list[dict[str, Any]] = [{kind: name} for kind, name in edited.changes.items()]
    after = [generator.edit(edited.index_map, **request).index_maps[0] for request in requests]
    return np.stack([edited.index_map, *after])


def _row(title: str, index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace) -> Picture:
    scale = max(1, _PIXELS // index_maps.shape[1])
    sheet = pictures.sheet(index_maps, space, MAPS_PER_ROW, scale)
    margin = Image.new("RGB", (_TITLE_WIDTH, len(sheet)), "white")
    ImageDraw.Draw(margin).text((4, len(sheet) // 2 - 6), title, fill="black")
    return np.concatenate([np.asarray(margin), sheet], axis=1)
