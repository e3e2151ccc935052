"""Cartoon people: standing figures in the classes of HumanParsing.

The `left-` parts are the subject's left and so lie at the right of the picture.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.shapes import (
    Grid,
    Layer,
    Mask,
    Point,
    compose,
    egg,
    ellipse,
    limb,
    outline,
    polygon,
    ring,
)
from segvae_jax.labels import HUMAN_PARSING

SIDES = (("right", -1), ("left", 1))
OUTFITS = {"pants": 0.48, "cropped": 0.06, "shorts": 0.07, "skirt": 0.14, "dress": 0.25}
POSES = {"down": 0.45, "akimbo": 0.2, "bent": 0.15, "raised": 0.08, "hidden": 0.12}
HAIR = {"bald": 0.03, "short": 0.37, "long": 0.35, "bun": 0.12, "curly": 0.13}
HAT, SUNGLASS, BELT, BAG, SCARF, CROPPED = 0.15, 0.12, 0.2, 0.27, 0.1, 0.2
SHOULDER, WAIST, HIP, KNEE, ANKLE = 0.225, 0.4, 0.5, 0.715, 0.915


@dataclasses.dataclass(frozen=True)
class _Body:
    """Joints and measures that the parts of a figure share; pairs are (right, left), as in SIDES.

    Attributes:
      build: factor on all widths.
      shoulder: half width of the shoulders.
      hip: half width of the hips.
      neckline: half width and depth of the neck opening.
      arms: shoulder, elbow and wrist of each arm.
      legs: hip, knee and ankle of each leg.
      hidden: which arms are behind the back.
    """

    build: float
    shoulder: float
    hip: float
    neckline: Point
    arms: tuple[tuple[Point, ...], ...]
    legs: tuple[tuple[Point, ...], ...]
    hidden: tuple[bool, ...]


def draw_person(rng: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Class maps of a random standing figure over HUMAN_PARSING, of `size` (height, width).

    Parts do not overlap. The figure fills a box half as wide as it is high; a wider picture shows more of the space
    beside the box. The drawing depends on the generator's state and not on the size.

    Raises:
      DataError: if the size has no pixels.
    """
    body = _body(rng)
    scale = rng.uniform(1.3, 1.9) if rng.random() < CROPPED else rng.uniform(0.88, 1.02)
    shift = (rng.normal(0, 0.015), rng.normal(0, 0.006) + max(scale - 1, 0) * 0.46)
    grid = Grid.of_size(size, aspect=0.5)
    grid = grid.framed((0.25, 0.5), rng.normal(0, 0.02), scale, shift)
    hair_behind, hair_before = _hair(rng, grid)
    outfit = str(rng.choice(list(OUTFITS), p=list(OUTFITS.values())))
    bag_behind, bag_before = _bag(rng, grid, body)
    layers = [
        *bag_behind,
        *hair_behind,
        *(_legs(grid, body) if outfit != "pants" else []),
        *_shoes(rng, grid, body),
        *_face(rng, grid, body),
        *_clothes(rng, grid, body, outfit),
        *_scarf(rng, grid),
        *hair_before,
        *_headwear(rng, grid),
        *bag_before,
    ]
    return compose(layers, size, HUMAN_PARSING)


def _body(rng: np.random.Generator) -> _Body:
    build = float(np.clip(rng.normal(1.1, 0.13), 0.85, 1.45))
    shoulder, hip = 0.08 * build * rng.uniform(0.93, 1.08), 0.058 * build * rng.uniform(0.92, 1.12)
    poses = rng.choice(list(POSES), size=2, p=list(POSES.values()))
    if rng.random() < 0.6:
        poses[1] = poses[0]
    spread = rng.uniform(0, 0.1)
    bent = rng.uniform(0, 0.25) * np.eye(2)[rng.integers(2)] * (rng.random() < 0.4)
    joints = [(0.25 + s * (shoulder - 0.018), SHOULDER + 0.015) for _, s in SIDES]
    return _Body(
        build=build,
        shoulder=shoulder,
        hip=hip,
        neckline=(rng.uniform(0.026, 0.042), rng.uniform(0.02, 0.06)),
        arms=tuple(
            _chain(joint, s, _arm_angles(rng, str(p)), (0.125, 0.12))
            for joint, (_, s), p in zip(joints, SIDES, poses, strict=True)
        ),
        legs=tuple(
            _chain((0.25 + s * hip * 0.52, HIP), s, (spread + b, spread - b), (KNEE - HIP, ANKLE - KNEE))
            for (_, s), b in zip(SIDES, bent, strict=True)
        ),
        hidden=tuple(str(p) == "hidden" for p in poses),
    )


