"""The FID network against values computed in PyTorch, and its weights' checks.

The golden features are those of the same architecture in PyTorch, in float64 on a CPU, with the weights
of `recipe` and the pictures of `pictures` resized by Pillow; those of single blocks are made by
tests/golden/inception.py.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from inception_recipe import BLOCKS, SIZE, digest, normalised, pictures, recipe

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.networks import inception

GOLDEN_FIRST, GOLDEN_STEP = 7, 128
GOLDEN = np.array([
    [4.641693, 0.383222, 17.543522, 1.343438, 0.023647, 0.485799, 0.069055, 3.949765,
     4.198606, 3.693444, 10.410694, 3.33469, 3.150589, 2.141681, 0.419867, 1.972319],
    [4.621035, 0.33425, 18.182944, 1.394415, 0.033332, 0.480831, 0.039722, 4.142561,
     4.300387, 3.927319, 11.064887, 3.603541, 3.324628, 2.436392, 0.356233, 1.89722],
    [5.149855, 0.592691, 18.291091, 1.436244, 0.042009, 0.53884, 0.077887, 4.06792,
     4.351948, 3.95575, 11.138819, 3.29983, 3.253509, 2.415359, 0.33763, 2.111627],
])  # fmt: skip
GOLDEN_MEAN = np.array([2.343048, 2.471853, 2.456456])
GOLDEN_BLOCKS = json.loads((pathlib.Path(__file__).parents[2] / "golden/inception.json").read_text())

SUFFIXES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}


def state_dict() -> dict[str, np.ndarray]:
    """What the published file holds: the network's entries, batch counts and the classifier."""
    sample = jax.ShapeDtypeStruct((1, 299, 299, 3), jnp.float32)
    shapes = jax.eval_shape(inception.InceptionV3().init, jax.random.key(0), sample)
    state = {}
    for path, leaf in traverse_util.flatten_dict(shapes).items():
        name = ".".join((*path[1:-1], SUFFIXES[path[-1]]))
        shape = tuple(leaf.shape[i] for i in (3, 2, 0, 1)) if leaf.ndim == 4 else leaf.shape
        state[name] = recipe(name, shape)
        if name.endswith("bn.bias"):
            state[name.replace("bias", "num_batches_tracked")] = np.int64(0)
    return state | {"fc.weight": np.zeros((1008, 2048), np.float32), "fc.bias": np.zeros(1008, np.float32)}


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return state_dict()


@pytest.fixture(scope="module")
def variables(weights):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "read_state_dicts", lambda path: weights)
        return inception.load_inception("weights.pth", sha256=None)


@pytest.fixture
def load(monkeypatch):
    """Loads a state dict as though it stood in a file."""

    def loader(state):
        monkeypatch.setattr(inception, "read_state_dicts", lambda path: state)
        return inception.load_inception("weights.pth", sha256=None)

    return loader


def test_the_published_file_has_as_many_entries(weights):
    assert len(weights) == 566
    assert sum(name.endswith("conv.weight") for name in weights) == 94


@pytest.fixture(scope="module")
def features(variables) -> np.ndarray:
    """Features of three pictures in batches of two, so that the last is partial."""
    return inception.inception_features(variables, pictures(), batch_size=2)


def test_features_are_those_of_pytorch_to_the_last_partial_batch(features):
    assert features.shape == (3, 2048) and features.dtype == np.float32
    np.testing.assert_allclose(features[:, GOLDEN_FIRST::GOLDEN_STEP], GOLDEN, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(features.mean(axis=1), GOLDEN_MEAN, rtol=1e-5)


@pytest.fixture(scope="module")
def activations(variables) -> dict[str, np.ndarray]:
    """Outputs of the blocks for one small picture."""
    is_block = lambda module, method: method == "__call__" and module.name in BLOCKS
    apply = jax.jit(lambda x: inception.InceptionV3().apply(variables, x, capture_intermediates=is_block))
    _, state = apply(normalised())
    return {name: np.asarray(state["intermediates"][name]["__call__"][0][0]) for name in BLOCKS}


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_gives_what_pytorch_gives(name, activations):
    found = digest(activations[name])
    scale = GOLDEN_BLOCKS[name][1]
    np.testing.assert_allclose(found, GOLDEN_BLOCKS[name], rtol=2e-4, atol=1e-4 * scale)


def test_the_picture_of_the_blocks_meets_odd_and_even_sizes(activations):
    sizes = [activations[name].shape[0] for name in BLOCKS]
    assert SIZE == 107 and sizes == [53, 51, 51, 25, 23, 11, 11, 11, 5, 5, 5, 5, 5, 2, 2, 2]


def test_features_do_not_depend_on_the_batch(variables, features):
    alone = inception.inception_features(variables, pictures()[1:2], batch_size=1)
    np.testing.assert_allclose(alone, features[1:2], atol=1e-4)


def test_no_picture_has_no_features():
    assert inception.inception_features({}, np.zeros((0, 8, 6, 3), np.uint8)).shape == (0, 2048)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Mixed_6b.branch7x7_2.conv.weight", None, "missing"),
        ("AuxLogits.conv0.conv.weight", np.zeros((128, 768, 1, 1), np.float32), "extra"),
        ("Mixed_7c.branch_pool.bn.bias", np.zeros(192), "float64"),
        ("Mixed_7c.branch_pool.bn.bias", [[1], [2, 3]], "not a tensor"),
        ("Mixed_6b.branch7x7_2.conv.weight", np.zeros((128, 128, 7, 1), np.float32), r"\(128, 128, 7, 1\)"),
    ],
)
def test_another_network_is_refused(name, value, expected, weights, load):
    changed = {key: array for key, array in weights.items() if key != name or value is not None}
    with pytest.raises(CheckpointError, match=expected) as caught:
        load(changed if value is None else changed | {name: value})
    assert repr(name) in str(caught.value) and "weights.pth" in str(caught.value)


def test_a_file_with_another_digest_is_refused(tmp_path):
    path = tmp_path / inception.WEIGHTS_FILE
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=f"SHA-256.*expected {inception.WEIGHTS_SHA256}"):
        inception.load_inception(path)
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        inception.load_inception(path, sha256=None)
    with pytest.raises(CheckpointError, match="cannot be read"):
        inception.load_inception(tmp_path / "absent.pth")


def test_the_published_digest_begins_as_the_file_name_says():
    assert len(inception.WEIGHTS_SHA256) == 64
    assert inception.WEIGHTS_FILE.removesuffix(".pth").endswith(f"-{inception.WEIGHTS_SHA256[:8]}")
