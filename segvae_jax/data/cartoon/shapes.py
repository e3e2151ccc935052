"""Smooth shapes in unit coordinates, as closed polygons on the pixels of a picture.

Lengths are fractions of the drawing's height; x points right and y down. Thin strokes are widened to one pixel of the
grid, so that a necklace stays connected at 32 px.
"""

import bisect
import dataclasses
import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from segvae_jax.errors import DataError

Point = tuple[float, float]
Points = Float[np.ndarray, "_ 2"]
Area = tuple[Points, ...]  # the union of what polygons enclose, which are in pixel coordinates (column, row)


class Layer(NamedTuple):
    """A part of a drawing: the name of its class, its area, and the area that is cut out of it."""

    name: str
    area: Area
    holes: Area = ()


_STEPS = np.linspace(0, 1, 6, endpoint=False)
# Catmull-Rom: coefficients of 1, t, t^2 and t^3 for each of four knots; t runs from 0 to 1 between the middle two.
_CUBICS = np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2
_QUARTER_TURN = np.array([[0.0, 1.0], [-1.0, 0.0]])
_CIRCLE = np.linspace(0, 2 * math.pi, 28, endpoint=False)


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where a drawing lies on the pixels of a picture.

    Attributes:
      size: height and width of the picture in pixels.
      matrix: `[2, 2]`; from drawing coordinates (x, y) to pixel coordinates (column, row).
      origin: pixel coordinates of the drawing's point (0, 0); the centre of the first pixel is (0, 0).
    """

    size: tuple[int, int]
    matrix: Float[np.ndarray, "2 2"]
    origin: Float[np.ndarray, "2"]

    @classmethod
    def of_size(cls, size: tuple[int, int], aspect: float = 1.0) -> "Grid":
        """Grid of `size` (height, width) pixels, with a box of height 1 and width `aspect` in its middle.

        The box is as large as fits; the drawing continues outside it.

        Raises:
          DataError: if the size has no pixels.
        """
        height, width = size
        if height < 1 or width < 1:
            raise DataError(f"a drawing of {height} x {width} pixels is empty: expected at least 1 x 1")
        scale = min(height, width / aspect)
        origin = np.array([width - aspect * scale, height - scale]) / 2 - 0.5
        return cls(size, scale * np.eye(2), origin)

    @property
    def pixel(self) -> float:
        """Edge of a pixel in drawing coordinates."""
        return 1 / math.hypot(*self.matrix[0])

    def framed(self, centre: Point, roll: float = 0.0, scale: float = 1.0, shift: Point = (0.0, 0.0)) -> "Grid":
        """The grid in the coordinates of a drawing that is turned, enlarged and moved.

        It is turned by `roll` (radians, clockwise) and enlarged about `centre`, then moved by `shift`.
        """
        cos, sin = math.cos(roll) * scale, math.sin(roll) * scale
        turned = np.array([[cos, -sin], [sin, cos]])
        offset = np.add(centre, shift) - turned @ np.array(centre)
        return Grid(self.size, self.matrix @ turned, self.matrix @ offset + self.origin)


def fill(grid: Grid, points: ArrayLike) -> Area:
    """The area that a closed polygon winds around; it may cross itself."""
    return (np.asarray(points, np.float64) @ grid.matrix.T + grid.origin,)


def spline(knots: ArrayLike, closed: bool = True) -> Float[np.ndarray, "N d"]:
    """Points of a smooth curve through the knots, six per knot."""
    knots = np.asarray(knots, np.float64)
    return _catmull_rom(len(knots), closed)[0] @ knots


@functools.cache
def _catmull_rom(num_knots: int, closed: bool) -> tuple[Float[np.ndarray, "N n"], Float[np.ndarray, "N n"]]:
    """Matrices from knots to the points of the curve through them, and to its direction at these points."""
    every = np.eye(num_knots)
    if closed:
        padded = np.concatenate([every[-1:], every, every[:2]])
    else:
        padded = np.concatenate([2 * every[:1] - every[1:2], every, 2 * every[-1:] - every[-2:-1]])
    windows = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    steps = (np.arange(len(windows))[:, None] + _STEPS).ravel()
    steps = steps if closed else np.append(steps, len(windows))
    span = np.minimum(steps.astype(int), len(windows) - 1)
    t = (steps - span)[:, None]
    place, direction = t ** np.arange(4), np.arange(4) * t ** np.array([0, 0, 1, 2])
    return tuple(((powers @ _CUBICS)[:, None] @ windows[span])[:, 0] for powers in (place, direction))


def blob(grid: Grid, knots: ArrayLike) -> Area:
    """Area inside a smooth closed curve through the knots."""
    return fill(grid, spline(knots))


def sides(knots: Sequence[tuple[float, float, float]]) -> Points:
    """Closed knots from heights with a left and a right edge: `(y, left, right)`, downwards."""
    rows = np.asarray(knots, np.float64)
    return np.concatenate([rows[:, [2, 0]], rows[::-1, [1, 0]]])


def oval(centre: Point, radii: Point, roll: float = 0.0, power: float = 2.0) -> Points:
    """Points of a superellipse turned by `roll`; the power 2 is an ellipse, 4 is nearly a rectangle."""
    cos, sin = np.cos(_CIRCLE), np.sin(_CIRCLE)
    x = radii[0] * np.sign(cos) * np.abs(cos) ** (2 / power)
    y = radii[1] * np.sign(sin) * np.abs(sin) ** (2 / power)
    turn = math.cos(roll), math.sin(roll)
    return np.stack([centre[0] + turn[0] * x - turn[1] * y, centre[1] + turn[1] * x + turn[0] * y], axis=1)


def ring(grid: Grid, centre: Point, radii: Point, width: float, power: float = 2.0) -> tuple[Area, Area]:
    """A superellipse, and the hole that leaves a rim, `width` wide."""
    width = max(width, grid.pixel)
    inner = (max(radii[0] - width, 1e-6), max(radii[1] - width, 1e-6))
    return fill(grid, oval(centre, radii, power=power)), fill(grid, oval(centre, inner, power=power))


def ribbon(grid: Grid, knots: Sequence[Point], radii: Sequence[float]) -> Area:
    """Stroke along a smooth curve through the knots, with round ends; the radius changes from knot to knot."""
    curve, direction = _catmull_rom(len(knots), closed=False)
    middle, ahead = curve @ knots, direction @ knots
    radius = curve @ np.maximum(radii, 0.55 * grid.pixel)
    ahead *= (radius / np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9))[:, None]
    where, forward, sideward = _stroke(len(curve))
    ahead = ahead[where]
    return fill(grid, middle[where] + forward * ahead + sideward * (ahead @ _QUARTER_TURN))


@functools.cache
def _stroke(num_points: int) -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N 1"], Float[np.ndarray, "N 1"]]:
    """The outline of a stroke: beside or beyond which point, and how many radii ahead and aside."""
    angles = np.array([1.05, 0.52, 0.0, -0.52, -1.05])  # round ends
    there, half = np.arange(num_points), np.zeros(num_points)
    where = np.concatenate([there, np.full(5, num_points - 1), there[::-1], np.zeros(5, int)])
    forward = np.concatenate([half, np.cos(angles), half, -np.cos(angles)])
    sideward = np.concatenate([half + 1, np.sin(angles), half - 1, -np.sin(angles)])
    return where, forward[:, None], sideward[:, None]


def ruffled(points: Points, bumps: int, depth: float) -> Points:
    """A closed curve with `bumps` round bumps, `depth` high, spread over its length."""
    closed = np.concatenate([points, points[:1]])
    length = np.append(0, np.hypot(*np.diff(closed, axis=0).T).cumsum())
    phase = np.linspace(0, 1, 6 * bumps, endpoint=False)
    x, y = (np.interp(phase * length[-1], length, values) for values in closed.T)
    along_x, along_y = np.roll(x, -1) - np.roll(x, 1), np.roll(y, -1) - np.roll(y, 1)
    rise = depth * np.abs(np.sin(math.pi * bumps * phase)) / np.maximum(np.hypot(along_x, along_y), 1e-9)
    return np.stack([x + rise * along_y, y - rise * along_x], axis=1)


def pick(rng: np.random.Generator, shares: Mapping[str, float]) -> str:
    """A random key, with the probability of its value; the values need not sum to 1."""
    names, ends = tuple(shares), tuple(itertools.accumulate(shares.values()))
    return names[bisect.bisect(ends, rng.random() * ends[-1])]
