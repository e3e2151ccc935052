"""Face, hair, hat and sunglasses of a cartoon figure."""

import numpy as np

from segvae_jax.data.cartoon.people.body import MIDDLE, SIDES, Body
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, blob, fill, oval, pick, ribbon, ruffled, sides, spline

HAT, SUNGLASSES = 0.14, 0.12
_CENTRE, _NECK = 0.112, 0.208  # heights in the frame of the head
_LONG = {"long": 0.24, "wavy": 0.14, "bob": 0.14, "bun": 0.12, "tail": 0.12, "short": 0.08, "afro": 0.05, "curly": 0.06,
         "braids": 0.05}  # fmt: skip
_SHORT = {
    "short": 0.5,
    "buzz": 0.14,
    "quiff": 0.12,
    "bald": 0.07,
    "curly": 0.06,
    "afro": 0.04,
    "bob": 0.04,
    "tail": 0.03,
}
_HATS = {"beanie": 0.25, "cap": 0.27, "brim": 0.26, "sun_hat": 0.1, "beret": 0.07, "hood": 0.05}
_HIGH_HAIR = ("bun", "quiff", "afro")


def draw_head(rng: np.random.Generator, grid: Grid, body: Body) -> tuple[Area, list[Layer], list[Layer]]:
    """Face and neck, the hair behind the figure, and what lies on the face."""
    scale, roll = body.head, rng.normal(0, 0.07)
    x, y = body.neck
    grid = grid.framed((MIDDLE, _NECK), roll, scale, (x - MIDDLE, y - _NECK))
    turn, hatted = float(np.clip(rng.normal(0, 0.4), -1, 1)), rng.random() < HAT
    half, down, jaw = rng.uniform(0.041, 0.05), rng.uniform(0.06, 0.068), rng.uniform(0.68, 0.9)
    rows = [
        (0.055, 0.4),
        (0.075, 0.85),
        (_CENTRE, 1.0),
        (0.142, jaw),
        (_CENTRE + down - 0.007, 0.45),
        (_CENTRE + down, 0.2),
    ]
    lean = lambda v: MIDDLE + 0.007 * turn * (v > 0.12)
    face = blob(grid, sides([(v, lean(v) - half * u, lean(v) + half * u) for v, u in rows]))
    style = pick(rng, _LONG if body.feminine else _SHORT)
    style = "short" if hatted and style in _HIGH_HAIR else style
    mass, opening, tied, before = _hair(rng, grid, half, turn, style)
    hat, above_rim = _hat(rng, grid, half) if hatted else ((), ())
    hair = [Layer("hair", mass, opening + above_rim), Layer("hair", tied if before else (), above_rim)]
    on_face = [*hair, *_sunglasses(rng, grid, half, turn), Layer("hat", hat)]
    return face, [Layer("hair", mass + tied, above_rim)], on_face


def _hair(rng: np.random.Generator, grid: Grid, half: float, turn: float, style: str) -> tuple[Area, Area, Area, bool]:
    """The hair, the opening in it for the face, tied hair, and whether that is before the head too."""
    volume = {"buzz": 0.004, "afro": 0.036, "curly": 0.026}.get(style, rng.uniform(0.006, 0.02))
    if style == "bald":
        return (), (), (), False
    mass = _mass(rng, half + volume, 0.055 - volume, style)
    mass = ruffled(mass, 16, 0.011) if style in ("curly", "afro") else mass
    opening = _opening(rng, half, turn, style in ("long", "wavy", "bob", "curly", "afro"))
    tied = _TIED[style](rng, grid, half) if style in _TIED else ()
    return fill(grid, mass), fill(grid, opening), tied, style != "tail"


def _opening(rng: np.random.Generator, half: float, turn: float, falling: bool) -> np.ndarray:
    """Outline of the face under the hairline, and between the strands of hair that falls."""
    line, part, fringe = rng.uniform(0.066, 0.084), rng.normal(0, 0.018), rng.random() < 0.25
    strands = rng.random(2) < (0.7 if falling else 0.0)
    x, low, wide = MIDDLE + 0.008 * turn, 0.094 if fringe else line, half * (0.93 if falling else 0.99)
    knots = [(x - wide, low + 0.02), (x + part - 0.02, low + 0.004), (x + part, low), (x + part + 0.02, low + 0.004),
             (x + wide, low + 0.02)]  # fmt: skip
    for (_, side), strand in zip(SIDES, strands, strict=True):
        out, sink = half * (0.93 if strand else 1.5), 0.155 if falling else 0.115
        edge = [(0.98 * wide, sink), (out, sink + 0.03), (out, 0.22), (1.2 * out, 0.6)]
        beside = [(x + side * u, y) for u, y in edge]
        knots = knots + beside if side > 0 else beside[::-1] + knots
    return spline(knots, closed=False)


