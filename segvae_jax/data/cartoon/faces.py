"""Cartoon faces: portraits cut and composed like CelebAMask-HQ, eyes level at 48 % of the height.

The `l_` parts are the subject's left and so lie at the right of the picture, as in CelebAMask-HQ.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool

from segvae_jax.data.cartoon.shapes import (
    Grid, Layer, Mask, band, below, egg, ellipse, flatten, limb, outline, polygon, ring,
)  # fmt: skip
from segvae_jax.labels import CELEBAMASK_HQ

EYES, MOUTH, CHIN = 0.478, 0.745, 0.915
SIDES = (("r", -1), ("l", 1))

HAIR_STYLES = {
    "bald": 0.03, "short": 0.3, "quiff": 0.1, "bun": 0.08, "tucked": 0.12, "long": 0.21, "bob": 0.1, "curly": 0.06,
}  # fmt: skip
UP = {"bald", "short", "quiff", "bun"}  # styles that end at the ears
COVERS_EARS = {"long", "bob", "curly"}
GLASSES, HAT, NECKLACE, CLOTH, EARRINGS, OPEN_MOUTH = 0.06, 0.055, 0.05, 0.6, 0.5, 0.57


@dataclasses.dataclass(frozen=True)
class _Head:
    """What the parts of a face share.

    Attributes:
      x: middle of the skull.
      look: middle of the features.
      turn: -1 turned to the left of the picture, 1 to the right.
      half_width: of the skull.
      crown: top of the skull.
      chin: lowest point.
      jaw: power of the chin's curve.
      style: a key of HAIR_STYLES.
      hat: "", "beanie", "cap" or "brim".
    """

    x: float
    look: float
    turn: float
    half_width: float
    crown: float
    chin: float
    jaw: float
    style: str
    hat: str

    def ear_visible(self, side: int) -> bool:
        """Whether the ear at the left (-1) or right (1) of the picture shows."""
        return self.style not in COVERS_EARS and self.turn * side < 0.4

    def eye(self, side: int) -> tuple[float, float]:
        """Middle and half width of the eye at a side: the far one of a turned head is nearer and narrower."""
        far = max(self.turn * side, 0)
        return self.look + side * 0.104 * (1 - 0.2 * far), 0.045 * (1 - 0.25 * far)


def draw_face(rng: np.random.Generator, size: tuple[int, int]) -> Bool[np.ndarray, "H W C"]:
    """Class maps of a random face over CELEBAMASK_HQ, of `size` (height, width).

    Parts overlap as in the annotation: skin continues under what lies on the face; any other part is cut
    by what is in front of it. The picture depends on the generator's state and not on the size.

    Raises:
      DataError: if the size has no pixels.
    """
    head = _head(rng)
    shift = (rng.normal(0, 0.012), rng.normal(0, 0.01))
    grid = Grid.of_size(size).framed((0.5, EYES), rng.normal(0, 0.045), rng.normal(1, 0.03), shift)
    hair_behind, hair_before = _hair(rng, grid, head)
    layers = [
        *hair_behind,
        *_neck_and_cloth(rng, grid, head),
        *_skin_and_ears(rng, grid, head),
        *_nose(rng, grid, head),
        *_mouth(rng, grid, head),
        *_eyes(rng, grid, head),
        *_glasses(rng, grid, head),
        *hair_before,
        *_hat(rng, grid, head),
        *_earrings(rng, grid, head),
    ]
    return flatten(layers, size, CELEBAMASK_HQ)


def _head(rng: np.random.Generator) -> _Head:
    turn = float(np.clip(rng.normal(0, 0.5), -1, 1))
    hat = str(rng.choice(["beanie", "cap", "brim"])) if rng.random() < HAT else ""
    style = str(rng.choice(list(HAIR_STYLES), p=list(HAIR_STYLES.values())))
    return _Head(
        x=0.5 - 0.055 * turn,
        look=0.5 + 0.012 * turn,
        turn=turn,
        half_width=rng.uniform(0.245, 0.285) * (1 - 0.06 * abs(turn)),
        crown=rng.uniform(0.1, 0.15),
        chin=CHIN + rng.normal(0, 0.018),
        jaw=rng.uniform(1.8, 2.9),
        style="bun" if hat and style == "quiff" else style,
        hat=hat,
    )


def _skin_and_ears(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    layers = [("skin", egg(grid, (head.x, 0.5), head.half_width, 0.5 - head.crown, head.chin - 0.5, head.jaw))]
    height, width, y = rng.uniform(0.07, 0.095), rng.uniform(0.035, 0.05), rng.uniform(0.54, 0.57)
    for name, side in SIDES:
        near = max(-head.turn * side, 0)
        if head.ear_visible(side):
            centre = (head.x + side * (head.half_width * (1 - 0.1 * near) + 0.012), y)
            ear = egg(grid.framed(centre, side * 0.2), centre, width * (1 + 0.2 * near), height * 0.8, height)
            layers.append((f"{name}_ear", ear))
    return layers


def _nose(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    tip = head.look + 0.02 * head.turn
    width, length, bridge = rng.uniform(0.055, 0.08), rng.normal(0.655, 0.01), rng.uniform(0.018, 0.028)
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


def _mouth(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    half_width, smile = rng.uniform(0.075, 0.115), rng.normal(0.016, 0.014)
    upper, lower = (max(t, 1.1 * grid.pixel) for t in rng.uniform((0.018, 0.024), (0.03, 0.042)))
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


def _eyes(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    opened, long, tilt = rng.uniform(0.013, 0.026), rng.uniform(0.9, 1.12), rng.normal(0, 0.006)
    brow_y, thick = EYES - rng.uniform(0.055, 0.08), max(rng.uniform(0.012, 0.032), grid.pixel)
    arch, slope, reach = rng.uniform(0.005, 0.03), rng.normal(0, 0.012), rng.uniform(1.5, 1.85)
    layers = []
    for name, side in SIDES:
        x, half = head.eye(side)
        height = max(opened * rng.uniform(0.9, 1.1), 0.6 * grid.pixel)
        eye = band(grid, (x, EYES), half * long, [-height, -side * tilt, height], [height, -side * tilt, -height])
        top = np.array([-thick / 2 - arch / 2, side * slope, arch])
        taper = np.array([thick, -0.4 * side * thick, 0])
        brow = band(grid, (x + side * 0.006, brow_y), half * reach, top, top + taper)
        layers += [(f"{name}_eye", eye), (f"{name}_brow", brow)]
    return layers


def _glasses(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    worn, dark, power = rng.random() < GLASSES, rng.random() < 0.45, rng.choice([2.0, 2.6, 5.0])
    width, height, rim = rng.uniform(0.075, 0.092), rng.uniform(0.042, 0.07), rng.uniform(0.012, 0.022)
    y = EYES + rng.uniform(0.0, 0.02)
    if not worn:
        return []
    parts = [limb(grid, [(head.eye(-1)[0], y - 0.012), (head.eye(1)[0], y - 0.012)], [0.006, 0.006])] if dark else []
    nose_side = []
    for _, side in SIDES:
        x = head.eye(side)[0] + side * 0.008
        radii = (width * head.eye(side)[1] / 0.045, height)
        parts.append(ellipse(grid, (x, y), radii, power) if dark else ring(grid, (x, y), radii, rim, power))
        nose_side.append((x - side * radii[0], y - 0.012))
        temple = [(x + side * radii[0], y - 0.015), (head.x + side * head.half_width, y - 0.005)]
        parts.append(limb(grid, temple, [0.007, 0.007]))
    return [("eye_g", np.logical_or.reduce([*parts, limb(grid, nose_side, [0.008, 0.008])]))]


def _neck_and_cloth(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    x, half = 0.3 * head.look + 0.7 * head.x, rng.uniform(0.14, 0.2)
    shoulder, slope, bare = rng.uniform(0.86, 0.95), rng.uniform(0.1, 0.35), rng.random() < 0.4
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


def _earrings(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
    worn, shape, length = rng.random() < EARRINGS, rng.choice(["stud", "drop", "hoop"]), rng.uniform(0.05, 0.13)
    parts = []
    for _, side in SIDES:
        x, y = head.x + side * (head.half_width + 0.012), 0.645
        if not (worn and head.ear_visible(side)):
            continue
        if shape == "stud":
            parts.append(ellipse(grid, (x, y), (max(0.016, 0.6 * grid.pixel),) * 2))
        elif shape == "drop":
            parts.append(limb(grid, [(x, y), (x, y + length)], [0.008, 0.02]))
        else:
            parts.append(ring(grid, (x, y + length / 2), (length * 0.45, length / 2), 0.012))
    return [("ear_r", np.logical_or.reduce(parts))] if parts else []


def _hair(rng: np.random.Generator, grid: Grid, head: _Head) -> tuple[list[Layer], list[Layer]]:
    volume, end = rng.uniform(0.02, 0.05), rng.uniform(0.47, 0.53)
    if head.style == "bald":
        return [], []
    whole = egg(grid, (head.x, 0.45), head.half_width + volume, 0.45 - head.crown + 1.4 * volume, 0.4)
    behind, before = [], []
    if head.style not in UP:
        whole, end = _long_hair(rng, grid, head, volume)
    elif head.style == "bun":
        knot = (head.x + rng.uniform(-0.06, 0.06), head.crown - 0.04)
        behind = [("hair", ellipse(grid, knot, (rng.uniform(0.07, 0.12), rng.uniform(0.06, 0.09))))]
    elif head.style == "quiff":
        lean = rng.uniform(-0.5, 0.5)
        tuft = grid.framed((head.x, head.crown + 0.05), lean)
        before = [("hair", egg(tuft, (head.x, head.crown + 0.06), head.half_width * 0.8, 0.12, 0.06, bumps=9))]
    opening = _face_opening(rng, grid, head, end)
    strands = whole & ~opening & (grid.y < end)
    return [*behind, ("hair", whole & (grid.y < max(end, 0.66)))], [*before, ("hair", strands)]


def _long_hair(rng: np.random.Generator, grid: Grid, head: _Head, volume: float) -> tuple[Mask, float]:
    """Hair that falls beside the face, and how far down it falls in front of the ears."""
    x, wide, top = head.x, head.half_width + volume + 0.015, head.crown - 1.5 * volume
    if head.style == "curly":
        lower = rng.uniform(0.35, 0.6)
        return egg(grid, (x, 0.45), wide + 0.07, 0.46 - top, lower, bumps=int(rng.integers(14, 22))), 1.2
    tip = rng.uniform(0.74, 0.9) if head.style == "bob" else rng.uniform(0.95, 1.6)
    spread, waves = rng.uniform(0.95, 1.35), rng.uniform(0, 0.02) * (rng.random() < 0.5)
    phase, pitch = rng.uniform(0, 6.3), rng.uniform(25, 45)
    wavy = dataclasses.replace(grid, x=grid.x + waves * np.sin(pitch * grid.y + phase))
    widths = [(top, 0.0), (top, 0.55), (top + 0.07, 0.9), (0.3, 1.04), (0.6, 1.08), (tip - 0.04, spread),
              (tip, spread * 0.9), (tip, 0.3)]  # fmt: skip
    fall = outline(wavy, [(y, x - wide * w, x + wide * w) for y, w in widths])
    return fall, 0.5 if head.style == "tucked" else 2.0


def _face_opening(rng: np.random.Generator, grid: Grid, head: _Head, end: float) -> Mask:
    """Where the hair in front leaves the face free: below the hairline and between the strands."""
    kind = str(rng.choice(["round", "middle", "side", "fringe", "peak"], p=[0.3, 0.2, 0.25, 0.15, 0.1]))
    line, part, tight = rng.uniform(0.2, 0.25), rng.uniform(-0.6, 0.6), rng.uniform(0.84, 0.95)
    low = {"round": 0.03, "middle": 0.16, "side": 0.13, "fringe": 0.0, "peak": 0.02}[kind] + rng.uniform(0, 0.04)
    line += {"fringe": rng.uniform(0.12, 0.18), "peak": 0.0}.get(kind, 0.0)
    part = part if kind == "side" else 0.0
    x, wide = head.x, head.half_width
    dip = -0.05 if kind == "peak" else 0.0
    knots = [(-1.1, line + 2.2 * low), (-0.75, line + low + dip), (part - 0.3, line + 0.25 * low + dip), (part, line),
             (part + 0.3, line + 0.25 * low + dip), (0.75, line + low + dip), (1.1, line + 2.2 * low)]  # fmt: skip
    forehead = below(grid, [(x + wide * u, y) for u, y in sorted(knots)])
    inner = rng.uniform(0.55, 0.9)
    widths = [(0.0, 1.0), (0.4, tight), (0.6, tight), (0.75, min(tight, 0.9)), (0.95, inner), (2.0, inner)]
    if end < 0.6:
        widths = [(0.0, 1.0), (0.35, tight), (end, 0.97), (2.0, 1.0)]
    return forehead & outline(grid, [(y, x - wide * w, x + wide * w) for y, w in widths])


def _hat(rng: np.random.Generator, grid: Grid, head: _Head) -> list[Layer]:
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
