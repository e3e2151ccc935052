"""The scores that the full suite adds: parts and their relations, features of the map encoder, compatibility."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import wasserstein_distance

from segvae_jax.evaluation.metrics.bootstrap import Estimate, bootstrap_distance, bootstrap_mean
from segvae_jax.evaluation.metrics.diversity import class_diversity, perceptual_diversity
from segvae_jax.evaluation.metrics.frechet import frechet_distance
from segvae_jax.evaluation.metrics.geometry import QUANTITIES, part_geometry
from segvae_jax.evaluation.metrics.kernel import kernel_distances
from segvae_jax.evaluation.metrics.latent import active_units, kl_divergence
from segvae_jax.evaluation.metrics.marginals import axis_distances, line_distances
from segvae_jax.evaluation.metrics.neighbours import Neighbours, neighbours
from segvae_jax.evaluation.metrics.relations import (
    adjacency_distance,
    common_pairs,
    offset_distances,
    symmetry,
    touching,
)
from segvae_jax.evaluation.metrics.two_sample import TwoSampleTest, held_out_auc
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.map_classifier import classify_maps
from segvae_jax.evaluation.quick_scoring import ClassMaps, cnn_features, two_sample_values
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import restore_covered
from segvae_jax.sampling import Latents


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What the full suite measures on a set of visible maps.

    Attributes:
      geometry: geometry of the parts.
      touching: which classes touch.
      symmetry: left-right symmetry of each map.
      cnn_features: features from each random CNN.
      encoder_features: features from the map encoder.
      held_out_error: 1 - IoU of each class with the prediction of the map encoder from the other classes.
    """

    geometry: Float[np.ndarray, "N C 6"]
    touching: Bool[np.ndarray, "N C C"]
    symmetry: Float[np.ndarray, "N"]
    cnn_features: Float[np.ndarray, "N S D"]
    encoder_features: Float[np.ndarray, "N E"]
    held_out_error: Float[np.ndarray, "N C"]

    @classmethod
    def of(cls, maps: ClassMaps, encoder: map_encoder.Params, space: LabelSpace) -> "Measurements":
        """Measures a set of visible maps."""
        complete = restore_covered(maps, space)
        return cls(
            part_geometry(maps),
            touching(maps),
            symmetry(maps, space),
            cnn_features(maps),
            map_encoder.map_features(encoder, complete),
            1 - map_encoder.held_out_iou(encoder, complete),
        )


def score_full(maps: Measurements, real: Measurements, *, seed: int) -> dict:
    """All scores that the full suite adds and that need one map per label-set and no model.

    Returns:
      scores as those of `score_quick`; NaN where nothing could be compared.
    """
    networks = range(real.cnn_features.shape[1])
    by_cnn = [(maps.cnn_features[:, i], real.cnn_features[:, i]) for i in networks]
    by_encoder = [(maps.encoder_features, real.encoder_features)]
    return {
        "parts": _parts(maps, real, seed),
        "offsets": _offsets(maps, real, seed),
        "adjacency": bootstrap_distance(adjacency_distance, maps.touching, real.touching, seed=seed),
        "symmetry": _symmetry(maps, real, seed),
        "frechet_map_encoder": bootstrap_distance(frechet_distance, *by_encoder[0], seed=seed),
        "kid_random_cnn": kernel_estimate(by_cnn, seed),
        "kid_map_encoder": kernel_estimate(by_encoder, seed),
        "neighbours_random_cnn": _neighbours(by_cnn, seed),
        "neighbours_map_encoder": _neighbours(by_encoder, seed),
        "compatibility": _compatibility(maps, real, seed),
    }


def score_by_cnn(maps: ClassMaps, real: ClassMaps, *, seed: int) -> dict:
    """The two-sample test by the map classifier: mean and standard deviation over the folds."""
    aucs = held_out_auc(functools.partial(classify_maps, seed=seed), maps, real, seed=seed)
    return two_sample_values(TwoSampleTest({"cnn": aucs}))


def score_full_diversity(
    class_maps: ClassMaps, sizes: Sequence[int], encoder: map_encoder.Params, space: LabelSpace, *, seed: int
) -> dict:
    """The diversity scores that the full suite adds; the maps are visible maps in groups, see `metrics.diversity`."""
    layers = map_encoder.map_layers(encoder, restore_covered(class_maps, space))
    return {
        "diversity_per_class": class_diversity(class_maps, sizes)[1:].tolist(),
        "diversity_map_encoder": bootstrap_mean(perceptual_diversity(layers, sizes), seed=seed),
    }


