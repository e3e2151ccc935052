"""The entries of a label list as they are written, in each of its formats; `label_list` says what they mean."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

HEX = "#[0-9a-fA-F]{6}"
_RGB = r"\d+[\s,]+\d+[\s,]+\d+"
_NAME = r"(?P<name>[\w(<\[][^#]*?)"
_COLOUR = rf"(?:[\s,:]+(?P<colour>{HEX}|{_RGB}))?"
# How the lines of a text file may be written; all in the same way.
_STYLES = (
    r"(?P<name>[^:]+?)\s*:\s*(?P<colour>\d+,\d+,\d+)?\s*:[^:]*:[^:]*",  # CVAT: name:r,g,b:parts:actions
    rf"(?P<colour>{HEX}|{_RGB})[\s,:]+(?P<name>[^\W\d].*)",  # CamVid: r g b name
    rf"(?P<index>\d+)(?:\s*[:=.,;)]\s*|\s+-\s+|\s+)(?!\d+(?:\W|$)){_NAME}{_COLOUR}",
    r"(?P<name>[^:=,;\t#]+?)\s*[:=,;\t]\s*(?P<index>\d+)",
)
_PLAIN = rf"(?!\d+\s){_NAME}{_COLOUR}"
_MOST_BRACKETS = 2_000  # PyYAML takes a time that grows with the square of their depth
_COMMENT = rf"\s*(//|#(?!{HEX[1:]}\s))"
_COLUMNS = {
    "index": ("index", "id", "idx", "class id", "label id", "class index", "label index", "value", "pixel value"),
    "name": ("name", "class name", "label name", "class", "label", "category"),
    "colour": ("colour", "color", "hex", "rgb", "colour rgb", "color rgb"),
}
_CHANNELS = (("r", "g", "b"), ("red", "green", "blue"))
_NUMBERS_TOO = ("label", "class", "")  # columns of indices if another column has the names
_INSIDE = ("names", "id2label", "label2id", "labels", "classes", "categories")  # keys that hold the list


class Row(NamedTuple):
    """An entry: its index, None if the list has none; its name; its colour, `#rrggbb`, three numbers, or nothing."""

    index: Any
    name: Any
    colour: tuple[Any, ...] = ()


def rows_of(text: str, suffix: str) -> list[Row]:
    """The entries of a file with the content `text`; `suffix`, e.g. `.csv`, says which format it has.

    Raises:
      ValueError, RecursionError, csv.Error or yaml.YAMLError: if it is malformed.
    """
    readers: dict[str, Callable[[str], list[Row]]] = {
        ".json": _json_rows, ".yaml": _yaml_rows, ".yml": _yaml_rows, ".csv": _csv_rows, ".tsv": _csv_rows,
    }  # fmt: skip
    return readers.get(suffix.lower(), _text_rows)(text)


def is_hex(value: Any) -> bool:
    """Whether a value is a colour `#rrggbb`."""
    return isinstance(value, str) and bool(re.fullmatch(HEX, value))


def is_number(value: Any) -> bool:
    """Whether a value is a whole number that is at least 0, or its digits."""
    return isinstance(value, str | int) and bool(re.fullmatch("[0-9]+", str(value)))


def _text_rows(text: str) -> list[Row]:
    whole = [(number, line) for number, line in enumerate(text.split("\n"), 1) if not re.match(_COMMENT, line)]
    lines = [(number, re.split(r"\s(?:#|//)\s", line)[0].strip()) for number, line in whole]
    full = [i for i, (_, line) in enumerate(lines) if line]
    for style in _STYLES:
        if rows := _in_style(style, (lines[i][1] for i in full)):
            return rows
    lines = lines[full[0] : full[-1] + 1] if full else []
    for number, line in lines:
        if not re.fullmatch(_PLAIN, line) or any(re.fullmatch(style, line) for style in _STYLES):
            raise ValueError(f"line {number}, {line!r}: expected a name, or in all lines an index and a name")
    return _in_style(_PLAIN, (line for _, line in lines))


def _in_style(style: str, lines: Iterable[str]) -> list[Row]:
    """The entries of lines that are written in one way; none if a line is not."""
    parts = [found and {"index": None, **found.groupdict()} for found in (re.fullmatch(style, line) for line in lines)]
    full = [part for part in parts if part]
    entries = [Row(part["index"], part["name"], _colour_of(part.get("colour"))) for part in full]
    if len(full) < len(parts):
        return []
    for row in entries:
        if len(row.colour) == 3 and re.search(r"[\s,]\d+$", row.name):
            raise ValueError(f"{row.name!r} before {' '.join(row.colour)}: four numbers: write the colour as #rrggbb")
    return entries


def _colour_of(written: Any) -> tuple[Any, ...]:
    """A colour from `#rrggbb`, from three numbers in one text, or from a list of numbers."""
    if isinstance(written, str) and not is_hex(written):
        return tuple(re.sub(r"[\[\](),;]", " ", written).split())
    return tuple(written) if isinstance(written, list | tuple) else (written,) if written is not None else ()


def _json_rows(text: str) -> list[Row]:
    return _listed(json.loads(text, object_pairs_hook=_keyed))


def _yaml_rows(text: str) -> list[Row]:
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise ValueError(f"it has more than {_MOST_BRACKETS} opening brackets")
    return _listed(_plain(yaml.compose(text, yaml.SafeLoader), set()))


def _plain(node: yaml.Node | None, seen: set[int]) -> Any:
    """Texts, lists and dictionaries of a YAML document; all scalars are texts, so that `no` and `null` stay names."""
    if id(node) in seen:
        raise ValueError("YAML aliases are not read: write the names out")
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return _keyed([(str(_plain(key, seen)), _plain(value, seen)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, seen) for item in node.value]
    return node.value if node else None


def _keyed(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} is listed twice")
        found[key] = value
    return found


def _listed(content: Any) -> list[Row]:
    """The entries of what JSON or YAML hold."""
    if isinstance(content, dict):
        inside = [key for key in _INSIDE if isinstance(content.get(key), dict) or _is_list(content.get(key))]
        return _listed(content[inside[0]]) if inside else _of_object(content)
    if not isinstance(content, list):
        raise ValueError("expected a list of names or an object index -> name")
    if content and all(isinstance(entry, dict) for entry in content):
        header = list(dict.fromkeys(key for entry in content for key in entry))
        return _in_columns(header, [[entry.get(key) for key in header] for entry in content])
    return [Row(None, name) for name in content]


def _is_list(value: Any) -> bool:
    """Whether a value lists names; a colour does not."""
    return isinstance(value, list) and not all(map(is_number, value))


def _of_object(listed: Mapping[str, Any]) -> list[Row]:
    if all(isinstance(value, list) or is_hex(value) for value in listed.values()):
        return [Row(None, name, _colour_of(colour)) for name, colour in listed.items()]
    if not any(map(is_number, listed)) and all(map(is_number, listed.values())):
        return [Row(index, name) for name, index in listed.items()]
    return [Row(index, name) for index, name in listed.items()]


def _csv_rows(text: str) -> list[Row]:
    separator = max(",;\t", key=text.count)
    if separator not in text:
        return _text_rows(text)
    table = csv.reader(text.split("\n"), delimiter=separator)
    rows = [[cell.strip() for cell in row] for row in table if "".join(row).strip()]
    rows = [row for row in rows if not row[0].startswith("#") or is_hex(row[0])]
    if rows and not any(is_number(cell) or is_hex(cell) for cell in rows[0]):
        return _in_columns(rows[0], rows[1:])
    if odd := [row for row in rows if len(row) not in (2, 3, 4, 5)]:
        expected = "expected index,name or index,name,red,green,blue (or #rrggbb)"
        raise ValueError(f"row {separator.join(odd[0])!r}: {expected}")
    return [_of_cells(row) for row in rows]


def _of_cells(row: Sequence[str]) -> Row:
    """An entry of a table without a header: index, name and colour; the index may be missing if there is a colour."""
    if (len(row) == 4 or (len(row) == 2 and is_hex(row[1]))) and not is_number(row[0]):
        return Row(None, row[0], tuple(row[1:]))
    return Row(row[0], row[1], _colour_of(row[2]) if len(row) == 3 else tuple(row[2:]))


def _in_columns(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """The entries of a table with a header."""
    keys = [" ".join(re.findall(r"[^\W_]+", cell.casefold())) for cell in header]
    table = list(rows)
    if odd := [row for row in table if len(row) != len(keys)]:
        raise ValueError(f"row {','.join(odd[0])!r}: expected {len(keys)} values, as many as there are columns")
    find = lambda known: [keys.index(key) for key in known if key in keys]
    name = find(_COLUMNS["name"])[:1]
    channels = next((list(c) for c in _CHANNELS if set(c) <= set(keys)), [])
    colour = find(channels) or find(_COLUMNS["colour"])[:1]
    index = find(_COLUMNS["index"]) or [i for i in find(_NUMBERS_TOO) if i not in name][:1]
    numbers = [i for i in range(len(keys)) if i not in colour and table and all(is_number(row[i]) for row in table)]
    if not name or len(index) > 1 or (not index and set(numbers) - set(name)):
        expected = "expected one with the indices, `index`, and one with the names, `name`"
        raise ValueError(f"columns {','.join(header)!r}: {expected}")
    cells = [tuple(row[i] for i in colour) for row in table]
    colours = [_colour_of(cell[0]) if len(cell) == 1 else cell for cell in cells]
    return [Row(row[index[0]] if index else None, row[name[0]], c) for row, c in zip(table, colours, strict=True)]
