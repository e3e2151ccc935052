"""Control: whether a map holds the classes that were asked for."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

PIXELS_AT_64 = 1  # area from which a class of a 64 x 64 map counts as drawn: that of the smallest annotated parts


@dataclasses.dataclass(frozen=True)
class Control:
    """Agreement of drawn with requested label-sets, in 0..1.

    Attributes:
      precision: share of the drawn classes that were requested; 0 where nothing was drawn.
      recall: share of the requested classes that were drawn; 1 where nothing was requested.
      exact: 1 where drawn and requested classes are the same.
      miss_rate: share of its requests in which a class was not drawn; NaN where never requested.
      threshold: area in pixels from which a class counts as drawn.
    """

    precision: Float[np.ndarray, "N"]
    recall: Float[np.ndarray, "N"]
    exact: Float[np.ndarray, "N"]
    miss_rate: Float[np.ndarray, "C"]
    threshold: int


def area_threshold(height: int, width: int) -> int:
    """Area in pixels from which a class counts as drawn: 1 at 64 x 64, in proportion elsewhere, 1 or more."""
    return max(1, round(PIXELS_AT_64 * height * width / 64**2))


def label_control(
    label_sets: Bool[np.ndarray, "N C"], class_maps: Bool[np.ndarray, "N H W C"], threshold: int | None = None
) -> Control:
    """Compares requested label-sets with the classes that cover at least `threshold` pixels of each map.

    The threshold defaults to `area_threshold` of the map size. The background never counts.
    """
    threshold = area_threshold(*class_maps.shape[1:3]) if threshold is None else threshold
    foreground = np.arange(class_maps.shape[-1]) > 0
    requested = label_sets & foreground
    drawn = (class_maps.sum(axis=(1, 2)) >= threshold) & foreground
    hits = (requested & drawn).sum(axis=1)
    return Control(
        precision=_ratio(hits, drawn.sum(axis=1), 0.0),
        recall=_ratio(hits, requested.sum(axis=1), 1.0),
        exact=(requested == drawn).all(axis=1).astype(np.float64),
        miss_rate=_ratio((requested & ~drawn).sum(axis=0), requested.sum(axis=0), np.nan),
        threshold=threshold,
    )


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float) -> Float[np.ndarray, "_"]:
    return np.divide(part, whole, out=np.full(len(whole), empty), where=whole > 0)
