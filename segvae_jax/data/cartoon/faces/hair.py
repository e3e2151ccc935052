"""The hair of the cartoon faces."""

import math

import numpy as np

from segvae_jax.data.cartoon.faces.hairline import face_opening, ruffle
from segvae_jax.data.cartoon.faces.head import SIDES, Head
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, blob, fill, oval, ribbon, ruffled, sides, spline

# Per style, how far hair stands off the skull, and for hair that falls, where it ends.
_SHORT = {
    "short": (0.025, 0.075), "buzz": (0.006, 0.02), "quiff": (0.02, 0.05), "spiky": (0.02, 0.05), "mop": (0.05, 0.11),
    "curly": (0.05, 0.1), "receding": (0.012, 0.04), "pixie": (0.03, 0.06), "afro": (0.13, 0.24),
    "bun": (0.015, 0.045), "updo": (0.03, 0.075), "ponytail": (0.015, 0.045), "high_tail": (0.015, 0.04),
    "braids": (0.015, 0.045), "pigtails": (0.015, 0.04),
}  # fmt: skip
_FALLING = {
    "long": (0.03, 0.13), "wavy": (0.06, 0.18), "curls": (0.09, 0.2), "tucked": (0.03, 0.09), "bob": (0.05, 0.12),
    "lob": (0.04, 0.11), "mane": (0.04, 0.1), "side_tail": (0.02, 0.05),
}  # fmt: skip
_TIPS = {"bob": (0.64, 0.8), "lob": (0.8, 0.96), "mane": (0.72, 0.9), "side_tail": (0.6, 0.66), "curls": (0.74, 1.2)}


def draw_hair(rng: np.random.Generator, grid: Grid, head: Head, above_rim: Area) -> tuple[list[Layer], list[Layer]]:
    """Layers of hair behind, and in front of, head and shoulders; none is above the rim of a hat."""
    if head.hair == "bald":
        return [], []
    if head.hair == "horseshoe":
        return [Layer("hair", _tufts(rng, grid, head), above_rim)], []
    short = head.hair in _SHORT
    mass = fill(grid, ruffle(rng, (_cap if short else _fall)(rng, head), head.hair))
    opening = face_opening(rng, grid, head, short)
    tied, before = _TIED[head.hair](rng, grid, head) if head.hair in _TIED else ((), False)
    face = fill(grid, oval((head.x, 0.6), (head.half_width * 0.9, 0.33))) if head.hair == "side_tail" else ()
    front = [Layer("hair", mass, opening + above_rim), Layer("hair", tied if before else (), face + above_rim)]
    return [Layer("hair", mass + tied, above_rim)], front


def _widths(head: Head, volume: float) -> tuple[float, float]:
    """Half width of the hair at the left and right: the back of a turned head shows at its near side."""
    half = lambda side: head.half_width * (1 + 0.12 * head.near(side)) + volume * (1 - 0.5 * head.near(-side))
    return half(-1), half(1)


def _cap(rng: np.random.Generator, head: Head) -> np.ndarray:
    """Outline of hair close to the skull."""
    volume = rng.uniform(*_SHORT[head.hair])
    top, lean, dome = head.crown - volume * rng.uniform(0.8, 1.2), rng.normal(0, 0.1), rng.uniform(0.58, 0.76)
    nape = {"mop": 0.69, "curly": 0.68, "afro": 0.72, "pixie": 0.68}.get(head.hair, 0.64) + rng.uniform(-0.05, 0.03)
    left, right = _widths(head, volume)
    shares = [(top, 0.26 - lean, 0.26 + lean), (top + 0.04, dome - lean, dome + lean), (0.27, 0.97, 0.97),
              (0.43, 0.99, 0.99), (0.56, 0.93, 0.93), (nape, 0.74, 0.74), (nape + 0.02, 0.4, 0.4)]  # fmt: skip
    return spline(sides([(y, head.x - left * a, head.x + right * b) for y, a, b in shares]))


def _fall(rng: np.random.Generator, head: Head) -> np.ndarray:
    """Outline of hair that falls beside the face, straight or in waves."""
    volume = rng.uniform(*_FALLING[head.hair])
    tip, top = rng.uniform(*_TIPS.get(head.hair, (0.9, 1.6))), head.crown - min(volume, 0.06) * rng.uniform(0.7, 1.2)
    lean, dome, spread = rng.normal(0, 0.1), rng.uniform(0.58, 0.76), rng.uniform(0.95, 1.5) + rng.normal(0, 0.14, 2)
    spread = 0.9 * spread / spread.max() if head.hair == "side_tail" else spread
    left, right = _widths(head, volume)
    middle, uneven, blunt = 0.5 * (0.47 + tip), rng.normal(0, 0.04), rng.uniform(0.7, 0.98)
    shares = [(top, 0.26 - lean, 0.26 + lean), (top + 0.04, dome - lean, dome + lean), (0.28, 1.0, 1.0),
              (0.47, 1.03, 1.03), (middle, 0.5 + 0.53 * spread[0], 0.5 + 0.53 * spread[1]), (tip - 0.05, *spread),
              (tip, *(blunt * spread))]  # fmt: skip
    points = spline(sides([(y, head.x - left * a, head.x + right * b) for y, a, b in shares]))
    waves = {"wavy": (0.014, 0.034), "mane": (0.0, 0.015)}.get(head.hair, (0.0, 0.006))
    height, pitch, phase = rng.uniform(*waves), rng.uniform(22, 42), rng.uniform(0, 6.3)
    below = np.clip((points[:, 1] - 0.3) / 0.3, 0, 1)
    across, down = height * below * np.sin(pitch * points[:, 1] + phase), uneven * below * (points[:, 0] - 0.5) / 0.3
    return points + np.stack([across, down], axis=1)


