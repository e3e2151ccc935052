"""The data report of a prepared data set, as JSON: what is in it, what was left out, what looks wrong."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from segvae_jax.data.prepare.conversion import MapStatistics
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.splits import SPLITS, Assignment
from segvae_jax.data.sources.source import Source
from segvae_jax.labels import LabelSpace

_CONSISTENT = 0.95  # a left-right pair has the same sides in this share of its maps, unless maps were mirrored
TINY = 4  # pixels; resizing keeps a part at least one pixel large, but hardly its shape
_MANY_TINY = 0.25  # of the maps of a class
_RARE = 10  # maps; a model cannot learn a class from fewer
_LEAST_COVERED = 0.7  # of the pixels that have a label; with less, parts of what is seen are missing
_LISTED = 8  # names of labels
_LARGE_GROUP = 0.02  # of all maps; a group of near duplicates of this size shifts the shares of the splits


def make_data_report(
    source: Source, recipe: Recipe, statistics: MapStatistics, assignment: Assignment
) -> dict[str, Any]:
    """Statistics of the maps that are kept, and lists of those that are not; JSON can hold all of it."""
    kept = np.isin(source.ids, list(assignment.split))
    area = statistics.area[kept]
    reasons = {source.ids[i]: str(statistics.reason[i]) for i in np.flatnonzero(statistics.reason != "")}
    report: dict[str, Any] = {
        "source": source.name,
        "notes": dict(source.notes),
        "size": list(recipe.size),
        "image_size": list(recipe.image_size) if recipe.image_size else None,
        "read": len(source.ids),
        "kept": int(kept.sum()),
        "excluded": reasons,
        "duplicates": assignment.duplicates,
        "near_duplicates": [list(group) for group in assignment.groups],
        "moved": assignment.moved,
        "official_partition": recipe.splits is not None,
        "splits": {name: list(assignment.split.values()).count(name) for name in SPLITS},
        "classes": _classes(source.space, area, statistics.annotated[kept], recipe.size),
        "label_sets": _label_sets(area[:, 1:] > 0),
        "pairs": _pairs(source.space, statistics.column[kept]),
        "foreground": _foreground(source, statistics.foreground[kept]),
    }
    filled = [
        f"{count} maps are in the {name} split because the rule on names left it empty"
        for name, count in assignment.filled.items()
    ]
    if any(len({assignment.split[example_id] for example_id in group}) > 1 for group in assignment.groups):
        filled.append("nearly all maps are near duplicates, and some are in several splits: scores will be too good")
    return report | {"warnings": [*_warnings(report), *filled]}


def _classes(
    space: LabelSpace, area: Int[np.ndarray, "N C"], annotated: Bool[np.ndarray, "N C"], size: Sequence[int]
) -> list[dict[str, Any]]:
    """One entry per class, by channel."""
    present = area > 0
    return [
        {
            "name": name,
            "maps": int(present[:, channel].sum()),
            "share": _mean(present[:, channel]),
            "area_share": _mean(area[present[:, channel], channel] / (size[0] * size[1])),
            "pixels": [int(q) for q in _quantiles(area[present[:, channel], channel])],
            "lost": int((annotated & ~present)[:, channel].sum()),
            "tiny": int((present & (area <= TINY))[:, channel].sum()),
        }
        for channel, name in enumerate(space.classes, start=1)
    ]


def _label_sets(present: Bool[np.ndarray, "N K"]) -> dict[str, Any]:
    sizes = collections.Counter(present.sum(axis=1).tolist())
    return {
        "sizes": {str(size): sizes[size] for size in sorted(sizes)},
        "mean_size": _mean(present.sum(axis=1)),
        "distinct": len(np.unique(present, axis=0)),
    }


def _foreground(source: Source, pixels: Int[np.ndarray, "N 2"]) -> dict[str, Any]:
    """The share of the pixels with a label that the classes cover, and the labels that are left out."""
    covered, labelled = pixels.sum(axis=0)
    return {"covered": float(covered / labelled) if labelled else 1.0, "left_out": list(source.left_out)}


def coverage_warning(report: Mapping[str, Any]) -> str:
    """The warning of a data report that the classes cover little; "" if they do not, or an early version made it."""
    found = report.get("foreground", {"covered": 1.0, "left_out": []})
    if found["covered"] >= _LEAST_COVERED:
        return ""
    names, more = found["left_out"], len(found["left_out"]) - _LISTED
    listed = ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
    share = f"the classes cover {found['covered']:.0%} of the pixels that have a label"
    return f"{share}: merge labels into classes, or keep more: left out are {listed}"


def _pairs(space: LabelSpace, column: np.ndarray) -> list[dict[str, Any]]:
    """For each left-right pair, how often the first class lies further left in the image than the second."""
    found = []
    for left, right in space.pairs:
        further = column[:, space.channel(left)] - column[:, space.channel(right)]
        both = further[~np.isnan(further)]
        found.append({"left": left, "right": right, "maps": len(both), "at_image_left": _mean(both < 0)})
    return found


def _warnings(report: Mapping[str, Any]) -> list[str]:
    """What the user should check."""
    lines = [_mirrored_warning(pair) for pair in report["pairs"] if pair["maps"] and not _is_consistent(pair)]
    ways = {pair["at_image_left"] > 0.5 for pair in report["pairs"] if pair["maps"] and _is_consistent(pair)}
    if len(ways) > 1:
        lines.append("some left classes lie at image left, others at image right: are two classes exchanged?")
    for entry in report["classes"]:
        if entry["maps"] < _RARE:
            lines.append(f"{entry['name']} is in {entry['maps']} maps: too few to be learnt")
        elif entry["lost"]:
            lines.append(f"{entry['name']} is lost by resizing in {entry['lost']} maps: prepare larger ones")
        elif entry["tiny"] > _MANY_TINY * entry["maps"]:
            lines.append(f"{entry['name']} has {TINY} pixels or fewer in {entry['tiny']} maps: prepare larger ones")
    if groups := report["near_duplicates"]:
        largest = max(map(len, groups))
        if largest > max(10, _LARGE_GROUP * report["kept"]):
            lines.append(f"{largest} maps are near duplicates of one another: splits may be uneven")
    lines += filter(None, [coverage_warning(report)])
    lines += [f"the {name} split is empty" for name, count in report["splits"].items() if not count]
    return lines


def _is_consistent(pair: Mapping[str, Any]) -> bool:
    return max(pair["at_image_left"], 1 - pair["at_image_left"]) >= _CONSISTENT


def _mirrored_warning(pair: Mapping[str, Any]) -> str:
    share = f"{pair['at_image_left']:.0%} of {pair['maps']} maps"
    return f"{pair['left']} lies left of {pair['right']} in {share}: expected nearly all or none; mirrored maps?"


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Smallest, median and largest."""
    return np.quantile(values, (0, 0.5, 1)) if len(values) else np.zeros(3)
