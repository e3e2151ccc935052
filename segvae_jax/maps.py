"""The three forms of a semantic map, and every conversion between them.

* *index map* `[H, W] uint8`: one class per pixel; used for pictures and on disk.
* *class maps* `[..., H, W, C]` in {0, 1}, or soft in (0, 1): one channel per class, used by the model; classes may
  overlap. Channel 0 is the background: blank in the model's input, filled in by `with_background` in its output.
* *packed* `[..., H, W, ceil(C / 8)] uint8`: class maps as bits; used on disk and for transfers to the device.

Functions work on NumPy and JAX arrays alike; those marked "host" take NumPy arrays.
"""

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped, UInt8

from segvae_jax.errors import MapError
from segvae_jax.labels import LabelSpace

if TYPE_CHECKING:
    AnyArray = Any  # the output is of the same kind as the input
else:
    AnyArray = Array | np.ndarray

FITS = ("stretch", "pad")  # how maps get another size: by area alone, or with background added first
BACKGROUND_THRESHOLD = 0.4  # of the authors' release: foreground where the class maps sum to more
PRESENCE_THRESHOLD = 0.5  # a pixel belongs to a class from this value on
FAINT_THRESHOLD = 0.02  # a class that peaks below counts as absent: raised, it would be specks all over the map
_FLOATS_AT_ONCE = 2**26  # of a map that is resized: 256 MB
_NEARLY_ONE = 1 - 1e-5  # tolerates rounding where a class covers exactly half a pixel, or exactly one in total


def packed_channels(num_channels: int) -> int:
    """Bytes per pixel of a packed map with `num_channels` channels."""
    return math.ceil(num_channels / 8)


def pack(class_maps: Shaped[np.ndarray, "*b H W C"]) -> UInt8[np.ndarray, "*b H W P"]:
    """Bit-packs binary class maps (host)."""
    return np.packbits(class_maps.astype(bool), axis=-1)


def unpack(packed: UInt8[Array, "*b H W P"], num_channels: int, dtype=jnp.float32) -> Shaped[Array, "*b H W C"]:
    """Class maps in {0, 1} from packed bits; called inside jit, so that only bits are transferred to the device."""
    return jnp.unpackbits(packed, axis=-1, count=num_channels).astype(dtype)


def index_to_class_maps(index: UInt8[np.ndarray, "*b H W"], num_channels: int) -> Bool[np.ndarray, "*b H W C"]:
    """Class maps of index maps, with a blank background channel (host)."""
    class_maps = index[..., None] == np.arange(num_channels)
    class_maps[..., 0] = False
    return class_maps


def label_set_of(class_maps: Shaped[AnyArray, "*b H W C"]) -> Bool[AnyArray, "*b C"]:
    """Which classes a map has: those with any pixel at or above one half. The background never counts."""
    xp = class_maps.__array_namespace__()
    present = xp.any(class_maps >= PRESENCE_THRESHOLD, axis=(-3, -2))
    return xp.concat([xp.zeros_like(present[..., :1]), present[..., 1:]], axis=-1)


def restore_covered(class_maps: Bool[np.ndarray, "*b H W C"], space: LabelSpace) -> Bool[np.ndarray, "*b H W C"]:
    """Fills in classes under the classes that cover them, e.g. skin under nose and eyes (host).

    An index map does not have the skin under the parts of the face; annotations and the model's shapes do. A map
    without the covered class stays without it.
    """
    restored = class_maps.copy()
    for name, covers in space.covered_by:
        channel = space.channel(name)
        present = class_maps[..., channel].any(axis=(-2, -1), keepdims=True)
        under = class_maps[..., [space.channel(cover) for cover in covers]].any(axis=-1)
        restored[..., channel] |= under & present
    return restored


def index_to_shapes(index: UInt8[np.ndarray, "*b H W"], space: LabelSpace) -> Bool[np.ndarray, "*b H W C"]:
    """The shapes of the classes of an index map, filled in under the classes that cover them (host)."""
    return restore_covered(index_to_class_maps(index, space.num_channels), space)


def mirror(class_maps: Shaped[AnyArray, "*b H W C"], space: LabelSpace) -> Shaped[AnyArray, "*b H W C"]:
    """Flips maps left to right, and exchanges left and right classes; applied twice, it is the identity."""
    xp = class_maps.__array_namespace__()
    return xp.flip(class_maps, axis=-2)[..., xp.asarray(space.mirrored)]


def with_background(class_maps: Float[AnyArray, "*b H W C"]) -> Float[AnyArray, "*b H W C"]:
    """Class maps whose channel 0 is 1 where the classes sum to at most `BACKGROUND_THRESHOLD`, and 0 elsewhere."""
    xp = class_maps.__array_namespace__()
    background = xp.sum(class_maps[..., 1:], axis=-1, keepdims=True) <= BACKGROUND_THRESHOLD
    return xp.concat([xp.astype(background, class_maps.dtype), class_maps[..., 1:]], axis=-1)


