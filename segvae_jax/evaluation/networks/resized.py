"""Features of pictures of any size from networks that read one size: resizing and batches."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image

BATCH_SIZE = 32  # limits the memory


def clean_resize(rgb: UInt8[np.ndarray, "H W 3"], side: int) -> Float[np.ndarray, "{side} {side} 3"]:
    """Resizes a picture to a square, in [0, 255], in the mode `clean` of Parmar et al. 2022.

    Pillow resizes each channel as floats with its bicubic filter, which widens when it shrinks a picture. The result
    is clipped, but not rounded.
    """
    channels = [Image.fromarray(channel.astype(np.float32)) for channel in np.moveaxis(rgb, -1, 0)]
    resized = [np.asarray(channel.resize((side, side), Image.Resampling.BICUBIC)) for channel in channels]
    return np.stack(resized, axis=-1).clip(0, 255)


def features_of_resized(
    function: Callable[[Float[np.ndarray, "B S S 3"]], Float[Array, "B D"]],
    rgb: UInt8[np.ndarray, "N H W 3"],
    *,
    side: int,
    num_features: int,
    batch_size: int = BATCH_SIZE,
) -> Float[np.ndarray, "N {num_features}"]:
    """Features of pictures, resized by `clean_resize`; those of a picture do not depend on its batch.

    Args:
      function: of pictures in [0, 255]; gives their features.
      rgb: pictures of any size.
      side: of the pictures that the function takes.
      num_features: D, that the function gives.
      batch_size: number of pictures per batch; the last batch is padded with blank pictures.
    """
    features = np.zeros((len(rgb), num_features), np.float32)
    for start in range(0, len(rgb), batch_size):
        pictures = rgb[start : start + batch_size]
        batch = np.zeros((batch_size, side, side, 3), np.float32)
        batch[: len(pictures)] = [clean_resize(picture, side) for picture in pictures]
        features[start : start + batch_size] = np.asarray(function(batch))[: len(pictures)]
    return features
