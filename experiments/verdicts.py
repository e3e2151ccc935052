"""Which of two rows of a table is better, where their runs leave no doubt."""

import math
from collections.abc import Mapping
from typing import Any

from segvae_jax.evaluation.rows import ROWS

# Titles of the rows that have a better direction whatever the value of real maps is.
_MORE_IS_BETTER = {row.title: row.more_is_better for row in ROWS if row.more_is_better is not None}


def verdicts(rows: Mapping[str, Mapping[str, Any]], first: str) -> dict[str, dict[str, str]]:
    """How the first row does against each other one, by measure.

    Args:
      rows: the figures of models, by title and measure, with `values`, one a seed.
      first: title of the row that is compared.

    Returns:
      "better" or "worse" where each run of the one row beats each of the other, else "open".
    """
    measures = [measure for measure in rows[first] if measure in _MORE_IS_BETTER]
    verdict = lambda figures, measure: _verdict(rows[first][measure], figures[measure], _MORE_IS_BETTER[measure])
    against = lambda figures: {measure: verdict(figures, measure) for measure in measures}
    return {title: against(figures) for title, figures in rows.items() if title != first}


def by_chance(seeds: int) -> float:
    """How often rows of equal models, with so many runs each, get a verdict."""
    return 2 / math.comb(2 * seeds, seeds)


def _verdict(ours: Mapping[str, Any], other: Mapping[str, Any], more_is_better: bool) -> str:
    if min(ours["values"]) > max(other["values"]):
        return "better" if more_is_better else "worse"
    if max(ours["values"]) < min(other["values"]):
        return "worse" if more_is_better else "better"
    return "open"
