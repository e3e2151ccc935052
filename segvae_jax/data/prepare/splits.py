"""Which split a map belongs to: a deterministic rule on its id and content, without random numbers."""

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse
from jaxtyping import Int

from segvae_jax.errors import DataError
from segvae_jax.text_files import read_lines

SPLITS = ("train", "validation", "test")
LEAST = 20  # maps, from which on no split is empty
_UPPER = (0.75, 0.80, 1.0)  # of the unit interval that ids hash into


@dataclasses.dataclass(frozen=True)
class Assignment:
    """The split of each map, and what was done about duplicates.

    Attributes:
      split: id -> split, for every map that is kept.
      duplicates: id of a map that is dropped -> id of the equal map that is kept.
      groups: ids of near duplicates. A group shares the split of its first map, unless nearly all maps are in one.
      moved: number of maps whose group has another split than their id alone would have.
      filled: number of maps that a split got because it would have been empty, by split.
    """

    split: dict[str, str]
    duplicates: dict[str, str]
    groups: tuple[tuple[str, ...], ...]
    moved: int
    filled: dict[str, int] = dataclasses.field(default_factory=dict)


def split_of(example_id: str) -> str:
    """The split of an id: train 75 %, validation 5 %, test 20 %, whatever other ids there are (but see `assign`).

    A pure function of the id, so that adding maps moves no other map except their near duplicates, and training and
    test maps never mix. (The release sampled them independently: about 80 % of its test maps were trained on.)
    """
    position = int.from_bytes(_digest(example_id)[:8]) / 2**64
    return next(split for split, upper in zip(SPLITS, _UPPER, strict=True) if position < upper)


def shuffled(ids: Iterable[str]) -> list[str]:
    """The ids in a pseudo-random order. The order of two ids does not depend on the other ids."""
    return sorted(ids, key=lambda example_id: (_digest(example_id)[8:], example_id))


def content_hash(packed: bytes) -> str:
    """A hash that is equal for equal maps."""
    return hashlib.sha256(packed).hexdigest()


def duplicates_of(ids: Sequence[str], contents: Sequence[str]) -> dict[str, str]:
    """Id of each map that equals an earlier one -> id of the first such map."""
    first: dict[str, str] = {}
    pairs = ((i, first.setdefault(content, i)) for i, content in zip(ids, contents, strict=True))
    return {example_id: kept for example_id, kept in pairs if example_id != kept}


def groups_of(ids: Sequence[str], pairs: Int[np.ndarray, "M 2"]) -> tuple[tuple[str, ...], ...]:
    """Groups of two or more ids that are connected by pairs of their numbers; sorted."""
    edges = scipy.sparse.coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(ids),) * 2)
    _, component = scipy.sparse.csgraph.connected_components(edges, directed=False)
    members: dict[int, list[str]] = {}
    for number in np.unique(pairs):
        members.setdefault(int(component[number]), []).append(ids[number])
    return tuple(sorted(tuple(sorted(group)) for group in members.values()))


def assign(
    ids: Iterable[str],
    duplicates: dict[str, str],
    groups: tuple[tuple[str, ...], ...],
    rule: Callable[[str], str] = split_of,
) -> Assignment:
    """Assigns maps to splits by a rule on their ids; near duplicates share a split.

    If `split_of` leaves a split of at least `LEAST` maps empty, the split gets its share from the largest one.
    """
    own = {example_id: rule(example_id) for example_id in ids}
    together = {example_id: own[group[0]] for group in groups for example_id in group}
    moved = sum(own[example_id] != split for example_id, split in together.items())
    split = own | together
    filled = _filled(split, groups) if rule is split_of and len(split) >= LEAST else {}
    return Assignment(split | filled, duplicates, groups, moved, dict(collections.Counter(filled.values())))


def _filled(split: dict[str, str], groups: tuple[tuple[str, ...], ...]) -> dict[str, str]:
    """The splits of maps that move, from splits that have more than their share, because a split would be empty.

    Groups stay together, unless there are fewer groups and single maps than splits. No split is emptied.
    """
    group_of = {example_id: group for group in groups for example_id in group}
    units = sorted(dict.fromkeys(group_of.get(i, (i,)) for i in shuffled(split)), key=len)  # single maps first
    if len(units) < len(SPLITS):
        units = [(example_id,) for example_id in shuffled(split)]
    shares = dict(zip(SPLITS, np.diff(_UPPER, prepend=0).tolist(), strict=True))
    moved: dict[str, str] = {}
    for name in SPLITS:
        now = split | moved
        held = {donor: [unit for unit in units if now[unit[0]] == donor] for donor in SPLITS}
        donors = [donor for donor in SPLITS if len(held[donor]) > 1]
        if held[name] or not donors:
            continue
        donor = max(donors, key=lambda donor: len(held[donor]) - shares[donor] * len(units))
        ends = np.cumsum([len(unit) for unit in held[donor]])
        count = 1 + int(np.searchsorted(ends, round(shares[name] * len(split))))
        moved |= {example_id: name for unit in held[donor][:-1][:count] for example_id in unit}
    return moved


def official_partition(mapping: str | Path, partition: str | Path) -> dict[str, str]:
    """The official split in CelebA of each map of CelebAMask-HQ, by the number of the map.

    Args:
      mapping: `CelebA-HQ-to-CelebA-mapping.txt` of CelebAMask-HQ: number, number in CelebA, file in CelebA.
      partition: `list_eval_partition.txt` of CelebA: file; 0, 1 or 2 for train, validation, test.

    Raises:
      DataError: naming file and line, if a file is missing or malformed, or the two do not fit together.
    """
    splits: dict[str, str] = {}
    for place, (name, number) in _rows(partition, 2):
        if number not in ("0", "1", "2"):
            raise DataError(f"{place}: partition {number!r}: expected 0, 1 or 2")
        splits[name] = SPLITS[int(number)]
    official: dict[str, str] = {}
    for place, (number, _, name) in _rows(mapping, 3):
        if number.isdecimal():  # the first line names the columns
            if name not in splits:
                raise DataError(f"{place}: {name} is not in {partition}: give the partition list of CelebA")
            official[number] = splits[name]
    return official


def by_number(official: dict[str, str], ids: Sequence[str]) -> dict[str, str]:
    """The official splits of maps whose ids are numbers, with or without leading zeros.

    Raises:
      DataError: naming an id without official split.
    """
    number = lambda example_id: example_id.lstrip("0") or "0"
    if unknown := [example_id for example_id in ids if number(example_id) not in official]:
        raise DataError(f"map {unknown[0]!r} has no official split: expected the number of a map of CelebAMask-HQ")
    return {example_id: official[number(example_id)] for example_id in ids}


def _rows(path: str | Path, columns: int) -> list[tuple[str, list[str]]]:
    """The words of each line that is not blank, with file and line number."""
    rows = [(place, line.split()) for place, line in read_lines(path, "the text file of the data set", DataError)]
    if odd := [place for place, words in rows if len(words) != columns]:
        raise DataError(f"{odd[0]}: expected {columns} columns")
    return rows


def _digest(example_id: str) -> bytes:
    return hashlib.sha256(example_id.encode()).digest()
