"""Cuts golden values of the authors' release down to what the tests need.

    python tests/golden/make.py FIXTURES_DIR

Weights and inputs stay whole. Maps keep every 7th row and column (odd, so that all phases of the strided
convolutions are met), large gradients every 31st entry; `meta` tells the strides and the largest entry of
every full gradient.
"""

import json
import sys
from pathlib import Path

import numpy as np

# The fixture of the CelebAMask-HQ classes holds maps of real faces, which may not be redistributed:
# `python -m segvae_jax.interop.verify` compares the model with it if you have the file.
NAMES = ("humanparsing_small",)
MAP_STRIDE = 7
TENSOR_STRIDE = 31
TENSOR_LIMIT = 1024  # larger tensors are cut


def cut(golden: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The entries that the tests need."""
    kept = {}
    for key, value in golden.items():
        if key.endswith("_u16"):
            kept[key] = value[:, :, ::MAP_STRIDE, ::MAP_STRIDE]
        elif key.startswith(("grad/", "adam1/")) and value.size > TENSOR_LIMIT:
            kept[key] = value.reshape(-1)[::TENSOR_STRIDE]
        elif not key.endswith(".sv0"):
            kept[key] = value
    largest = {key: float(np.abs(value).max()) for key, value in golden.items() if key.startswith("grad/")}
    strides = {"map_stride": MAP_STRIDE, "tensor_stride": TENSOR_STRIDE, "tensor_limit": TENSOR_LIMIT}
    kept["meta"] = np.array(json.dumps({**json.loads(str(golden["meta"])), **strides, "largest": largest}))
    return kept


def main(argv: list[str]) -> None:
    if len(argv) != 2:
        sys.exit("usage: python tests/golden/make.py FIXTURES_DIR")
    for name in NAMES:
        with np.load(Path(argv[1]) / f"{name}.npz") as archive:
            np.savez_compressed(Path(__file__).parent / f"{name}.npz", **cut(dict(archive)))


if __name__ == "__main__":
    main(sys.argv)
