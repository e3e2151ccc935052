"""Pictures of a table: what each of its rows draws, and how those that edit change held-out maps."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from segvae_jax import pictures
from segvae_jax.evaluation.judge import painted
from segvae_jax.evaluation.subject import Subject
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import label_set_of

Picture = UInt8[np.ndarray, "h w 3"]

MAPS_A_LINE = 8
EDITED = 2  # held-out maps
_TITLE_WIDTH = 160
_PIXELS = 96  # height of a drawn map, at least
_DONE = {"restyle": "drawn anew", "add": "added", "remove": "removed"}


@dataclasses.dataclass(frozen=True, eq=False)
class EditedMap:
    """A held-out map and what is asked of it.

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
    card = next(iter(generators.values())).card
    frequent = card.label_sets[np.argsort(-card.counts, kind="stable")[:num_label_sets]]
    label_sets = np.resize(frequent, (MAPS_A_LINE, frequent.shape[1]))
    return np.concatenate([
        _line(title, generator.draw(label_sets), generator.space) for title, generator in generators.items()
    ])  # fmt: skip


def maps_to_edit(subject: Subject) -> list[EditedMap]:
    """Held-out maps: the largest class is to be drawn anew, of absent ones the commonest added, the rarest removed."""
    common = label_set_of(subject.splits["train"]).mean(axis=0)
    held = label_set_of(subject.splits["test"])
    able = np.flatnonzero((held.sum(axis=1) > 1) & (~held * common).any(axis=1))
    rows = np.random.default_rng(0).permutation(able)[:EDITED]
    index_maps = painted(subject.splits["test"][rows], subject.space)
    area = subject.splits["test"][rows].sum(axis=(1, 2))
    targets = {
        "restyle": area.argmax(axis=1),
        "add": np.where(held[rows], -1, common).argmax(axis=1),
        "remove": np.where(held[rows], common, 2).argmin(axis=1),
    }
    changes = [{kind: subject.space.names[chosen[i]] for kind, chosen in targets.items()} for i in range(len(rows))]
    return [EditedMap(*edited) for edited in zip(index_maps, changes, strict=True)]


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
