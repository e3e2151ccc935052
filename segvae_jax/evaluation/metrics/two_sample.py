"""Joint statistics: a classifier two-sample test (Lopez-Paz & Oquab 2017) of generated against real maps."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segvae_jax.errors import DataError

CELLS = 16
COMPONENTS = 64
FOLDS = 5


@dataclasses.dataclass(frozen=True)
class TwoSampleTest:
    """Area under the ROC curve on each held-out fold: 0.5 if the classifier cannot tell the maps apart, 1 if it can."""

    logistic_regression: Float[np.ndarray, "F"]
    boosted_trees: Float[np.ndarray, "F"]

    @property
    def auc(self) -> Float[np.ndarray, "F"]:
        """Mean of both classifiers on each fold."""
        return (self.logistic_regression + self.boosted_trees) / 2


def grid_areas(class_maps: Bool[np.ndarray, "N H W C"], cells: int = CELLS) -> Float[np.ndarray, "N D"]:
    """Number of pixels of each class, without the background, in each cell of a `cells` x `cells` grid.

    The grid is not finer than the map. If its cells do not divide the map evenly, their sides differ by a pixel.
    """
    height, width = class_maps.shape[1:3]
    rows, columns = (np.arange(min(cells, size)) * size // min(cells, size) for size in (height, width))
    counts = np.add.reduceat(class_maps[..., 1:], rows, axis=1, dtype=np.float32)
    return np.add.reduceat(counts, columns, axis=2).reshape(len(class_maps), -1)


@threadpool_limits.wrap(limits=1)  # the matrices are small, so that on busy cores threads only wait for each other
def two_sample_test(
    maps: Bool[np.ndarray, "N H W C"], real: Bool[np.ndarray, "M H W C"], *, seed: int
) -> TwoSampleTest:
    """Trains classifiers to tell `maps` from `real` by class areas on a 16 x 16 grid, in five stratified folds.

    Standardisation and 64 principal components are fitted inside each fold. Use the same number of maps on both sides,
    and compare only AUCs of the same number: where the two sides differ, the AUC grows with it.

    Raises:
      DataError: if a side has fewer maps than there are folds.
    """
    if min(len(maps), len(real)) < FOLDS:
        raise DataError(f"a two-sample test of {len(maps)} against {len(real)} maps: pass at least {FOLDS} of each")
    features = np.concatenate([grid_areas(maps), grid_areas(real)])
    target = np.repeat([1, 0], [len(maps), len(real)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, target)
    aucs = [_fold_aucs(features[fit], target[fit], features[held], target[held], seed) for fit, held in folds]
    return TwoSampleTest(*np.array(aucs).T)


def _fold_aucs(fit_x, fit_y, held_x, held_y, seed: int) -> list[float]:
    components = min(COMPONENTS, *fit_x.shape)
    reduce = make_pipeline(StandardScaler(), PCA(components, random_state=seed)).fit(fit_x)
    fit_x, held_x = reduce.transform(fit_x), reduce.transform(held_x)
    classifiers = (
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        HistGradientBoostingClassifier(random_state=seed),
    )
    return [roc_auc_score(held_y, c.fit(fit_x, fit_y).predict_proba(held_x)[:, 1]) for c in classifiers]
