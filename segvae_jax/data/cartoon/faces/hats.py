"""The hats of the cartoon faces."""

import numpy as np

from segvae_jax.data.cartoon.faces.head import SIDES, Head
from segvae_jax.data.cartoon.shapes import Area, Grid, Layer, blob, fill, oval, ribbon, sides


def draw_hat(rng: np.random.Generator, grid: Grid, head: Head) -> tuple[list[Layer], Area]:
    """The hat, and the area above its rim, which hair does not reach; both are empty on a bare head."""
    if not head.hat:
        return [], ()
    if head.hat == "headscarf":
        return [_headscarf(rng, grid, head)], fill(grid, [(-2, -2), (3, -2), (3, 3), (-2, 3)])
    rim = rng.uniform(0.25, 0.33)
    tilted = grid.framed((head.x, rim), rng.normal(0, 0.09))
    hat = _HATS[head.hat](rng, tilted, head, rim)
    return [Layer("hat", hat)], fill(tilted, [(-2, -2), (3, -2), (3, rim), (-2, rim)])


def _crown(head: Head, rim: float, high: float, top: float, ease: float) -> np.ndarray:
    """Knots of a hat's crown: `top` is the share of its width that is flat, `ease` how far it stands off the skull."""
    wide, y = head.half_width + ease, head.crown - high
    rows = [(y, top), (y + 0.05, 0.4 + 0.6 * top), (0.5 * (y + rim), 0.97), (rim, 1.0)]
    return sides([(y, head.x - wide * u, head.x + wide * u) for y, u in rows])


def _beanie(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    ease, cuff, slouch = rng.uniform(0.02, 0.05), rng.uniform(0.025, 0.05), rng.uniform(0.03, 0.1)
    hat = blob(grid, _crown(head, rim, slouch, rng.uniform(0.3, 0.5), ease))
    hat += fill(grid, oval((head.x, rim), (head.half_width + ease + 0.012, cuff), power=4.0))
    if head.hat == "bobble":
        hat += fill(grid, oval((head.x, head.crown - slouch - 0.02), (0.08, 0.075)))
    return hat


def _cap(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    side = -1 if head.turn < 0 else 1
    sidewards, deep, reach = rng.uniform(0.02, 0.14), rng.uniform(0.03, 0.06), rng.uniform(0.9, 1.1)
    peak = oval((head.x + side * sidewards, rim + 0.01), (head.half_width * reach, deep), side * 0.08, 2.6)
    return blob(grid, _crown(head, rim, rng.uniform(0.02, 0.05), 0.45, 0.022)) + fill(grid, peak)


def _brimmed(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    """A fedora, or a sun hat with a wider brim and a lower crown."""
    sun = head.hat == "sun_hat"
    reach, droop = rng.uniform(0.4, 0.47) + 0.1 * sun, rng.uniform(-0.03, 0.04)
    crown = blob(grid, _crown(head, rim, rng.uniform(0.03, 0.06) + 0.03 * (not sun), 0.5 if sun else 0.72, 0.012))
    x, thick = head.x, rng.uniform(0.03, 0.05)
    brim = [(x - reach, rim + droop), (x - 0.5 * reach, rim - thick), (x + 0.5 * reach, rim - thick),
            (x + reach, rim + droop), (x + 0.5 * reach, rim + thick), (x - 0.5 * reach, rim + thick)]  # fmt: skip
    return crown + blob(grid, brim)


def _bucket(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    flare, high = rng.uniform(1.2, 1.4), rng.uniform(0.02, 0.05)
    w, x, y = head.half_width + 0.02, head.x, head.crown - high
    rows = [(y, 0.7), (y + 0.03, 0.88), (rim - 0.06, 1.02), (rim + 0.035, flare), (rim + 0.05, 0.6 * flare)]
    return blob(grid, sides([(height, x - w * u, x + w * u) for height, u in rows]))


def _beret(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    side, out, high = rng.choice((-1, 1)), rng.uniform(1.25, 1.5), rng.uniform(0.02, 0.06)
    x, w, rim = head.x, head.half_width, rim - 0.03
    knots = [(x - side * w, rim + 0.02), (x - side * 1.04 * w, rim - 0.09), (x - side * 0.3 * w, head.crown - high),
             (x + side * 0.8 * w, head.crown - 0.4 * high), (x + side * out * w, rim - 0.06),
             (x + side * 1.1 * w, rim + 0.03), (x, rim + 0.02)]  # fmt: skip
    return blob(grid, knots)


def _turban(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    wide, high = head.half_width + rng.uniform(0.05, 0.1), rng.uniform(0.05, 0.09)
    x, y, low = head.x, head.crown - high, rim + rng.uniform(0.1, 0.16)
    knots = [(x, y), (x + 0.75 * wide, y + 0.05), (x + wide, rim - 0.06), (x + 0.95 * head.half_width, low),
             (x + 0.6 * wide, rim + 0.01), (x, rim - 0.04), (x - 0.6 * wide, rim + 0.01),
             (x - 0.95 * head.half_width, low), (x - wide, rim - 0.06), (x - 0.75 * wide, y + 0.05)]  # fmt: skip
    return blob(grid, knots)


def _bandana(rng: np.random.Generator, grid: Grid, head: Head, rim: float) -> Area:
    side, tail = 1 if head.turn < 0 else -1, rng.uniform(0.08, 0.2)
    x = head.x + side * (head.half_width + 0.01)
    knot = ribbon(
        grid, [(x, rim - 0.03), (x + side * 0.05, rim + 0.02), (x + side * 0.07, rim + tail)], [0.03, 0.03, 0.02]
    )
    return blob(grid, _crown(head, rim - 0.01, 0.015, 0.4, 0.012)) + knot


def _headscarf(rng: np.random.Generator, grid: Grid, head: Head) -> Layer:
    """A scarf around head and neck, with an opening for the face; it covers all hair."""
    ease, tight, top = rng.uniform(0.03, 0.08), rng.uniform(0.84, 0.95), rng.uniform(0.19, 0.26)
    x, w, flare, lap = head.x, head.half_width + ease, rng.uniform(1.1, 1.6), rng.uniform(0.9, 0.97)
    rows = [(head.crown - ease, 0.3), (head.crown - ease + 0.06, 0.75), (0.3, 1.0), (0.6, 1.0), (0.85, 0.92),
            (1.05, flare), (1.2, flare)]  # fmt: skip
    scarf = blob(grid, sides([(y, x - w * u, x + w * u) for y, u in rows]))
    rows = [(top, 0.3), (top + 0.06, 0.7), (0.45, tight), (0.7, 0.85 * tight), (lap - 0.07, 0.5), (lap - 0.04, 0.2)]
    edge = lambda side, u: head.x + side * head.half_width * u * (1 - 0.25 * head.near(side)) + 0.06 * np.sin(head.turn)
    opening = blob(grid, sides([(y, *(edge(side, u) for _, side in SIDES)) for y, u in rows]))
    return Layer("hat", scarf, opening)


_HATS = {
    "beanie": _beanie, "bobble": _beanie, "cap": _cap, "fedora": _brimmed, "sun_hat": _brimmed, "bucket": _bucket,
    "beret": _beret, "turban": _turban, "bandana": _bandana,
}  # fmt: skip
