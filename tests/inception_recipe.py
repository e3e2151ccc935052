"""The weights and pictures that the tests of the FID network share with the script of their golden values."""

import zlib

import numpy as np

BLOCKS = (
    "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "Mixed_5b", "Mixed_5c",
    "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c",
)  # fmt: skip
SIZE = 107  # side of the inputs of single blocks: their outputs end at 2 x 2, and padding matters


def recipe(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random weights for a PyTorch entry, seeded with the CRC-32 of its name. Convolutions are `[out, in, h, w]`."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("conv.weight"):
        return rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
    if name.endswith(("bn.weight", "running_var")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return (0.2 * rng.standard_normal(shape)).astype(np.float32)


def pictures() -> np.ndarray:
    """Pictures for the whole network, `[3, 9, 7, 3]`."""
    return np.random.default_rng(0).integers(0, 256, (3, 9, 7, 3)).astype(np.uint8)


def normalised() -> np.ndarray:
    """An input for single blocks, `[1, SIZE, SIZE, 3]` in [-1, 1]."""
    return np.random.default_rng(1).uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)


def digest(activations: np.ndarray) -> list[float]:
    """Mean, standard deviation and eight evenly spaced entries of activations `[H, W, C]`."""
    flat = activations.astype(np.float64).reshape(-1)
    entries = flat[np.linspace(0, flat.size - 1, 8).astype(int)]
    return [float(f"{value:.7g}") for value in (flat.mean(), flat.std(), *entries)]
