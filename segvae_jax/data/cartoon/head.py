"""The traits that all parts of a cartoon face share, so that hair, ears and features fit together."""

import dataclasses

import numpy as np

EYES, CHIN = 0.478, 0.915  # vertical positions in the aligned portraits of CelebAMask-HQ
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
      x: horizontal position of the middle of the skull.
      look: horizontal position of the middle of the facial features.
      turn: how far the head is turned, from -1 (to the left of the picture) to 1 (to the right).
      half_width: half the width of the skull.
      crown: vertical position of the top of the skull.
      chin: vertical position of the lowest point.
      jaw: exponent of the curve of the chin.
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
        """Whether the ear on the left (-1) or right (1) of the picture is visible."""
        return self.style not in COVERS_EARS and self.turn * side < 0.4

    def eye(self, side: int) -> tuple[float, float]:
        """Middle and half width of the eye on a side. If the head is turned, the far eye is narrower and nearer."""
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
