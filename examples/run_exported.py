"""Generates four maps with an exported model: python examples/run_exported.py FOLDER "skin,hair,nose" maps.png

This script needs jax, flatbuffers, numpy and Pillow. It does not need segvae_jax.
"""

import json
import sys
from pathlib import Path

import jax.export
import numpy as np
from PIL import Image

folder, labels, picture = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]
space = json.loads((folder / "model.json").read_text())["label_space"]
weights = {path: array.astype(np.float32) for path, array in np.load(folder / "weights.npz").items()}
generate = jax.export.deserialize(bytearray((folder / "draw.stablehlo").read_bytes()))

label_sets = np.zeros((4, 1 + len(space["classes"])), bool)  # one row per map; column 0 is the background
label_sets[:, [1 + space["classes"].index(name) for name in labels]] = True
seed, first_map, temperature = np.int32(0), np.int32(0), np.float32(1)
index_maps = generate.call(weights, label_sets, seed, first_map, temperature)

image = Image.fromarray(np.concatenate(index_maps, axis=1))  # side by side
image.putpalette(np.uint8(space["palette"]).tobytes())
image.save(picture)
