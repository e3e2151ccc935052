"""Tops, dresses, coats, arms and sleeves of a cartoon figure."""

import dataclasses

import numpy as np

from segvae_jax.data.cartoon.people.body import SIDES, Body, along, limb
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, blob, fill, oval, pick, ribbon

_ARM_RADII = (0.021, 0.018, 0.016, 0.013)
# Sleeves end at a position along the arm (elbow 1, wrist 2).
_SLEEVES = {"none": 0.0, "cap": 0.3, "short": 0.62, "elbow": 1.0, "three_quarter": 1.5, "long": 1.93}
_TOPS = {  # share, ease, and the sleeves that occur
    "tank": (0.12, 0.98, ("none",)), "tee": (0.26, 1.06, ("cap", "short", "short")),
    "shirt": (0.2, 1.05, ("short", "elbow", "long", "long")),
    "blouse": (0.12, 1.18, ("elbow", "three_quarter", "long")),
    "sweater": (0.18, 1.2, ("long",)), "fitted": (0.12, 1.0, ("three_quarter", "long")),
}  # fmt: skip
_DRESS_SLEEVES = {"none": 0.4, "cap": 0.15, "short": 0.2, "three_quarter": 0.1, "long": 0.15}
_NECKS = {"round": 0.38, "v": 0.24, "scoop": 0.16, "high": 0.1, "boat": 0.12}


@dataclasses.dataclass(frozen=True)
class Top:
    """What is worn on the trunk: sleeve `0..2` along the arm, ease (factor on widths), and name of the neckline."""

    sleeve: float
    ease: float
    neck: str


def draw_top(rng: np.random.Generator, dress: bool) -> Top:
    """A random top, or the upper part of a dress."""
    kind = pick(rng, {name: share for name, (share, _, _) in _TOPS.items()})
    _, ease, sleeves = _TOPS[kind]
    sleeve, neck = sleeves[int(rng.integers(len(sleeves)))], pick(rng, _NECKS)
    ease = (1.0 if dress else ease) * rng.uniform(0.97, 1.06)
    return Top(_SLEEVES[pick(rng, _DRESS_SLEEVES)] if dress else _SLEEVES[sleeve], ease, neck)


def chest(rng: np.random.Generator, grid: Grid, body: Body, top: Top) -> tuple[Area, Area]:
    """The neck with the skin around it, and the opening of the neckline."""
    x, y = body.neck
    half = 0.024 * body.head
    wide, deep = {
        "round": (0.03, 0.022),
        "v": (0.03, 0.06),
        "scoop": (0.04, 0.045),
        "high": (0.02, -0.008),
        "boat": (0.055, 0.016),
    }[top.neck]
    deep += rng.uniform(0, 0.015)
    neck = ribbon(grid, [(x, y - 0.06 * body.head), (x, y + 0.012)], [half, half * 1.08])
    if top.neck == "v":
        opening = fill(
            grid,
            [(x - wide, y - 0.03), (x + wide, y - 0.03), (x + wide, y - 0.01), (x, y + deep), (x - wide, y - 0.01)],
        )
    else:
        opening = fill(grid, oval((x, y - 0.03), (wide * body.build, 0.03 + deep), power=2.4))
    bust = fill(grid, oval((x, y + 0.02), (wide * body.build + 0.014, max(deep + 0.02, 0.03))))
    return neck + bust, opening


def trunk(grid: Grid, body: Body, hem: float, ease: float, sleeveless: bool = False) -> Area:
    """The trunk from the shoulders to a hem below the chest."""
    x, y = body.neck
    shoulder = body.shoulder * (0.88 if sleeveless else 1.0) * (1 + 0.4 * (ease - 1))
    waist = body.hip * (0.8 + 1.2 * (ease - 1))
    at = lambda height, half: (height, body.middle(height) - half, body.middle(height) + half)
    rows = [at(y + 0.33 * (body.waist - y), 0.93 * shoulder), at(body.waist - 0.015, max(waist, 0.72 * shoulder))]
    if hem > body.waist + 0.03:
        low = body.hip * (1.08 + 0.5 * (ease - 1))
        rows += [at(min(body.hips[1], hem - 0.012), low), at(hem, low * 1.02)]
    else:
        rows.append(at(hem, max(waist, 0.86 * body.hip)))
    rows.append((rows[-1][0] + 0.004, body.middle(hem) - 0.5 * body.hip, body.middle(hem) + 0.5 * body.hip))
    slope = body.slope
    left, right = [(a, h) for h, a, _ in rows], [(b, h) for h, _, b in rows]
    yoke = [(x - shoulder, y + 0.04 - slope), (x - 0.88 * shoulder, y + 0.012 - slope), (x - 0.4 * shoulder, y - 0.012),
            (x + 0.4 * shoulder, y - 0.012), (x + 0.88 * shoulder, y + 0.012 + slope),
            (x + shoulder, y + 0.04 + slope)]  # fmt: skip
    return blob(grid, [*yoke, *right, *left[::-1]])


def arms(grid: Grid, body: Body, clothing: str, top: Top) -> tuple[list[Layer], list[Layer]]:
    """Layers of the arms behind the trunk, and of those in front of it with both hands on top."""
    behind, before, hands = [], [], []
    for (name, _), arm, pose in zip(SIDES, body.arms, body.poses, strict=True):
        radii = [r * body.build for r in _ARM_RADII]
        end = 1.9 if pose == "pocket" else 2.0
        skin = Layer(f"{name}-arm", limb(grid, arm, end, radii))
        wide = 1.05 + 1.2 * max(top.ease - 1, 0)
        cloth = limb(grid, arm, min(top.sleeve, end), [r * wide + 0.002 for r in radii]) if top.sleeve else ()
        if pose == "hidden":
            behind += [skin, Layer(clothing, cloth)]
        else:
            before += [skin, Layer(clothing, cloth)]
            hands += (
                [] if pose == "pocket" else [Layer(f"{name}-arm", fill(grid, oval(along(arm, 2.1), (0.018, 0.021))))]
            )
    return behind, [*before, *hands]


def draw_coat(rng: np.random.Generator, grid: Grid, body: Body) -> tuple[Layer, Top]:
    """A jacket or coat, open or closed in front, and its sleeves."""
    kind = pick(rng, {"jacket": 0.55, "coat": 0.3, "cape": 0.15})
    ease, gap, shut = rng.uniform(1.1, 1.3), rng.uniform(0.25, 0.7), rng.random() < 0.3
    end = {"jacket": rng.uniform(-0.05, 0.25), "coat": rng.uniform(0.5, 1.15), "cape": rng.uniform(0.1, 0.5)}[kind]
    hem = body.hips[1] + end * (body.knee - body.hips[1])
    coat = trunk(grid, body, hem, ease + 0.25 * (kind == "cape"))
    x, y = body.neck
    half = gap * body.hip
    front = [(x - 0.02, y - 0.04), (x + 0.02, y - 0.04), (x + 0.8 * half, body.waist),
             (body.hips[0] + half, hem + 0.05), (body.hips[0] - half, hem + 0.05),
             (x - 0.8 * half, body.waist)]  # fmt: skip
    lapels = [(x - 0.025, y - 0.04), (x + 0.025, y - 0.04), (x, y + rng.uniform(0.04, 0.1))]
    return Layer("upper-clothes", coat, fill(grid, lapels if shut else front)), Top(
        1.5 if kind == "cape" else 1.93, ease, "v"
    )
