"""Outlines of parts: how ragged, torn or pierced the region of each class is."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

FEATURES = ("area", "perimeter", "pieces", "holes")
ABSENT = -1.0
CHUNK = 256  # maps per chunk: their labels take 4 MB at 64 x 64

_EDGES, _EDGES_AND_CORNERS = 1, 2  # the neighbours of a pixel that it is connected to


def outline_features(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N D"]:
    """The `FEATURES` of every class of visible maps, and of the background, which shows where no class does: D = 4 C.

    Gaps between neighbours, a few pixels wide, are pieces of the background. Features are:

    - area: share of the map, 0..1;
    - perimeter: sides of pixels between the class and anything else, the map's border included, over the root of the
      area in pixels, so that it depends on the shape alone: 4 for a square;
    - pieces: connected components. Pixels that touch at a corner are connected, so that a thin oblique line, such as a
      brow or a strap, is one piece;
    - holes: components of everything else that do not touch the map's border. There a corner does not connect, as such
      a line separates what lies on either side of it.

    A class that a map lacks has an area of 0, and -1 for the others, which no class of a map has.
    """
    chunks = np.split(class_maps, range(CHUNK, len(class_maps), CHUNK))
    return np.concatenate([_features(chunk) for chunk in chunks])


def _features(class_maps: Bool[np.ndarray, "N H W C"]) -> Float[np.ndarray, "N D"]:
    classes = [class_maps[..., channel] for channel in range(1, class_maps.shape[-1])]
    background = np.logical_not(class_maps[..., 1:].any(axis=-1))
    return np.concatenate([_of_class(masks) for masks in (background, *classes)], axis=1)


def _of_class(masks: Bool[np.ndarray, "N H W"]) -> Float[np.ndarray, "N 4"]:
    """The features of one class; around the mask lies one component of everything else, which is no hole."""
    framed = np.pad(masks, ((0, 0), (1, 1), (1, 1)))
    area = masks.sum(axis=(1, 2))
    sides = sum(np.diff(framed, axis=axis).sum(axis=(1, 2)) for axis in (1, 2))
    perimeter = sides / np.sqrt(np.maximum(area, 1))
    shape = perimeter, _components(masks, _EDGES_AND_CORNERS), _components(~framed, _EDGES) - 1
    return np.stack([area / masks[0].size, *np.where(area > 0, shape, ABSENT)], axis=1)


def _components(masks: Bool[np.ndarray, "N H W"], neighbours: int) -> Int[np.ndarray, "N"]:
    """Number of connected components in each mask."""
    within_a_mask = np.zeros((3, 3, 3), bool)
    within_a_mask[1] = ndimage.generate_binary_structure(2, neighbours)
    labels, _ = ndimage.label(masks, within_a_mask)
    owners = [place[0].start for place in ndimage.find_objects(labels)]
    return np.bincount(np.array(owners, int), minlength=len(masks))
