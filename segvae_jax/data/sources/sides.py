"""Faces whose left and right classes are exchanged, as in 7 of 100 maps of CelebAMask-HQ: put right."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.sources.source import Size, Source, fingerprint
from segvae_jax.labels import LabelSpace

_NOTE = {"sides": "left is the left of the person"}


def with_sides_put_right(source: Source) -> Source:
    """The source with `sides_put_right` applied to its maps.

    They are put right at the size at which they are read; centres of parts hardly move in resizing.
    """
    native = None if source.native is None else _Native(source.native, source.space)
    version = fingerprint([source.version, _NOTE])
    read, notes = _Read(source.read, source.space), {**source.notes, **_NOTE}
    return dataclasses.replace(source, read=read, native=native, version=version, notes=notes)


def sides_put_right(class_maps: Bool[np.ndarray, "H W C"], space: LabelSpace) -> Bool[np.ndarray, "H W C"]:
    """Exchanges all left and right classes of a face, if every pair of parts that it has says so.

    The left of a person who looks at us is on the right of the map. A map with no complete pair stays as it is.
    """
    pairs = [[class_maps[..., space.channel(name)] for name in pair] for pair in space.pairs]
    centres = [[_centre(part) for part in pair] for pair in pairs if all(part.any() for part in pair)]
    exchanged = bool(centres) and all(left < right for left, right in centres)
    return class_maps[..., list(space.mirrored)] if exchanged else class_maps


def _centre(part: Bool[np.ndarray, "H W"]) -> float:
    return float(np.average(np.arange(part.shape[1]), weights=part.sum(axis=0)))


@dataclasses.dataclass(frozen=True)
class _Read:
    read: Callable[[str, Size], Bool[np.ndarray, "H W C"]]
    space: LabelSpace

    def __call__(self, example_id: str, size: Size) -> Bool[np.ndarray, "H W C"]:
        return sides_put_right(self.read(example_id, size), self.space)


@dataclasses.dataclass(frozen=True)
class _Native:
    native: Callable[[str], Bool[np.ndarray, "H W C"]]
    space: LabelSpace

    def __call__(self, example_id: str) -> Bool[np.ndarray, "H W C"]:
        return sides_put_right(self.native(example_id), self.space)
