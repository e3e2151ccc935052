"""Cartoon faces: portraits cropped and composed as in CelebAMask-HQ, with the eyes at 48 % of the height.

The `l_` parts are the subject's left and so lie at the right of the picture, as in CelebAMask-HQ.
"""

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.hair import draw_hair, draw_hat
from segvae_jax.data.cartoon.head import EYES, SIDES, Head, draw_head
from segvae_jax.data.cartoon.shapes import (
    Grid,
    Layer,
    Mask,
    band,
    below,
    compose,
    egg,
    ellipse,
    limb,
    outline,
    polygon,
    ring,
)
from segvae_jax.labels import CELEBAMASK_HQ

MOUTH = 0.745
# Shares close to those of CelebAMask-HQ; the share of earrings is among heads with a visible ear.
GLASSES, NECKLACE, CLOTH, EARRINGS, OPEN_MOUTH = 0.06, 0.05, 0.6, 0.36, 0.57


def draw_face(rng: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Class maps of a random face over CELEBAMASK_HQ, of `size` (height, width).

    Parts overlap as in the annotation: skin continues under the parts of the face; any other part is cut off by the
    parts in front of it. The drawing depends on the generator's state and not on the size.

    Raises:
      DataError: if the size has no pixels.
    """
    head = draw_head(rng)
    shift = (rng.normal(0, 0.012), rng.normal(0, 0.01))
    grid = Grid.of_size(size).framed((0.5, EYES), rng.normal(0, 0.045), rng.normal(1, 0.03), shift)
    hair_behind, hair_before = draw_hair(rng, grid, head)
    layers = [
        *hair_behind,
        *_neck_and_cloth(rng, grid, head),
        *_skin_and_ears(rng, grid, head),
        *_nose(rng, grid, head),
        *_mouth(rng, grid, head),
        *_eyes(rng, grid, head),
        *_glasses(rng, grid, head),
        *hair_before,
        *draw_hat(rng, grid, head),
        *_earrings(rng, grid, head),
    ]
    return compose(layers, size, CELEBAMASK_HQ)


def _skin_and_ears(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    skin = egg(grid, (head.x, 0.5), head.half_width, 0.5 - head.crown, head.chin - 0.5, head.jaw)
    layers = [("skin", skin)]
    height, width, y = rng.uniform(0.07, 0.095), rng.uniform(0.035, 0.05), rng.uniform(0.54, 0.57)
    for name, side in SIDES:
        near = max(-head.turn * side, 0)
        if head.ear_visible(side):
            centre = (head.x + side * (head.half_width * (1 - 0.1 * near) + 0.012), y)
            ear = egg(grid.framed(centre, side * 0.2), centre, width * (1 + 0.2 * near), height * 0.8, height)
            layers.append((f"{name}_ear", ear))
    return layers


def _nose(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    tip = head.look + 0.02 * head.turn
    width, length, bridge = rng.uniform(0.06, 0.088), rng.normal(0.655, 0.01), rng.uniform(0.022, 0.034)
    left, right = 1 - 0.25 * max(-head.turn, 0), 1 - 0.25 * max(head.turn, 0)
    edges = lambda y, x, half: (y, x - half * left, x + half * right)
    knots = [
        edges(EYES - 0.01, head.look, bridge),
        edges(0.54, head.look, bridge * 1.1),
        edges(length - 0.06, (tip + head.look) / 2, width * 0.75),
        edges(length - 0.025, tip, width * 1.12),
        edges(length - 0.005, tip, width * 0.95),
        edges(length + 0.012, tip, width * 0.3),
    ]
    return [("nose", outline(grid, knots))]


def _mouth(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    half_width, smile = rng.uniform(0.075, 0.115), rng.normal(0.016, 0.014)
    upper, lower = (max(t, 1.1 * grid.pixel) for t in rng.uniform((0.018, 0.032), (0.028, 0.052)))
    gap = max(rng.uniform(0.02, 0.055) if rng.random() > 0.06 else rng.uniform(0.08, 0.13), 1.1 * grid.pixel)
    gap *= rng.random() < OPEN_MOUTH
    centre = (head.look + 0.012 * head.turn, MOUTH + rng.normal(0, 0.008) + 0.2 * gap)
    curve = lambda rise, bulge: np.array([rise + 0.5 * smile, 0, -smile - bulge, 0, 0])
    lip = lambda thick: np.array([thick, 0, 0, 0, -thick])
    between_top, between_bottom = curve(-gap / 2, -gap / 2), curve(gap / 2, gap / 2)
    cupid = np.array([0, 0, -0.3 * upper, 0, 0.3 * upper])
    layers = [
        ("u_lip", band(grid, centre, half_width, between_top - lip(upper) + cupid, between_top)),
        ("l_lip", band(grid, centre, half_width, between_bottom, between_bottom + lip(lower))),
    ]
    opening = band(grid, centre, half_width * 0.96, between_top, between_bottom)
    return [*layers, ("mouth", opening)] if gap else layers


def _eyes(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    opened, long, tilt = rng.uniform(0.013, 0.026), rng.uniform(0.9, 1.12), rng.normal(0, 0.006)
    brow_y, thick = EYES - rng.uniform(0.055, 0.08), max(rng.uniform(0.012, 0.032), grid.pixel)
    arch, slope, reach = rng.uniform(0.004, 0.018), rng.normal(0.002, 0.005), rng.uniform(1.4, 1.75)
    layers = []
    for name, side in SIDES:
        x, half = head.eye(side)
        height = max(opened * rng.uniform(0.9, 1.1), 0.6 * grid.pixel)
        lid = np.array([-height, 0, height])
        slant = np.array([0, side * tilt, 0])
        eye = band(grid, (x, EYES), half * long, lid - slant, -lid - slant)
        top = np.array([-thick / 2 - arch / 2, side * (slope + 0.3 * arch), arch])
        taper = np.array([thick, -0.25 * side * thick, 0])
        brow = band(grid, (x + side * 0.012, brow_y), half * reach, top, top + taper)
        layers += [(f"{name}_eye", eye), (f"{name}_brow", brow)]
    return layers


def _glasses(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    worn, dark, power = rng.random() < GLASSES, rng.random() < 0.45, rng.choice([2.0, 2.6, 5.0])
    width, height, rim = rng.uniform(0.075, 0.092), rng.uniform(0.045, 0.075), rng.uniform(0.014, 0.028)
    y = EYES + rng.uniform(0.0, 0.02)
    if not worn:
        return []
    parts, nose_side = [], []
    for _, side in SIDES:
        x = head.eye(side)[0] + side * 0.008
        radii = (width * head.eye(side)[1] / 0.045, height)
        parts.append(ellipse(grid, (x, y), radii, power) if dark else ring(grid, (x, y), radii, rim, power))
        nose_side.append((x - side * radii[0], y - 0.012))
        temple = [(x + side * radii[0], y - 0.015), (head.x + side * head.half_width, y - 0.005)]
        parts.append(limb(grid, temple, [0.007, 0.007]))
    return [("eye_g", np.logical_or.reduce([*parts, limb(grid, nose_side, [0.008, 0.008])]))]


def _neck_and_cloth(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    x, half = 0.3 * head.look + 0.7 * head.x, rng.uniform(0.14, 0.2)
    shoulder, slope, bare = rng.uniform(0.77, 0.93), rng.uniform(0.12, 0.55), rng.random() < 0.4
    dressed, collar = rng.random() < CLOTH, str(rng.choice(["round", "v", "high", "shirt"]))
    flare = half * (1.6 if bare and not dressed else 1.12)
    neck = outline(grid, [(0.6, x - half, x + half), (0.93, x - half, x + half), (1.0, x - flare, x + flare),
                          (2.0, x - 3 * flare, x + 3 * flare)])  # fmt: skip
    drop = lambda out: shoulder + slope * out
    torso = below(grid, [(x - 0.9, drop(0.7)), (x - 0.45, drop(0.3)), (x - half, drop(0)),
                         (x + half, drop(0)), (x + 0.45, drop(0.3)), (x + 0.9, drop(0.7))])  # fmt: skip
    depth = {"round": 0.98, "v": 1.12, "high": 0.93, "shirt": 1.05}[collar] + rng.uniform(-0.02, 0.03)
    layers = [("neck", neck)]
    if dressed:
        layers.append(("cloth", torso & ~_neckline(grid, x, half, collar, depth)))
    if rng.random() < NECKLACE:
        layers.append(("neck_l", _necklace(rng, grid, x, half)))
    return layers


def _neckline(grid: Grid, x: float, half: float, collar: str, depth: float) -> Mask:
    if collar in ("v", "shirt"):
        wide = half * (1.15 if collar == "v" else 0.95)
        return polygon(grid, [(x - wide, 0.5), (x + wide, 0.5), (x + wide, 0.9), (x, depth), (x - wide, 0.9)])
    return ellipse(grid, (x, depth - 0.3), (half * 1.2, 0.3), 3.0)


def _necklace(rng: np.random.Generator, grid: Grid, x: float, half: float) -> Mask:
    low, width = rng.uniform(0.955, 0.985), rng.uniform(0.006, 0.014)
    chain = ring(grid, (x, low - 0.12), (half * 1.02, 0.12), width)
    pendant = ellipse(grid, (x, low), (0.02, 0.022))
    return chain | pendant if rng.random() < 0.5 else chain


def _earrings(rng: np.random.Generator, grid: Grid, head: Head) -> list[Layer]:
    worn, shape = rng.random() < EARRINGS, str(rng.choice(["stud", "drop", "hoop"]))
    length = rng.uniform(0.06, 0.16)
    parts = []
    for _, side in SIDES:
        x, y = head.x + side * (head.half_width + 0.012), 0.645
        if not (worn and head.ear_visible(side)):
            continue
        if shape == "stud":
            parts.append(ellipse(grid, (x, y), (max(0.016, 0.6 * grid.pixel),) * 2))
        elif shape == "drop":
            parts.append(limb(grid, [(x, y), (x, y + length)], [0.008, 0.024]))
        else:
            parts.append(ring(grid, (x, y + length / 2), (length * 0.45, length / 2), 0.014))
    return [("ear_r", np.logical_or.reduce(parts))] if parts else []
