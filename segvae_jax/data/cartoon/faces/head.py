"""The traits that the parts of a cartoon face share, so that hair, ears and features fit together."""

import dataclasses
import math

import numpy as np

from segvae_jax.data.cartoon.faces.styles import CHILD_HAIR, COVERED_BY, HAIR, HATS, SHORT_HAIR, UNDER_HAT
from segvae_jax.data.cartoon.shapes import pick

EYES, MOUTH, CHIN = 0.475, 0.735, 0.915  # heights in CelebAMask-HQ's aligned portraits
SIDES = (("r", -1), ("l", 1))
CHILD, MASCULINE, HAT = 0.06, 0.35, 0.055
_DEPTH = 0.13  # of the features before the middle of the skull

# Per face shape: half widths of temples, jaw and chin, as shares of the cheeks', and factors on width and length.
_FACES = {
    "oval": (0.94, 0.78, 0.36, 1.0, 0.0),
    "round": (0.93, 0.86, 0.46, 1.04, -0.015),
    "square": (0.96, 0.88, 0.5, 1.0, 0.0),
    "long": (0.94, 0.8, 0.38, 0.93, 0.02),
    "heart": (0.97, 0.71, 0.26, 1.0, 0.0),
    "chubby": (0.9, 0.94, 0.55, 1.05, 0.01),
    "thin": (0.92, 0.73, 0.32, 0.93, 0.005),
    "child": (0.95, 0.84, 0.38, 1.05, -0.035),
}


@dataclasses.dataclass(frozen=True)
class Head:
    """The traits that the parts of a face share.

    Attributes:
      turn: to the right of the picture, in radians.
      x: middle of the skull.
      half_width: of the skull.
      crown: top of the skull.
      chin: lowest point.
      face: half widths of temples, jaw and chin, as shares of `half_width`.
      child: whether it is a child's.
      masculine: whether brows and jaw are heavy and long hair is rare.
      hair: name of the hair style, see `styles.HAIR`.
      covers: which ears the hair covers, at the left and right of the picture.
      hat: "", or a key of `styles.HATS`.
    """

    turn: float
    x: float
    half_width: float
    crown: float
    chin: float
    face: tuple[float, float, float]
    child: bool
    masculine: bool
    hair: str
    covers: tuple[bool, bool]
    hat: str

    def at(self, across: float, depth: float = _DEPTH) -> float:
        """The x of a point of the head, from its distances to the right of and before the middle of the skull."""
        return self.x + across * math.cos(self.turn) + depth * math.sin(self.turn)

    def near(self, side: int) -> float:
        """How far the head is turned so that the side, left (-1) or right (1), shows; in 0..1."""
        return max(-side * math.sin(self.turn), 0.0)

    def ear_visible(self, side: int) -> bool:
        """Whether the ear at the left (-1) or right (1) of the picture shows."""
        return self.hat != "headscarf" and not self.covers[side > 0] and self.turn * side < 0.28

    def edge(self, side: int) -> float:
        """The x at which the face ends at the height of the ears."""
        return self.x + side * self.half_width * (1 - 0.25 * self.near(side))


def draw_head(rng: np.random.Generator) -> Head:
    """Traits of a random head."""
    turn = float(np.clip(rng.normal(0, 0.36), -0.8, 0.8))
    child, masculine = rng.random() < CHILD, rng.random() < MASCULINE
    hat = pick(rng, HATS) if rng.random() < HAT else ""
    shapes = {"oval": 0.3, "round": 0.15, "square": 0.25 if masculine else 0.08, "long": 0.14, "chubby": 0.08,
              "heart": 0.05 if masculine else 0.15, "thin": 0.12}  # fmt: skip
    *face, wide, longer = _FACES["child" if child else pick(rng, shapes)]
    style = pick(rng, CHILD_HAIR if child else SHORT_HAIR if masculine else HAIR)
    style = UNDER_HAT.get(style, style) if hat else style
    both, one = COVERED_BY[style]
    chance, side = rng.random(), int(rng.integers(2))
    covers = (chance < both + one * (side == 0), chance < both + one * (side == 1))
    temple, jaw, chin = np.array(face) * rng.uniform(0.96, 1.04, 3)
    return Head(
        turn=turn,
        x=0.499 - _DEPTH * math.sin(turn),
        half_width=rng.uniform(0.255, 0.298) * wide,
        crown=rng.uniform(0.05, 0.115) + 0.02 * child,
        chin=CHIN + longer + rng.normal(0, 0.018),
        face=(temple, jaw, chin),
        child=child,
        masculine=masculine,
        hair=style,
        covers=covers,
        hat=hat,
    )
