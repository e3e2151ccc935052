"""The network whose features of pictures are compared.

It is Inception where the user gives its weights, else EfficientNet-Lite0 where its package is installed.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from segvae_jax.evaluation.networks import efficientnet, inception


@dataclasses.dataclass(frozen=True, eq=False)
class PictureNetwork:
    """A network with its weights.

    Attributes:
      name: `inception` or `efficientnet_lite0`; names the scores in its features.
      sha256: of the file of the weights.
      features: of pictures of any size.
    """

    name: str
    sha256: str
    features: Callable[[UInt8[np.ndarray, "N H W 3"]], Float[np.ndarray, "N D"]]

    @property
    def distance(self) -> str:
        """The name of the Frechet distance in its features: only that of Inception is called FID."""
        return "fid_inception" if self.name == "inception" else f"frechet_{self.name}"


def open_network(inception_weights: str | Path | None = None) -> PictureNetwork | None:
    """The network of the given weights, else that of the installed package; None where there is neither.

    Raises:
      CheckpointError: if the weights cannot be used.
    """
    if inception_weights:
        variables = inception.load_inception(inception_weights)
        features = partial(inception.inception_features, variables)
        return PictureNetwork("inception", inception.WEIGHTS_SHA256, features)
    if path := efficientnet.installed_weights():
        variables = efficientnet.load_efficientnet(path)
        features = partial(efficientnet.efficientnet_features, variables)
        return PictureNetwork("efficientnet_lite0", efficientnet.WEIGHTS_SHA256, features)
    return None
