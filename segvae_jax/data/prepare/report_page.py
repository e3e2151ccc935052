"""The survey of a prepared data set as one HTML file that needs no other."""

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import maps, pages, pictures
from segvae_jax.data.prepare.report import TINY
from segvae_jax.data.prepare.splits import SPLITS
from segvae_jax.labels import LabelSpace

_SHOWN = 24  # maps of a split
_LISTED = 500  # entries of a list; the JSON beside the page has all
_COLUMNS = 8
_WIDTH = 1_072  # pixels of a picture, as the style leaves for it
_STYLE = "td:first-child { white-space: nowrap; }"


def write_page(path: Path, survey: Mapping[str, Any], prepared: Any) -> None:
    """Writes the page: figures, and a sheet of maps, and of pictures, of each split."""
    parts = [
        _heading(survey), _cards(survey), _warnings(survey["warnings"]), _splits(survey, prepared),
        _classes(survey, prepared.space), _label_sets(survey["label_sets"]), _pairs(survey["pairs"]), _lists(survey),
    ]  # fmt: skip
    title = f"{survey['source']}, {_by(survey['size'])}"
    path.write_text(pages.document(title, "".join(parts), _STYLE), encoding="utf-8")


def _heading(survey: Mapping[str, Any]) -> str:
    pictures_too = f", with pictures of {_by(survey['image_size'])}" if survey["image_size"] else ""
    notes = "".join(f"<br>{html.escape(str(key))}: {html.escape(str(value))}" for key, value in survey["notes"].items())
    return (
        f"<h1>{html.escape(survey['source'])}</h1>"
        f'<p class="soft">Semantic maps of {_by(survey["size"])} pixels{pictures_too}.{notes}</p>'
    )


def _cards(survey: Mapping[str, Any]) -> str:
    figures = {
        "maps read": survey["read"],
        "kept": survey["kept"],
        "left out": len(survey["excluded"]),
        "exact duplicates dropped": len(survey["duplicates"]),
        "near duplicates kept together": sum(map(len, survey["near_duplicates"])),
        "classes": len(survey["classes"]),
    }
    return pages.cards({name: f"{value:,}" for name, value in figures.items()})


def _warnings(lines: Sequence[str]) -> str:
    return pages.section("Worth a look", pages.listing(lines), "warn") if lines else ""


def _splits(survey: Mapping[str, Any], prepared: Any) -> str:
    rule = "the official partition of CelebA" if survey["official_partition"] else "a fixed rule on ids"
    sheets = "".join(_sheets(name, survey, prepared) for name in SPLITS if survey["splits"][name])
    text = (
        f'<p class="soft">By {rule}; near duplicates share the split of their first, which '
        f"took {survey['moved']:,} maps to another split than their own.</p>"
    )
    return pages.section("Splits", text + pages.legend(prepared.space) + sheets)


def _sheets(name: str, survey: Mapping[str, Any], prepared: Any) -> str:
    """Heading and pictures of a split."""
    source = prepared.split(name)
    examples = [source[i] for i in range(min(_SHOWN, len(source)))]
    packed = np.stack([example["map"] for example in examples])
    class_maps = np.unpackbits(packed, axis=-1, count=prepared.space.num_channels).astype(bool)
    painted = np.stack([maps.paint(one, prepared.space) for one in class_maps])
    sheets = [pictures.sheet(painted, prepared.space, _COLUMNS)]
    if survey["image_size"]:
        sheets.append(pictures.grid(np.stack([example["image"] for example in examples]), _COLUMNS))
    shown = "".join(pages.image(sheet, f"maps of the {name} split", _WIDTH) for sheet in sheets)
    count = survey["splits"][name]
    return f"<p><b>{name}</b>: {count:,} maps ({count / survey['kept']:.1%})</p>{shown}"


def _classes(survey: Mapping[str, Any], space: LabelSpace) -> str:
    rows = "".join(_class_row(entry, space) for entry in survey["classes"])
    heads = (
        '<tr><th>class<th class="bar">frequency<th class="n">maps<th class="n">share'
        '<th class="n">area where present<th class="n">pixels: least<th class="n">median<th class="n">most'
        f'<th class="n">lost by resizing<th class="n">maps with {TINY} px or fewer</tr>'
    )
    return pages.section("Classes", f"<table>{heads}{rows}</table>")


def _class_row(entry: Mapping[str, Any], space: LabelSpace) -> str:
    least, median, most = entry["pixels"]
    shares = f"{entry['share']:.1%}", f"{entry['area_share']:.2%}"
    pixels = f"{least:,}", f"{median:,}", f"{most:,}"
    cells = f"{entry['maps']:,}", *shares, *pixels, f"{entry['lost']:,}", f"{entry['tiny']:,}"
    return (
        f"<tr><td>{pages.swatch(space, entry['name'])}{html.escape(entry['name'])}"
        f'<td class="bar"><i style="width:{entry["share"]:.1%}"></i>'
        + "".join(f'<td class="n">{cell}' for cell in cells)
        + "</tr>"
    )


def _label_sets(label_sets: Mapping[str, Any]) -> str:
    most = max(label_sets["sizes"].values(), default=1)
    bars = "".join(
        f'<div>{count:,}<i style="height:{110 * count / most:.0f}px"></i>{size}</div>'
        for size, count in label_sets["sizes"].items()
    )
    figures = f"{label_sets['mean_size']:.1f} on average, {label_sets['distinct']:,} different label-sets"
    text = f'<p class="soft">Maps by the number of their classes; {figures}.</p>'
    return pages.section("Label-sets", f'{text}<div class="chart">{bars}</div>')


def _pairs(pairs: Iterable[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(pair['left'])}<td>{html.escape(pair['right'])}"
        f'<td class="n">{pair["maps"]:,}<td class="n">{pair["at_image_left"]:.1%}'
        f'<td class="n">{1 - pair["at_image_left"]:.1%}</tr>'
        for pair in pairs
    )
    heads = (
        '<tr><th>class<th>its mirror image<th class="n">maps with both<th class="n">at image left: the first'
        '<th class="n">the second</tr>'
    )
    return pages.section("Left and right", f"<table>{heads}{rows}</table>") if rows else ""


def _lists(survey: Mapping[str, Any]) -> str:
    left_out = [f"{example_id}: {reason}" for example_id, reason in survey["excluded"].items()]
    duplicates = [f"{dropped} equals {kept}" for dropped, kept in survey["duplicates"].items()]
    groups = [", ".join(group) for group in survey["near_duplicates"]]
    named = {"Left out": left_out, "Exact duplicates": duplicates, "Near duplicates": groups}
    return pages.section("In detail", "".join(_list(*item) for item in named.items()))


def _list(title: str, lines: list[str]) -> str:
    body = "<br>".join(map(html.escape, lines[:_LISTED]))
    rest = f"<br>and {len(lines) - _LISTED:,} more, in survey.json" if len(lines) > _LISTED else ""
    return f"<details><summary>{title} ({len(lines):,})</summary><div>{body or 'none'}{rest}</div></details>"


def _by(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))
