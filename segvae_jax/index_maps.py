"""IndexMaps: the array that a Generator returns, which shows itself in a notebook."""

from typing import Any

import numpy as np
from jaxtyping import Shaped

from segvae_jax import pictures
from segvae_jax.arguments import shown
from segvae_jax.errors import LabelError, MapError
from segvae_jax.labels import LabelSpace

_MAX_SHOWN = 64  # maps in the picture of a notebook's cell


class IndexMaps(np.ndarray):
    """Index maps `[N, H, W]`, or one `[H, W]`, as a NumPy array that a notebook shows in colour with a legend.

    Otherwise it behaves like the array. Slices, single maps and copies keep the label space; what is computed from it
    (`maps == 3`, `np.stack(maps)`) is a plain array.

    Attributes:
      space: the classes; None if unknown.
    """

    space: LabelSpace | None

    def __new__(cls, index_maps: Shaped[np.ndarray, "..."], space: LabelSpace | None) -> "IndexMaps":
        """Views an array of uint8 class indices as index maps of a label space, without copying it.

        Raises:
          MapError: if they are no index maps, `[H, W]` or `[N, H, W]`, or hold an index that the space does not know.
          LabelError: if `space` is no label space.
        """
        if not isinstance(space, LabelSpace | None):
            raise LabelError(f"space={shown(space)}: expected a LabelSpace, or None")
        array = np.asarray(index_maps)
        if array.dtype != np.uint8 or array.ndim not in (2, 3):
            found = f"shape {array.shape}, {array.dtype}"
            raise MapError(f"index maps of {found}: expected uint8 of shape (N, H, W) or (H, W)")
        if space and array.max(initial=0) >= space.num_channels:
            raise MapError(f"a map holds index {array.max()}: the label space has 0 to {space.num_channels - 1}")
        return _viewed(array, space)

    def __array_finalize__(self, source: Any) -> None:
        """Hands the label space on to what is selected."""
        self.space = getattr(source, "space", None)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, return_scalar: bool = False) -> Any:
        """Makes results of arithmetic plain arrays or scalars."""
        return array[()] if return_scalar else np.asarray(array)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Makes results of NumPy's functions plain arrays."""
        result = super().__array_function__(function, types, args, kwargs)
        return np.asarray(result) if isinstance(result, IndexMaps) else result

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the label space with the array."""
        return _viewed, (np.asarray(self), self.space)

    def _repr_png_(self) -> bytes | None:
        """The picture that a notebook shows, of the first maps where there are many; None if these are no maps."""
        if self.space is None or self.dtype != np.uint8 or self.ndim not in (2, 3) or not self.size:
            return None
        if self.max() >= self.space.num_channels:
            return None
        index_maps = np.asarray(self).reshape(-1, *self.shape[-2:])[:_MAX_SHOWN]
        return pictures.png_bytes(pictures.sheet_with_legend(index_maps, self.space))


def _viewed(array: np.ndarray, space: LabelSpace | None) -> IndexMaps:
    """Any array as `IndexMaps`: what was computed from maps, and pickled, may hold something else."""
    viewed = array.view(IndexMaps)
    viewed.space = space
    return viewed
