"""Label lists: what the indices of the user's own maps mean, and which indices are merged into one class.

Text has one name per line, JSON and YAML hold a list of names or an object index -> name, CSV has rows `index,name`,
with or without a header. Names may have colours, and lists with colours need no indices; docs/own_data.md has all
spellings. Where a list has no indices, its entries count from 0. The background is what is called so. A list that
does not say what is background is refused, so that no class is lost and none gets the name of another.
"""

import csv
import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from segvae_jax.data.sources.label_rows import Row, is_hex, is_number, rows_of
from segvae_jax.errors import DataError, LabelError
from segvae_jax.labels import BACKGROUND
from segvae_jax.text_files import read_text
from segvae_jax.titles import composed

Colour = tuple[int, int, int]
_SEPARATORS = ",;="  # in the lists of names that users type
_BACKGROUNDS = (
    "background bg void unlabeled unlabelled unlabel nolabel unknown undefined unannotated none null nothing empty"
    " ignore ignored dontcare"
).split()
_IGNORE = "__ignore__"  # of labelme, where it has the index -1, in 8 bits 255
_LONGEST = 80  # characters of a name


@dataclasses.dataclass(frozen=True)
class LabelList:
    """The meaning of the indices of a folder of maps.

    Attributes:
      names: index -> name.
      colours: index -> RGB, for every index or for none.
      background: the indices that are background; one of them is 0, unless that is the index of a class.
      by_index: False if the colours alone have a meaning: the list has no indices, and the background is not first.
    """

    names: Mapping[int, str]
    colours: Mapping[int, Colour] = dataclasses.field(default_factory=dict)
    background: frozenset[int] = frozenset({0})
    by_index: bool = True


def read_labels(path: str | Path) -> LabelList:
    """Reads a label list. The suffix says which kind of file it is; files of other suffixes are text.

    Raises:
      DataError: if the file is missing or malformed, names a class twice, or does not say what is background.
    """
    text = read_text(path, "a label list, e.g. with one name per line", DataError)
    try:
        rows = [_composed(row) for row in rows_of(text, Path(path).suffix)]
    except (ValueError, RecursionError, csv.Error, yaml.YAMLError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else _brief(str(error))
        raise DataError(f"{path}: cannot be read as a label list ({reason})") from None
    try:
        return _understood(rows)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def is_background(name: str) -> bool:
    """Whether a name stands for pixels of no class: background, void, unlabeled, `_background_`, in any case."""
    return re.sub(r"[\W_]+", "", name.casefold()) in _BACKGROUNDS


def _understood(rows: Sequence[Row]) -> LabelList:
    numbered = [row for row in rows if row.index is not None]
    if not numbered:
        first = -1 if rows and rows[0].name == _IGNORE else 0
        rows = [row._replace(index=i if i >= 0 else 255) for i, row in enumerate(rows, first)]
    for row in rows:
        if row.index is None:
            raise ValueError(f"{row.name!r} has no index: give one to every name, or to none")
        if fault := _fault(row):
            raise ValueError(fault)
    names, colours = _by_index(rows)
    background = {i for i, name in names.items() if is_background(name)}
    if numbered and 0 not in names:
        names, background = {0: BACKGROUND} | names, background | {0}
    black = {i for i, colour in colours.items() if colour == (0, 0, 0) and (i == 0 or not numbered)}
    background = background or black
    if not set(names) - background:
        raise ValueError(f"names no class: expected {BACKGROUND!r} and others")
    if fault := _shift(names, background, bool(numbered), bool(colours)):
        raise ValueError(fault)
    return LabelList(names, colours, frozenset(background), bool(numbered) or 0 in background)


def _shift(names: Mapping[int, str], background: set[int], numbered: bool, coloured: bool) -> str:
    """Why a class could be lost or get the name of another; empty if it cannot."""
    if not background:
        first = "index 0" if numbered else "the first entry"
        other = f"give the background another index, as in 255: {BACKGROUND}"
        mend = other if numbered else "add an entry for it" if coloured else f"put {BACKGROUND!r} before it"
        return f"{first} is {names[0]!r}: if it is the background, call it {BACKGROUND!r}; if not, {mend}"
    later = [i for i in sorted(background) if 0 not in background or (i > 0 and names[i].casefold() == BACKGROUND)]
    if later and not numbered and not coloured:
        return f"{names[later[0]]!r} is not the first entry: put it first, or write the index before each name"
    return ""


def _fault(row: Row) -> str:
    """What is wrong with an entry; empty if nothing is."""
    index, name, colour = row
    if not _is_byte(index) or not isinstance(name, str) or not name.strip():
        found = f"index {_brief(repr(index))} has the name {_brief(repr(name))}"
        return f"{found}: expected an index from 0 to 255 and a name"
    if len(name) > _LONGEST or not name.strip().isprintable():
        return f"name {_brief(repr(name))}: expected at most {_LONGEST} characters, all visible"
    if separators := [character for character in _SEPARATORS if character in name]:
        return f"name {name!r}: {separators[0]!r} separates names where they are listed: rename the class"
    if not (is_hex(*colour) if len(colour) == 1 else len(colour) in (0, 3) and all(map(_is_byte, colour))):
        written = _brief(",".join(map(str, colour)))
        return f"colour of {name!r} is {written}: expected three numbers from 0 to 255, or #rrggbb"
    return ""


def _brief(text: str) -> str:
    """A text in one short line."""
    line = " ".join(text.split())
    return line if len(line) <= 150 else f"{line[:150]}..."


def _is_byte(value: Any) -> bool:
    return is_number(value) and len(str(value).lstrip("0")) <= 3 and int(value) < 256


def _rgb(colour: Sequence[Any]) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[0][1:]) if len(colour) == 1 else map(int, colour))


