"""Inception-v3 features of coloured maps, for the FID; the user provides the weights.

The network is the variant of Heusel et al. 2017 ("pt_inception-2015-12-05"), not that of torchvision: average pooling
does not count the padding, and the last block uses max pooling. Its 2048 pool features were learnt on photographs, so
coloured maps are out of its domain.
"""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from segvae_jax.errors import CheckpointError
from segvae_jax.evaluation.networks.resized import BATCH_SIZE, features_of_resized
from segvae_jax.evaluation.networks.torch_weights import digest_of, variables_of
from segvae_jax.interop.torch_pickle import read_state_dicts

WEIGHTS_FILE = "pt_inception-2015-12-05-6726825d.pth"
WEIGHTS_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
INPUT_SIZE = 299
NUM_FEATURES = 2048

# Entries of a Flax module's variables and their names in a PyTorch state dict.
_TORCH_ENTRIES = {
    ("conv", "kernel"): "conv.weight",
    ("bn", "scale"): "bn.weight",
    ("bn", "bias"): "bn.bias",
    ("bn", "mean"): "bn.running_mean",
    ("bn", "var"): "bn.running_var",
}

_Size = int | tuple[int, int]


class ConvUnit(nn.Module):
    """Convolution without bias, batch normalisation with stored moments, and ReLU."""

    features: int
    kernel: _Size = 1
    stride: int = 1
    padding: str = "SAME"

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """Output of the unit; stride and padding decide height and width."""
        kernel = (self.kernel,) * 2 if isinstance(self.kernel, int) else self.kernel
        x = nn.Conv(self.features, kernel, self.stride, self.padding, use_bias=False, precision="highest", name="conv")(
            x
        )
        return nn.relu(nn.BatchNorm(use_running_average=True, epsilon=1e-3, name="bn")(x))


_Reduction = partial(ConvUnit, kernel=3, stride=2, padding="VALID")


def _average_pool(x: Float[Array, "B H W I"]) -> Float[Array, "B H W I"]:
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _max_pool(x: Float[Array, "B H W I"], stride: int, padding: str) -> Float[Array, "B h w I"]:
    return nn.max_pool(x, (3, 3), (stride, stride), padding)


def _join(*branches: Float[Array, "B H W _"]) -> Float[Array, "B H W O"]:
    return jnp.concatenate(branches, axis=-1)


class BlockA(nn.Module):
    """1x1, 5x5, double 3x3 and pooled branches at 35 x 35."""

    pool_features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B H W O"]:
        """`O = 224 + pool_features` channels."""
        five = ConvUnit(48, name="branch5x5_1")(x)
        double = ConvUnit(64, name="branch3x3dbl_1")(x)
        double = ConvUnit(96, 3, name="branch3x3dbl_2")(double)
        return _join(
            ConvUnit(64, name="branch1x1")(x),
            ConvUnit(64, 5, name="branch5x5_2")(five),
            ConvUnit(96, 3, name="branch3x3dbl_3")(double),
            ConvUnit(self.pool_features, name="branch_pool")(_average_pool(x)),
        )


