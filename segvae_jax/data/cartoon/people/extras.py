"""Bags and scarves of a cartoon figure."""

import numpy as np

from segvae_jax.data.cartoon.people.body import SIDES, Body
from segvae_jax.data.cartoon.shapes import Grid, Layer, blob, fill, oval, pick, ribbon, ring

BAG, SCARF = 0.28, 0.1


def draw_scarf(rng: np.random.Generator, grid: Grid, body: Body) -> list[Layer]:
    """A scarf, wound around the neck, with none, one or two ends; or a shawl around the shoulders."""
    worn, side, ends = rng.random() < SCARF, rng.choice((-1, 1)), int(rng.integers(3))
    lengths, thick, shawl = rng.uniform(0.06, 0.24, 2), rng.uniform(0.012, 0.019), rng.random() < 0.2
    if not worn:
        return []
    x, y = body.neck
    wide, top = (body.shoulder * 0.95, y + 0.018) if shawl else (0.04 * body.head, y - 0.012)
    knots = [(x - wide, top), (x, y - 0.006), (x + wide, top), (x + 0.8 * wide, top + 0.037), (x, y + 0.04),
             (x - 0.8 * wide, top + 0.037)]  # fmt: skip
    scarf = blob(grid, knots)
    for number, length in enumerate(lengths[:ends]):
        way = side * (1 if number == 0 else -1)
        scarf += ribbon(
            grid, [(x + way * 0.012, y + 0.02), (x + way * 0.024, y + 0.03 + length)], [thick, thick * 1.15]
        )
    return [Layer("scarf", scarf)]


def draw_bag(rng: np.random.Generator, grid: Grid, body: Body) -> tuple[list[Layer], list[Layer]]:
    """Layers of a bag behind, and in front of, the figure; empty without one."""
    carried, side = rng.random() < BAG, int(rng.integers(2))
    kind = pick(rng, {"hand": 0.3, "tote": 0.16, "shoulder": 0.17, "cross": 0.2, "clutch": 0.07, "back": 0.1})
    wide, high = rng.uniform(0.028, 0.05), rng.uniform(0.024, 0.045)
    if not carried:
        return [], []
    if kind == "back":
        return _backpack(grid, body)
    sign = SIDES[side][1]
    draw = {"hand": _handbag, "tote": _handbag, "shoulder": _shoulder_bag, "cross": _cross_bag, "clutch": _clutch}[kind]
    return [], draw(grid, body, side, sign, (wide, high * (1.35 if kind == "tote" else 1.0)))


def _backpack(grid: Grid, body: Body) -> tuple[list[Layer], list[Layer]]:
    x, y = body.neck
    pack = fill(grid, oval((x, y + 0.1), (body.shoulder * 1.18, 0.1), power=4.0))
    straps = [
        ribbon(grid, [(x + s * 0.045, y), (x + s * 0.056, y + 0.06), (x + s * 0.064, y + 0.13)], [0.009] * 3)
        for _, s in SIDES
    ]
    return [Layer("bag", pack)], [Layer("bag", straps[0] + straps[1])]


def _handbag(grid: Grid, body: Body, side: int, sign: int, size: tuple[float, float]) -> list[Layer]:
    """A bag that hangs from the hand."""
    wide, high = size
    x, y = body.arms[side][2]
    top, low = y + 0.05, y + 0.05 + 2 * high
    right = [(0.7 * wide, top), (wide, low - 0.3 * high), (0.85 * wide, low)]
    left = [(x - u, v) for u, v in right[::-1]]
    knots = [(x, top - 0.003), *((x + u, v) for u, v in right), (x, low + 0.004), *left]
    handle = Layer("bag", *ring(grid, (x, top), (0.55 * wide, 0.042), 0.009))
    return [handle, Layer("bag", blob(grid, knots))]


def _shoulder_bag(grid: Grid, body: Body, side: int, sign: int, size: tuple[float, float]) -> list[Layer]:
    """A bag under the arm, on a strap over the same shoulder."""
    x, y = body.neck[0] + sign * (body.shoulder + 0.012), body.waist + 0.03
    strap = ribbon(
        grid, [(body.neck[0] + sign * 0.75 * body.shoulder, body.neck[1] + 0.005), (x, y - 0.02)], [0.008, 0.008]
    )
    return [Layer("bag", strap + fill(grid, oval((x, y), (size[0], size[1] * 1.15), sign * 0.1, 3.5)))]


def _cross_bag(grid: Grid, body: Body, side: int, sign: int, size: tuple[float, float]) -> list[Layer]:
    """A bag at the hip, on a strap over the other shoulder."""
    x, y = body.hips[0] + sign * (body.hip + 0.015), body.hips[1] - 0.02
    start = (body.neck[0] - sign * 0.5 * body.shoulder, body.neck[1] + 0.002)
    bag = fill(grid, oval((x, y), (size[0] * 0.9, size[1] * 0.9), power=4.0))
    return [Layer("bag", ribbon(grid, [start, (x, y - size[1])], [0.008, 0.008]) + bag)]


def _clutch(grid: Grid, body: Body, side: int, sign: int, size: tuple[float, float]) -> list[Layer]:
    """A bag in the hand."""
    x, y = body.arms[side][2]
    return [Layer("bag", fill(grid, oval((x, y + 0.03), (size[0], 0.024), 0.15 * sign, 4.0)))]