def _by_index(rows: Sequence[Row]) -> tuple[dict[int, str], dict[int, Colour]]:
    names: dict[int, str] = {}
    colours: dict[int, Any] = {}
    for index, name, colour in rows:
        if int(index) in names or name.strip() in names.values():
            raise ValueError(f"index {index}, name {name.strip()!r}: one of them is listed twice")
        names[int(index)] = name.strip()
        colours |= {int(index): _rgb(colour)} if colour else {}
    if colours and (plain := sorted(set(names) - set(colours))):
        raise ValueError(f"{names[plain[0]]!r} has no colour: give one to every index, or to none")
    return names, colours


def _composed(row: Row) -> Row:
    return row._replace(name=composed(row.name)) if isinstance(row.name, str) else row


def merged(listed: LabelList, rules: str) -> dict[int, str]:
    """Class names by index after the rules `old,old=new;old=new`, which apply at once; `background` may be a new name.

    Raises:
      DataError: if a rule is malformed.
      LabelError: if an old name is unknown, is the background's, or is in two rules.
    """
    renames: dict[str, str] = {}
    background = {listed.names[i] for i in listed.background}
    for rule in filter(None, (r.strip() for r in rules.split(";"))):
        olds, new = _parsed(rule, set(listed.names.values()))
        new = BACKGROUND if new in background or is_background(new) else new
        for old in olds:
            if old in renames:
                raise LabelError(f"data.merge has {old!r} on the left twice: a label can become part of one class only")
            if old in background and new != BACKGROUND:
                raise LabelError(f"data.merge names {old!r}: the background cannot become part of a class")
            renames[old] = new
    return {i: BACKGROUND if i in listed.background else renames.get(n, n) for i, n in listed.names.items()}


def _parsed(rule: str, known: set[str]) -> tuple[list[str], str]:
    """Old names and the new one."""
    left, _, new = (part.strip() for part in rule.partition("="))
    olds = [name.strip() for name in left.split(",")]
    if not all(olds) or not new or "=" in new:
        raise DataError(f"data.merge rule {rule!r}: expected old,old=new")
    if "," in new:
        raise DataError(f"data.merge rule {rule!r}: expected old,old=new, as in {new}={left}")
    if unknown := [name for name in olds if name not in known]:
        hint = f" (did you mean {new}={left}?)" if new in known and len(olds) == 1 else ""
        raise LabelError(f"data.merge names {unknown[0]!r}{hint}: known labels are {', '.join(sorted(known))}")
    return olds, new
