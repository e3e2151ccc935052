"""Generates four maps with an exported model: python examples/run_exported.py FOLDER "skin,hair,nose" maps.png

This script needs jax, flatbuffers, numpy and Pillow. It does not need segvae_jax.
"""

import hashlib
import io
import json
import sys
from pathlib import Path

import jax.export
import numpy as np
from PIL import Image

folder, labels, picture = Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3]


def require_digest(name: str, content: bytes, sha256: str) -> bytes:
    """Returns the content, if it is what was exported."""
    if hashlib.sha256(content).hexdigest() != sha256:
        sys.exit(f"{folder / name}: not the file that was exported with model.json: export again")
    return content


try:
    card = json.loads((folder / "model.json").read_bytes())
    own, weights_digest, program_digest = card.pop("sha256"), card["weights"], card["program"]
    space, entries = card["label_space"], json.dumps(card, sort_keys=True).encode()
except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
    sys.exit(f"{folder / 'model.json'}: damaged, or of an earlier version ({error!r:.80}): export again")
require_digest("model.json", entries, own)
stored = require_digest("weights.npz", (folder / "weights.npz").read_bytes(), weights_digest)
program = require_digest("draw.stablehlo", (folder / "draw.stablehlo").read_bytes(), program_digest)

weights = {path: array.astype(np.float32) for path, array in np.load(io.BytesIO(stored)).items()}
generate = jax.export.deserialize(bytearray(program))

label_sets = np.zeros((4, 1 + len(space["classes"])), bool)  # one row per map; column 0 is the background
label_sets[:, [1 + space["classes"].index(name) for name in labels]] = True
seed, first_map, temperature = np.int32(0), np.int32(0), np.float32(1)
index_maps = generate.call(weights, label_sets, seed, first_map, temperature)

image = Image.fromarray(np.concatenate(index_maps, axis=1))  # side by side
image.putpalette(np.uint8(space["palette"]).tobytes())
image.save(picture)