def score_latents(latents: Latents, space: LabelSpace, *, seed: int) -> dict:
    """KL and active units of each class, in the order of the classes; and the same for each scale of the latent."""
    scales = {name: score_latents(part, space, seed=seed) for name, part in latents.by_scale().items()}
    posterior, prior = (latents.mu_posterior, latents.logvar_posterior), (latents.mu_prior, latents.logvar_prior)
    kl = np.where(latents.present, kl_divergence(*posterior, *prior), np.nan)
    by_class = np.argsort(space.order)
    beyond_prior = latents.mu_posterior - latents.mu_prior
    per_class = {
        "kl_per_class": _means(kl, axis=0),
        "active_units": active_units(latents.mu_posterior, latents.present),
        "active_units_beyond_prior": active_units(beyond_prior, latents.present),
    }
    return {
        "kl": bootstrap_mean(np.nansum(kl, axis=1), seed=seed),
        "latent_dim": latents.mu_prior.shape[-1],
        **{name: values[by_class].tolist() for name, values in per_class.items()},
        **({"scales": scales} if scales else {}),
    }


def _parts(maps: Measurements, real: Measurements, seed: int) -> dict:
    rows = {}
    for i, name in enumerate(QUANTITIES):
        distances = axis_distances if name == "orientation" else line_distances
        sides = maps.geometry[..., i], real.geometry[..., i]
        estimate = bootstrap_distance(_mean_over_parts(distances), *sides, seed=seed)
        rows[name] = {**estimate, "per_class": distances(*sides)[1:].tolist()}
    return rows


def _offsets(maps: Measurements, real: Measurements, seed: int) -> dict:
    pairs = common_pairs(real.geometry)
    distance = lambda a, b: float(_means(offset_distances(a, b, pairs)[None], axis=1)[0])
    return {**bootstrap_distance(distance, maps.geometry, real.geometry, seed=seed), "pairs": len(pairs)}


def _symmetry(maps: Measurements, real: Measurements, seed: int) -> dict:
    distance = lambda a, b: float(wasserstein_distance(a, b))
    return {
        **bootstrap_distance(distance, maps.symmetry, real.symmetry, seed=seed),
        "mean": bootstrap_mean(maps.symmetry, seed=seed),
        "held_out": bootstrap_mean(real.symmetry, seed=seed),
    }


def kernel_estimate(sides: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> dict:
    """Mean and standard deviation of the KID over random subsets; each side has features of one or several networks."""
    subsets = np.mean([kernel_distances(*pair, seed=seed) for pair in sides], axis=0)
    return {"value": float(subsets.mean()), "sd": float(subsets.std(ddof=1))}


def _neighbours(sides: Sequence[tuple[np.ndarray, np.ndarray]], seed: int) -> dict[str, Estimate]:
    found = [neighbours(*pair) for pair in sides]
    mean = lambda name: np.mean([getattr(one, name) for one in found], axis=0)
    return {field.name: bootstrap_mean(mean(field.name), seed=seed) for field in dataclasses.fields(Neighbours)}


def _compatibility(maps: Measurements, real: Measurements, seed: int) -> dict:
    error = lambda measured: bootstrap_mean(_means(measured.held_out_error, axis=1, empty=1.0), seed=seed)
    return {
        "error": error(maps),
        "held_out": error(real),
        "per_class": _means(maps.held_out_error, axis=0)[1:].tolist(),
    }


def _mean_over_parts(distances: Callable[..., Float[np.ndarray, "C"]]) -> Callable[..., float]:
    """Mean over the classes, weighted by their parts in the second set, as rare classes give mostly noise."""

    def mean(a: Float[np.ndarray, "N C"], b: Float[np.ndarray, "M C"]) -> float:
        of_class = distances(a, b)
        weights = np.where(np.isnan(of_class), 0, (~np.isnan(b)).sum(axis=0))
        return float(np.average(np.nan_to_num(of_class), weights=weights)) if weights.any() else np.nan

    return mean


def _means(values: Float[np.ndarray, "N M"], axis: int, empty: float = np.nan) -> Float[np.ndarray, "_"]:
    """Means of the values that are not NaN; `empty` if all are NaN."""
    count = (~np.isnan(values)).sum(axis=axis)
    return np.divide(np.nansum(values, axis=axis), count, out=np.full(len(count), empty), where=count > 0)
