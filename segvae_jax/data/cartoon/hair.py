"""Hair styles and hats of the cartoon faces."""

import dataclasses

import numpy as np

from segvae_jax.data.cartoon.head import LONG_STYLES, SIDES, Head
from segvae_jax.data.cartoon.shapes import Grid, Layer, Mask, below, egg, ellipse, limb, outline


def draw_hair(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[list[Layer], list[Layer]]:
    """Layers of hair behind, and in front of, head and shoulders."""
    if head.style == "bald":
        return [], []
    whole, end = (_long_hair if head.style in LONG_STYLES else _short_hair)(rng, grid, head)
    strands = whole & _hair_over_face(rng, grid, head, end) & (grid.y < end)
    quiff = [("hair", _quiff(rng, grid, head))] if head.style == "quiff" else []
    tied = {"bun": _bun, "ponytail": _ponytail, "pigtails": _pigtails}.get(head.style)
    behind = [("hair", tied(rng, grid, head))] if tied else []
    return [*behind, ("hair", whole)], [*quiff, ("hair", strands)]


def _short_hair(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Mask, float]:
    """Hair close to the skull, and the height of its sideburns."""
    volume, end = rng.uniform(0.025, 0.075), rng.uniform(0.46, 0.54)
    bumps = int(rng.integers(14, 24)) if head.style == "spiky" else 0
    wide, up = head.half_width + volume, 0.45 - head.crown + 1.2 * volume
    return egg(grid, (head.x, 0.45), wide, up, 0.27, bumps=bumps), end


def _long_hair(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[Mask, float]:
    """Hair that falls beside the face, and how far down it falls in front of the ears."""
    volume = rng.uniform(0.035, 0.11)
    x, wide, top = head.x, head.half_width + volume + 0.015, max(head.crown - volume, 0.02)
    if head.style == "curly":
        lower = rng.uniform(0.38, 0.62)
        return egg(grid, (x, 0.45), wide + 0.07, 0.47 - top, lower, bumps=int(rng.integers(14, 22))), 1.2
    tip = rng.uniform(0.74, 0.9) if head.style == "bob" else rng.uniform(0.95, 1.6)
    left, right = rng.uniform(0.95, 1.35) + rng.uniform(-0.12, 0.12, 2)
    waves = rng.uniform(0, 0.022) * (rng.random() < 0.5)
    phase, pitch = rng.uniform(0, 6.3), rng.uniform(25, 45)
    wavy = dataclasses.replace(grid, x=grid.x + waves * np.sin(pitch * grid.y + phase))
    widths = [(top, 0.0, 0.0), (top, 0.5, 0.5), (top + 0.07, 0.88, 0.88), (0.3, 1.03, 1.03),
              (0.6, 1.08, 1.08), (tip - 0.05, left, right), (tip, left * 0.9, right * 0.9),
              (tip + 0.02, 0.3, 0.3)]  # fmt: skip
    fall = outline(wavy, [(y, x - wide * a, x + wide * b) for y, a, b in widths])
    return fall, 0.5 if head.style == "tucked" else 2.0


def _bun(rng: np.random.Generator, grid: Grid, head: Head) -> Mask:
    knot = (head.x + rng.uniform(-0.08, 0.08), head.crown - 0.03)
    return ellipse(grid, knot, (rng.uniform(0.07, 0.12), rng.uniform(0.06, 0.1)))


def _ponytail(rng: np.random.Generator, grid: Grid, head: Head) -> Mask:
    side = 1 if head.turn < 0 else -1
    out, tip, thick = rng.uniform(0.06, 0.12), rng.uniform(0.75, 1.0), rng.uniform(0.06, 0.085)
    x = head.x + side * head.half_width
    points = [(x - side * 0.12, 0.2), (x + side * out, 0.35), (x + side * out * 0.8, tip)]
    return limb(grid, points, [thick, thick, 0.03])


def _pigtails(rng: np.random.Generator, grid: Grid, head: Head) -> Mask:
    out, tip, thick = rng.uniform(0.07, 0.11), rng.uniform(0.7, 0.95), rng.uniform(0.045, 0.065)
    tail = lambda x, side: [(x, 0.3), (x + side * out, 0.42), (x + side * out, tip)]
    tails = [limb(grid, tail(head.x + s * head.half_width, s), [0.03, thick, 0.03]) for _, s in SIDES]
    return tails[0] | tails[1]


def _quiff(rng: np.random.Generator, grid: Grid, head: Head) -> Mask:
    centre = (head.x, head.crown + 0.06)
    leaning = grid.framed(centre, rng.uniform(-0.5, 0.5))
    return egg(leaning, centre, head.half_width * 0.8, 0.12, 0.06, bumps=9)


def _hair_over_face(rng: np.random.Generator, grid: Grid, head: Head, end: float) -> Mask:
    """Hair around an opening for the face, which is below the hairline and between strands or sideburns."""
    inner, tight = rng.uniform(0.55, 0.9), rng.uniform(0.84, 0.95)
    widths = [(0.0, 0.5), (0.24, 0.72), (0.38, tight), (0.6, tight), (0.75, min(tight, 0.9)), (0.95, inner),
              (2.0, inner)]  # fmt: skip
    if end < 0.6:
        widths = [(0.0, 0.5), (0.24, 0.76), (0.38, tight), (end, 0.97), (2.0, 1.0)]
    x, wide = head.x, head.half_width
    between = outline(grid, [(y, x - wide * w, x + wide * w) for y, w in widths])
    return ~(_under_hairline(rng, grid, head) & between)


def _under_hairline(rng: np.random.Generator, grid: Grid, head: Head) -> Mask:
    kind = str(rng.choice(["round", "middle", "side", "fringe", "peak"], p=[0.32, 0.2, 0.25, 0.13, 0.1]))
    line, side_part, fall = rng.uniform(0.17, 0.24), rng.uniform(-0.6, 0.6), rng.uniform(0, 0.04)
    depth, pitch = rng.uniform(0, 0.05), rng.uniform(40, 70)
    fall += {"round": 0.03, "middle": 0.15, "side": 0.12, "fringe": 0.0, "peak": 0.02}[kind]
    temple = line + fall - (0.05 if kind == "peak" else 0)
    part = side_part if kind == "side" else 0.0
    if kind == "fringe":
        line, temple = line + 0.15, temple + 0.15
        grid = dataclasses.replace(grid, y=grid.y + depth * np.abs(np.sin(pitch * grid.x)))
    beside = 0.6 * line + 0.4 * temple
    knots = [(-1.1, temple + 1.2 * fall), (-0.75, temple), (part - 0.3, beside), (part, line),
             (part + 0.3, beside), (0.75, temple), (1.1, temple + 1.2 * fall)]  # fmt: skip
    return below(grid, [(head.x + head.half_width * u, y) for u, y in sorted(knots)])


def draw_hat(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    """The hat over the hair, if the head wears one."""
    x, wide = head.x, head.half_width + 0.045
    rim, top, lean = rng.uniform(0.27, 0.34), head.crown - rng.uniform(0.05, 0.11), rng.normal(0, 0.08)
    reach, side = rng.uniform(0.38, 0.48), -1 if head.turn < 0 else 1
    if not head.hat:
        return []
    tilted = grid.framed((x, rim), lean)
    crown = egg(tilted, (x, rim), wide, rim - top, 1e-3)
    if head.hat == "beanie":
        return [("hat", crown | ellipse(tilted, (x, rim), (wide + 0.015, 0.045), 4.0))]
    if head.hat == "cap":
        peak = ellipse(tilted, (x + side * 0.1, rim + 0.01), (wide * 1.05, 0.045))
        return [("hat", crown | peak)]
    tall = outline(tilted, [(top - 0.02, x - 0.8 * wide, x + 0.8 * wide), (rim, x - wide, x + wide)])
    return [("hat", tall | ellipse(tilted, (x, rim), (reach, 0.07)))]
