"""Label lists: what the indices of the user's own maps mean, and which indices are merged into one class.

A text file has one name per line, JSON holds a list or an object index -> name, CSV has rows `index,name`, with or
without a header. With colours, text has lines `name #rrggbb`, JSON holds an object name -> colour, and CSV has rows
`index,name,#rrggbb` or `index,name,red,green,blue`, or the same without the index. Without indices, lines and rows
count from 0.
"""

import csv
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segvae_jax.errors import DataError, LabelError
from segvae_jax.labels import BACKGROUND

Colour = tuple[int, int, int]
_HEX = "#[0-9a-fA-F]{6}"
_SEPARATORS = ",;="  # in the lists of names that users type


@dataclasses.dataclass(frozen=True)
class LabelList:
    """The meaning of the indices of a folder of maps.

    Attributes:
      names: index -> name; index 0 is the background, whatever its name.
      colours: index -> RGB, for every index or for none.
    """

    names: Mapping[int, str]
    colours: Mapping[int, Colour] = dataclasses.field(default_factory=dict)


def read_labels(path: str | Path) -> LabelList:
    """Reads a label list. The suffix says which kind of file it is; files of other suffixes are text.

    Raises:
      DataError: if the file is missing or malformed, or names a class twice.
    """
    path = Path(path).expanduser()
    rows_of = {".json": _json_rows, ".csv": _csv_rows}.get(path.suffix.lower(), _text_rows)
    try:
        rows = rows_of(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a label list ({error})") from None
    for row in rows:
        if fault := _fault(*row):
            raise DataError(f"{path}: {fault}")
    names, colours = _by_index(path, rows)
    return LabelList({0: BACKGROUND} | names, colours)


def _text_rows(text: str) -> list[tuple[Any, Any, tuple]]:
    found = [re.fullmatch(rf"(.*?)(?:\s+({_HEX}))?\s*", line) for line in text.rstrip().split("\n")]
    return [(i, line[1], (line[2],) if line[2] else ()) for i, line in enumerate(found) if line]


def _json_rows(text: str) -> list[tuple[Any, Any, tuple]]:
    listed = json.loads(text)
    if not isinstance(listed, dict | list):
        raise ValueError("expected a list of names or an object index -> name")
    if isinstance(listed, dict) and all(isinstance(value, list) or _is_hex(value) for value in listed.values()):
        cells = [tuple(map(str, value)) if isinstance(value, list) else (value,) for value in listed.values()]
        return [(i, name, colour) for i, (name, colour) in enumerate(zip(listed, cells, strict=True))]
    pairs = listed.items() if isinstance(listed, dict) else enumerate(listed)
    return [(i, name, ()) for i, name in pairs]


def _csv_rows(text: str) -> list[tuple[Any, Any, tuple]]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if "".join(row).strip()]
    if rows and not any(cell.isdecimal() or _is_hex(cell) for cell in rows[0]):
        rows = rows[1:]  # a header
    rows = [_numbered(i, row) for i, row in enumerate(rows)]
    for row in rows:
        if len(row) not in (2, 3, 5):
            raise ValueError(f"row {','.join(row)!r}: expected index,name or index,name,red,green,blue (or #rrggbb)")
    return [(row[0], row[1], tuple(row[2:])) for row in rows]


def _numbered(number: int, row: list[str]) -> list[str]:
    """A row with its index, which may be missing if the row has a colour."""
    with_colour = len(row) == 4 or _is_hex(row[-1])
    return [str(number), *row] if with_colour and not row[0].isdecimal() else row


def _fault(index: Any, name: Any, colour: Sequence[str]) -> str:
    """What is wrong with a row; empty if nothing is."""
    if not _is_byte(index) or not isinstance(name, str) or not name.strip():
        return f"index {index!r} has the name {name!r}: expected an index from 0 to 255 and a name"
    if separators := [character for character in _SEPARATORS if character in name]:
        return f"name {name!r}: {separators[0]!r} separates names where they are listed: rename the class"
    if not (_is_hex(*colour) if len(colour) == 1 else len(colour) in (0, 3) and all(map(_is_byte, colour))):
        return f"colour of {name!r} is {','.join(colour)}: expected three numbers from 0 to 255, or #rrggbb"
    return ""


def _is_byte(value: Any) -> bool:
    return str(value).isdecimal() and int(str(value)) < 256


def _is_hex(value: Any) -> bool:
    return bool(re.fullmatch(_HEX, str(value)))


def _rgb(colour: Sequence[str]) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[0][1:]) if len(colour) == 1 else map(int, colour))


def _by_index(path: Path, rows: Iterable[tuple[Any, str, Sequence[str]]]) -> tuple[dict[int, str], dict[int, Colour]]:
    names: dict[int, str] = {}
    colours: dict[int, Any] = {}
    for index, name, colour in rows:
        if int(index) in names or name.strip() in names.values():
            raise DataError(f"{path}: index {index}, name {name.strip()!r}: one of them is listed twice")
        names[int(index)] = name.strip()
        colours |= {int(index): _rgb(colour)} if colour else {}
    if not set(names) - {0}:
        raise DataError(f"{path}: names no class: expected the names of index 0, the background, and of others")
    if colours and (plain := sorted(set(names) - set(colours))):
        raise DataError(f"{path}: {names[plain[0]]!r} has no colour: give one to every index, or to none")
    return names, colours


def merged(names: Mapping[int, str], rules: str) -> dict[int, str]:
    """Class names by index after the rules `old,old=new;old=new`, which apply at once; `background` may be a new name.

    Raises:
      DataError: if a rule is malformed.
      LabelError: if an old name is unknown, is the background's, or is in two rules.
    """
    renames: dict[str, str] = {}
    for rule in filter(None, (r.strip() for r in rules.split(";"))):
        olds, new = _parsed(rule, set(names.values()))
        for old in olds:
            if old in renames:
                raise LabelError(f"data.merge has {old!r} on the left twice: a label can become part of one class only")
            if old == names[0]:
                raise LabelError(
                    f"data.merge names {old!r}: index 0 is the background and cannot become part of a class"
                )
            renames[old] = BACKGROUND if new == names[0] else new
    return {i: BACKGROUND if i == 0 else renames.get(name, name) for i, name in names.items()}


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
