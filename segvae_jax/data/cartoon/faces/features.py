"""Skin, ears and the features of a cartoon face."""

import math

import numpy as np

from segvae_jax.data.cartoon.faces.head import EYES, MOUTH, SIDES, Head
from segvae_jax.data.cartoon.faces.styles import BARE
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, Points, blob, fill, oval, pick, ribbon, sides, spline

OPEN_MOUTH = 0.55


def draw_skin(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """The face with its forehead, and the ears that show."""
    temple, jaw, chin = head.face
    y = (head.crown, head.crown + 0.055, 0.33, 0.53, head.chin - 0.15, head.chin - 0.035, head.chin)
    half = head.half_width * np.array([0.28, 0.68, temple, 0.99, jaw, chin, 0.18])
    lower = np.array([0.0, 0.0, 0.25, 0.5, 1.0, 1.15, 1.2])  # these parts lie before the middle and follow the turn
    x = head.x + 0.085 * lower * math.sin(head.turn)
    left, right = (x + side * half * (1 - 0.25 * head.near(side)) for _, side in SIDES)
    knots = sides(list(zip(y, left.tolist(), right.tolist(), strict=True)))
    scalp = fill(grid, _skull(head)) if head.hair in BARE else ()
    return [Layer("skin", blob(grid, knots) + scalp), *_ears(rng, grid, head)]


def _skull(head: Head) -> Points:
    """Outline of the skull, whose back shows at the near side of a turned head."""
    side = -1 if head.turn > 0 else 1
    back = head.x + side * head.half_width * 0.05 * head.near(side)
    return oval((back, 0.38), (head.half_width, 0.38 - head.crown), power=2.2)


def _ears(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    high, wide, y = rng.uniform(0.065, 0.092), rng.uniform(0.032, 0.045), rng.uniform(0.53, 0.565)
    lobe, out = rng.uniform(0.5, 0.85), rng.uniform(0.006, 0.018)
    layers = []
    for name, side in SIDES:
        x, width = head.edge(side) + side * out, wide * (1 + 0.5 * head.near(side))
        knots = [(-0.3, -1.0), (0.6, -1.0), (1.0, -0.45), (0.8, 0.2), (lobe, 0.85), (0, 1.0), (-0.9, 0.5), (-0.9, -0.4)]
        ear = blob(grid, [(x + side * width * u, y + high * v) for u, v in knots])
        layers += [Layer(f"{name}_ear", ear)] if head.ear_visible(side) else []
    return layers


def draw_nose(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """The nose from between the eyes to under its tip, which points where the head is turned."""
    small = 0.85 if head.child else 1.0
    half, end = rng.uniform(0.063, 0.095) * small, rng.normal(0.657, 0.012) - 0.015 * head.child
    bridge, round_tip, hook = rng.uniform(0.02, 0.036), rng.uniform(0.6, 1.15), rng.normal(0, 0.006)
    top, tip = EYES - rng.uniform(0.0, 0.035), rng.uniform(0.01, 0.03)
    rows = [(top, 0.7 * bridge, 0.0), (0.5, bridge, 0.01), (end - 0.09, 0.55 * half + 0.4 * bridge, 0.02),
            (end - 0.05, 0.9 * half, 0.025), (end - 0.02, half * 1.05, 0.02), (end, 0.75 * half, 0.02),
            (end + 0.012, 0.3 * half * round_tip, 0.03)]  # fmt: skip
    knots = []
    far = [1 - 0.3 * head.near(-side) + 0.1 * head.near(side) for _, side in SIDES]
    for y, wide, depth in rows:
        middle = head.at(hook * (y > 0.55), 0.13 + depth + tip * (y > 0.6))
        knots.append((y, middle - wide * far[0], middle + wide * far[1]))
    return [Layer("nose", blob(grid, sides(knots)))]


def draw_eyes(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """Eyes and brows."""
    half = rng.uniform(0.042, 0.054) * (1.1 if head.child else 1.0)
    opened = max(rng.uniform(0.013, 0.025) * (1.25 if head.child else 1.0), 0.62 * grid.pixel)
    tilt, inner, lower = rng.normal(0.004, 0.006), rng.uniform(0.6, 1.0), rng.uniform(0.6, 1.1)
    apart, even = rng.uniform(0.097, 0.112), rng.uniform(0.88, 1.12, 2)
    layers = []
    for (name, side), uneven in zip(SIDES, even, strict=True):
        x, wide, high = head.at(side * apart), half * head_on(head, side), opened * uneven
        knots = [(-1.0, tilt * 0.8), (-0.4, -0.8 * high * inner), (0.2, -high), (1.0, -tilt), (0.3, lower * high),
                 (-0.4, 0.75 * high)]  # fmt: skip
        layers.append(Layer(f"{name}_eye", blob(grid, [(x + side * wide * u, EYES + y) for u, y in knots])))
    return [*layers, *_brows(rng, grid, head, apart)]


def head_on(head: Head, side: int) -> float:
    """Width of a feature at a side, as a share of its width on a head that is not turned."""
    return 1 - 0.45 * head.near(-side) - 0.08 * head.near(side)


_BROWS = {  # height above the eye, thickness, arch, and rise of the outer end
    "flat": (0.062, 0.013, 0.004, 0.004), "thin": (0.07, 0.009, 0.02, -0.006), "arched": (0.066, 0.012, 0.026, -0.004),
    "bushy": (0.058, 0.019, 0.01, 0.002), "raised": (0.088, 0.012, 0.02, -0.004), "stern": (0.052, 0.015, 0.006, 0.02),
    "sad": (0.068, 0.012, 0.006, -0.018),
}  # fmt: skip


def _brows(rng: np.random.Generator, grid: Grid, head: Head, apart: float) -> list[Layer]:
    heavy = {"flat": 0.3, "bushy": 0.32, "stern": 0.18, "arched": 0.06, "raised": 0.07, "sad": 0.07}
    light = {"flat": 0.2, "thin": 0.25, "arched": 0.28, "bushy": 0.06, "raised": 0.09, "stern": 0.06, "sad": 0.06}
    above, thick, arch, outer = _BROWS[pick(rng, heavy if head.masculine else light)]
    above, thick = above + rng.normal(0, 0.006), max(thick * rng.uniform(0.85, 1.15), 0.6 * grid.pixel)
    start, reach, lifted = rng.uniform(0.035, 0.058), rng.uniform(0.135, 0.17), rng.normal(0, 0.006, 2)
    layers = []
    for (name, side), lift in zip(SIDES, lifted, strict=True):
        x = lambda out, side=side: head.at(side * apart + side * (out - 0.105) * head_on(head, side))
        y = EYES - above + lift
        knots = [(x(start), y + 0.4 * arch), (x(start + 0.62 * (reach + 0.03 - start)), y - 0.55 * arch - 0.5 * outer),
                 (x(reach + 0.04), y + 0.6 * arch - outer)]  # fmt: skip
        layers.append(Layer(f"{name}_brow", ribbon(grid, knots, [thick, thick, 0.45 * thick])))
    return layers


_MOUTHS = {  # half width, rise of the corners, height of the opening
    "closed": ((0.085, 0.112), (-0.006, 0.012), (0.0, 0.0)), "smile": ((0.105, 0.13), (0.014, 0.034), (0.0, 0.0)),
    "pout": ((0.068, 0.09), (-0.008, 0.004), (0.0, 0.0)), "sad": ((0.085, 0.11), (-0.022, -0.008), (0.0, 0.0)),
    "parted": ((0.08, 0.105), (-0.004, 0.012), (0.012, 0.026)), "grin": ((0.108, 0.138), (0.018, 0.04), (0.03, 0.055)),
    "laugh": ((0.105, 0.135), (0.016, 0.034), (0.06, 0.1)), "shout": ((0.07, 0.095), (-0.008, 0.01), (0.09, 0.14)),
    "oh": ((0.045, 0.06), (-0.004, 0.004), (0.04, 0.08)),
}  # fmt: skip


def draw_mouth(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """The lips, and what shows between them if the mouth is open."""
    open_kinds = {"parted": 0.27, "grin": 0.46, "laugh": 0.18, "shout": 0.04, "oh": 0.05}
    closed_kinds = {"closed": 0.45, "smile": 0.38, "pout": 0.1, "sad": 0.07}
    ranges = _MOUTHS[pick(rng, open_kinds if rng.random() < OPEN_MOUTH else closed_kinds)]
    half, smile, gap = (rng.uniform(*bounds) for bounds in ranges)
    gap = max(gap, 1.15 * grid.pixel) if gap else 0.0
    thin = 0.75 if head.masculine else 1.0
    upper, lower = rng.uniform(0.024, 0.042) * thin, rng.uniform(0.034, 0.062) * thin
    upper, lower = max(upper, 1.1 * grid.pixel), max(lower, 1.15 * grid.pixel)
    cupid, smirk, y = rng.uniform(0.05, 0.35), rng.normal(0, 0.006), MOUTH + rng.normal(0, 0.008) + 0.22 * gap
    line = lambda drop, bow: _lip_line(head, half, y, smile, smirk, drop, bow)
    top, bottom = line(-gap / 2, 0.0), line(gap / 2, 0.0)
    layers = [
        Layer("u_lip", _between(grid, line(-gap / 2 - upper, cupid * upper), top)),
        Layer("l_lip", _between(grid, bottom, line(gap / 2 + lower, 0.0))),
    ]
    return [Layer("mouth", _between(grid, top, bottom)), *layers] if gap else layers


def _lip_line(head: Head, half: float, y: float, smile: float, smirk: float, drop: float, bow: float) -> Points:
    """Points from corner to corner; in the middle it lies `drop` lower, less a bow of the upper lip."""
    u = np.array([-1.0, -0.72, -0.38, -0.16, 0.0, 0.16, 0.38, 0.72, 1.0])
    bent = smile * (0.55 - u * u) + smirk * u + drop * (1 - u * u) ** 0.75 + bow * np.maximum(1 - np.abs(u) / 0.3, 0)
    wide = half * np.where(u > 0, head_on(head, 1), head_on(head, -1))
    return np.stack([head.at(0.0, 0.15) + wide * u, y + bent], axis=1)


def _between(grid: Grid, upper: Points, lower: Points) -> Area:
    above, below = spline(upper, closed=False), spline(lower, closed=False)
    return fill(grid, np.concatenate([above, below[::-1]]))
