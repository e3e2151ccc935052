"""Precision and recall, density and coverage: which samples lie among the nearest neighbours of others."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.spatial.distance import cdist

from segvae_jax.errors import DataError

K_PRECISION = 3  # number of neighbours, as in Kynkaanniemi et al.
K_DENSITY = 5  # as in Naeem et al.


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """One value per sample; their means are the metrics.

    The k-ball of a sample reaches to its k-th nearest neighbour of the same side.

    Attributes:
      precision: whether a generated sample lies in the 3-ball of any real sample.
      recall: whether a real sample lies in the 3-ball of any generated sample.
      density: number of real samples whose 5-ball contains a generated sample, divided by 5; may exceed 1.
      coverage: whether the 5-ball of a real sample contains any generated sample.
    """

    precision: Bool[np.ndarray, "N"]
    recall: Bool[np.ndarray, "M"]
    density: Float[np.ndarray, "N"]
    coverage: Bool[np.ndarray, "M"]


def neighbours(generated: Shaped[np.ndarray, "N D"], real: Shaped[np.ndarray, "M D"]) -> Neighbours:
    """Compares features (Kynkaanniemi et al. 2019, "Improved precision and recall"; Naeem et al. 2020, PRDC).

    A sample on the boundary of a ball lies in it: features of discrete maps repeat, and a ball of radius 0 would
    otherwise be empty.

    Raises:
      DataError: if a side has too few samples for 5 neighbours.
    """
    if min(len(generated), len(real)) <= K_DENSITY:
        raise DataError(
            f"{K_DENSITY} neighbours among {len(generated)} generated and {len(real)} real samples: "
            f"pass at least {K_DENSITY + 1} of each"
        )
    within, between = _distances(real, real), _distances(generated, real)
    balls = _inside(between, within, K_DENSITY)
    return Neighbours(
        precision=np.any(_inside(between, within, K_PRECISION), axis=1),
        recall=np.any(_inside(between.T, _distances(generated, generated), K_PRECISION), axis=1),
        density=balls.sum(axis=1) / K_DENSITY,
        coverage=np.any(balls, axis=0),
    )


def _distances(a: Shaped[np.ndarray, "N D"], b: Shaped[np.ndarray, "M D"]) -> Float[np.ndarray, "N M"]:
    """Euclidean distances, computed from differences, so that equal samples have a distance of exactly 0."""
    return cdist(np.asarray(a, np.float64), np.asarray(b, np.float64))


def _inside(between: Float[np.ndarray, "N M"], within: Float[np.ndarray, "M M"], k: int) -> Bool[np.ndarray, "N M"]:
    """Which of the N samples lie in the k-balls of which of the M samples."""
    return between <= np.partition(within, k, axis=1)[None, :, k]
