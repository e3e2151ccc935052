"""What the pixels show that an edited class has left: what is under it, or what is around it.

A map says nothing about a pixel that a class hid. It can only be guessed, and a guess may not add a thing to the map
that nobody asked for. So two rules hold for every class that was not edited:

- it may grow into such pixels, but gains no piece that is apart from what it showed before;
- it shows there only if it is a surface. Objects, as the label space knows them, do not: accessories, and what lies on
  another class (an eye on skin). If the model expects one there, it has seen the one that the map has already.

In pieces, pixels that touch at a corner are connected, as in the evaluation.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from segvae_jax import maps
from segvae_jax.labels import LabelSpace

_EDGES_AND_CORNERS = np.ones((3, 3), bool)  # the neighbours of a pixel that it is connected to


def surfaces(space: LabelSpace) -> Bool[np.ndarray, "C"]:
    """Classes that may continue where another one was: all but accessories and what lies on another class."""
    objects = np.isin(space.names, space.accessories) | maps.lies_on(space).any(axis=1)
    return ~objects & (np.arange(space.num_channels) > 0)


def new_pieces(before: UInt8[np.ndarray, "H W"], after: UInt8[np.ndarray, "H W"]) -> Int[np.ndarray, "H W"]:
    """Pieces of classes in a map, in none of whose pixels an earlier map shows the class.

    Args:
      before: the earlier map.
      after: the map.

    Returns:
      a number for each of these pieces, 0 elsewhere. The background has no pieces.
    """
    import scipy.ndimage  # takes long to import, and only edits need it

    numbers = np.zeros(after.shape, int)
    for channel in np.unique(after[(after > 0) & (after != before)]):
        pieces, _ = scipy.ndimage.label(after == channel, _EDGES_AND_CORNERS)
        new = (pieces > 0) & ~np.isin(pieces, pieces[before == channel])
        numbers[new] = numbers.max() + pieces[new]
    return numbers


def fill(
    shown: UInt8[np.ndarray, "H W"],
    before: UInt8[np.ndarray, "H W"],
    expected: Float[np.ndarray, "H W C"],
    edited: Bool[np.ndarray, "C"],
    removed: Bool[np.ndarray, "C"],
    space: LabelSpace,
) -> UInt8[np.ndarray, "H W"]:
    """Fills the pixels that edited classes have left: with the surfaces that are expected there, else what is around.

    Args:
      shown: the edited map, with what continues under the edited classes, and background where that is unknown.
      before: the map before.
      expected: soft shapes of all classes.
      edited: classes that were added, restyled or removed.
      removed: those among them that must not come back.
      space: the classes.

    Returns:
      the map. A hole that touches no other background gets the surfaces around it. Where these do not reach and an
      object has left, as a lip that parts from a mouth, it gets the edited classes around it, else the other ones.
    """
    left, surface = edited[before] & ~edited[shown], surfaces(space)
    guess = maps.paint(expected * (surface & ~edited), space)
    filled = np.where(left & (shown == 0), guess, shown)
    filled[(new_pieces(before, filled) > 0) & ~edited[filled]] = 0
    hole = _holes(filled == 0, ~left)
    filled = _grown(filled, hole, surface & ~removed)
    for growing in (edited & ~removed, ~removed):
        filled = _grown(filled, hole & ~surface[before], growing)
    return filled


def _holes(background: Bool[np.ndarray, "H W"], other: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """The regions of a background that have none of its other pixels; here a corner does not connect."""
    import scipy.ndimage

    parts, _ = scipy.ndimage.label(background)
    return background & ~np.isin(parts, parts[background & other])


def _grown(
    shown: UInt8[np.ndarray, "H W"], hole: Bool[np.ndarray, "H W"], growing: Bool[np.ndarray, "C"]
) -> UInt8[np.ndarray, "H W"]:
    """Lets classes grow over the edges of pixels into the background of holes, the nearest one into each pixel."""
    import scipy.ndimage

    growing = growing & (np.arange(len(growing)) > 0)
    around, empty = growing[shown], hole & (shown == 0)
    reached = scipy.ndimage.binary_propagation(around, mask=around | empty) & empty
    while (empty := reached & (shown == 0)).any():
        nearest = scipy.ndimage.distance_transform_edt(~growing[shown], return_distances=False, return_indices=True)
        grown = np.where(empty, shown[tuple(nearest)], shown)
        shown = np.where(new_pieces(shown, grown) > 0, np.uint8(0), grown)  # what is nearest may be behind something
    return shown
