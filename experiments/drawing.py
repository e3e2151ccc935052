"""Pictures of a table: what each of its rows draws, and how those that edit change maps."""

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

MAPS_A_LINE = 8
EDITED = 2  # maps
_TITLE_WIDTH = 160
_PIXELS = 96  # height of a drawn map, at least
_DONE = {"restyle": "drawn anew", "add": "added", "remove": "removed"}


@dataclasses.dataclass(frozen=True, eq=False)
class EditedMap:
    """A map and what is asked of it.

    Attributes:
      index_map: the map.
      changes: name of the class that each kind of edit is about.
    """

    index_map: UInt8[np.ndarray, "H W"]
    changes: Mapping[str, str]

    def told(self) -> str:
        """The edits in words."""
        return ", ".join(f"{name} {_DONE[kind]}" for kind, name in self.changes.items())


def draw_label_sets(generators: Mapping[str, Generator], num_label_sets: int) -> Picture:
    """A line of maps for each generator, by title, with the same label-sets in all: the most frequent ones."""
    label_sets = _frequent(next(iter(generators.values())), num_label_sets)
    return np.concatenate([
        _line(title, generator.generate_each(label_sets), generator.space) for title, generator in generators.items()
    ])  # fmt: skip


def maps_to_edit(generator: Generator) -> list[EditedMap]:
    """Maps that it draws: the largest class is to be drawn anew, the commonest absent one added, the rarest removed.

    Drawn ones, as real maps may not be handed on; none if it draws none of which all of this can be asked.
    """
    names, card = generator.space.names, generator.card
    common = np.average(card.label_sets, axis=0, weights=card.counts)
    index_maps = generator.generate_each(_frequent(generator, MAPS_A_LINE))
    areas = index_to_class_maps(index_maps, len(names)).sum(axis=(1, 2)) * (np.arange(len(names)) > 0)
    able = [i for i, area in enumerate(areas) if (area > 0).sum() > 1 and ((area == 0) * common).any()]
    changes = lambda i: {kind: names[target] for kind, target in _targets(areas[i], common).items()}
    return [EditedMap(index_maps[i], changes(i)) for i in able[:EDITED]]


def _targets(area: Int[np.ndarray, "C"], common: Float[np.ndarray, "C"]) -> dict[str, int]:
    """Channel that each kind of edit is about."""
    largest = int(area.argmax())
    rare = np.where(area > 0, common, np.inf)
    rare[largest] = np.inf
    return {"restyle": largest, "add": int(np.where(area > 0, 0, common).argmax()), "remove": int(rare.argmin())}


def _frequent(generator: Generator, count: int) -> Bool[np.ndarray, "8 C"]:
    """The most frequent label-sets of training, again and again for a line."""
    card = generator.card
    frequent = card.label_sets[np.argsort(-card.counts, kind="stable")[:count]]
    return np.resize(frequent, (MAPS_A_LINE, frequent.shape[1]))


def draw_edits(generators: Mapping[str, Generator], edited: Sequence[EditedMap]) -> Picture:
    """A line for each generator, by title: each map, and its edits."""
    return np.concatenate([
        _line(title, np.concatenate([_edits(generator, one) for one in edited]), generator.space)
        for title, generator in generators.items()
    ])  # fmt: skip


def _edits(generator: Generator, edited: EditedMap) -> UInt8[np.ndarray, "N H W"]:
    asked: list[dict[str, Any]] = [{kind: name} for kind, name in edited.changes.items()]
    after = [generator.edit(edited.index_map, **change).index_maps[0] for change in asked]
    return np.stack([edited.index_map, *after])


def _line(title: str, index_maps: UInt8[np.ndarray, "N H W"], space: LabelSpace) -> Picture:
    scale = max(1, _PIXELS // index_maps.shape[1])
    drawn = pictures.sheet(index_maps, space, MAPS_A_LINE, scale)
    margin = Image.new("RGB", (_TITLE_WIDTH, len(drawn)), "white")
    ImageDraw.Draw(margin).text((4, len(drawn) // 2 - 6), title, fill="black")
    return np.concatenate([np.asarray(margin), drawn], axis=1)
