"""Control: whether a map has the classes that were requested."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

PIXELS_AT_64 = 1  # smallest area at which a class of a 64 x 64 map counts as present: that of annotated parts


@dataclasses.dataclass(frozen=True)
class Control:
    """Agreement of the present with the requested classes, in 0..1.

    Attributes:
      precision: for each map, the share of the present classes that were requested; 0 if no class is present.
      recall: for each map, the share of the requested classes that are present; 1 if none was requested.
      exact: for each map, 1 if the present and the requested classes are the same.
      miss_rate: for each class, the share of the requests in which it is absent; NaN if it was never requested.
      threshold: smallest area in pixels at which a class counts as present.
    """

    precision: Float[np.ndarray, "N"]
    recall: Float[np.ndarray, "N"]
    exact: Float[np.ndarray, "N"]
    miss_rate: Float[np.ndarray, "C"]
    threshold: int


def area_threshold(height: int, width: int) -> int:
    """Smallest area in pixels at which a class counts as present: at least 1, 1 at 64 x 64, and in proportion above."""
    return max(1, round(PIXELS_AT_64 * height * width / 64**2))


def label_control(
    label_sets: Bool[np.ndarray, "N C"], class_maps: Bool[np.ndarray, "N H W C"], threshold: int | None = None
) -> Control:
    """Compares requested label-sets with the classes that cover at least `threshold` pixels of each map.

    The threshold defaults to `area_threshold` of the map size. The background is ignored.
    """
    threshold = area_threshold(*class_maps.shape[1:3]) if threshold is None else threshold
    foreground = np.arange(class_maps.shape[-1]) > 0
    requested = label_sets & foreground
    present = (class_maps.sum(axis=(1, 2)) >= threshold) & foreground
    hits = (requested & present).sum(axis=1)
    return Control(
        precision=_ratio(hits, present.sum(axis=1), 0.0),
        recall=_ratio(hits, requested.sum(axis=1), 1.0),
        exact=(requested == present).all(axis=1).astype(np.float64),
        miss_rate=_ratio((requested & ~present).sum(axis=0), requested.sum(axis=0), np.nan),
        threshold=threshold,
    )


def _ratio(part: np.ndarray, whole: np.ndarray, empty: float) -> Float[np.ndarray, "_"]:
    return np.divide(part, whole, out=np.full(len(whole), empty), where=whole > 0)