def _arm_angles(rng: np.random.Generator, pose: str) -> tuple[float, float]:
    """Angles of upper arm and forearm from straight down, outwards positive, in radians."""
    low, high = {
        "down": ((0.08, -0.05), (0.3, 0.25)),
        "akimbo": ((0.55, -0.9), (0.8, -0.65)),
        "bent": ((0.15, -1.25), (0.4, -0.8)),
        "raised": ((1.7, 2.3), (2.6, 3.2)),
        "hidden": ((0.2, -0.7), (0.35, -0.5)),
    }[pose]
    upper, fore = rng.uniform(low, high)
    return upper, fore


def _chain(start: Point, side: int, angles: Point, lengths: Point) -> tuple[Point, ...]:
    """Joints of a limb from the angles and lengths of its two bones."""
    points = [start]
    for angle, length in zip(angles, lengths, strict=True):
        x, y = points[-1]
        points.append((x + side * length * math.sin(angle), y + length * math.cos(angle)))
    return tuple(points)


def _legs(grid: Grid, body: _Body) -> list[Layer]:
    radii = [r * body.build for r in (0.033, 0.026, 0.016)]
    return [(f"{name}-leg", limb(grid, leg, radii)) for (name, _), leg in zip(SIDES, body.legs, strict=True)]


def _shoes(rng: np.random.Generator, grid: Grid, body: _Body) -> list[Layer]:
    boot, length, width = rng.random() < 0.25, rng.uniform(0.05, 0.1), rng.uniform(0.02, 0.027)
    turned = rng.uniform(0.0, 0.028, 2)
    layers = []
    for (name, side), leg, out in zip(SIDES, body.legs, turned, strict=True):
        x, y = leg[2]
        shoe = limb(grid, [(x, y + 0.012), (x + side * out, y + 0.03)], [width * 0.85, width])
        if boot:
            shoe = shoe | limb(grid, [_along(leg, 2 - length / 0.2), (x, y)], [0.026, 0.022])
        layers.append((f"{name}-shoe", shoe))
    return layers


def _along(points: tuple[Point, ...], position: float) -> Point:
    """The point at a position on a polyline whose joints are at 0, 1, 2."""
    part = min(int(position), len(points) - 2)
    (x0, y0), (x1, y1), t = points[part], points[part + 1], position - part
    return x0 + t * (x1 - x0), y0 + t * (y1 - y0)


def _sleeve(grid: Grid, arm: tuple[Point, ...], length: float, width: float) -> Mask:
    """Sleeve that ends at a position on the arm: 1 at the elbow, 2 at the wrist."""
    points = [arm[0], _along(arm, length)] if length <= 1 else [arm[0], arm[1], _along(arm, length)]
    return limb(grid, points, [width, width * 0.88, width * 0.8][: len(points)])


def _arms(grid: Grid, body: _Body, clothing: str, sleeve: float, loose: float) -> tuple[list[Layer], list[Layer]]:
    """Layers of the arms behind the body, and of those in front of it with both hands on top."""
    behind, before, hands = [], [], []
    for (name, _), arm, hidden in zip(SIDES, body.arms, body.hidden, strict=True):
        skin = (f"{name}-arm", limb(grid, arm, [r * body.build for r in (0.021, 0.018, 0.014)]))
        cloth = [(clothing, _sleeve(grid, arm, sleeve, 0.026 * body.build * loose))] if sleeve else []
        if hidden:
            behind += cloth if sleeve > 1 else [skin, *cloth]
        else:
            before += [skin, *cloth]
            hands.append((f"{name}-arm", ellipse(grid, _along(arm, 2.12), (0.019, 0.022))))
    return behind, [*before, *hands]


