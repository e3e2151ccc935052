"""Where the hair of a cartoon face ends: hairline, fringe, sideburns and strands beside the face."""

import numpy as np

from segvae_jax.data.cartoon.faces.head import SIDES, Head
from segvae_jax.data.cartoon.shapes import Area, Grid, Point, fill, pick, ruffled, spline

_LINES = {"round": 0.22, "middle": 0.2, "side": 0.22, "swept": 0.12, "fringe": 0.11, "wisps": 0.04, "peak": 0.09}
_SHORT_LINES = {"round": 0.32, "side": 0.2, "swept": 0.1, "fringe": 0.06, "peak": 0.14, "receding": 0.18}
_BACK_LINES = {"round": 0.5, "middle": 0.2, "side": 0.18, "fringe": 0.08, "wisps": 0.04}
_FIXED = {"receding": "receding", "buzz": "round", "mop": "fringe"}
_BACK = ("bun", "updo", "ponytail", "high_tail", "braids", "pigtails")


def face_opening(rng: np.random.Generator, grid: Grid, head: Head, short: bool) -> Area:
    """The area that hair leaves free: under the hairline, and between the strands or sideburns at the sides."""
    line = _hairline(rng, head, short)
    left, right = (_beside(rng, head, side, short) for _, side in SIDES)
    u, y = np.array([*left[::-1], *line, *right]).T
    scale = np.where(u > 0, 1 - 0.25 * head.near(1), 1 - 0.25 * head.near(-1))
    follow = 0.05 * np.sin(head.turn) * np.maximum(1 - np.abs(u), 0)  # the forehead lies before the middle of the skull
    knots = np.stack([head.x + head.half_width * u * scale + follow, y], axis=1)
    return fill(grid, np.vstack([spline(knots, closed=False), (2, 3), (-1, 3)]))


def _hairline(rng: np.random.Generator, head: Head, short: bool) -> list[Point]:
    """Knots from temple to temple, in half widths of the skull from its middle."""
    lines = _BACK_LINES if head.hair in _BACK else _SHORT_LINES if short else _LINES
    kind = _FIXED.get(head.hair) or pick(rng, lines)
    top, side, part = rng.uniform(0.165, 0.235), rng.choice((-1, 1)), rng.uniform(0.15, 0.55)
    temple, low, wave = rng.uniform(0.28, 0.36), rng.uniform(0.33, 0.41), rng.normal(0, 0.012, 7)
    u = np.array([-0.86, -0.6, -0.3, 0.0, 0.3, 0.6, 0.86])
    if kind in ("middle", "side", "swept"):
        u0 = 0.0 if kind == "middle" else side * part
        away = np.abs(u - u0)
        reach = np.where((u - u0) * side < 0, low + 0.02 if kind == "swept" else temple, temple)
        y = top + (reach - top) * np.minimum(away / 0.9, 1) ** (1.25 if kind != "swept" else 0.7)
        order = np.argsort(np.append(u, u0))
        return [(float(a), float(b)) for a, b in np.column_stack([np.append(u, u0), np.append(y, top)])[order]]
    if kind in ("fringe", "wisps"):
        return _fringe(rng, low, wave, kind == "wisps")
    y = {"round": top + (temple - top) * u**4, "peak": top - 0.03 * (np.abs(np.abs(u) - 0.4) < 0.2) + 0.08 * u**4,
         "receding": top - 0.05 - 0.07 * (np.abs(np.abs(u) - 0.45) < 0.2) + 0.14 * u**4}[kind]  # fmt: skip
    return list(zip(u.tolist(), (y + 0.4 * wave).tolist(), strict=True))


def _fringe(rng: np.random.Generator, low: float, wave: np.ndarray, parted: bool) -> list[Point]:
    """A fringe over the forehead, straight, curved or in strands."""
    curve, strands, depth = rng.normal(0, 0.025), int(rng.integers(5, 9)), rng.uniform(0.03, 0.07) * parted
    u = np.linspace(-0.86, 0.86, 2 * strands + 1)
    y = low - depth * (np.arange(len(u)) % 2) + curve * (u * u - 0.4) + np.interp(u, np.linspace(-0.9, 0.9, 7), wave)
    return list(zip(u.tolist(), np.minimum(y, 0.43).tolist(), strict=True))


def _beside(rng: np.random.Generator, head: Head, side: int, short: bool) -> list[Point]:
    """Knots down one side of the face, from the temple."""
    tight, burn, slack = rng.uniform(0.86, 0.98), rng.uniform(0.43, 0.57), rng.uniform(-0.14, 0.05, 3)
    before, inner = rng.random() < 0.55, rng.uniform(0.5, 0.9)
    if head.covers[side > 0] and short:
        edge = [(tight, 0.42), (tight, 0.5), (0.98, burn + 0.06), (1.9, burn + 0.12), (2.2, 2.0)]
    elif head.covers[side > 0]:
        cheek = tight + slack[0]
        edge = [(tight, 0.42), (cheek, 0.56), (cheek + 0.5 * slack[1], 0.68)]
        chin = cheek + slack[2]
        edge += (
            [(chin, 0.8), (min(chin, inner), 0.95), (inner, 1.3)] if before else [(1.2, 0.79), (2.2, 0.86), (2.2, 2.0)]
        )
    else:
        out = 0.98 - 0.06 * head.near(side)
        edge = [(min(tight + 0.02, out), 0.4), (out, burn - 0.03), (1.25, burn + 0.01), (2.0, burn + 0.03), (2.2, 2.0)]
    return [(side * u, y) for u, y in edge]


def ruffle(rng: np.random.Generator, points: np.ndarray, style: str) -> np.ndarray:
    """The outline of hair, curly or spiky where the style is."""
    bumps, depth = {"curly": (17, 0.05), "curls": (17, 0.06), "afro": (21, 0.045), "spiky": (16, 0.075)}.get(
        style, (0, 0)
    )
    bumps, depth = bumps + int(rng.integers(-3, 6)), depth * rng.uniform(0.6, 1.1)
    return ruffled(points, bumps, depth) if depth else points
