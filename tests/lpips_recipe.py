"""The weights and pictures that the tests of LPIPS share with the script of its golden values."""

import zlib

import numpy as np

CONVOLUTIONS = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}


def alexnet() -> dict[str, np.ndarray]:
    """The entries of torchvision's AlexNet without its classifier, seeded with the CRC-32 of their names."""
    state = {}
    for layer, shape in CONVOLUTIONS.items():
        name = f"features.{layer}"
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        state[f"{name}.weight"] = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        state[f"{name}.bias"] = 0.2 * rng.standard_normal(shape[:1], np.float32)
    return state


def linear() -> dict[str, np.ndarray]:
    """The entries of the linear weights."""
    rng = np.random.default_rng(0)
    shapes = [(1, channels, 1, 1) for channels, *_ in CONVOLUTIONS.values()]
    return {f"lin{i}.model.1.weight": rng.random(shape, np.float32) for i, shape in enumerate(shapes)}


def pictures() -> np.ndarray:
    """Integers, `[3, 67, 71, 3]`. The sizes are odd, so that no stride divides them."""
    return np.random.default_rng(1).integers(0, 256, (3, 67, 71, 3)).astype(np.uint8)
