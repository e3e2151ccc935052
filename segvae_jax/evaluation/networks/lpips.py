"""LPIPS (Zhang et al. 2018, "The unreasonable effectiveness of deep features"), version 0.1 on AlexNet.

The user provides the weights as two files: those of AlexNet, as torchvision publishes them, and the linear ones that
the authors fitted to people's judgements of photographs. Coloured maps are out of that domain.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.networks.torch_weights import digest_of, variables_of
from segvae_jax.interop.torch_pickle import read_state_dicts, require_finite

# The same weights, saved by two versions of PyTorch.
ALEXNET_FILES = ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth")
LINEAR_FILE = "alex.pth"
MIN_SIDE = 64  # smaller pictures are enlarged, as the last layers need at least 31 pixels

_SHIFT = np.array([[[[-0.030, -0.088, -0.188]]]], np.float32)
_SCALE = np.array([[[[0.458, 0.448, 0.450]]]], np.float32)
# name in PyTorch, channels, kernel, stride, padding, and whether 3 x 3 max pooling comes before
_LAYERS = (
    ("features_0", 64, 11, 4, 2, False),
    ("features_3", 192, 5, 1, 2, True),
    ("features_6", 384, 3, 1, 1, True),
    ("features_8", 256, 3, 1, 1, False),
    ("features_10", 256, 3, 1, 1, False),
)
_TORCH_ENTRIES = {"kernel": "weight", "bias": "bias"}
_BATCH = 32

Layers = Sequence[Float[np.ndarray, "N _ _ _"]]


class AlexNet(nn.Module):
    """The convolutions of AlexNet; inference only. Modules have the names of torchvision, with `_` for `.`."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> tuple[Float[Array, "B _ _ _"], ...]:
        """Outputs of the five layers, after their ReLU, for pictures in [-1, 1], at least 31 x 31."""
        x, found = (x - _SHIFT) / _SCALE, []
        for name, channels, kernel, stride, padding, pooled in _LAYERS:
            x = nn.max_pool(x, (3, 3), (2, 2)) if pooled else x
            conv = nn.Conv(channels, (kernel, kernel), stride, padding, precision="highest", name=name)
            x = nn.relu(conv(x))
            found.append(x)
        return tuple(found)


@dataclasses.dataclass(frozen=True, eq=False)
class Lpips:
    """Weights of the distance.

    Attributes:
      variables: variables of `AlexNet`.
      linear: for each layer, the weights of its channels.
      digests: SHA-256 of the two files.
    """

    variables: dict[str, Any]
    linear: tuple[Float[np.ndarray, "_"], ...]
    digests: tuple[str, str]

    def layers(self, rgb: UInt8[np.ndarray, "N H W 3"]) -> Layers:
        """Layers of pictures, for `perceptual_distance` with the weights `linear`; they do not depend on the batch."""
        enlarged = rgb.repeat(scale := -(-MIN_SIDE // min(rgb.shape[1:3])), axis=1).repeat(scale, axis=2)
        blank = np.zeros((-len(rgb) % _BATCH, *enlarged.shape[1:]), np.uint8)
        batches = np.concatenate([enlarged, blank]).reshape(-1, _BATCH, *enlarged.shape[1:])
        found = [[np.asarray(layer) for layer in _layers(self.variables, batch)] for batch in batches]
        return [np.concatenate(layer)[: len(rgb)] for layer in zip(*found, strict=True)]


def load_lpips(alexnet: str | Path, linear: str | Path, check: bool = True) -> Lpips:
    """Reads the weights from their two PyTorch files.

    Args:
      alexnet: file of torchvision's AlexNet; the classifier is ignored.
      linear: file of the linear weights, `weights/v0.1/alex.pth` in the authors' repository.
      check: whether the digest of `alexnet` must begin with the one in the name of one of `ALEXNET_FILES`.

    Raises:
      CheckpointError: if a file is missing, has a different digest, cannot be read, or does not contain exactly the
        entries of its network with their shapes.
    """
    digests = digest_of(alexnet, ALEXNET_FILES[0]), digest_of(linear, LINEAR_FILE)
    if check and not any(f"-{digests[0][:8]}." in name for name in ALEXNET_FILES):
        raise CheckpointError(f"{alexnet}: its SHA-256 is {digests[0]}: expected {' or '.join(ALEXNET_FILES)}")
    state = {str(name): value for name, value in read_state_dicts(alexnet).items()}
    features = {name: value for name, value in state.items() if not name.startswith("classifier.")}
    sample = jax.ShapeDtypeStruct((1, MIN_SIDE, MIN_SIDE, 3), jnp.float32)
    try:
        variables = variables_of(AlexNet(), sample, features, _torch_name)
    except CheckpointError as error:
        raise CheckpointError(f"{alexnet}: {error}: expected {ALEXNET_FILES[0]}") from None
    return Lpips(variables, _linear(linear), digests)


def _linear(path: str | Path) -> tuple[Float[np.ndarray, "_"], ...]:
    state = {str(name): value for name, value in read_state_dicts(path).items()}
    shapes = {f"lin{i}.model.1.weight": (1, channels, 1, 1) for i, (_, channels, *_) in enumerate(_LAYERS)}
    if {name: np.shape(value) for name, value in state.items()} != shapes:
        raise CheckpointError(f"{path}: expected {LINEAR_FILE}, with the entries {', '.join(shapes)}")
    require_finite(path, state)
    return tuple(np.asarray(state[name], np.float64).reshape(-1) for name in shapes)


def _torch_name(entry: tuple[str, ...]) -> str:
    """`("params", "features_0", "kernel")` -> `"features.0.weight"`."""
    return f"{entry[1].replace('_', '.')}.{_TORCH_ENTRIES[entry[2]]}"


@jax.jit
def _layers(variables: dict[str, Any], pictures: UInt8[Array, "B H W 3"]) -> tuple[Float[Array, "B _ _ _"], ...]:
    layers = AlexNet().apply(variables, pictures.astype(jnp.float32) * (2 / 255) - 1)
    assert isinstance(layers, tuple)  # as no collection is mutable
    return layers
