"""The traits that the parts of a cartoon face share, so that hair, ears and features fit together."""

import dataclasses

import numpy as np

EYES, CHIN = 0.478, 0.915  # heights in CelebAMask-HQ's aligned portraits
SIDES = (("r", -1), ("l", 1))

HAIR_STYLES = {
    "bald": 0.03, "short": 0.2, "spiky": 0.06, "quiff": 0.07, "bun": 0.07, "ponytail": 0.06, "pigtails": 0.03,
    "tucked": 0.12, "long": 0.2, "bob": 0.1, "curly": 0.06,
}  # fmt: skip
LONG_STYLES = {"tucked", "long", "bob", "curly"}
COVERS_EARS = {"long", "bob", "curly"}
HAT = 0.055


@dataclasses.dataclass(frozen=True)
class Head:
    """The traits that the parts of a face share.

    Attributes:
      x: middle of the skull.
      look: middle of the features.
      turn: from -1, turned to the left of the picture, to 1, turned to the right.
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
        """Middle and half width of the eye at a side; the far eye of a turned head is narrower, nearer the middle."""
        far = max(self.turn * side, 0)
        return self.look + side * 0.104 * (1 - 0.2 * far), 0.045 * (1 - 0.25 * far)


def draw_head(rng: np.random.Generator) -> Head:
    """Traits of a random head."""
    turn = float(np.clip(rng.normal(0, 0.5), -1, 1))
    hat = str(rng.choice(["beanie", "cap", "brim"])) if rng.random() < HAT else ""
    style = str(rng.choice(list(HAIR_STYLES), p=list(HAIR_STYLES.values())))
    return Head(
        x=0.5 - 0.055 * turn,
        look=0.5 + 0.012 * turn,
        turn=turn,
        half_width=rng.uniform(0.25, 0.295) * (1 - 0.06 * abs(turn)),
        crown=rng.uniform(0.08, 0.13),
        chin=CHIN + rng.normal(0, 0.018),
        jaw=rng.uniform(1.8, 2.9),
        style="short" if hat and style in ("quiff", "spiky", "bun") else style,
        hat=hat,
    )
