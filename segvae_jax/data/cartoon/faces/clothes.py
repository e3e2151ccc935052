"""Neck, shoulders, clothes and necklaces of the cartoon faces."""

import math

import numpy as np

from segvae_jax.data.cartoon.faces.head import SIDES, Head
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, Point, blob, fill, oval, pick, ribbon, spline

CLOTH, NECKLACE = 0.6, 0.055
_CUTS = {"round": 0.2, "scoop": 0.1, "v": 0.17, "boat": 0.07, "turtle": 0.08, "shirt": 0.13, "suit": 0.1,
         "straps": 0.08, "off": 0.03, "hood": 0.04, "scarf": 0.04}  # fmt: skip
_BARE = ("straps", "off", "boat")  # the shoulders, or much of them, show


def draw_body(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """The neck with bare shoulders, the clothes and a necklace."""
    x, half = 0.45 * head.at(0.0) + 0.55 * head.x, rng.uniform(0.125, 0.165) + 0.03 * head.masculine
    body = grid.framed((x, 0.88), rng.normal(0, 0.06) + 0.1 * head.turn, 0.88 if head.child else 1.0)
    base, slopes = rng.uniform(0.905, 0.99), rng.uniform(0.05, 0.55, 2)
    dressed, cut = rng.random() < CLOTH, pick(rng, _CUTS)
    base -= 0.03 * dressed
    line = _shoulder_line(x, half, base, slopes)
    bare = cut in _BARE if dressed else rng.random() < 0.45
    neck = fill(body, [(x - half, 0.55), (x + half, 0.55), (x + half * 1.04, 1.3), (x - half * 1.04, 1.3)])
    layers = [Layer("neck", neck + fill(body, line) if bare else neck)]
    if dressed:
        layers += _garment(rng, body, (x, base), half, cut, line)
    if rng.random() < NECKLACE / 0.85:
        layers += _necklace(rng, body, x, half)
    return layers


def _shoulder_line(x: float, half: float, base: float, slopes: np.ndarray) -> np.ndarray:
    """Outline of neck and shoulders, open at the bottom; each shoulder has its own slope."""
    knots = []
    for (_, side), slope in zip(SIDES, slopes, strict=True):
        out = [(0.0, base - 0.12), (0.05, base - 0.02), (0.16, base + 0.16 * slope), (0.4, base + 0.42 * slope),
               (0.55, base + 0.8 * slope + 0.1)]  # fmt: skip
        knots.append([(x + side * (half + u - 0.008), y) for u, y in out])
    return np.vstack([spline(knots[0][::-1] + knots[1], closed=False), (x + 0.6, 3), (x - 0.6, 3)])


def _garment(rng: np.random.Generator, grid: Grid, base: Point, half: float, cut: str, line: np.ndarray) -> list[Layer]:
    """The clothes: shoulders less a neckline, and what rises above them."""
    (x, y), deep, strap = base, rng.uniform(0, 0.05), rng.uniform(0.02, 0.045)
    cloth, top = fill(grid, line), fill(grid, [(-2, -2), (3, -2), (3, y - 0.075), (-2, y - 0.075)])
    if cut == "off":
        low = y + 0.09 + deep
        return [Layer("cloth", cloth, fill(grid, [(-2, -1), (3, -1), (3, low + 0.02), (x, low), (-2, low + 0.04)]))]
    if cut == "straps":
        low = y + 0.13 + deep
        edge = spline([(x - 0.6, low + 0.13), (x - half - 0.1, low), (x, low + 0.04), (x + half + 0.1, low),
                       (x + 0.6, low + 0.13)], closed=False)  # fmt: skip
        bare = fill(grid, np.vstack([(-2, -2), edge, (3, -2)]))
        ends = [[(x + s * (half + 0.02), y - 0.035), (x + s * (half + 0.1), low + 0.1)] for _, s in SIDES]
        return [Layer("cloth", cloth, bare), *(Layer("cloth", ribbon(grid, end, [strap] * 2)) for end in ends)]
    layers = [Layer("cloth", cloth, top + fill(grid, _neckline(x, y, half, cut, deep)))]
    raised = cut in ("turtle", "shirt", "suit", "hood", "scarf")
    return [*layers, Layer("cloth", _raised(rng, grid, base, half, cut))] if raised else layers


def _neckline(x: float, y: float, half: float, cut: str, deep: float) -> np.ndarray:
    """Outline of the neck opening."""
    if cut in ("v", "shirt", "suit"):
        low = y + {"v": 0.16, "shirt": 0.09, "suit": 0.2}[cut] + deep
        wide = half * (1.06 if cut == "v" else 0.95)
        return np.array([(x - wide, 0.4), (x + wide, 0.4), (x + wide, y - 0.03), (x, low), (x - wide, y - 0.03)])
    wide, low = {"scoop": (1.2, 0.14), "boat": (1.75, 0.045), "turtle": (0.5, -0.05), "hood": (1.0, 0.06)}.get(
        cut, (1.04, 0.04)
    )
    return oval((x, y - 0.25), (half * wide, 0.25 + low + deep), power=2.8)


def _raised(rng: np.random.Generator, grid: Grid, base: Point, half: float, cut: str) -> Area:
    """Collar, hood or scarf around the neck."""
    x, y = base
    if cut in ("turtle", "scarf"):
        wide, top = half * (1.05 if cut == "turtle" else 1.35), y - rng.uniform(0.02, 0.06)
        dip = rng.uniform(0.015, 0.045)
        return blob(grid, [(x - wide, top), (x, top + dip), (x + wide, top), (x + wide * 1.1, y + 0.04), (x, y + 0.14),
                           (x - wide * 1.1, y + 0.04)])  # fmt: skip
    rise, out, low = rng.uniform(0.04, 0.09), rng.uniform(0.03, 0.07), rng.uniform(0.05, 0.13)
    flap = [(0.98 * half, y - rise), (half + out, y - 0.3 * rise), (half + out * 1.2, y + 0.05), (0.45 * half, y + low),
            (0.9 * half, y)]  # fmt: skip
    if cut == "hood":
        flap = [
            (half, y - 1.5 * rise),
            (half + 1.6 * out, y - rise),
            (half + 2 * out, y + 0.06),
            (0.5 * half, y + 0.12),
            (half, y),
        ]
    left, right = ([(x + side * u, v) for u, v in flap] for _, side in SIDES)
    return fill(grid, left) + fill(grid, right)


def _necklace(rng: np.random.Generator, grid: Grid, x: float, half: float) -> list[Layer]:
    kind = pick(rng, {"chain": 0.45, "pendant": 0.3, "choker": 0.1, "beads": 0.15})
    low, width = rng.uniform(0.95, 0.99), 0.022 if kind == "beads" else rng.uniform(0.007, 0.013)
    if kind == "choker":
        y = low - 0.04
        return [Layer("neck_l", ribbon(grid, [(x - half, y - 0.015), (x, y), (x + half, y - 0.015)], [0.014] * 3))]
    deep = 0.16 if kind == "pendant" else 0.11
    bent = [
        (x + half * 1.04 * u, low - deep * (1 - math.sqrt(1 - u * u))) for u in (-0.98, -0.8, -0.4, 0, 0.4, 0.8, 0.98)
    ]
    chain = ribbon(grid, bent, [width] * len(bent))
    return [Layer("neck_l", chain + fill(grid, oval((x, low + 0.005), (0.022, 0.026))) if kind == "pendant" else chain)]
