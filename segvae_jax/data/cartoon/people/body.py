"""Joints and measures of a cartoon figure, from build, age and pose."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from segvae_jax.data.cartoon.shapes import Area, Grid, Point, pick, ribbon

SIDES = (("right", -1), ("left", 1))
MIDDLE = 0.25
CHILD, FEMININE = 0.1, 0.66
# Angles of upper arm and forearm from straight down, outwards positive, in radians: lowest and highest.
_ARMS = {
    "down": ((0.06, -0.05), (0.3, 0.2)), "away": ((0.25, -0.1), (0.5, 0.3)), "akimbo": ((0.65, -1.0), (0.95, -0.7)),
    "pocket": ((0.2, -0.34), (0.36, -0.16)), "bent": ((0.2, -1.4), (0.45, -0.9)),
    "crossed": ((0.12, -1.75), (0.24, -1.5)), "raised": ((1.7, 2.3), (2.6, 3.2)), "face": ((0.35, -2.75), (0.6, -2.5)),
    "hidden": ((0.18, -0.7), (0.32, -0.5)),
}  # fmt: skip
_ARM_SHARES = {"down": 0.36, "away": 0.12, "akimbo": 0.13, "pocket": 0.12, "bent": 0.1, "raised": 0.04, "face": 0.04,
               "hidden": 0.07}  # fmt: skip
# Angles of thigh and shin of the standing and of the free leg.
_LEGS = {
    "straight": ((0.03, 0.0), (0.03, 0.0)), "apart": ((0.12, 0.1), (0.12, 0.1)),
    "contrapposto": ((0.0, -0.02), (0.16, 0.0)), "walking": ((-0.03, -0.06), (0.12, -0.16)),
    "crossed": ((0.02, -0.1), (-0.08, -0.16)), "knee": ((0.03, 0.0), (0.22, -0.2)),
}  # fmt: skip
_LEG_SHARES = {"straight": 0.3, "apart": 0.2, "contrapposto": 0.17, "walking": 0.19, "crossed": 0.03, "knee": 0.1}


@dataclasses.dataclass(frozen=True)
class Body:
    """Joints and measures that the parts of a figure share; pairs are (right, left), as in SIDES.

    Attributes:
      build: factor on all widths.
      head: factor on the size of the head.
      neck: base of the neck.
      shoulder: half width of the shoulders.
      hip: half width of the hips.
      waist: height of the waist.
      hips: x and y of the middle of the hips.
      knee: height of the knees.
      ankle: height of the ankles.
      slope: by how much the left shoulder is lower than the middle, and the right one higher.
      arms: shoulder, elbow and wrist of each arm.
      legs: hip, knee and ankle of each leg.
      poses: names of the poses of the arms.
      feminine: whether dresses, skirts and long hair are frequent.
      child: whether it is a child.
    """

    build: float
    head: float
    neck: Point
    shoulder: float
    hip: float
    waist: float
    hips: Point
    knee: float
    ankle: float
    slope: float
    arms: tuple[tuple[Point, ...], ...]
    legs: tuple[tuple[Point, ...], ...]
    poses: tuple[str, str]
    feminine: bool
    child: bool

    def middle(self, y: float) -> float:
        """The x of the middle of the trunk at a height; the hips are beside the shoulders if it leans."""
        along = (y - self.neck[1]) / (self.hips[1] - self.neck[1])
        return self.neck[0] + min(max(along, 0.0), 1.0) * (self.hips[0] - self.neck[0])


def draw_body(rng: np.random.Generator) -> Body:
    """A random figure and its pose."""
    child, feminine = rng.random() < CHILD, rng.random() < FEMININE
    build = float(np.clip(rng.normal(1.08, 0.14), 0.82, 1.5)) * (1.05 if child else 1.0)
    head = rng.uniform(0.9, 1.1) * (1.32 if child else 1.0)
    neck = (MIDDLE + rng.normal(0, 0.012), 0.05 + 0.158 * head)
    ankle = 0.915
    hip_y = neck[1] + (ankle - neck[1]) * (rng.uniform(0.385, 0.425) + 0.03 * child)
    knee, waist = hip_y + 0.52 * (ankle - hip_y), neck[1] + rng.uniform(0.6, 0.7) * (hip_y - neck[1])
    shoulder = (0.074 if feminine else 0.083) * build * rng.uniform(0.93, 1.1) * (0.92 if child else 1.0)
    hip = (0.062 if feminine else 0.057) * build * rng.uniform(0.92, 1.12)
    hips, slope = (MIDDLE + rng.normal(0, 0.012), hip_y), rng.normal(0, 0.008)
    poses = _arm_poses(rng)
    joints = [(neck[0] + side * (shoulder - 0.016), neck[1] + 0.035 + side * slope) for _, side in SIDES]
    bones = (0.42 * (hip_y - neck[1]) * rng.uniform(0.95, 1.05), 0.4 * (hip_y - neck[1]))
    angles = [tuple(rng.uniform(*_ARMS[pose]).tolist()) for pose in poses]
    arms = tuple(_chain(joint, s, a, bones) for joint, (_, s), a in zip(joints, SIDES, angles, strict=True))
    legs = _legs(rng, hips, hip, (knee - hip_y, ankle - knee))
    return Body(build, head, neck, shoulder, hip, waist, hips, knee, ankle, slope, arms, legs, poses, feminine, child)


def _arm_poses(rng: np.random.Generator) -> tuple[str, str]:
    right, left, chance = pick(rng, _ARM_SHARES), pick(rng, _ARM_SHARES), rng.random()
    if chance < 0.03:
        return "crossed", "crossed"
    return (right, right) if chance < 0.5 else (right, left)


def _legs(rng: np.random.Generator, hips: Point, hip: float, bones: Point) -> tuple[tuple[Point, ...], ...]:
    angles, spread = _LEGS[pick(rng, _LEG_SHARES)], rng.uniform(0.0, 0.07)
    free, ahead = int(rng.integers(2)), rng.uniform(0.0, 0.025)
    legs = []
    for number, (_, side) in enumerate(SIDES):
        thigh, shin = angles[number == free]
        joint = (hips[0] + side * 0.52 * hip, hips[1])
        lengths = (bones[0], bones[1] - ahead * (number == free))  # a foot behind the other is higher in the picture
        legs.append(_chain(joint, side, (thigh + spread, shin + 0.5 * spread), lengths))
    return tuple(legs)


def _chain(start: Point, side: int, angles: Point, lengths: Point) -> tuple[Point, ...]:
    """Joints of a limb from the angles and lengths of its two bones."""
    points = [start]
    for angle, length in zip(angles, lengths, strict=True):
        x, y = points[-1]
        points.append((x + side * length * math.sin(angle), y + length * math.cos(angle)))
    return tuple(points)


def along(points: Sequence[Point], position: float) -> Point:
    """The point at a position on a limb whose joints are at 0, 1, 2."""
    part = min(int(position), len(points) - 2)
    (x0, y0), (x1, y1), t = points[part], points[part + 1], position - part
    return x0 + t * (x1 - x0), y0 + t * (y1 - y0)


def limb(grid: Grid, points: Sequence[Point], end: float, radii: Sequence[float], start: float = 0.0) -> Area:
    """A limb from `start` to `end`, with joints at 0, 1, 2; its radii are given at these two and evenly between."""
    joints = [p for p in (0.5, 0.85, 1.15, 1.5) if start + 0.08 < p < end - 0.08]
    positions = np.array([start, *joints, end])
    x, y = (np.interp(positions, (0.0, 1.0, 2.0), values) for values in zip(*points, strict=True))
    widths = np.interp((positions - start) * ((len(radii) - 1) / (end - start)), range(len(radii)), radii)
    return ribbon(grid, list(zip(x.tolist(), y.tolist(), strict=True)), widths.tolist())
