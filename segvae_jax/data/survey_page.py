"""The survey of a prepared data set as one HTML file that needs no other."""

import base64
import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import maps, pictures
from segvae_jax.data.splits import SPLITS
from segvae_jax.data.survey import TINY
from segvae_jax.labels import LabelSpace

_SHOWN = 24  # maps of a split
_LISTED = 500  # entries of a list; the JSON beside the page has all
_COLUMNS = 8
_WIDTH = 1_072  # pixels of a picture, as the style leaves for it
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #667085; --line: #e4e7ec; --card: #fff; --page: #f6f7f9;
  --bar: #5b7cfa; --warn: #fff6e5; --warn-ink: #7a4b00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9f0; --soft: #98a2b3; --line: #2c3342; --card: #181d29;
  --page: #10141d; --bar: #7d98ff; --warn: #3a2c10; --warn-ink: #ffd591; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 12px; }
p { margin: 0 0 12px; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 24px;
  margin-top: 20px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 18px; }
.card b { display: block; font-size: 26px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.warn { background: var(--warn); color: var(--warn-ink); border-color: transparent; } .warn ul { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); } tr:last-child td { border-bottom: 0; }
td:first-child { white-space: nowrap; } .n { text-align: right; } .bar { width: 26%; }
.bar i { display: block; height: 10px; border-radius: 5px; background: var(--bar); min-width: 2px; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 8px;
  vertical-align: -1px; border: 1px solid rgba(128, 128, 128, .5); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-bottom: 16px; font-size: 13px; }
.chart { display: flex; align-items: flex-end; gap: 6px; height: 150px; }
.chart div { flex: 1; max-width: 56px; text-align: center; font-size: 12px; color: var(--soft); }
.chart i { display: block; background: var(--bar); border-radius: 4px 4px 0 0; min-height: 1px; }
img { max-width: 100%; border-radius: 6px; display: block; margin: 8px 0 20px; image-rendering: pixelated; }
details { margin-bottom: 8px; } summary { cursor: pointer; } details div { max-height: 300px; overflow: auto; }
"""


def write_page(path: Path, survey: Mapping[str, Any], prepared: Any) -> None:
    """Writes the page: figures, and a sheet of maps, and of pictures, of each split."""
    parts = [
        _heading(survey), _cards(survey), _warnings(survey["warnings"]), _splits(survey, prepared),
        _classes(survey, prepared.space), _label_sets(survey["label_sets"]), _pairs(survey["pairs"]), _lists(survey),
    ]  # fmt: skip
    title = html.escape(f"{survey['source']}, {_by(survey['size'])}")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    path.write_text(f"{head}<main>{''.join(parts)}</main></html>\n", encoding="utf-8")


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
    cards = "".join(f'<div class="card"><b>{value:,}</b>{name}</div>' for name, value in figures.items())
    return f'<div class="cards">{cards}</div>'


def _warnings(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'<section class="warn"><h2>Worth a look</h2><ul>{items}</ul></section>' if items else ""


def _splits(survey: Mapping[str, Any], prepared: Any) -> str:
    legend = "".join(
        f"<span>{_swatch(prepared.space, name)}{html.escape(name)}</span>" for name in prepared.space.names
    )
    rule = "the official partition of CelebA" if survey["official_partition"] else "a fixed rule on ids"
    sheets = "".join(_sheets(name, survey, prepared) for name in SPLITS if survey["splits"][name])
    return (
        f'<section><h2>Splits</h2><p class="soft">By {rule}; near duplicates share the split of their first, which '
        f'took {survey["moved"]:,} maps to another split than their own.</p><div class="legend">{legend}</div>{sheets}'
        "</section>"
    )


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
    shown = "".join(_image(f"maps of the {name} split", sheet) for sheet in sheets)
    count = survey["splits"][name]
    return f"<p><b>{name}</b>: {count:,} maps ({count / survey['kept']:.1%})</p>{shown}"


def _classes(survey: Mapping[str, Any], space: LabelSpace) -> str:
    rows = "".join(_class_row(entry, space) for entry in survey["classes"])
    return (
        '<section><h2>Classes</h2><table><tr><th>class<th class="bar">frequency<th class="n">maps<th class="n">share'
        '<th class="n">area where present<th class="n">pixels: least<th class="n">median<th class="n">most'
        f'<th class="n">lost by resizing<th class="n">maps with {TINY} px or fewer</tr>{rows}</table></section>'
    )


def _class_row(entry: Mapping[str, Any], space: LabelSpace) -> str:
    least, median, most = entry["pixels"]
    shares = f"{entry['share']:.1%}", f"{entry['area_share']:.2%}"
    pixels = f"{least:,}", f"{median:,}", f"{most:,}"
    cells = f"{entry['maps']:,}", *shares, *pixels, f"{entry['lost']:,}", f"{entry['tiny']:,}"
    return (
        f"<tr><td>{_swatch(space, entry['name'])}{html.escape(entry['name'])}"
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
    return (
        f'<section><h2>Label-sets</h2><p class="soft">Maps by the number of their classes; {figures}.</p>'
        f'<div class="chart">{bars}</div></section>'
    )


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
    return f"<section><h2>Left and right</h2><table>{heads}{rows}</table></section>" if rows else ""


def _lists(survey: Mapping[str, Any]) -> str:
    left_out = [f"{example_id}: {reason}" for example_id, reason in survey["excluded"].items()]
    duplicates = [f"{dropped} equals {kept}" for dropped, kept in survey["duplicates"].items()]
    groups = [", ".join(group) for group in survey["near_duplicates"]]
    named = {"Left out": left_out, "Exact duplicates": duplicates, "Near duplicates": groups}
    return f"<section><h2>In detail</h2>{''.join(_list(*item) for item in named.items())}</section>"


def _list(title: str, lines: list[str]) -> str:
    body = "<br>".join(map(html.escape, lines[:_LISTED]))
    rest = f"<br>and {len(lines) - _LISTED:,} more, in survey.json" if len(lines) > _LISTED else ""
    return f"<details><summary>{title} ({len(lines):,})</summary><div>{body or 'none'}{rest}</div></details>"


def _swatch(space: LabelSpace, name: str) -> str:
    red, green, blue = space.palette[space.names.index(name)]
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def _image(alt: str, rgb: np.ndarray) -> str:
    """A picture inside the page, small ones enlarged by a whole number."""
    width = rgb.shape[1] * max(1, _WIDTH // rgb.shape[1])
    data = base64.b64encode(pictures.png_bytes(rgb)).decode()
    return f'<img alt="{alt}" width="{width}" src="data:image/png;base64,{data}">'


def _by(size: Iterable[int]) -> str:
    return " x ".join(map(str, size))
