"""Chooses the colours of `segvae_jax/palette.py`: each is as far as possible from all before it.

    PYTHONPATH=tests python tests/golden/palette.py

The candidates are the 4,096 colours that three hexadecimal digits write. The distance of two is that for people who see
all colours, or 1.4 times that for colour-blind people if this is less, so that neither pays all for the other.

The first two colours are given: the first classes of most data sets are skin and hair. Colours that are nearly black
would be lost on the background. A colour of the list of version 0.1.0 would make maps ambiguous that were written with
it: their readers find out by the colours whether a program has reordered the palette.
"""

import itertools

import numpy as np
from colour_vision import SEEN, lab
from skimage.color import deltaE_ciede2000

NUM_COLOURS = 256
FIRST = ("eb8", "631")
_DARKEST = 14  # lightness in CIELAB
_WEIGHTS = {vision: 1.0 if vision == "all colours" else 1.4 for vision in SEEN}
_CANDIDATES = np.array(list(itertools.product(range(16), repeat=3)), np.uint8)
_SEEN = {vision: lab(17 * _CANDIDATES, vision) for vision in SEEN}


def chosen(num_colours: int) -> list[str]:
    """The colours, black first."""
    dark = np.flatnonzero(_SEEN["all colours"][:, 0] < _DARKEST)
    return _written(_farthest(num_colours, [int(word, 16) for word in FIRST], [*dark, *_farthest(NUM_COLOURS)]))


def of_earlier_versions() -> list[str]:
    """The colours of version 0.1.0, black first."""
    return _written(_farthest(NUM_COLOURS))


def _farthest(num_colours: int, first: list[int] | None = None, excluded: list[int] | None = None) -> list[int]:
    todo, picked = list(first or []), [0]
    least = np.full(len(_CANDIDATES), np.inf)
    least[excluded or []] = -1
    while len(picked) < num_colours:
        last = picked[-1]
        apart = [weight * deltaE_ciede2000(_SEEN[v], _SEEN[v][last, None]) for v, weight in _WEIGHTS.items()]
        least = np.minimum(least, np.round(np.min(apart, axis=0), 6))  # machines differ in the last digits
        picked.append(todo.pop(0) if todo else int(least.argmax()))
    return picked


def _written(picked: list[int]) -> list[str]:
    return ["".join(f"{level:x}" for level in _CANDIDATES[number]) for number in picked]


if __name__ == "__main__":
    print(" ".join(chosen(NUM_COLOURS)))
