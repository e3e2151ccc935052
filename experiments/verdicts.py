"""Which of two rows of a table is better, where all of their runs agree."""

import math
from collections.abc import Mapping
from typing import Any

from segvae_jax.evaluation.rows import ROWS

# By title of the metric row; without rows whose better direction depends on the value of real maps.
_MORE_IS_BETTER = {row.title: row.more_is_better for row in ROWS if row.more_is_better is not None}


def verdicts(rows: Mapping[str, Mapping[str, Any]], first: str) -> dict[str, dict[str, str]]:
    """Compares the first row with every other row, metric by metric.

    Args:
      rows: by title of the row and title of the metric, a mapping with `values`, one value per seed.
      first: title of the row to compare.

    Returns:
      By title of the other row and title of the metric: "better" or "worse" if every run of the one row beats every run
      of the other one, else "open".
    """
    metrics = [metric for metric in rows[first] if metric in _MORE_IS_BETTER]
    verdict = lambda other, metric: _verdict(rows[first][metric], other[metric], _MORE_IS_BETTER[metric])
    against = lambda other: {metric: verdict(other, metric) for metric in metrics}
    return {title: against(other) for title, other in rows.items() if title != first}


def by_chance(seeds: int) -> float:
    """The probability that two equally good models with this many runs each get a verdict other than "open"."""
    return 2 / math.comb(2 * seeds, seeds)


def _verdict(first: Mapping[str, Any], other: Mapping[str, Any], more_is_better: bool) -> str:
    if min(first["values"]) > max(other["values"]):
        return "better" if more_is_better else "worse"
    if max(first["values"]) < min(other["values"]):
        return "worse" if more_is_better else "better"
    return "open"