def raise_faint(class_maps: Float[AnyArray, "*b H W C"]) -> Float[AnyArray, "*b H W C"]:
    """Scales each class whose maximum is between `FAINT_THRESHOLD` and one half, so that its maximum is 1.

    A model that is uncertain about the place of a small part spreads it out, and nothing of it would be painted.
    Raised, the part is shown where it is likeliest; `resize` treats thin parts alike. Hard maps do not change.
    """
    xp = class_maps.__array_namespace__()
    peak = xp.max(class_maps, axis=(-3, -2), keepdims=True)
    faint = (peak >= FAINT_THRESHOLD) & (peak < PRESENCE_THRESHOLD)
    return class_maps / xp.where(faint, peak, xp.ones_like(peak))


def paint(class_maps: Shaped[AnyArray, "*b H W C"], space: LabelSpace) -> UInt8[AnyArray, "*b H W"]:
    """Index map of hard or soft class maps.

    Each pixel shows the class with the largest value; of equal ones, the later in the paint order. A covered class
    (skin) yields to a class on it that reaches one half, and an accessory is on top of all where it reaches one half.
    The authors' release scales skin by 0.9 instead, under which a part on a confident class loses its rim or
    disappears. Pixels where the classes sum to at most `BACKGROUND_THRESHOLD` show the background.
    """
    xp = class_maps.__array_namespace__()
    top_first = [space.channel(name) for name in reversed(space.paint_order)]
    soft = xp.astype(class_maps, xp.float32)
    shown = xp.astype(soft >= PRESENCE_THRESHOLD, xp.float32)
    yields = shown @ xp.asarray(lies_on(space), dtype=xp.float32) > 0
    accessory = np.isin(space.names, space.accessories).astype(np.float32).reshape((1,) * (soft.ndim - 1) + (-1,))
    scores = (xp.where(yields, xp.float32(0), soft) + xp.asarray(accessory) * shown)[..., xp.asarray(top_first)]
    winner = xp.asarray(top_first, dtype=xp.uint8)[xp.argmax(scores, axis=-1)]
    return xp.where(with_background(soft)[..., 0] > 0, xp.asarray(0, dtype=xp.uint8), winner)


def lies_on(space: LabelSpace) -> Bool[np.ndarray, "C C"]:
    """Whether the class of the row lies on that of the column, which continues under it."""
    table = np.zeros((space.num_channels, space.num_channels), bool)
    for name, covers in space.covered_by:
        table[[space.channel(cover) for cover in covers], space.channel(name)] = True
    return table


