"""LPIPS against values computed in PyTorch by tests/golden/lpips.py, and its weights' checks."""

import json
import pathlib

import numpy as np
import pytest
from inception_recipe import digest
from lpips_recipe import alexnet, linear, pictures

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.metrics.perceptual import perceptual_distance
from segvae_jax.evaluation.networks import lpips

GOLDEN = json.loads((pathlib.Path(__file__).parents[2] / "golden/lpips.json").read_text())
CLASSIFIER = {"classifier.1.weight": np.zeros((4096, 9216), np.float16)}


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads two state dicts as though they stood in files."""

    def loader(features, weights):
        files = {tmp_path / "alexnet.pth": features, tmp_path / "alex.pth": weights}
        for path in files:
            path.touch()
        monkeypatch.setattr(lpips, "read_state_dicts", files.__getitem__)
        return lpips.load_lpips(*files, check=False)

    return loader


def test_layers_and_distances_are_those_of_pytorch(load):
    network = load(alexnet() | CLASSIFIER, linear())
    layers = network.layers(pictures())
    for i, layer in enumerate(layers):
        golden = GOLDEN[f"layer {i}"]
        np.testing.assert_allclose(digest(layer[0]), golden, rtol=2e-4, atol=1e-4 * golden[1])
    first = [layer[[0, 0, 0]] for layer in layers]
    np.testing.assert_allclose(perceptual_distance(first, layers, network.linear), GOLDEN["distances"], rtol=1e-5)
    alone = network.layers(pictures()[1:2])
    for layer, single in zip(layers, alone, strict=True):
        np.testing.assert_allclose(layer[1:2], single, atol=1e-4)


def test_small_pictures_are_enlarged(load):
    network = load(alexnet(), linear())
    small = pictures()[:1, :9, :13]
    large = network.layers(small.repeat(8, axis=1).repeat(8, axis=2))
    assert [layer.shape[:3] for layer in network.layers(small)] == [layer.shape[:3] for layer in large]
    np.testing.assert_allclose(network.layers(small)[-1], large[-1], atol=1e-5)


@pytest.mark.parametrize(
    ("features", "weights", "expected"),
    [
        ({"features.3.bias": None}, {}, "alexnet.pth: entry 'features.3.bias' is missing"),
        ({"features.8.weight": np.zeros((256, 384, 3, 2), np.float32)}, {}, r"\(256, 384, 3, 2\)"),
        ({"features.12.bias": np.zeros(3)}, {}, "'features.12.bias' is extra"),
        ({}, {"lin2.model.1.weight": None}, "alex.pth: expected alex.pth, with the entries lin0.model.1.weight"),
        ({}, {"lin0.model.1.weight": np.zeros((1, 63, 1, 1))}, "expected alex.pth"),
    ],
)
def test_other_weights_are_refused(features, weights, expected, load):
    changed = [
        {name: value for name, value in (whole | change).items() if value is not None}
        for whole, change in ((alexnet(), features), (linear(), weights))
    ]
    with pytest.raises(CheckpointError, match=expected):
        load(*changed)


def test_a_file_with_another_digest_is_refused(tmp_path):
    for name in ("alexnet.pth", "alex.pth"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"SHA-256.*expected alexnet-owt-7be5be79.pth or alexnet-owt"):
        lpips.load_lpips(tmp_path / "alexnet.pth", tmp_path / "alex.pth")
    with pytest.raises(CheckpointError, match=r"absent.pth: cannot be read .*: give the path of alex.pth"):
        lpips.load_lpips(tmp_path / "alexnet.pth", tmp_path / "absent.pth")