class BlockB(nn.Module):
    """Reduction from 35 x 35 to 17 x 17."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """`O = I + 480` channels."""
        double = ConvUnit(64, name="branch3x3dbl_1")(x)
        double = ConvUnit(96, 3, name="branch3x3dbl_2")(double)
        return _join(
            _Reduction(384, name="branch3x3")(x),
            _Reduction(96, name="branch3x3dbl_3")(double),
            _max_pool(x, 2, "VALID"),
        )


class BlockC(nn.Module):
    """1x1, factored 7x7, double factored 7x7 and pooled branches at 17 x 17."""

    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B H W 768"]:
        """768 channels."""
        seven = ConvUnit(self.width, name="branch7x7_1")(x)
        seven = ConvUnit(self.width, (1, 7), name="branch7x7_2")(seven)
        double = ConvUnit(self.width, name="branch7x7dbl_1")(x)
        double = ConvUnit(self.width, (7, 1), name="branch7x7dbl_2")(double)
        double = ConvUnit(self.width, (1, 7), name="branch7x7dbl_3")(double)
        double = ConvUnit(self.width, (7, 1), name="branch7x7dbl_4")(double)
        return _join(
            ConvUnit(192, name="branch1x1")(x),
            ConvUnit(192, (7, 1), name="branch7x7_3")(seven),
            ConvUnit(192, (1, 7), name="branch7x7dbl_5")(double),
            ConvUnit(192, name="branch_pool")(_average_pool(x)),
        )


class BlockD(nn.Module):
    """Reduction from 17 x 17 to 8 x 8."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """`O = I + 512` channels."""
        three = ConvUnit(192, name="branch3x3_1")(x)
        seven = ConvUnit(192, name="branch7x7x3_1")(x)
        seven = ConvUnit(192, (1, 7), name="branch7x7x3_2")(seven)
        seven = ConvUnit(192, (7, 1), name="branch7x7x3_3")(seven)
        return _join(
            _Reduction(320, name="branch3x3_2")(three),
            _Reduction(192, name="branch7x7x3_4")(seven),
            _max_pool(x, 2, "VALID"),
        )


class BlockE(nn.Module):
    """1x1, split 3x3, double split 3x3 and pooled branches at 8 x 8."""

    pool: Literal["average", "max"]

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B H W 2048"]:
        """2048 channels."""
        three = ConvUnit(384, name="branch3x3_1")(x)
        double = ConvUnit(448, name="branch3x3dbl_1")(x)
        double = ConvUnit(384, 3, name="branch3x3dbl_2")(double)
        pooled = _average_pool(x) if self.pool == "average" else _max_pool(x, 1, "SAME")
        return _join(
            ConvUnit(320, name="branch1x1")(x),
            ConvUnit(384, (1, 3), name="branch3x3_2a")(three),
            ConvUnit(384, (3, 1), name="branch3x3_2b")(three),
            ConvUnit(384, (1, 3), name="branch3x3dbl_3a")(double),
            ConvUnit(384, (3, 1), name="branch3x3dbl_3b")(double),
            ConvUnit(192, name="branch_pool")(pooled),
        )


class InceptionV3(nn.Module):
    """Inception-v3 (Szegedy et al. 2016) up to its pool features, in the variant for FID; inference only.

    Modules have the names of the PyTorch state dict.
    """

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> Float[Array, "B 2048"]:
        """Pool features of pictures in [-1, 1]; 299 x 299 for FID, at least 75 x 75."""
        x = _Reduction(32, name="Conv2d_1a_3x3")(x)
        x = ConvUnit(32, 3, padding="VALID", name="Conv2d_2a_3x3")(x)
        x = _max_pool(ConvUnit(64, 3, name="Conv2d_2b_3x3")(x), 2, "VALID")
        x = ConvUnit(80, name="Conv2d_3b_1x1")(x)
        x = _max_pool(ConvUnit(192, 3, padding="VALID", name="Conv2d_4a_3x3")(x), 2, "VALID")
        for name, pool_features in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = BlockA(pool_features, name=name)(x)
        x = BlockB(name="Mixed_6a")(x)
        for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            x = BlockC(width, name=name)(x)
        x = BlockD(name="Mixed_7a")(x)
        x = BlockE("average", name="Mixed_7b")(x)
        x = BlockE("max", name="Mixed_7c")(x)
        return x.mean((1, 2))


def load_inception(path: str | Path, sha256: str | None = WEIGHTS_SHA256) -> dict[str, Any]:
    """Reads the variables of `InceptionV3` from a PyTorch state dict on disk, without the classifier `fc`.

    Args:
      path: the weights file, e.g. `pt_inception-2015-12-05-6726825d.pth`.
      sha256: the hexadecimal digest that the file must have; that of the published weights by default; None accepts
        any file.

    Raises:
      CheckpointError: if the file is missing, has a different digest, cannot be read, or does not contain exactly
        the entries of the network with their shapes.
    """
    if sha256 is not None and (digest := digest_of(path, WEIGHTS_FILE)) != sha256:
        raise CheckpointError(f"{path}: its SHA-256 is {digest}, expected {sha256}: download {WEIGHTS_FILE} again")
    entries = {str(name): value for name, value in read_state_dicts(path).items()}
    state = {name: value for name, value in entries.items() if not _is_ignored(name)}
    sample = jax.ShapeDtypeStruct((1, INPUT_SIZE, INPUT_SIZE, 3), jnp.float32)
    try:
        return variables_of(InceptionV3(), sample, state, _torch_name)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}: expected {WEIGHTS_FILE}") from None


def _is_ignored(name: str) -> bool:
    return name.startswith("fc.") or name.endswith(".num_batches_tracked")


def _torch_name(entry: tuple[str, ...]) -> str:
    """`("params", "Mixed_5b", "branch1x1", "conv", "kernel")` -> `"Mixed_5b.branch1x1.conv.weight"`."""
    return ".".join((*entry[1:-2], _TORCH_ENTRIES[entry[-2], entry[-1]]))


@jax.jit
def _features(variables: dict[str, Any], pictures: Float[Array, "B H W 3"]) -> Float[Array, "B 2048"]:
    features = InceptionV3().apply(variables, pictures * (2 / 255) - 1)
    assert isinstance(features, jax.Array)  # as no collection is mutable
    return features


def inception_features(
    variables: dict[str, Any], rgb_uint8: UInt8[np.ndarray, "N H W 3"], batch_size: int = BATCH_SIZE
) -> Float[np.ndarray, "N 2048"]:
    """Pool features of pictures, resized by `clean_resize` and scaled to [-1, 1].

    The features of a picture do not depend on its batch.

    Args:
      variables: what `load_inception` returns.
      rgb_uint8: pictures of any size.
      batch_size: number of pictures per batch; limits the memory.
    """
    features = partial(_features, variables)
    return features_of_resized(features, rgb_uint8, side=INPUT_SIZE, num_features=NUM_FEATURES, batch_size=batch_size)
