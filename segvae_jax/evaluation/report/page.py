"""The report of an evaluation: scores as JSON, and an HTML page with pictures that needs no other file.

`page.html.jinja` is the template of the page. This module prepares the plain values that it shows.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import pages
from segvae_jax.evaluation.report import values
from segvae_jax.evaluation.report.gallery import Album, Row
from segvae_jax.evaluation.report.noise import noise_warnings
from segvae_jax.evaluation.rows import EDIT_ROWS, PICTURE_ROWS, ROWS, MetricRow
from segvae_jax.files import write_atomically
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import colour

SCORES, REPORT = "scores.json", "report.html"
_TEMPLATE = Path(__file__).with_suffix(".html.jinja")
_FIRST = ("generated", "real_vs_real")  # columns; the others follow


@dataclasses.dataclass(frozen=True)
class Track:
    """Where the interval of a value lies between the smallest and the largest value beside it.

    Attributes:
      left, width: percentages of the distance between these two.
    """

    left: float
    width: float


@dataclasses.dataclass(frozen=True)
class Cell:
    """A value as text, with a track unless it is the only one or not a number."""

    text: str
    track: Track | None


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a table: the name of a score or of a class, and a cell for each column."""

    name: str
    cells: Sequence[Cell]


@dataclasses.dataclass(frozen=True)
class Table:
    """Names of columns, and lines of cells."""

    columns: Sequence[str]
    lines: Sequence[Line]


def write_report(directory: str | Path, result: Mapping[str, Any], space: LabelSpace, albums: Iterable[Album]) -> None:
    """Writes `scores.json` and `report.html`, both completely or not at all.

    Args:
      directory: created if it does not exist.
      result: what `evaluate` returns, or `evaluate_translator`, or both merged.
      space: the classes.
      albums: the pictures of the page.

    Raises:
      OutputError: if the files cannot be written.
    """
    directory = Path(directory).expanduser()
    scores = json.dumps(result, indent=1, allow_nan=False) + "\n"
    page = _page(result, space, albums)

    def write(path: Path) -> None:
        path.write_text(scores, encoding="utf-8")
        write_atomically(directory / REPORT, lambda path: path.write_text(page, encoding="utf-8"))

    write_atomically(directory / SCORES, write)


def _page(result: Mapping[str, Any], space: LabelSpace, albums: Iterable[Album]) -> str:
    scored = next((str(result[key]) for key in ("checkpoint", "maps", "translator") if result.get(key)), "maps")
    return pages.render(
        _TEMPLATE,
        title=f"Evaluation of {scored}",
        result=result,
        headline=_headline(result),
        warnings=noise_warnings(result),
        omitted=[f"{values.named((name,))}: {reason}" for name, reason in result.get("omitted", {}).items()],
        scores=_scores(result.get("rows", {}), space),
        of_the_model=_of_the_model(result, space),
        edits=_part(result.get("edits"), space, EDIT_ROWS),
        pictures=_part(result.get("pictures"), space, PICTURE_ROWS),
        by_class=_by_class(result, space),
        colours=pages.colours(space),
        albums=[_album(album, space) for album in albums],
        conditions=_conditions(result, space),
    )


def _headline(result: Mapping[str, Any]) -> dict[str, str]:
    """Name -> value of the scores in large print."""
    generated = values.columns({"": result.get("rows", {}).get("generated", {})}, result["classes"])
    value = lambda place: values.written(generated[place][""]["value"])
    headline = [row.place for row in ROWS if row.headline]
    return {values.named(place): value(place) for place in headline if place in generated}


def _scores(rows: Mapping[str, Any], space: LabelSpace) -> Table:
    """Every score that is not one per class: the model beside the anchors."""
    names = [*(name for name in _FIRST if name in rows), *(name for name in rows if name not in _FIRST)]
    return _side_by_side({name: rows[name] for name in names}, space, ROWS)


