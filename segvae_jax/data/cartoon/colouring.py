"""The colours of a cartoon: one choice for each kind of material, from distributions that look like people."""

import colorsys
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from segvae_jax.data.cartoon.shapes import pick

Colour = Float[np.ndarray, "3"]  # RGB in [0, 1]

# What each class is made of. Classes of the same material have the same colour, up to a factor.
MATERIALS: Mapping[str, str] = {
    **dict.fromkeys(("skin", "nose", "l_ear", "r_ear", "neck", "face"), "skin"),
    **dict.fromkeys(("left-arm", "right-arm", "left-leg", "right-leg"), "skin"),
    **dict.fromkeys(("hair", "l_brow", "r_brow"), "hair"),
    **dict.fromkeys(("u_lip", "l_lip"), "lips"),
    **dict.fromkeys(("l_eye", "r_eye"), "eyes"),
    **dict.fromkeys(("ear_r", "neck_l"), "metal"),
    **dict.fromkeys(("eye_g", "sunglass"), "frame"),
    **dict.fromkeys(("cloth", "upper-clothes", "dress"), "top"),
    **dict.fromkeys(("skirt", "pants"), "trousers"),
    **dict.fromkeys(("left-shoe", "right-shoe"), "shoes"),
    **{name: name for name in ("background", "mouth", "hat", "belt", "scarf", "bag")},
}
_FACTORS = {"nose": 1.03, "neck": 0.9, "l_ear": 0.94, "r_ear": 0.94, "l_brow": 0.72, "r_brow": 0.72, "l_lip": 1.1}

_SKIN = ("ffe0c8", "f4c9a8", "e0ac84", "c68a5e", "9a6240", "6b422c", "47291c")  # from light to dark
_HAIR = {
    "1c1714": 0.28, "3b2719": 0.26, "6a4426": 0.16, "a9773f": 0.09, "d9b76a": 0.08, "9b4a22": 0.05, "8e8c8a": 0.04,
    "dcdad6": 0.02, "7a3ea0": 0.01, "2f6fb0": 0.01,
}  # fmt: skip
_METALS = ("d9b24a", "c8ccd2", "e8d9c4")
_FRAMES = ("1d1d20", "5a3420", "7d2030", "26406a", "b8b8bd")
_LEATHER = ("2a211c", "5b3a24", "8a5a34", "1b1b1e", "d8d4cc", "7a1f24")


def draw_colours(rng: np.random.Generator) -> dict[str, Colour]:
    """A colour for each material, and `pattern`, the second colour of clothes."""
    tone = rng.beta(1.2, 1.5) * (len(_SKIN) - 1)
    skin = _between(_SKIN, tone)
    choose = lambda colours: _rgb(colours[rng.integers(len(colours))])
    return {
        "background": _hsv(rng, (0.05, 0.5), (0.55, 0.95)),
        "skin": skin,
        "hair": _rgb(pick(rng, _HAIR)) * rng.uniform(0.85, 1.15),
        "lips": 0.55 * skin + 0.45 * _rgb("b23a48") * rng.uniform(0.8, 1.15),
        "mouth": _rgb("5c1f24") if rng.random() < 0.4 else _rgb("efe6df"),
        "eyes": _rgb("f4f2ee"),
        "metal": choose(_METALS),
        "frame": choose(_FRAMES),
        "top": _hsv(rng, (0.1, 0.8), (0.25, 0.95)),
        "pattern": _hsv(rng, (0.1, 0.8), (0.25, 0.95)),
        "trousers": _hsv(rng, (0.1, 0.6), (0.2, 0.75)),
        "hat": _hsv(rng, (0.2, 0.8), (0.25, 0.9)),
        "scarf": _hsv(rng, (0.3, 0.9), (0.35, 0.95)),
        **{name: choose(_LEATHER) for name in ("shoes", "belt", "bag")},
        "iris": choose(("4a3020", "6b4a2a", "3d6a8a", "4f7a52", "2a1d16")),
    }


def class_colours(names: Sequence[str], colours: Mapping[str, Colour]) -> Float[np.ndarray, "C 3"]:
    """The colour of each class."""
    return np.clip([colours[MATERIALS[name]] * _FACTORS.get(name, 1.0) for name in names], 0, 1)


def _rgb(digits: str) -> Colour:
    return np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255


def _between(colours: Sequence[str], place: float) -> Colour:
    before = min(int(place), len(colours) - 2)
    return _rgb(colours[before]) + (place - before) * (_rgb(colours[before + 1]) - _rgb(colours[before]))


def _hsv(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    return np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value)))
