"""Joint statistics: classifier two-sample tests (Lopez-Paz & Oquab 2017) of generated against real maps.

`layout_test` sees where the classes are, `outline_test` how they are shaped. Each is blind to what the other sees, so
that neither counts without the other: `JUDGES` has both.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.outline import outline_features

LEAST = 10  # maps a side
CELLS = 16
COMPONENTS = 64
FOLDS = 5
STEADY = 30  # maps a side below which the folds are split several times, as one split decides too much

ClassMaps = Bool[np.ndarray, "N H W C"]
Classify = Callable[[np.ndarray, Int[np.ndarray, "N"], np.ndarray], Float[np.ndarray, "M"]]

_NEGLIGIBLE = 1e-8  # variance of a principal component, as a share of the largest: below it there is rounding noise
_LEAF = 20  # rows in a leaf of a tree: the default of scikit-learn, at which trees of fewer than 40 rows never split


@dataclasses.dataclass(frozen=True)
class TwoSampleTest:
    """Area under the ROC curve on held-out folds: 0.5 if classifiers cannot tell the maps apart, 1 if they can.

    Attributes:
      by_classifier: the AUC on each fold, by name of the classifier.
    """

    by_classifier: Mapping[str, Float[np.ndarray, "F"]]

    @property
    def auc(self) -> Float[np.ndarray, "F"]:
        """Mean of all classifiers on each fold."""
        return np.mean(list(self.by_classifier.values()), axis=0)

    @classmethod
    def pooled(cls, tests: Sequence["TwoSampleTest"]) -> "TwoSampleTest":
        """The folds of several tests by the same classifiers, one after another."""
        names = tests[0].by_classifier
        return cls({name: np.concatenate([test.by_classifier[name] for test in tests]) for name in names})


def held_out_auc(
    classify: Classify,
    maps: Shaped[np.ndarray, "N ..."],
    real: Shaped[np.ndarray, "M ..."],
    *,
    seed: int,
    repeats: int = 1,
) -> Float[np.ndarray, "F"]:
    """AUC of a classifier that is trained to tell `maps` from `real`, on each of five stratified folds.

    Use the same number of maps on both sides, and compare only AUCs of the same number: the AUC grows with it.

    Args:
      classify: trains on maps and on their sides, 1 or 0, and scores other maps: higher where they look like side 1.
      maps: maps of one side, or their features.
      real: those of the other side.
      seed: the seed of the folds.
      repeats: how often the maps are split into folds anew.

    Raises:
      DataError: if a side has fewer than 10 maps.
    """
    if min(len(maps), len(real)) < LEAST:
        raise DataError(f"a two-sample test of {len(maps)} against {len(real)} maps: pass at least {LEAST} of each")
    both, side = np.concatenate([maps, real]), np.repeat([1, 0], [len(maps), len(real)])
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=repeats, random_state=seed).split(side, side)
    return np.array([roc_auc_score(side[held], classify(both[fit], side[fit], both[held])) for fit, held in folds])


def grid_areas(class_maps: ClassMaps, cells: int = CELLS) -> Float[np.ndarray, "N D"]:
    """Number of pixels of each class, without the background, in each cell of a `cells` x `cells` grid.

    The grid is not finer than the map. If its cells do not divide the map evenly, their sides differ by a pixel.
    """
    height, width = class_maps.shape[1:3]
    rows, columns = (np.arange(min(cells, size)) * size // min(cells, size) for size in (height, width))
    counts = np.add.reduceat(class_maps[..., 1:], rows, axis=1, dtype=np.float32)
    return np.add.reduceat(counts, columns, axis=2).reshape(len(class_maps), -1)


@threadpool_limits.wrap(limits=1)  # the matrices are small, so that on busy cores threads only wait for each other
def layout_test(maps: ClassMaps, real: Bool[np.ndarray, "M H W C"], *, seed: int) -> TwoSampleTest:
    """Tells `maps` from `real` by class areas on a 16 x 16 grid: logistic regression and boosted trees.

    Both read up to 64 principal components of the standardised areas, fitted inside each fold. Directions in which the
    maps do not vary are left out: where maps repeat, there are fewer distinct ones than components.

    Raises:
      DataError: if a side has fewer than 10 maps.
    """
    linear = lambda count: LogisticRegression(max_iter=1000)
    classifiers = {"logistic_regression": linear, "boosted_trees": lambda count: _boosted_trees(count, seed)}
    features = grid_areas(maps), grid_areas(real)

    def auc(make: Callable[[int], object]) -> Float[np.ndarray, "F"]:
        def classify(fit, side, held):
            fit, held = _principal_components(fit, held, seed)
            return _probability(make(len(fit)), fit, side, held)

        return held_out_auc(classify, *features, seed=seed, repeats=_repeats(*features))

    return TwoSampleTest({name: auc(make) for name, make in classifiers.items()})


@threadpool_limits.wrap(limits=1)
def outline_test(maps: ClassMaps, real: Bool[np.ndarray, "M H W C"], *, seed: int) -> TwoSampleTest:
    """Tells `maps` from `real` by the `outline_features` of their classes: boosted trees.

    Raises:
      DataError: if a side has fewer than 10 maps.
    """
    features = outline_features(maps), outline_features(real)
    classify = lambda fit, side, held: _probability(_boosted_trees(len(fit), seed), fit, side, held)
    return TwoSampleTest({"boosted_trees": held_out_auc(classify, *features, seed=seed, repeats=_repeats(*features))})


JUDGES: Mapping[str, Callable[..., TwoSampleTest]] = MappingProxyType({"layout": layout_test, "outline": outline_test})


def _repeats(maps: np.ndarray, real: np.ndarray) -> int:
    return -(-STEADY // min(STEADY, len(maps), len(real)))


def _principal_components(
    fit: Float[np.ndarray, "N D"], held: Float[np.ndarray, "M D"], seed: int
) -> tuple[Float[np.ndarray, "N K"], Float[np.ndarray, "M K"]]:
    """Both in the principal components of the first, each of them scaled to a variance of 1 there.

    If the first are all alike, there are no components, and the first feature stands for them.
    """
    if not np.ptp(fit, axis=0).any():
        return fit[:, :1], held[:, :1]
    components = PCA(min(COMPONENTS, *fit.shape), random_state=seed)
    reduce = make_pipeline(StandardScaler(), components).fit(fit.astype(np.float64))
    variance = components.explained_variance_
    kept = variance > _NEGLIGIBLE * variance.max()
    scaled = lambda rows: reduce.transform(rows.astype(np.float64))[:, kept] / np.sqrt(variance[kept])
    return scaled(fit), scaled(held)


def _boosted_trees(count: int, seed: int) -> HistGradientBoostingClassifier:
    """For `count` rows: leaves hold a twentieth of them, or 20 where there are many.

    Each split chooses among half of the features, so that all of them are used, also where one splits the rows alone.
    """
    leaf = max(1, min(_LEAF, count // 20))
    return HistGradientBoostingClassifier(
        min_samples_leaf=leaf, max_features=0.5, early_stopping=False, random_state=seed
    )


def _probability(classifier, fit, side, held) -> Float[np.ndarray, "M"]:
    return classifier.fit(fit, side).predict_proba(held)[:, 1]
