"""The metric rows: what each metric is called, how it is written, and which direction is better.

The table in the terminal, the report, the tables of experiments and their verdicts all read this module. A new metric
needs its key in the scores of `quick_scoring` or `full_scoring`, or of `picture_scoring` for pictures, where the
function that computes it is called, and an entry here whose `place` is that key. The report shows every row, the
terminal those with `in_terminal`, and the tables of experiments those with `headline`.
"""

import dataclasses
import enum
import math
from collections.abc import Mapping
from typing import Any, Literal

Place = tuple[str, ...]  # keys, from the outermost to the innermost

ESTIMATE = ("value", "low", "high", "sd")  # keys of an estimate


class Direction(enum.StrEnum):
    """Which values of a metric are better."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    UP_TO_REAL = "higher is better, up to the value of real maps"
    AS_REAL = "best where it equals the value of real maps"
    NEUTRAL = "neither direction is better"


_MARKS = {
    Direction.HIGHER: "  higher is better",
    Direction.LOWER: "  lower is better",
    Direction.UP_TO_REAL: "  higher, up to real",
    Direction.AS_REAL: "  as real is best",
}


@dataclasses.dataclass(frozen=True)
class MetricRow:
    """One metric of a set of maps.

    Attributes:
      place: where the scores of a set of maps hold its estimate or number.
      title: its name in every table; at most 22 characters if the terminal shows it, 21 in the suite "quick".
      digits: decimals in tables, after scaling by `factor`.
      direction: which values are better.
      suite: "quick" if both suites compute it, "all" if only the full suite does, "weights" if it needs weights from
        a file of the user.
      factor: scores are multiplied by this to be in the unit that the title names.
      anchor: what real maps reach, where that is not the value in the row `real_vs_real`.
      headline: whether the tables of experiments and the cards of the report show it.
      in_terminal: whether the table in the terminal shows it.
    """

    place: Place
    title: str
    digits: int
    direction: Direction
    suite: Literal["quick", "all", "weights"] = "all"
    factor: float = 1.0
    anchor: str = ""
    headline: bool = False
    in_terminal: bool = True

    @property
    def description(self) -> str:
        """The title, the better direction and, where it is not `real_vs_real`, what real maps reach."""
        direction = "" if self.direction is Direction.NEUTRAL else str(self.direction)
        anchor = f"real maps: {self.anchor}" if self.anchor else ""
        notes = "; ".join(note for note in (direction, anchor) if note)
        return f"{self.title} ({notes})" if notes else self.title

    @property
    def marked(self) -> str:
        """The title and, in a second line, the better direction in few words, if there is one."""
        return "\n".join(part for part in (self.title, _MARKS.get(self.direction, "")) if part)

    @property
    def more_is_better(self) -> bool | None:
        """Whether the higher of two values of models is better; None where that depends on the value of real maps."""
        if self.direction in (Direction.HIGHER, Direction.UP_TO_REAL):
            return True
        return False if self.direction is Direction.LOWER else None

    def find(self, scores: Any) -> dict[str, float] | None:
        """The estimate in scores, in the unit of the title; None where these lack it.

        Returns:
          `value` and, where they are known, `low` and `high`, or `sd`.
        """
        found = scores
        for key in self.place:
            found = found.get(key) if isinstance(found, Mapping) else None
        estimate = found if isinstance(found, Mapping) else {"value": found}
        numbers = {key: estimate[key] for key in ESTIMATE if isinstance(estimate.get(key), int | float)}
        return {key: self.factor * number for key, number in numbers.items()} if "value" in numbers else None

    def shortfall(self, scores: Any, real: Any) -> float | None:
        """How far scores lie on the bad side, in the unit of the title and with its decimals; lower is better.

        Args:
          scores: of a set of maps.
          real: of real maps, which some directions are relative to.

        Returns:
          The value itself, or what remains to the best value if there is one, e.g. to 0.5; None where scores lack it or
          neither direction is better.
        """
        found, best = self.find(scores), self._best(scores, real)
        if found is None or best is None:
            return None
        above = found["value"] - best
        if self.direction is Direction.AS_REAL:
            return round(abs(above), self.digits)
        shortfall = -above if self.more_is_better else above
        best_is_known = self.direction is Direction.UP_TO_REAL or self.anchor
        return round(max(shortfall, 0.0) if best_is_known else shortfall, self.digits)

    def _best(self, scores: Any, real: Any) -> float | None:
        """The value that cannot be bettered, 0 where there is none; None where it is not known."""
        if self.direction is Direction.NEUTRAL:
            return None
        if self.direction in (Direction.UP_TO_REAL, Direction.AS_REAL):
            row = next((row for row in ROWS if row.title == self.anchor), None)
            estimate = row.find(scores) if row else self.find(real)
            return estimate["value"] if estimate else None
        return float(self.anchor) if _is_number(self.anchor) else 0.0

    def scaled(self, value: Any) -> Any:
        """A number, or every number of an estimate, in the unit of the title; anything else as it is."""
        if isinstance(value, Mapping):
            return {key: self.scaled(part) for key, part in value.items()}
        return self.factor * value if isinstance(value, float) else value

    def format(self, value: float) -> str:
        """A scaled number as tables show it."""
        return f"{value:.{self.digits}f}"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


_PERCENT = 100.0
_HIGHER, _LOWER, _UP_TO_REAL, _AS_REAL, _NEUTRAL = Direction

ROWS: tuple[MetricRow, ...] = (
    MetricRow(("control", "exact"), "exact label-set", 2, _HIGHER, "quick", headline=True),
    MetricRow(("control", "precision"), "label precision", 2, _HIGHER, "quick", in_terminal=False),
    MetricRow(("control", "recall"), "label recall", 2, _HIGHER, "quick", in_terminal=False),
    MetricRow(("fsd",), "FSD x 1e4", 1, _LOWER, "quick", headline=True),
    MetricRow(("c2st", "layout"), "layout AUC", 3, _LOWER, "quick", anchor="0.5", headline=True),
    MetricRow(("c2st", "outline"), "outline AUC", 3, _LOWER, "quick", anchor="0.5", headline=True),
    MetricRow(("c2st", "cnn"), "CNN AUC", 3, _LOWER, anchor="0.5"),
    MetricRow(("frechet_random_cnn",), "Frechet, random CNN", 2, _LOWER, "quick"),
    MetricRow(("specks",), "specks, % of pixels", 2, _AS_REAL, "quick", factor=_PERCENT),
    MetricRow(("parts", "log_area"), "W1 log-area", 2, _LOWER),
    MetricRow(("parts", "centroid_y"), "W1 y, % of side", 1, _LOWER, factor=_PERCENT),
    MetricRow(("parts", "centroid_x"), "W1 x, % of side", 1, _LOWER, factor=_PERCENT),
    MetricRow(("parts", "height"), "W1 height, % of side", 1, _LOWER, factor=_PERCENT),
    MetricRow(("parts", "width"), "W1 width, % of side", 1, _LOWER, factor=_PERCENT),
    MetricRow(("parts", "orientation"), "W1 angle, degrees", 1, _LOWER, factor=180 / math.pi),
    MetricRow(("offsets",), "W1 offsets, % of side", 1, _LOWER, factor=_PERCENT),
    MetricRow(("adjacency",), "adjacency", 3, _LOWER),
    MetricRow(("symmetry",), "W1 symmetry", 3, _LOWER),
    MetricRow(("frechet_map_encoder",), "Frechet, map encoder", 3, _LOWER, headline=True),
    MetricRow(("kid_random_cnn",), "KID x 1e3, random CNN", 1, _LOWER, factor=1e3),
    MetricRow(("kid_map_encoder",), "KID x 1e3, map encoder", 1, _LOWER, factor=1e3),
    MetricRow(("neighbours_random_cnn", "precision"), "precision, random CNN", 2, _HIGHER, in_terminal=False),
    MetricRow(("neighbours_random_cnn", "recall"), "recall, random CNN", 2, _HIGHER, in_terminal=False),
    MetricRow(("neighbours_random_cnn", "density"), "density, random CNN", 2, _HIGHER, in_terminal=False),
    MetricRow(("neighbours_random_cnn", "coverage"), "coverage, random CNN", 2, _HIGHER, in_terminal=False),
    MetricRow(("neighbours_map_encoder", "precision"), "precision, map encoder", 2, _HIGHER, headline=True),
    MetricRow(("neighbours_map_encoder", "recall"), "recall, map encoder", 2, _HIGHER, headline=True),
    MetricRow(("neighbours_map_encoder", "density"), "density, map encoder", 2, _HIGHER),
    MetricRow(("neighbours_map_encoder", "coverage"), "coverage, map encoder", 2, _HIGHER),
    MetricRow(
        ("compatibility", "error"), "compatibility, 1 - IoU", 3, _AS_REAL, anchor="compatibility, held out",
        headline=True,
    ),
    MetricRow(
        ("compatibility", "held_out"), "compatibility, held out", 3, _NEUTRAL, in_terminal=False,
    ),
    MetricRow(("diversity",), "diversity, 1 - mIoU", 2, _UP_TO_REAL, "quick", headline=True),
    MetricRow(("diversity_map_encoder",), "diversity, map encoder", 3, _UP_TO_REAL),
    MetricRow(
        ("memorisation", "nearest"), "nearest training mIoU", 2, _AS_REAL, "quick",
        anchor="nearest training mIoU, held out", headline=True,
    ),
    MetricRow(
        ("memorisation", "held_out"), "nearest training mIoU, held out", 2, _NEUTRAL, "quick", in_terminal=False,
    ),
    MetricRow(("memorisation", "copied"), "share of copies", 2, _LOWER, "quick", anchor="0.01", in_terminal=False),
    MetricRow(
        ("diversity_lpips",), "diversity, LPIPS (AlexNet, coloured maps; out of its domain)", 3, _UP_TO_REAL, "weights",
    ),
    MetricRow(("fid_inception",), "FID (Inception, coloured maps; out of its domain)", 1, _LOWER, "weights"),
)  # fmt: skip

# Of each kind of edit; a row that a kind lacks is left out.
EDIT_ROWS: tuple[MetricRow, ...] = (
    MetricRow(("presence",), "edit as requested", 2, _HIGHER, anchor="1"),
    MetricRow(("untouched",), "rest unchanged", 2, _HIGHER, anchor="1"),
    MetricRow(("new_pieces",), "new pieces of the rest", 2, _LOWER, anchor="0"),
    MetricRow(("changed",), "1 - IoU with before", 2, _NEUTRAL),
    MetricRow(("c2st", "layout"), "layout AUC", 3, _LOWER, anchor="layout AUC, unedited"),
    MetricRow(("c2st", "real_vs_real", "layout"), "layout AUC, unedited", 3, _NEUTRAL, anchor="0.5"),
    MetricRow(("c2st", "outline"), "outline AUC", 3, _LOWER, anchor="outline AUC, unedited"),
    MetricRow(("c2st", "real_vs_real", "outline"), "outline AUC, unedited", 3, _NEUTRAL, anchor="0.5"),
)

# Of translated pictures; those of the network that the user lacks are left out.
PICTURE_ROWS: tuple[MetricRow, ...] = (
    MetricRow(("fid_inception",), "FID, Inception", 1, _LOWER),
    MetricRow(("kid_inception",), "KID x 1e3, Inception", 1, _LOWER, factor=1e3),
    MetricRow(("frechet_efficientnet_lite0",), "Frechet, EfficientNet-Lite0", 2, _LOWER),
    MetricRow(("kid_efficientnet_lite0",), "KID x 1e3, EfficientNet-Lite0", 2, _LOWER, factor=1e3),
    MetricRow(("parser", "mean_iou"), "mIoU of the parser", 3, _UP_TO_REAL),
    MetricRow(("diversity_pixels",), "diversity, pixels", 3, _UP_TO_REAL),
    MetricRow(("diversity_inception",), "diversity, Inception", 3, _UP_TO_REAL),
    MetricRow(("diversity_efficientnet_lite0",), "diversity, EfficientNet-Lite0", 3, _UP_TO_REAL),
)
