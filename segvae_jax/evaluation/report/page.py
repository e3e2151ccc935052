"""The report of an evaluation: scores as JSON, and a page with pictures that needs no other file."""

import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import pages
from segvae_jax.evaluation.report import values
from segvae_jax.evaluation.report.gallery import Album, Row
from segvae_jax.evaluation.rows import ROWS
from segvae_jax.files import refusing_clearly, write_aside
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import colour

SCORES, REPORT = "scores.json", "report.html"
_FIRST = ("generated", "real_vs_real")  # columns; the others follow
_TILE = 96  # pixels that a map is wide on the page
_STYLE = f"""
.scroll {{ overflow-x: auto; font-size: 13px; }} td, th {{ vertical-align: top; }}
.track {{ display: block; position: relative; height: 6px; margin-top: 4px; background: var(--line);
  border-radius: 3px; min-width: 90px; }}
.track i {{ position: absolute; height: 6px; min-width: 6px; border-radius: 3px; background: var(--bar); }}
.group {{ display: inline-block; vertical-align: top; margin: 0 20px 16px 0; }}
.group p {{ margin: 0 0 4px; font-size: 13px; }}
.tiles {{ display: flex; flex-wrap: wrap; gap: 8px; }}
figure {{ margin: 0; width: {_TILE}px; }} figure img {{ margin: 0; width: {_TILE}px; }}
figcaption {{ color: var(--soft); font-size: 12px; line-height: 1.3; }}
"""


def write_report(directory: str | Path, result: Mapping[str, Any], space: LabelSpace, albums: Iterable[Album]) -> None:
    """Writes `scores.json` and `report.html`, each complete or not at all.

    Args:
      directory: made if it is not there.
      result: of `evaluate`.
      space: the classes.
      albums: the pictures of the page.

    Raises:
      OutputError: if they cannot be written.
    """
    directory = Path(directory).expanduser()
    scores = json.dumps(result, indent=1, allow_nan=False) + "\n"
    page = _page(result, space, albums)
    with refusing_clearly(directory):
        directory.mkdir(parents=True, exist_ok=True)
        write_aside(directory / SCORES, lambda path: path.write_text(scores, encoding="utf-8"))
        write_aside(directory / REPORT, lambda path: path.write_text(page, encoding="utf-8"))


def _page(result: Mapping[str, Any], space: LabelSpace, albums: Iterable[Album]) -> str:
    title = f"Evaluation of {result.get('checkpoint') or result.get('maps', 'maps')}"
    parts = [
        _heading(title, result), _cards(result), _omitted(result.get("omitted", {})), _scores(result["rows"], space),
        _of_the_model(result, space), _edits(result.get("edits"), space), _classes(result, space),
        pages.section("Colours", pages.legend(space)),
        *(_album(album, space) for album in albums), _conditions(result, space),
    ]  # fmt: skip
    return pages.document(title, "".join(parts), _STYLE)


def _heading(title: str, result: Mapping[str, Any]) -> str:
    height, width = result["size"]
    return (
        f'<h1>{html.escape(title)}</h1><p class="soft">{result["num_maps"]:,} maps of {height} x {width} pixels '
        "against as many held-out real maps, beside maps made without a model: <b>real vs real</b> other real maps, "
        "<b>retrieval</b> training maps of the same label-set, <b>independent parts</b> each class from a training map "
        "of its own, <b>mean shape</b> the mean of each class. In brackets 95 % bootstrap intervals over maps, +- the "
        f"standard deviation over folds. A class counts as drawn from {result['area_threshold']} px.</p>"
    )


def _cards(result: Mapping[str, Any]) -> str:
    generated = values.columns({"": result["rows"]["generated"]}, result["classes"])
    headline = [row.place for row in ROWS if row.headline]
    value = lambda place: values.written(generated[place][""]["value"])
    return pages.cards({values.named(place): value(place) for place in headline if place in generated})


def _omitted(reasons: Mapping[str, str]) -> str:
    lines = [f"{values.named((name,))}: {reason}" for name, reason in reasons.items()]
    return pages.section("Not scored", pages.listing(lines), "warn") if lines else ""


def _scores(rows: Mapping[str, Any], space: LabelSpace) -> str:
    """The model beside the anchors: all values that are not per class."""
    names = [*(name for name in _FIRST if name in rows), *(name for name in rows if name not in _FIRST)]
    return pages.section("Scores", _side_by_side({name: rows[name] for name in names}, space))


