"""Maps that are painted by hand: strokes on a map, and the edit that completes the map around them.

Strokes are an array `[H, W]` of the size of the map: 0 where nothing was painted, else the painted channel plus 1.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import pictures
from segvae_jax.editing import present_classes
from segvae_jax.errors import LabelError, MapError
from segvae_jax.labels import LabelSpace

MAX_PIXELS = 512 * 512  # of a map of the page
_WHITE = np.uint8(255)


def png_of(text: str) -> bytes:
    """The content of a PNG in base64.

    Raises:
      MapError: if it is no base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MapError("what was sent is not a PNG in base64: reload the page") from None


def region_of(text: str) -> Bool[np.ndarray, "H W"] | None:
    """The region of a call; None if the text is empty.

    Raises:
      MapError: if it cannot be read.
    """
    return pictures.decode_mask_png(png_of(text), "the brushed region", MAX_PIXELS) if text else None


def region_text(region: Bool[np.ndarray, "H W"]) -> str:
    """The text from which `region_of` reads a region."""
    return _text(_WHITE * region)


def strokes_of(text: str, space: LabelSpace) -> UInt8[np.ndarray, "H W"]:
    """The strokes of a call, from a grey PNG of three channels in base64.

    Raises:
      MapError: if they cannot be read, or have a class that the model does not know.
    """
    data = png_of(text)
    height, width = pictures.png_size(data, "the painting")
    if height * width > MAX_PIXELS:
        raise MapError(f"the painting: {height} x {width} pixels: expected at most {MAX_PIXELS:,} pixels")
    strokes = pictures.decode_rgb(data, "the painting")[..., 0]
    if strokes.max() > space.num_channels:
        raise MapError(f"the painting: index {strokes.max() - 1}: expected 0 to {space.num_channels - 1}")
    return strokes


def strokes_text(strokes: UInt8[np.ndarray, "H W"]) -> str:
    """The text from which `strokes_of` reads strokes."""
    return _text(strokes)


def painted(index_map: UInt8[np.ndarray, "H W"], strokes: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "H W"]:
    """A map with strokes on it.

    Raises:
      MapError: if they are not of the size of the map.
    """
    if strokes.shape != index_map.shape:
        raise MapError(f"a painting of {strokes.shape} pixels: expected that of the map, {index_map.shape}")
    return np.where(strokes > 0, strokes - 1, index_map).astype(np.uint8)


def around(
    index_map: UInt8[np.ndarray, "H W"],
    paintings: Sequence[UInt8[np.ndarray, "H W"]],
    labels: Iterable[str],
    region: str,
    space: LabelSpace,
) -> dict[str, Any]:
    """What an edit changes to complete a map around what was painted on it.

    Classes that were painted stay, and pixels that were erased stay background. Each of `labels` that is not on the map
    is added, and each that was on it before the painting gets a new shape. Other classes of the map stay.

    Args:
      index_map: the painted map.
      paintings: the strokes, earliest first.
      labels: classes of the completed map.
      region: of the call, where the map may change; everywhere if it is "".
      space: the classes.

    Raises:
      LabelError: if nothing would change.
      MapError: if the region cannot be read, or nothing of it is left.
    """
    strokes = np.zeros_like(index_map)
    for later in paintings:
        strokes = np.where(later > 0, later, strokes)
    by_hand = {space.names[channel] for channel in np.unique(index_map[strokes > 0])}
    present = present_classes(index_map, space)
    new = [name for name in space.resolve(labels) if name not in by_hand]
    if not new:
        raise LabelError("nothing to complete: you painted all ticked classes: tick others")
    asked = {"add": [name for name in new if name not in present], "restyle": [name for name in new if name in present]}
    return {**asked, "region": _without(region, strokes == 1)}


def _without(region: str, erased: Bool[np.ndarray, "H W"]) -> str:
    """The region of a call without what was erased."""
    given = region_of(region)
    if not erased.any() or (given is not None and given.shape != erased.shape):
        return region  # the edit names a region that does not fit
    free = ~erased if given is None else given & ~erased
    if not free.any():
        raise MapError("all that may change was erased: brush a larger region, or erase less")
    return region_text(free)


def _text(grey: UInt8[np.ndarray, "H W"]) -> str:
    return base64.b64encode(pictures.png_bytes(np.repeat(grey[..., None], 3, axis=2))).decode()