def _clothes(rng: np.random.Generator, grid: Grid, body: _Body, outfit: str) -> list[Layer]:
    clothing = "dress" if outfit == "dress" else "upper-clothes"
    sleeve, loose = float(rng.choice([0, 0.55, 1.4, 1.9], p=[0.22, 0.28, 0.1, 0.4])), rng.uniform(1.0, 1.25)
    tucked, belted = rng.random() < 0.5, rng.random() < BELT
    hem = WAIST + 0.025 if tucked or outfit == "dress" else rng.uniform(0.47, 0.58)
    arms_behind, arms_before = _arms(grid, body, clothing, sleeve, loose)
    torso = (clothing, _torso(rng, grid, body, hem, loose))
    layers = [*arms_behind, *_bottoms(rng, grid, body, outfit), torso]
    if belted:
        y, half = WAIST + 0.02, body.hip * 1.05
        layers.append(("belt", limb(grid, [(0.25 - half, y), (0.25 + half, y)], [0.011, 0.011])))
    return [*layers, *arms_before]


def _torso(rng: np.random.Generator, grid: Grid, body: _Body, hem: float, loose: float) -> Mask:
    shoulder, waist = body.shoulder, body.hip * (0.82 + 0.5 * (loose - 1)) * rng.uniform(0.95, 1.1)
    bottom = body.hip * (1.0 if hem < 0.45 else 1.12)
    widths = [(SHOULDER - 0.022, 0.4 * shoulder), (SHOULDER - 0.012, 0.75 * shoulder),
              (SHOULDER + 0.01, shoulder), (0.29, 0.85 * shoulder), (WAIST, waist),
              (hem, bottom)]  # fmt: skip
    return _tapering(grid, widths) & ~ellipse(grid, (0.25, SHOULDER - 0.02), body.neckline)


def _tapering(grid: Grid, widths: list[tuple[float, float]]) -> Mask:
    """Shape symmetric about the middle of the body, from knots (height, half width)."""
    return outline(grid, [(y, 0.25 - half, 0.25 + half) for y, half in widths])


def _bottoms(rng: np.random.Generator, grid: Grid, body: _Body, outfit: str) -> list[Layer]:
    width, hem, flare = rng.uniform(0.95, 1.3), rng.uniform(0.6, 0.79), rng.uniform(1.0, 1.9)
    thighs = body.hip * 0.52 + 0.034 * body.build
    pelvis = [(WAIST + 0.01, body.hip * 0.88), (0.45, body.hip), (HIP + 0.025, max(body.hip * 1.02, thighs))]
    if outfit in ("skirt", "dress"):
        reach = max(abs(_along(leg, (hem - HIP) / (KNEE - HIP))[0] - 0.25) for leg in body.legs)
        half = max(body.hip * flare, reach + 0.034 * body.build)
        return [(outfit, _tapering(grid, [*pelvis, (hem - 0.04, half), (hem, half)]))]
    end = {"pants": 1.92, "cropped": 1.55}.get(outfit, rng.uniform(0.5, 0.9))
    radii = [r * body.build * width for r in (0.04, 0.031, rng.uniform(0.02, 0.029))]
    parts = [_tapering(grid, pelvis)]
    for leg in body.legs:
        points = [leg[0], _along(leg, end)] if end <= 1 else [leg[0], leg[1], _along(leg, end)]
        parts.append(limb(grid, points, radii[: len(points)]))
    return [("pants", np.logical_or.reduce(parts))]


def _face(rng: np.random.Generator, grid: Grid, body: _Body) -> list[Layer]:
    half, down, jaw = rng.uniform(0.042, 0.051), rng.uniform(0.058, 0.066), rng.uniform(1.8, 2.6)
    neck = limb(grid, [(0.25, 0.14), (0.25, SHOULDER - 0.01)], [0.024, 0.026])
    chest = ellipse(grid, (0.25, SHOULDER - 0.02), (body.neckline[0] + 0.01, body.neckline[1] + 0.01))
    bust = neck | (chest & (grid.y > SHOULDER - 0.02))
    return [("face", bust | egg(grid, (0.25, 0.112), half, 0.062, down, jaw))]


