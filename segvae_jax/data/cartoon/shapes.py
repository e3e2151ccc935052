"""Shapes in unit coordinates, rasterised by testing whether each pixel centre lies inside.

Lengths are fractions of the drawing's height; x points right and y down. Thin shapes are widened to one pixel of the
grid, so that a necklace stays connected at 32 px.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from segvae_jax.errors import DataError
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_shapes

Mask = Bool[np.ndarray, "H W"]
Layer = tuple[str, Mask]
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Grid:
    """Coordinates of the pixel centres of a picture.

    Attributes:
      x: horizontal coordinates, `[1, W]` or `[H, W]`.
      y: vertical coordinates, `[H, 1]` or `[H, W]`.
      pixel: edge of a pixel in the same unit.
    """

    x: Float[np.ndarray, "h W"]
    y: Float[np.ndarray, "H w"]
    pixel: float

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
        pixel = 1 / min(height, width / aspect)
        x = aspect / 2 + (np.arange(width, dtype=np.float32) + 0.5 - width / 2) * pixel
        y = 0.5 + (np.arange(height, dtype=np.float32) + 0.5 - height / 2) * pixel
        return cls(x[None, :], y[:, None], pixel)

    def framed(self, centre: Point, roll: float = 0.0, scale: float = 1.0, shift: Point = (0.0, 0.0)) -> "Grid":
        """The grid in the coordinates of a drawing that is turned, enlarged and moved.

        It is turned by `roll` (radians, clockwise) and enlarged about `centre`, then moved by `shift`.
        """
        dx, dy = self.x - centre[0] - shift[0], self.y - centre[1] - shift[1]
        cos, sin = math.cos(roll) / scale, math.sin(roll) / scale
        x, y = centre[0] + cos * dx + sin * dy, centre[1] - sin * dx + cos * dy
        return dataclasses.replace(self, x=x, y=y, pixel=self.pixel / scale)


def compose(layers: Iterable[Layer], size: tuple[int, int], space: LabelSpace) -> Bool[np.ndarray, "H W C"]:
    """Class maps of layers, which are given from back to front: a layer hides those behind it.

    Classes that continue under others, by the label space's `covered_by`, are filled in under them.
    """
    index = np.zeros(size, np.uint8)
    for name, mask in layers:
        index[np.broadcast_to(mask, size)] = space.channel(name)
    return index_to_shapes(index, space)


def egg(
    grid: Grid, centre: Point, half_width: float, up: float, down: float, chin: float = 2.0, bumps: int = 0
) -> Mask:
    """Ellipse that reaches `up` above and `down` below its centre.

    `chin` is the power of the lower half (below 2 pointed, above 2 square); `bumps` curls the outline.
    """
    dx, dy = (grid.x - centre[0]) / half_width, grid.y - centre[1]
    below = np.maximum(dy, 0) / down
    radius = dx * dx + np.square(np.minimum(dy, 0) / up) + below**chin
    if not bumps:
        return radius <= 1
    wave = np.abs(np.sin(bumps / 2 * np.arctan2(dy / up, dx)))
    return radius <= np.square(0.9 + 0.13 * wave)


def ellipse(grid: Grid, centre: Point, radii: Point, power: float = 2.0) -> Mask:
    """Superellipse; the power 2 is an ellipse, 4 is nearly a rectangle."""
    dx, dy = (grid.x - centre[0]) / radii[0], (grid.y - centre[1]) / radii[1]
    if power == 2:
        return dx * dx + dy * dy <= 1
    return np.abs(dx) ** power + np.abs(dy) ** power <= 1


def ring(grid: Grid, centre: Point, radii: Point, width: float, power: float = 2.0) -> Mask:
    """The rim of a superellipse, `width` wide and inside it."""
    width = max(width, grid.pixel)
    inner = (max(radii[0] - width, 1e-6), max(radii[1] - width, 1e-6))
    return ellipse(grid, centre, radii, power) & ~ellipse(grid, centre, inner, power)


def limb(grid: Grid, points: Sequence[Point], radii: Sequence[float]) -> Mask:
    """Stroke of a round brush along a polyline; the radius changes from point to point."""
    radii = [max(radius, grid.pixel / 2) for radius in radii]
    spans = zip(points, points[1:], radii, radii[1:], strict=False)
    return np.logical_or.reduce([_capsule(grid, *span) for span in spans])


def _capsule(grid: Grid, start: Point, end: Point, radius: float, end_radius: float) -> Mask:
    dx, dy = end[0] - start[0], end[1] - start[1]
    px, py = grid.x - start[0], grid.y - start[1]
    along = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    distance = np.square(px - along * dx) + np.square(py - along * dy)
    return distance <= np.square(radius + along * (end_radius - radius))


def band(grid: Grid, centre: Point, half_width: float, upper: ArrayLike, lower: ArrayLike) -> Mask:
    """Area between two curves over `|u| <= 1`; `u` runs from -1 to 1 across `half_width`.

    A curve is given by the coefficients of a polynomial in `u`, constant first, in lengths below the centre.
    """
    u = (grid.x - centre[0]) / half_width
    dy = grid.y - centre[1]
    polynomial = lambda coefficients: np.polynomial.polynomial.polyval(u, coefficients)
    return (np.abs(u) <= 1) & (dy >= polynomial(upper)) & (dy <= polynomial(lower))


def outline(grid: Grid, knots: Sequence[tuple[float, float, float]]) -> Mask:
    """Shape given by its left and right edge at some heights: knots `(y, left, right)`, downwards.

    The edges are smoothed between the knots.
    """
    y, left, right = _smoothed(knots).T
    inside = (grid.y >= y[0]) & (grid.y <= y[-1])
    return inside & (grid.x >= np.interp(grid.y, y, left)) & (grid.x <= np.interp(grid.y, y, right))


def below(grid: Grid, knots: Sequence[Point]) -> Mask:
    """Area under a smooth curve through knots `(x, y)`, from left to right."""
    x, y = _smoothed(knots).T
    return grid.y >= np.interp(grid.x, x, y)


def polygon(grid: Grid, corners: Sequence[Point]) -> Mask:
    """Polygon by the even-odd rule."""
    inside = np.zeros(np.broadcast_shapes(grid.x.shape, grid.y.shape), bool)
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y0 != y1:
            inside ^= ((y0 > grid.y) != (y1 > grid.y)) & (grid.x < x0 + (grid.y - y0) * (x1 - x0) / (y1 - y0))
    return inside


def _smoothed(knots: Sequence[Sequence[float]]) -> Float[np.ndarray, "n d"]:
    """Two rounds of Chaikin's corner cutting; the end points stay in place."""
    points = np.asarray(knots, np.float64)
    for _ in range(2):
        before, after = points[:-1], points[1:]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, points.shape[1]), points[-1:]])
    return points