def _mass(rng: np.random.Generator, half: float, top: float, style: str) -> np.ndarray:
    """Outline of the hair, from the crown down to its tips."""
    spread, lean = rng.uniform(0.95, 1.3) + rng.normal(0, 0.08, 2), rng.normal(0, 0.1)
    tip = {"long": rng.uniform(0.2, 0.36), "wavy": rng.uniform(0.2, 0.34), "bob": rng.uniform(0.15, 0.195),
           "curly": rng.uniform(0.15, 0.22), "afro": rng.uniform(0.15, 0.17)}.get(style, 0.15)  # fmt: skip
    crown = [(top, 0.3 - lean, 0.3 + lean), (top + 0.02, 0.78 - lean, 0.78 + lean), (0.092, 1.0, 1.0)]
    if style in ("long", "wavy", "bob", "curly"):
        shares = [
            *crown,
            (0.13, 1.02, 1.02),
            (0.5 * (0.13 + tip), *(0.4 + 0.6 * spread)),
            (tip - 0.015, *spread),
            (tip, *(0.75 * spread)),
        ]
    else:
        shares = [*crown, (0.12, 0.97, 0.97), (tip - 0.01, 0.75, 0.75), (tip, 0.4, 0.4)]
    points = spline(sides([(y, MIDDLE - half * a, MIDDLE + half * b) for y, a, b in shares]))
    wave = rng.uniform(0.003, 0.008) * (style == "wavy") * (points[:, 1] > 0.1)
    return points + np.stack([wave * np.sin(130 * points[:, 1]), np.zeros(len(points))], axis=1)


def _bun(rng: np.random.Generator, grid: Grid, half: float) -> Area:
    radii = rng.uniform((0.02, 0.017), (0.032, 0.026))
    return fill(grid, oval((MIDDLE + rng.normal(0, 0.015), 0.046), tuple(radii)))


def _quiff(rng: np.random.Generator, grid: Grid, half: float) -> Area:
    side, high = rng.choice((-1, 1)), rng.uniform(0.012, 0.026)
    knots = [(-0.9, 0.078), (-0.8, 0.055), (0.1, 0.052 - high), (1.0, 0.048 - 0.5 * high), (0.95, 0.08), (0, 0.07)]
    return blob(grid, [(MIDDLE + side * half * u, y) for u, y in knots])


def _tail(rng: np.random.Generator, grid: Grid, half: float) -> Area:
    side, tip, thick = rng.choice((-1, 1)), rng.uniform(0.16, 0.28), rng.uniform(0.014, 0.024)
    x = MIDDLE + side * half
    return ribbon(
        grid, [(x - side * 0.015, 0.075), (x + side * 0.03, 0.1), (x + side * 0.03, tip)], [0.7 * thick, thick, 0.008]
    )


def _braids(rng: np.random.Generator, grid: Grid, half: float) -> Area:
    tip, thick, out = rng.uniform(0.22, 0.32), rng.uniform(0.011, 0.017), rng.uniform(0.0, 0.015)
    ends = [[(MIDDLE + s * half, 0.13), (MIDDLE + s * (half + out), 0.18), (MIDDLE + s * half, tip)] for _, s in SIDES]
    left, right = (ribbon(grid, points, [thick, thick, 0.6 * thick]) for points in ends)
    return left + right


_TIED = {"bun": _bun, "quiff": _quiff, "tail": _tail, "braids": _braids}


def _sunglasses(rng: np.random.Generator, grid: Grid, half: float, turn: float) -> list[Layer]:
    worn, power, wide = rng.random() < SUNGLASSES, rng.choice((2.0, 4.0)), rng.uniform(0.017, 0.021)
    if not worn:
        return []
    radii = (wide, max(rng.uniform(0.011, 0.016), 0.75 * grid.pixel))
    lenses = [fill(grid, oval((MIDDLE + 0.008 * turn + s * 0.02, 0.112), radii, power=power)) for _, s in SIDES]
    bar = ribbon(grid, [(MIDDLE - half * 0.95, 0.108), (MIDDLE + half * 0.95, 0.108)], [0.004, 0.004])
    return [Layer("sunglass", lenses[0] + lenses[1] + bar)]


def _hat(rng: np.random.Generator, grid: Grid, half: float) -> tuple[Area, Area]:
    """A hat, and the area above its rim."""
    kind, rim, side, high = pick(rng, _HATS), rng.uniform(0.076, 0.09), rng.choice((-1, 1)), rng.uniform(0.0, 0.018)
    tilted, x, w = grid.framed((MIDDLE, rim), rng.normal(0, 0.08)), MIDDLE, half + 0.01
    flat = {"brim": 0.75, "beanie": 0.4, "beret": 0.3}.get(kind, 0.5)
    top = 0.043 - high - 0.012 * (kind in ("brim", "beanie"))
    rows = [(top, flat), (top + 0.012, 0.4 + 0.6 * flat), (0.5 * (top + rim), 0.98), (rim, 1.0)]
    crown = blob(tilted, sides([(y, x - w * u, x + w * u) for y, u in rows]))
    edge = {
        "beanie": oval((x, rim), (w + 0.004, 0.011), power=4.0),
        "cap": oval((x + side * 0.035, rim), (w * 1.1, 0.011), side * 0.1),
        "brim": oval((x, rim), (0.095, 0.012)),
        "sun_hat": oval((x, rim), (0.125, 0.017)),
        "beret": oval((x + side * 0.02, 0.062), (w * 1.3, 0.026), side * 0.2),
        "hood": oval((x, rim + 0.006), (w * 1.12, 0.03)),
    }[kind]
    return crown + fill(tilted, edge), fill(tilted, [(-2, -2), (3, -2), (3, rim), (-2, rim)])
