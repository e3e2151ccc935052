"""Pages of HTML that need no other file: frame, style, and pictures in the text."""

import base64
import html
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import UInt8

from segvae_jax.labels import LabelSpace
from segvae_jax.pictures import png_bytes

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
.n { text-align: right; } .bar { width: 26%; }
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


def document(title: str, body: str, style: str = "", script: str = "") -> str:
    """A whole page. Browsers fetch nothing for it, and send nothing.

    Args:
      title: plain text.
      body: HTML.
      style, script: added to the page's own.
    """
    scripts = f"<script>{script}</script>" if script else ""
    allowed = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    allowed += "; script-src 'unsafe-inline'" if script else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body><main>{body}</main>{scripts}</body></html>\n"
    )


def section(title: str, body: str, kind: str = "") -> str:
    """A titled card of HTML; of the class `kind` in the style."""
    of_kind = f' class="{kind}"' if kind else ""
    return f"<section{of_kind}><h2>{html.escape(title)}</h2>{body}</section>"


def cards(figures: Mapping[str, str]) -> str:
    """Figures in large print: name -> figure."""
    items = "".join(
        f'<div class="card"><b>{html.escape(figure)}</b>{html.escape(name)}</div>' for name, figure in figures.items()
    )
    return f'<div class="cards">{items}</div>'


def listing(lines: Iterable[str]) -> str:
    """Lines of plain text as a list."""
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


def legend(space: LabelSpace) -> str:
    """All classes with their colours."""
    names = "".join(f"<span>{swatch(space, name)}{html.escape(name)}</span>" for name in space.names)
    return f'<div class="legend">{names}</div>'


def swatch(space: LabelSpace, name: str) -> str:
    """A spot of the colour of a class."""
    red, green, blue = space.palette[space.names.index(name)]
    return f'<span class="swatch" style="background:rgb({red},{green},{blue})"></span>'


def image(rgb: UInt8[np.ndarray, "H W 3"], alt: str, fill: int = 0) -> str:
    """A picture, in the page itself; enlarged by a whole number as far as it fits into a width of `fill` pixels."""
    width = rgb.shape[1] * max(1, fill // rgb.shape[1])
    return f'<img alt="{html.escape(alt)}" width="{width}" src="{embedded(rgb)}">'


def embedded(rgb: UInt8[np.ndarray, "H W 3"]) -> str:
    """A picture as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png_bytes(rgb)).decode()}"
