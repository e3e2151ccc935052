"""Chooses the colours of `segvae_jax/palette.py`: each is as far as possible from all before it.

    PYTHONPATH=tests python tests/golden/palette.py

The candidates are the 4,096 colours that three hexadecimal digits write. The distance of two is that for people who see
all colours, or 1.4 times that for colour-blind people if this is less, so that neither pays all for the other.
"""

import itertools

import numpy as np
from colour_vision import SEEN, lab
from skimage.color import deltaE_ciede2000

NUM_COLOURS = 256
_WEIGHTS = {vision: 1.0 if vision == "all colours" else 1.4 for vision in SEEN}


def chosen(num_colours: int) -> list[str]:
    candidates = np.array(list(itertools.product(range(16), repeat=3)), np.uint8)
    seen = {vision: lab(17 * candidates, vision) for vision in SEEN}
    picked = [0]
    least = np.full(len(candidates), np.inf)
    while len(picked) < num_colours:
        last = picked[-1]
        apart = [weight * deltaE_ciede2000(seen[v], seen[v][last, None]) for v, weight in _WEIGHTS.items()]
        least = np.minimum(least, np.round(np.min(apart, axis=0), 6))  # machines differ in the last digits
        picked.append(int(least.argmax()))
    return ["".join(f"{level:x}" for level in candidates[number]) for number in picked]


if __name__ == "__main__":
    print(" ".join(chosen(NUM_COLOURS)))