def resize(class_maps: Bool[np.ndarray, "H W C"], size: tuple[int, int]) -> Bool[np.ndarray, "h w C"]:
    """Resizes binary class maps by area, each class on its own (host).

    A class gets the pixels of which it covers at least half. If it covers no pixel completely, the threshold is half
    of the largest share that it covers of any pixel, so that thin parts (necklaces, glasses) survive. A class that
    covers less than one target pixel in total gets only the pixel of which it covers most, the first of equal ones.
    So no class is lost, and no tiny class grows beyond one pixel.

    Raises:
      MapError: if the map has no pixels.
    """
    height, width, _ = class_maps.shape
    if not height or not width:
        raise MapError(f"a map of {height} x {width} pixels cannot be resized: expected at least 1 x 1")
    if (height, width) == tuple(size):
        return class_maps
    at_once = max(1, _FLOATS_AT_ONCE // (height * width))  # channels
    parts = np.split(class_maps, range(at_once, class_maps.shape[-1], at_once), axis=-1)
    return np.concatenate([_resized(part, size) for part in parts], axis=-1)


def _resized(class_maps: Bool[np.ndarray, "H W C"], size: tuple[int, int]) -> Bool[np.ndarray, "h w C"]:
    by_row = _average_rows(class_maps.astype(np.float32), size[0])
    coverage = _average_rows(by_row.swapaxes(0, 1), size[1]).swapaxes(0, 1)
    covers = coverage >= _NEARLY_ONE * np.minimum(0.5, 0.5 * coverage.max(axis=(0, 1)))
    tiny = coverage.sum(axis=(0, 1)) < _NEARLY_ONE
    return np.where(tiny, _most_covered(coverage), covers)


def resize_index(
    index: UInt8[np.ndarray, "H W"], space: LabelSpace, size: tuple[int, int], fit: str = "stretch"
) -> UInt8[np.ndarray, "h w"]:
    """Resizes an index map by area, so that no class is lost, unless others are painted over it; `fit` as in `fitted`.

    Classes are resized one by one: a large map with many classes would need much memory.
    """
    if index.shape == tuple(size):
        return index
    class_maps = np.zeros((*size, space.num_channels), bool)
    for channel in np.flatnonzero(np.bincount(index.ravel(), minlength=1)[1:]) + 1:
        class_maps[..., channel] = resize(fitted(index[..., None] == channel, size, fit), size)[..., 0]
    return paint(class_maps, space)


def resize_soft(class_maps: Float[AnyArray, "*b H W C"], size: tuple[int, int]) -> Float[AnyArray, "*b h w C"]:
    """Resizes soft class maps linearly; maps that have the size already are returned as they are."""
    if class_maps.shape[-3:-1] == tuple(size):
        return class_maps
    shape = (*class_maps.shape[:-3], *size, class_maps.shape[-1])
    return class_maps.__array_namespace__().asarray(jax.image.resize(class_maps, shape, "linear"))


def resize_soft_to(
    class_maps: Float[np.ndarray, "N h w C"], size: tuple[int, int], fit: str
) -> Float[np.ndarray, "N H W C"]:
    """Resizes soft class maps to the size of a map that `fitted` had padded, without the padding (host)."""
    if fit != "pad":
        return resize_soft(class_maps, size)
    before, after = zip(*_padding(size, class_maps.shape[1:3]), strict=True)
    height, width = (sum(parts) for parts in zip(size, before, after, strict=True))
    padded = resize_soft(class_maps, (height, width))
    return padded[:, before[0] : height - after[0], before[1] : width - after[1]]


def growth(index: UInt8[np.ndarray, "H W"], space: LabelSpace) -> UInt8[np.ndarray, "S H W"]:
    """The canvas after each class of an index map, in drawing order (host); the last canvas is the map itself."""
    class_maps = index_to_shapes(index, space)
    channels = [channel for channel in space.order if class_maps[..., channel].any()]
    so_far = [np.isin(np.arange(space.num_channels), channels[: step + 1]) for step in range(len(channels))]
    return np.stack([paint(class_maps & mask, space) for mask in so_far] or [index])


def _most_covered(coverage: Float[np.ndarray, "h w C"]) -> Bool[np.ndarray, "h w C"]:
    """The one pixel per class of which the class covers most; no pixel for an absent class."""
    peak = coverage.max(axis=(0, 1))
    first = (coverage >= _NEARLY_ONE * peak).reshape(-1, coverage.shape[-1]).argmax(axis=0)
    pixels = np.arange(coverage[..., 0].size)[:, None]
    return ((pixels == first) & (peak > 0)).reshape(coverage.shape)


def pad_to_ratio(pixels: Shaped[np.ndarray, "H W C"], size: tuple[int, int]) -> Shaped[np.ndarray, "h w C"]:
    """Adds rows or columns of zeros on both sides until the aspect ratio is that of `size` (host).

    Zeros are background in class maps, and black in an RGB picture. No pixel is lost or scaled.
    """
    return np.pad(pixels, (*_padding(pixels.shape[:2], size), (0, 0)))


def _padding(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows before and after, and columns before and after, that give a map the aspect ratio of `size`."""
    (height, width), (target_height, target_width) = shape, size
    rows = max(0, round(width * target_height / target_width) - height)
    columns = max(0, round(height * target_width / target_height) - width)
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def fitted(pixels: Shaped[np.ndarray, "H W C"], size: tuple[int, int], fit: str) -> Shaped[np.ndarray, "h w C"]:
    """The pixels, padded to the aspect ratio of `size` if `fit` is "pad", and as they are if it is "stretch" (host)."""
    return pad_to_ratio(pixels, size) if fit == "pad" else pixels


def _average_rows(values: Float[np.ndarray, "H W C"], target: int) -> Float[np.ndarray, "h W C"]:
    """Averages by area along the first axis."""
    weights = _area_weights(len(values), target)
    return (weights @ values.reshape(len(values), -1)).reshape(target, *values.shape[1:])


def _area_weights(source: int, target: int) -> Any:
    """The share of each target cell that each source cell covers; a sparse array `[target, source]`."""
    import scipy.sparse  # takes long to import, and only resizing needs it

    edges = np.arange(target + 1) * (source / target)
    first = np.floor(edges[:-1]).astype(int)
    cells = first[:, None] + np.arange(int(np.ceil(source / target)) + 1)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    rows, near = np.nonzero((overlap > 0) & (cells < source))
    shares = (np.clip(overlap[rows, near], 0, 1) * (target / source)).astype(np.float32)
    return scipy.sparse.csr_array((shares, (rows, cells[rows, near])), shape=(target, source))


def colour(index: UInt8[np.ndarray, "*b H W"], space: LabelSpace) -> UInt8[np.ndarray, "*b H W 3"]:
    """RGB pictures of index maps in the palette of `space` (host)."""
    return space.palette_array()[index]
