"""Legs, shoes, trousers and skirts of a cartoon figure."""

import numpy as np

from segvae_jax.data.cartoon.people.body import SIDES, Body, along, limb
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, blob, fill, oval, pick, ribbon, sides

# Where the trouser legs end (the knee is 1, the ankle 2) and how wide they are at hip, knee and hem.
_TROUSERS = {
    "skinny": (1.93, (1.0, 0.98, 1.1)), "straight": (1.94, (1.05, 1.08, 1.3)), "wide": (1.95, (1.1, 1.35, 1.9)),
    "flared": (1.96, (1.0, 0.95, 2.1)), "baggy": (1.9, (1.18, 1.35, 1.25)), "cropped": (1.6, (1.1, 1.2, 1.15)),
    "bermuda": (0.95, (1.15, 1.3, 1.4)), "shorts": (0.5, (1.15, 1.25, 1.35)), "hot_pants": (0.26, (1.12, 1.15, 1.2)),
}  # fmt: skip
TROUSERS = {"skinny": 0.27, "straight": 0.3, "wide": 0.09, "flared": 0.05, "baggy": 0.06, "cropped": 0.07,
            "bermuda": 0.05, "shorts": 0.07, "hot_pants": 0.04}  # fmt: skip
LONG_TROUSERS = ("skinny", "straight", "wide", "flared", "baggy")
# Where skirts end (the knee is 1, the ankle 2) and their width at the hem in half widths of the hips.
_SKIRTS = {
    "mini": ((0.38, 0.62), (1.05, 1.5)), "pencil": ((0.8, 1.05), (0.85, 1.0)), "line": ((0.7, 1.1), (1.4, 1.9)),
    "circle": ((0.55, 0.95), (1.9, 2.6)), "midi": ((1.15, 1.5), (1.2, 1.9)), "maxi": ((1.7, 1.95), (1.2, 2.2)),
}  # fmt: skip
SKIRTS = {"mini": 0.24, "pencil": 0.15, "line": 0.24, "circle": 0.13, "midi": 0.14, "maxi": 0.1}
_RADII = (0.036, 0.03, 0.026, 0.027, 0.016)  # of a leg, from the hip to the ankle
_SHOES = {"plain": 0.4, "trainers": 0.22, "heels": 0.14, "ankle_boots": 0.14, "boots": 0.1}


def draw_legs(grid: Grid, body: Body) -> list[Layer]:
    """Both legs."""
    radii = [r * body.build for r in _RADII]
    return [Layer(f"{name}-leg", limb(grid, leg, 2.0, radii)) for (name, _), leg in zip(SIDES, body.legs, strict=True)]


def draw_shoes(rng: np.random.Generator, grid: Grid, body: Body) -> tuple[list[Layer], bool]:
    """Both shoes, and whether they are boots, which are worn over trousers."""
    kind, width, shaft = pick(rng, _SHOES), rng.uniform(0.017, 0.022), rng.uniform(0.3, 0.8)
    turned = rng.uniform(0.004, 0.032, 2) * rng.choice((1, 1, 1, -0.6), 2)
    layers = []
    for (name, side), leg, out in zip(SIDES, body.legs, turned, strict=True):
        x, y = leg[2]
        size = width * (1.2 if kind == "trainers" else 1.0)
        shoe = ribbon(grid, [(x, y + 0.008), (x + side * out, y + 0.035)], [size * 0.85, size])
        if kind == "heels":
            shoe += ribbon(grid, [(x, y), (x - side * 0.4 * out, y + 0.045)], [0.012, 0.008])
        if kind in ("boots", "ankle_boots"):
            top = shaft if kind == "boots" else 0.14
            shoe += limb(grid, leg, 2.0, [r * body.build for r in (0.031, 0.024)], start=2 - top)
        layers.append(Layer(f"{name}-shoe", shoe))
    return layers, kind == "boots"


def draw_trousers(rng: np.random.Generator, grid: Grid, body: Body, kind: str) -> Area:
    """Trousers or shorts of a kind in `TROUSERS`."""
    end, widths = _TROUSERS[kind]
    end, loose = end - rng.uniform(0.0, 0.08), rng.uniform(0.95, 1.08)
    at = np.interp(np.linspace(0, min(end, 2.0), 4), np.linspace(0, 2, len(_RADII)), _RADII)
    radii = at * np.interp(np.linspace(0, 1, 4), (0, 0.5, 1), widths) * body.build * loose
    right, left = (limb(grid, leg, end, list(radii)) for leg in body.legs)
    return _pelvis(grid, body, 1.03) + right + left


def _pelvis(grid: Grid, body: Body, ease: float) -> Area:
    low = body.hips[1] + 0.03
    rows = [(body.waist, 0.84), (body.waist + 0.035, 0.95), (body.hips[1] - 0.02, 1.05), (low, 0.95), (low + 0.01, 0.5)]
    return blob(grid, _around(body, [(y, body.hip * share * ease) for y, share in rows]))


def _around(body: Body, rows: list[tuple[float, float]]) -> np.ndarray:
    """Closed knots symmetric about the trunk, from heights and half widths."""
    return sides([(y, body.middle(y) - half, body.middle(y) + half) for y, half in rows])


def draw_skirt(rng: np.random.Generator, grid: Grid, body: Body, kind: str) -> Area:
    """A skirt, or the lower part of a dress, of a kind in `SKIRTS`."""
    ends, flares = _SKIRTS[kind]
    end, flare, sway = rng.uniform(*ends), rng.uniform(*flares), rng.normal(0, 0.012)
    hem, uneven = along(body.legs[0], end)[1], rng.normal(0, 0.008)
    least = max(abs(along(leg, end)[0] - body.hips[0]) for leg in body.legs) + 0.028 * body.build
    half, hip = max(body.hip * flare, least), body.hip * 1.08
    (x, y), waist = body.hips, body.middle(body.waist)
    rows = [(body.waist, waist, 0.86 * body.hip), (body.waist + 0.03, waist, 0.97 * body.hip),
            (y, x, max(hip, 0.6 * hip + 0.4 * half * (flare > 1.3))), (hem - 0.02, x + sway, half)]  # fmt: skip
    left = [(middle - wide, v) for v, middle, wide in rows]
    right = [(middle + wide, v) for v, middle, wide in rows]
    bottom = [(x + sway + half, hem + uneven), (x + sway, hem + 0.008), (x + sway - half, hem - uneven)]
    return blob(grid, [*right, *bottom, *left[::-1]])


def draw_tights(grid: Grid, body: Body) -> Area:
    """Leggings under a skirt or dress."""
    right, left = (limb(grid, leg, 1.9, [r * body.build for r in _RADII]) for leg in body.legs)
    return right + left


def draw_belt(rng: np.random.Generator, grid: Grid, body: Body) -> Area:
    """A belt at the waist, some with a buckle."""
    y, half, thick = body.waist + 0.012, body.hip * 0.98, rng.uniform(0.008, 0.013)
    x, buckle = body.middle(y), rng.random() < 0.3
    belt = ribbon(grid, [(x - half, y - 0.002), (x, y + 0.004), (x + half, y - 0.002)], [thick] * 3)
    return belt + fill(grid, oval((x, y + 0.004), (0.016, 0.017), power=4.0)) if buckle else belt
