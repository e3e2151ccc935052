"""Glasses and earrings of the cartoon faces."""

import numpy as np

from segvae_jax.data.cartoon.faces.features import head_on
from segvae_jax.data.cartoon.faces.head import EYES, SIDES, Head
from segvae_jax.data.cartoon.shapes import Grid, Layer, blob, fill, oval, pick, ribbon, ring

GLASSES, EARRINGS, EARRINGS_OF_MEN = 0.062, 0.54, 0.06
_FRAMES = {  # half width, half height, power of the outline, drop of the outer corner
    "round": (0.075, 0.07, 2.0, 0.0), "oval": (0.088, 0.055, 2.2, 0.0), "square": (0.088, 0.062, 4.5, 0.0),
    "wide": (0.1, 0.046, 4.0, 0.0), "aviator": (0.094, 0.072, 2.6, 0.018), "cat": (0.094, 0.056, 2.6, -0.022),
    "large": (0.105, 0.085, 3.0, 0.0),
}  # fmt: skip


def draw_glasses(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """Glasses, filled where the lenses are dark or marked as a whole, as in two thirds of the annotations."""
    if rng.random() >= GLASSES:
        return []
    half, high, power, drop = _FRAMES[pick(rng, dict.fromkeys(_FRAMES, 1.0))]
    size, rim, filled = rng.uniform(0.92, 1.08), rng.uniform(0.014, 0.026), rng.random() < 0.65
    y, inner = EYES + rng.uniform(0.0, 0.022), []
    layers: list[Layer] = []
    for _, side in SIDES:
        width = half * size * head_on(head, side)
        x = head.at(side * 0.106) + 0.1 * side * width
        leaning = grid.framed((x, y), side * drop / half)
        radii = (width, high * size)
        lens, hole = ring(leaning, (x, y), radii, rim, power)
        layers.append(Layer("eye_g", lens, () if filled else hole))
        inner.append((x - side * width * 0.95, y - 0.012))
        outer = (x + side * width * 0.92, y - 0.018)
        if head.turn * side < 0.35:
            layers.append(Layer("eye_g", ribbon(grid, [outer, (head.edge(side), y - 0.01)], [0.011, 0.009])))
    return [*layers, Layer("eye_g", ribbon(grid, inner, [0.011, 0.011]))]


def draw_earrings(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """Earrings at the ears that show; long ones also where hair covers the ear."""
    chance = (
        EARRINGS_OF_MEN if head.masculine else 0.0 if head.hat == "headscarf" else EARRINGS * (1 - 0.8 * head.child)
    )
    worn, kind = rng.random() < chance, pick(rng, {"stud": 0.28, "drop": 0.27, "hoop": 0.25, "chandelier": 0.2})
    y, length, wide = rng.uniform(0.625, 0.65), rng.uniform(0.06, 0.17), rng.uniform(0.7, 1.3)
    layers = []
    for _, side in SIDES:
        if worn and head.turn * side < 0.28 and (head.ear_visible(side) or kind == "chandelier"):
            layers.append(_earring(grid, head.edge(side) + side * 0.012, y, kind, length, wide))
    return layers


def _earring(grid: Grid, x: float, y: float, kind: str, length: float, wide: float) -> Layer:
    if kind == "stud":
        return Layer("ear_r", fill(grid, oval((x, y), (max(0.018 * wide, 0.75 * grid.pixel),) * 2)))
    if kind == "drop":
        return Layer("ear_r", ribbon(grid, [(x, y), (x, y + length)], [0.008, 0.022 * wide]))
    if kind == "hoop":
        return Layer("ear_r", *ring(grid, (x, y + length / 2), (length * 0.42, length / 2), 0.014 * wide))
    knots = [(0, 0), (0.5, 0.35), (1, 0.8), (0.6, 1.15), (0, 1.25), (-0.6, 1.15), (-1, 0.8), (-0.5, 0.35)]
    return Layer("ear_r", blob(grid, [(x + 0.036 * wide * u, y + length * v) for u, v in knots]))