def _side_by_side(trees: Mapping[str, Any], space: LabelSpace, rows: Sequence[MetricRow]) -> Table:
    lines = [
        Line(values.described(place, rows), _cells([found.get(name) for name in trees]))
        for place, found in values.columns(trees, space.classes, rows).items()
        if not any(values.by_class(place, figure, space.classes) for figure in found.values())
    ]
    return Table([name.replace("_", " ") for name in trees], lines)


def _cells(figures: Sequence[Any]) -> list[Cell]:
    """Cells whose tracks share one scale."""
    low, high = values.extent(figures)
    return [Cell(values.written(figure), _track(figure, low, high)) for figure in figures]


def _track(figure: Any, low: float, high: float) -> Track | None:
    found = values.interval(figure)
    if found is None or high <= low:
        return None
    left, right = (100 * (end - low) / (high - low) for end in (found[0], found[2]))
    return Track(left, right - left)


def _of_the_model(result: Mapping[str, Any], space: LabelSpace) -> list[tuple[str, str]]:
    """Scores that belong to no row, e.g. those of reconstruction."""
    estimates = [(place, figure) for place, figure in _beside_rows(result, space) if "value" in _keys(figure)]
    return _texts(estimates)


def _part(part: Mapping[str, Any] | None, space: LabelSpace, rows: Sequence[MetricRow]) -> Table | None:
    """The kinds of edits, or of pictures, side by side; None if none was scored."""
    if not part:
        return None
    return _side_by_side({name: tree for name, tree in part.items() if isinstance(tree, Mapping)}, space, rows)


def _keys(figure: Any) -> Iterable[str]:
    return figure if isinstance(figure, Mapping) else ()


def _texts(found: Iterable[tuple[values.Place, Any]]) -> list[tuple[str, str]]:
    return [(values.named(place), values.written(figure)) for place, figure in found]


def _beside_rows(result: Mapping[str, Any], space: LabelSpace) -> Iterable[tuple[values.Place, Any]]:
    apart = ("rows", "edits", "pictures")
    return values.leaves({key: value for key, value in result.items() if key not in apart}, space.classes)


def _by_class(result: Mapping[str, Any], space: LabelSpace) -> Table:
    """Every score per class, of the generated maps, of the model alone, of edits and of pictures: a line per class."""
    of_generated = values.leaves(result.get("rows", {}).get("generated", {}), space.classes)
    apart = values.leaves({name: result[name] for name in ("edits", "pictures") if name in result}, space.classes)
    found = {
        place: by_class
        for place, figure in (*of_generated, *_beside_rows(result, space), *apart)
        if (by_class := values.by_class(place, figure, space.classes))
    }
    columns = [_cells([of_class.get(name) for name in space.classes]) for of_class in found.values()]
    lines = [Line(name, [column[i] for column in columns]) for i, name in enumerate(space.classes)]
    return Table([values.named(place) for place in found], lines)


def _album(album: Album, space: LabelSpace) -> dict[str, Any]:
    return {"title": album.title, "text": album.text, "rows": [_tiles(row, space) for row in album.rows]}


def _tiles(row: Row, space: LabelSpace) -> dict[str, Any]:
    """The maps of a row in colour, and its pictures, each with its caption."""
    coloured = [each if each.ndim == 3 else colour(np.asarray(each), space) for each in row.index_maps]
    tiles = [
        {"picture": pages.picture(rgb, caption or row.text), "caption": caption}
        for rgb, caption in zip(coloured, row.captions, strict=True)
    ]
    return {"text": row.text, "tiles": tiles}


def _conditions(result: Mapping[str, Any], space: LabelSpace) -> list[tuple[str, str]]:
    """What else the result says: where the maps came from, versions, the seed."""
    scored = lambda place, figure: isinstance(figure, Mapping) or values.by_class(place, figure, space.classes)
    return _texts(
        (place, figure)
        for place, figure in _beside_rows(result, space)
        if place[0] != "omitted" and figure is not None and not scored(place, figure)
    )
