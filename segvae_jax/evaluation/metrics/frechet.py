"""Frechet distance between Gaussians, in float64."""

import numpy as np
from jaxtyping import Float, Shaped

from segvae_jax.errors import DataError

Moments = tuple[Float[np.ndarray, "D"], Float[np.ndarray, "D D"]]


def moments(features: Shaped[np.ndarray, "N D"]) -> Moments:
    """Mean and unbiased covariance of features, in float64.

    Raises:
      DataError: if there are fewer than two samples or a value is not finite.
    """
    mean, rows = _centred(features)
    return mean, rows.T @ rows


def _centred(features: Shaped[np.ndarray, "N D"]) -> tuple[Float[np.ndarray, "D"], Float[np.ndarray, "N D"]]:
    """The mean, and the differences from it, scaled so that `X^T X` is the unbiased covariance."""
    features = np.asarray(features, np.float64)
    if len(features) < 2:
        raise DataError(f"{len(features)} samples have no covariance: a Frechet distance needs at least 2")
    if not np.isfinite(features).all():
        raise DataError("a feature is not finite: check the maps and the network that computed it")
    mean = features.mean(axis=0)
    return mean, (features - mean) / np.sqrt(len(features) - 1)


def frechet_from_moments(a: Moments, b: Moments) -> float:
    """Squared Frechet (2-Wasserstein) distance between two Gaussians: at least 0, in squared units of the features.

    `|mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr (S_a^1/2 S_b S_a^1/2)^1/2` (Dowson & Landau 1982). The last trace is
    computed from eigenvalues of symmetric matrices, so singular covariances need no offset.
    """
    (mean_a, covariance_a), (mean_b, covariance_b) = a, b
    values, vectors = np.linalg.eigh(covariance_a)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ covariance_b @ root)
    traces = np.trace(covariance_a) + np.trace(covariance_b) - 2 * np.sqrt(np.clip(inner, 0, None)).sum()
    return float(max(0.0, np.square(mean_a - mean_b).sum() + traces))


def frechet_distance(features_a: Shaped[np.ndarray, "N D"], features_b: Shaped[np.ndarray, "M D"]) -> float:
    """Squared Frechet distance between the Gaussians fitted to two sets of features.

    Finite samples bias it upwards: compare only distances with the same N and M.

    Raises:
      DataError: if a set has fewer than two samples or a value that is not finite.
    """
    if max(len(features_a), len(features_b)) < features_a.shape[1]:
        return _frechet_of_few(_centred(features_a), _centred(features_b))
    return frechet_from_moments(moments(features_a), moments(features_b))


def _frechet_of_few(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """The same from means and scaled rows `X`, with `S = X^T X`, where there are fewer of these than features.

    The eigenvalues of `S_a^1/2 S_b S_a^1/2` that are not 0 are the squared singular values of `X_a X_b^T`.
    """
    (mean_a, rows_a), (mean_b, rows_b) = a, b
    inner = np.linalg.svd(rows_a @ rows_b.T, compute_uv=False).sum()
    traces = np.square(rows_a).sum() + np.square(rows_b).sum() - 2 * inner
    return float(max(0.0, np.square(mean_a - mean_b).sum() + traces))


def fid(features_a: Shaped[np.ndarray, "N D"], features_b: Shaped[np.ndarray, "M D"]) -> float:
    """Frechet distance between equally large sets of Inception features (Heusel et al. 2017).

    Raises:
      DataError: if the sets differ in size, as the difference in bias would look like a difference between the sets; or
        as `frechet_distance` does.
    """
    if len(features_a) != len(features_b):
        raise DataError(f"FID of {len(features_a)} against {len(features_b)} pictures: expected as many on both sides")
    return frechet_distance(features_a, features_b)
