import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.networks import map_encoder
from segvae_jax.evaluation.networks.map_encoder import (
    WIDTHS,
    describe,
    fit_map_encoder,
    held_out_iou,
    map_features,
    map_layers,
)


def _draw(seed, count, shift=0):
    """Maps of 16 x 14: a square somewhere, a second class that always lies in its lower right quarter."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((count, 16, 14, 3), bool)
    for class_map in maps:
        top, left = rng.integers(0, 8), rng.integers(0, 6)
        class_map[top : top + 8, left : left + 8, 1] = True
        class_map[top + 4 - shift : top + 8 - shift, left + 4 - shift : left + 8 - shift, 2] = True
    return maps


@pytest.fixture(scope="module")
def params():
    return fit_map_encoder(_draw(0, 40), steps=150)


def test_a_class_is_predicted_from_the_others_and_not_from_itself(params):
    iou = held_out_iou(params, _draw(1, 20))
    assert np.isnan(iou[:, 0]).all() and iou[:, 2].mean() > 0.7
    # in the upper left quarter the same pixels are right that were right before: those of neither
    assert held_out_iou(params, _draw(1, 20, shift=4))[:, 2].mean() < 0.1


def test_only_present_classes_are_scored_whatever_the_chunks(params, monkeypatch):
    maps = _draw(2, 5)
    maps[1, ..., 2] = maps[3] = False
    iou = held_out_iou(params, maps)
    np.testing.assert_array_equal(np.isfinite(iou), maps.any(axis=(1, 2)))
    monkeypatch.setattr(map_encoder, "PAIRS", 3)
    np.testing.assert_allclose(held_out_iou(params, maps), iou, atol=1e-6)


def test_seed_and_maps_decide_the_weights():
    first, again, other = (fit_map_encoder(_draw(0, 5), seed=seed, steps=3) for seed in (0, 0, 1))
    assert describe(first) == describe(again) != describe(other)
    assert len(describe(first)["sha256"]) == 64


def test_features_are_the_means_of_the_layers_whatever_the_batch(params):
    maps = _draw(3, 70)
    layers = map_layers(params, maps)
    assert [layer.shape for layer in layers] == [(70, 8, 7, WIDTHS[0]), (70, 4, 4, WIDTHS[1]), (70, 2, 2, WIDTHS[2])]
    features = map_features(params, maps)
    np.testing.assert_allclose(features, np.concatenate([x.mean((1, 2)) for x in layers], axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(map_features(params, maps[65:67]), features[65:67], rtol=1e-5, atol=1e-6)


def test_large_maps_are_read_at_64(params, monkeypatch):
    maps = _draw(4, 3)
    monkeypatch.setattr(map_encoder, "SHORT_SIDE", 14)
    large = maps.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(map_features(params, large), map_features(params, maps))


def test_blank_maps_teach_nothing():
    with pytest.raises(DataError, match="blank"):
        fit_map_encoder(np.zeros((3, 8, 8, 3), bool))