def _tufts(rng: np.random.Generator, grid: Grid, head: Head) -> Area:
    """Hair above the ears alone."""
    out, high, low = rng.uniform(0.03, 0.065), rng.uniform(0.26, 0.36), rng.uniform(0.55, 0.63)
    x = head.x
    left, right = _widths(head, out)
    return blob(grid, sides([(high, x - 0.9 * left, x + 0.9 * right), (high + 0.08, x - left, x + right),
                             (low - 0.08, x - left, x + right), (low, x - 0.85 * left, x + 0.85 * right)]))  # fmt: skip


# What stands up or hangs down besides: its area, and whether it is before the head too.
def _quiff(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    side, high, wide = rng.choice((-1, 1)), rng.uniform(0.03, 0.085), rng.uniform(0.6, 0.85)
    x, base, w = head.at(0.0, 0.04), head.crown + rng.uniform(0.06, 0.11), head.half_width * wide
    knots = [(x - side * w, base + 0.03), (x - side * 0.8 * w, base - 0.05),
             (x - side * 0.1 * w, head.crown - 0.6 * high), (x + side * 0.7 * w, head.crown - high),
             (x + side * 1.1 * w, head.crown + 0.02), (x + side * w, base + 0.05), (x, base + 0.015)]  # fmt: skip
    return blob(grid, knots), True


def _bun(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    radii = rng.uniform((0.07, 0.055), (0.125, 0.09))
    knot = (head.x + rng.normal(0, 0.04), head.crown - 0.25 * radii[1])
    return fill(grid, oval(knot, tuple(radii))), True


def _updo(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    side = 1 if head.turn < 0 else -1
    x, y = head.x + side * head.half_width * rng.uniform(0.5, 0.85), rng.uniform(0.5, 0.68)
    return fill(grid, oval((x, y), tuple(rng.uniform((0.09, 0.07), (0.15, 0.11))))), False


def _tail(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    """A ponytail that shows at the near side; a high one starts at the crown."""
    side, thick = 1 if head.turn < 0 else -1, rng.uniform(0.055, 0.09)
    high, out, tip = head.hair == "high_tail", rng.uniform(0.06, 0.16), rng.uniform(0.7, 1.05)
    x = head.x + side * head.half_width
    start = (head.x + side * 0.1, head.crown + 0.02) if high else (x - side * 0.1, 0.34)
    bend = (x + side * (0.5 * out - 0.02), 0.24) if high else (x + side * out, 0.48)
    tail = ribbon(grid, [start, bend, (x + side * out * rng.uniform(0.6, 1.2), tip)], [0.6 * thick, thick, 0.03])
    knot = fill(grid, oval((head.x + side * 0.08, head.crown), (0.085, 0.065)))
    return tail + knot if high else tail, False


def _side_tail(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    """Hair gathered over the shoulder at the covered side."""
    side = 1 if head.covers[1] else -1
    x, thick = head.x + side * head.half_width, rng.uniform(0.06, 0.1)
    knots = [
        (x - side * 0.02, 0.5),
        (x + side * 0.02, 0.72),
        (x - side * rng.uniform(0, 0.1), 0.9),
        (x - side * 0.06, 1.2),
    ]
    return ribbon(grid, knots, [0.06, thick, thick, 0.7 * thick]), True


def _braids(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    """Two plaits, before or behind the shoulders, a chain of knots each."""
    thick, out, low, count = (
        rng.uniform(0.042, 0.06),
        rng.uniform(0.0, 0.06),
        rng.uniform(0.9, 1.15),
        int(rng.integers(6, 9)),
    )
    before, start = rng.random() < 0.7, rng.uniform(0.58, 0.64)
    plaits: Area = ()
    for _, side in SIDES:
        x, heights = head.x + side * (head.half_width + 0.015), np.linspace(start, low, count)
        bend = out * np.sin(np.linspace(0, math.pi, count))
        radii = (thick, 0.62 * (low - start) / (count - 1))
        for b, y in zip(bend, heights, strict=True):
            plaits += fill(grid, oval((x + side * b, y), radii))
    return plaits, before


def _pigtails(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Area, bool]:
    high, out, thick = rng.uniform(0.26, 0.5), rng.uniform(0.09, 0.15), rng.uniform(0.05, 0.085)
    tip, curly = high + rng.uniform(0.18, 0.45), rng.random() < 0.4
    tails: Area = ()
    for _, side in SIDES:
        x = head.x + side * head.half_width
        if curly:
            points = ruffled(oval((x + side * 0.09, high + 0.06), (0.11, 0.12)), 10, 0.025)
            tails += fill(grid, points)
        else:
            knots = [(x - side * 0.04, high), (x + side * out, high + 0.05), (x + side * out, tip)]
            tails += ribbon(grid, knots, [0.03, thick, 0.025])
    return tails, False


_TIED = {
    "quiff": _quiff, "bun": _bun, "updo": _updo, "ponytail": _tail, "high_tail": _tail, "side_tail": _side_tail,
    "braids": _braids, "pigtails": _pigtails,
}  # fmt: skip
