"""Pictures of cartoons: colours, light from one side, outlines, strands of hair, patterns on clothes, irises.

A picture is drawn from the map alone, at three times its size, and reduced. So its edges lie where those of the map do.
"""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from segvae_jax.data.cartoon.colouring import MATERIALS, Colour, class_colours, draw_colours
from segvae_jax.labels import LabelSpace

ENLARGED = 3  # a picture is drawn at so many times its size
_RELIEF = 0.05  # of the height: how far from its edge a part is rounded
_OUTLINE = 0.004  # of the height: half of the width of an outline

Picture = Float[np.ndarray, "h w 3"]  # in [0, 1]


def render(index: UInt8[np.ndarray, "h w"], space: LabelSpace, rng: np.random.Generator) -> UInt8[np.ndarray, "H W 3"]:
    """The picture of an index map, an `ENLARGED`-th of its height and width."""
    colours = draw_colours(rng)
    of = lambda material: np.isin(index, [i for i, name in enumerate(space.names) if MATERIALS[name] == material])
    picture = class_colours(space.names, colours)[index]
    picture[of("top") & _pattern(index.shape, rng)] = colours["pattern"]
    picture *= 1 + 0.35 * (_strands(index.shape, rng) * of("hair"))[..., None]
    for name in {"l_eye", "r_eye"} & set(space.names):
        _add_iris(picture, index == space.channel(name), colours["iris"])
    distance = _distance(index) / len(index)
    picture *= (_light(distance, rng) * _outlines(distance))[..., None]
    backdrop = _backdrop(index.shape, colours["background"], rng)
    return _reduced(np.where(of("background")[..., None], backdrop, picture))


def _reduced(picture: Picture) -> UInt8[np.ndarray, "H W 3"]:
    """The mean of each block of pixels."""
    height, width = (side // ENLARGED for side in picture.shape[:2])
    blocks = np.clip(picture, 0, 1).reshape(height, ENLARGED, width, ENLARGED, 3)
    return np.round(255 * blocks.mean((1, 3))).astype(np.uint8)


def _distance(index: UInt8[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Pixels to the nearest edge between classes."""
    from scipy import ndimage  # takes long to import, and only pictures need it

    edge = np.zeros(index.shape, bool)
    edge[1:] |= index[1:] != index[:-1]
    edge[:, 1:] |= index[:, 1:] != index[:, :-1]
    if not edge.any():
        return np.full(index.shape, float(max(index.shape)))
    return ndimage.distance_transform_edt(~edge)


def _outlines(distance: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """A factor that is low along the edges of parts."""
    return 1 - 0.6 * np.exp(-((distance / _OUTLINE) ** 2))


def _light(distance: Float[np.ndarray, "h w"], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    """Brightness of rounded parts in light from above, a little from one side."""
    from scipy import ndimage

    reach = _RELIEF * len(distance)
    relief = ndimage.gaussian_filter(np.sqrt(np.minimum(distance / _RELIEF, 1)), reach / 4)
    down, right = np.gradient(relief * reach)
    angle = rng.uniform(-0.7, 0.7)
    return 1 + 0.3 * np.clip(np.cos(angle) * down + np.sin(angle) * right, -1, 1)


def _smooth_noise(shape: tuple[int, ...], rng: np.random.Generator, sigmas: tuple[float, float]) -> np.ndarray:
    """Noise of unit variance, smoothed over so many heights of the picture down and across."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.standard_normal(shape), [max(sigma * shape[0], 0.5) for sigma in sigmas])
    return noise / max(noise.std(), 1e-6)


def _strands(shape: tuple[int, ...], rng: np.random.Generator) -> Float[np.ndarray, "h w"]:
    return np.clip(_smooth_noise(shape, rng, (0.06, 0.006)), -2, 2) / 3


def _backdrop(shape: tuple[int, ...], colour: Colour, rng: np.random.Generator) -> Picture:
    """A wall: one colour that darkens downwards, with soft spots."""
    darker = np.linspace(1.05, 0.8, shape[0])[:, None] + 0.04 * _smooth_noise(shape, rng, (0.12, 0.12))
    return colour * darker[..., None]


def _pattern(shape: tuple[int, ...], rng: np.random.Generator) -> Bool[np.ndarray, "h w"]:
    """Where clothes have their second colour: nowhere, on stripes, checks or dots."""
    rows, columns = np.indices(shape) / shape[0]
    period, kind = rng.uniform(0.03, 0.09), rng.random()
    wave = lambda place: np.sin(2 * np.pi * place / period)
    if kind < 0.5:
        return np.zeros(shape, bool)
    if kind < 0.75:
        return wave(rows if kind < 0.66 else columns) > rng.uniform(0, 0.6)
    return wave(rows) * wave(columns) > (0.0 if kind < 0.85 else 0.55)


def _add_iris(picture: Picture, eye: Bool[np.ndarray, "h w"], colour: Colour) -> None:
    """Paints iris, pupil and a light into the middle of an eye, in place."""
    rows, columns = eye.nonzero()
    if not len(rows):
        return
    centre, radius = (rows.mean(), columns.mean()), max(0.55 * (np.ptp(rows) + 1), 1.0)
    grid = np.indices(eye.shape)
    away = lambda place: np.hypot(grid[0] - place[0], grid[1] - place[1])
    picture[eye & (away(centre) < radius)] = colour
    picture[eye & (away(centre) < 0.5 * radius)] = 0.05
    picture[eye & (away((centre[0] - 0.3 * radius, centre[1] - 0.3 * radius)) < 0.25 * radius)] = 1.0