def _hair(rng: np.random.Generator, grid: Grid) -> tuple[list[Layer], list[Layer]]:
    """Layers of hair behind, and in front of, the figure."""
    style = str(rng.choice(list(HAIR), p=list(HAIR.values())))
    volume, length, line = rng.uniform(0.008, 0.017), rng.uniform(0.18, 0.34), rng.uniform(0.068, 0.086)
    part, wide = rng.uniform(-0.03, 0.03), rng.uniform(0.95, 1.25)
    if style == "bald":
        return [], []
    skull = 0.046 + volume
    cap = egg(grid, (0.25, 0.105), skull, 0.054 + volume, 0.064)
    face = egg(grid, (0.25 + part * 0.5, 0.13), 0.047, 0.13 - line, 0.2)
    front, behind = cap & ~face & (grid.y < 0.13), cap & (grid.y < 0.15)
    if style == "long":
        half = skull * wide
        fall = [(0.1, skull), (0.15, half), (length - 0.02, half), (length, 0.5 * half)]
        behind = behind | _tapering(grid, fall)
    elif style == "bun":
        front = front | ellipse(grid, (0.25 + part, 0.042), (0.027, 0.023))
    elif style == "curly":
        behind = egg(grid, (0.25, 0.11), 0.056 + 1.6 * volume, 0.075 + volume, length - 0.11, bumps=14)
        front = front | (behind & (grid.y < line))
    return [("hair", behind)], [("hair", front)]


def _headwear(rng: np.random.Generator, grid: Grid) -> list[Layer]:
    kind, hatted, shaded = rng.choice(["beanie", "brim", "cap"]), rng.random() < HAT, rng.random() < SUNGLASS
    rim, lean = rng.uniform(0.076, 0.09), rng.choice([-1, 1])
    layers = []
    if shaded:
        radii = (0.02, max(0.014, 0.6 * grid.pixel))
        lenses = [ellipse(grid, (0.25 + s * 0.022, 0.113), radii, 3.0) for _, s in SIDES]
        bar = limb(grid, [(0.208, 0.108), (0.292, 0.108)], [0.004, 0.004])
        layers.append(("sunglass", lenses[0] | lenses[1] | bar))
    if hatted:
        crown = egg(grid, (0.25, rim), 0.06, rim - 0.022, 0.006)
        brim = {"beanie": ((0.25, rim), (0.062, 0.012)), "brim": ((0.25, rim), (0.11, 0.014)),
                "cap": ((0.25 + lean * 0.04, rim), (0.06, 0.011))}[kind]  # fmt: skip
        layers.append(("hat", crown | ellipse(grid, *brim)))
    return layers


def _scarf(rng: np.random.Generator, grid: Grid) -> list[Layer]:
    worn, side, length = rng.random() < SCARF, rng.choice([-1, 1]), rng.uniform(0.06, 0.18)
    if not worn:
        return []
    tail = limb(grid, [(0.25 + side * 0.018, 0.21), (0.25 + side * 0.026, 0.21 + length)], [0.014, 0.017])
    return [("scarf", tail | ellipse(grid, (0.25, 0.2), (0.044, 0.024)))]


def _bag(rng: np.random.Generator, grid: Grid, body: _Body) -> tuple[list[Layer], list[Layer]]:
    carried, kind = rng.random() < BAG, str(rng.choice(["hand", "cross", "back"], p=[0.45, 0.4, 0.15]))
    side, wide, high = int(rng.integers(2)), rng.uniform(0.03, 0.05), rng.uniform(0.025, 0.05)
    sign = SIDES[side][1]
    if not carried:
        return [], []
    if kind == "back":
        pack = ellipse(grid, (0.25, 0.31), (body.shoulder * 1.15, 0.1), 4.0)
        ends = [[(0.25 + s * 0.05, SHOULDER), (0.25 + s * 0.055, 0.34)] for _, s in SIDES]
        straps = [limb(grid, strap, [0.009, 0.009]) for strap in ends]
        return [("bag", pack)], [("bag", straps[0] | straps[1])]
    if kind == "cross":
        x, y = 0.25 + sign * (body.hip + 0.02), 0.47
        strap = limb(grid, [(0.25 - sign * 0.045, SHOULDER - 0.005), (x, y - high)], [0.006, 0.006])
        return [], [("bag", strap | ellipse(grid, (x, y), (wide, high), 4.0))]
    x, y = body.arms[side][2]
    top, low = y + 0.05, y + 0.05 + 2 * high
    corners = [(x - 0.75 * wide, top), (x + 0.75 * wide, top), (x + wide, low), (x - wide, low)]
    handle = ring(grid, (x, top), (0.6 * wide, 0.045), 0.008)
    return [], [("bag", polygon(grid, corners) | handle)]
