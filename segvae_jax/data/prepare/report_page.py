"""The data report of a prepared data set as one HTML file; `report_page.html.jinja` is its template."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from segvae_jax import maps, pages, pictures
from segvae_jax.data.prepare.report import TINY
from segvae_jax.data.prepare.splits import SPLITS
from segvae_jax.sheets import grid

_TEMPLATE = Path(__file__).with_suffix(".html.jinja")
_SHOWN = 24  # maps per split
_LISTED = 500  # entries per list; the JSON beside the page has all
_COLUMNS = 8
_WIDTH = 1_072  # pixels that the style leaves for a picture


def write_page(path: Path, report: Mapping[str, Any], prepared: Any) -> None:
    """Writes the page: the report in tables, and for each split a sheet of maps and, if there are any, of pictures.

    Args:
      path: the HTML file.
      report: what `make_data_report` returns.
      prepared: the prepared data set, opened.
    """
    page = pages.render(
        _TEMPLATE,
        report=report,
        splits=[_split(name, report, prepared) for name in SPLITS if report["splits"][name]],
        colours=pages.colours(prepared.space),
        lists=_lists(report),
        listed=_LISTED,
        tiny=TINY,
    )
    path.write_text(page, encoding="utf-8")


def _split(name: str, report: Mapping[str, Any], prepared: Any) -> dict[str, Any]:
    """The name, the number of maps and the first examples of a split that is not empty."""
    source = prepared.split(name)
    examples = [source[i] for i in range(min(_SHOWN, len(source)))]
    packed = np.stack([example["map"] for example in examples])
    class_maps = np.unpackbits(packed, axis=-1, count=prepared.space.num_channels).astype(bool)
    painted = np.stack([maps.paint(one, prepared.space) for one in class_maps])
    sheets = [pictures.sheet(painted, prepared.space, _COLUMNS)]
    if report["image_size"]:
        sheets.append(grid(np.stack([example["image"] for example in examples]), _COLUMNS))
    shown = [pages.picture(sheet, f"maps of the {name} split", _WIDTH) for sheet in sheets]
    return {"name": name, "count": report["splits"][name], "sheets": shown}


def _lists(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """Title -> one line per map, or per group of maps."""
    return {
        "Left out": [f"{example_id}: {reason}" for example_id, reason in report["excluded"].items()],
        "Exact duplicates": [f"{dropped} equals {kept}" for dropped, kept in report["duplicates"].items()],
        "Near duplicates": [", ".join(group) for group in report["near_duplicates"]],
    }
