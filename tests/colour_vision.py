"""How far apart colours look, to most people and to colour-blind ones.

Distances are CIEDE2000; 1 is about what can just be seen side by side. Colour blindness is simulated in linear RGB with
the matrices of Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of color vision
deficiency", for a severity of 1.
"""

import numpy as np
from jaxtyping import Float, UInt8
from skimage.color import deltaE_ciede2000, rgb2lab

SEEN = {
    "all colours": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def lab(rgb: UInt8[np.ndarray, "N 3"], vision: str) -> Float[np.ndarray, "N 3"]:
    """The colours as they are seen, in CIELAB (D65)."""
    srgb = rgb / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.einsum("nc,dc->nd", linear, SEEN[vision]), 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055))


def least_distance(rgb: UInt8[np.ndarray, "N 3"], vision: str) -> float:
    """Of all pairs of colours."""
    seen = lab(rgb, vision)
    return deltaE_ciede2000(seen[:, None], seen[None])[np.triu_indices(len(rgb), 1)].min()