def _side_by_side(trees: Mapping[str, Any], space: LabelSpace) -> str:
    table = values.columns(trees, space.classes)
    heads = "".join(f"<th>{html.escape(name.replace('_', ' '))}" for name in trees)
    lines = "".join(
        _line(place, [found.get(name) for name in trees])
        for place, found in table.items()
        if not any(values.by_class(place, figure, space.classes) for figure in found.values())
    )
    return f'<div class="scroll"><table><tr><th>{heads}</tr>{lines}</table></div>'


def _line(place: values.Place, row: list[Any]) -> str:
    low, high = values.extent(row)
    cells = "".join(f"<td>{html.escape(values.written(figure))}{_track(figure, low, high)}" for figure in row)
    return f"<tr><td>{html.escape(values.described(place))}{cells}</tr>"


def _track(figure: Any, low: float, high: float) -> str:
    """A bar that shows where an interval lies between the lowest and the highest value of its row."""
    found = values.interval(figure)
    if found is None or high <= low:
        return ""
    left, right = (100 * (end - low) / (high - low) for end in (found[0], found[2]))
    return f'<span class="track"><i style="left:min({left:.1f}%, 100% - 6px);width:{right - left:.1f}%"></i></span>'


def _of_the_model(result: Mapping[str, Any], space: LabelSpace) -> str:
    """Values beside the rows, e.g. those of reconstruction."""
    estimates = [(place, figure) for place, figure in _beside_rows(result, space) if "value" in _keys(figure)]
    return pages.section("Of the model alone", _listed(estimates)) if estimates else ""


def _edits(edits: Mapping[str, Any] | None, space: LabelSpace) -> str:
    if not edits:
        return ""
    text = f'<p class="soft">Of {edits["num_maps"]} held-out maps, one class per map.</p>'
    kinds = {kind: figures_of for kind, figures_of in edits.items() if isinstance(figures_of, Mapping)}
    return pages.section("Edits", text + _side_by_side(kinds, space))


def _keys(figure: Any) -> Iterable[str]:
    return figure if isinstance(figure, Mapping) else ()


def _listed(found: Iterable[tuple[values.Place, Any]]) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(values.named(place))}<td>{html.escape(values.written(figure))}</tr>"
        for place, figure in found
    )
    return f"<table>{lines}</table>"


def _beside_rows(result: Mapping[str, Any], space: LabelSpace) -> Iterable[tuple[values.Place, Any]]:
    return values.leaves({key: value for key, value in result.items() if key not in ("rows", "edits")}, space.classes)


def _classes(result: Mapping[str, Any], space: LabelSpace) -> str:
    """All values per class, of the generated maps and of the model alone."""
    of_generated = values.leaves(result["rows"]["generated"], space.classes)
    of_edits = values.leaves({"edits": result.get("edits")}, space.classes)
    found = {
        place: by_class
        for place, figure in (*of_generated, *_beside_rows(result, space), *of_edits)
        if (by_class := values.by_class(place, figure, space.classes))
    }
    heads = "".join(f"<th>{html.escape(values.named(place))}" for place in found)
    lines = "".join(
        f"<tr><td>{pages.swatch(space, name)}{html.escape(name)}"
        + "".join(_class_cell(of_class.get(name), list(of_class.values())) for of_class in found.values())
        + "</tr>"
        for name in space.classes
    )
    text = '<p class="soft">Of the generated maps; a dash where a class was never requested.</p>'
    table = f'<div class="scroll"><table><tr><th>class{heads}</tr>{lines}</table></div>'
    return pages.section("By class", text + table) if found else ""


def _class_cell(figure: Any, column: list[Any]) -> str:
    return f"<td>{html.escape(values.written(figure))}{_track(figure, *values.extent(column))}"


def _album(album: Album, space: LabelSpace) -> str:
    groups = "".join(_group(row, space) for row in album.rows)
    return pages.section(album.title, f'<p class="soft">{html.escape(album.text)}</p>{groups}')


def _group(row: Row, space: LabelSpace) -> str:
    tiles = "".join(
        f"<figure>{pages.image(rgb, caption or row.text)}<figcaption>{html.escape(caption)}</figcaption></figure>"
        for rgb, caption in zip(colour(np.stack([*row.index_maps]), space), row.captions, strict=True)
    )
    text = f"<p>{html.escape(row.text)}</p>" if row.text else ""
    return f'<div class="group">{text}<div class="tiles">{tiles}</div></div>'


def _conditions(result: Mapping[str, Any], space: LabelSpace) -> str:
    """The rest of the result: origin of the maps, versions, seed."""
    scored = lambda place, figure: isinstance(figure, Mapping) or values.by_class(place, figure, space.classes)
    found = [
        (place, figure)
        for place, figure in _beside_rows(result, space)
        if place[0] != "omitted" and figure is not None and not scored(place, figure)
    ]
    return pages.section("Conditions", _listed(found))
