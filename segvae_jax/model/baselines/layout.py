"""Boxes and masks from the set of classes, after sg2im (Johnson, Gupta, Fei-Fei, CVPR 2018).

The graph is complete: every class asked for exchanges messages with every other. There is no adversary here, and
noise comes in as in sg2im, beside the embeddings; nothing makes the model use it.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from segvae_jax.model.decoder import Decoder
from segvae_jax.model.protocol import MapModel, MapTerms

_ROUNDS = 3
_MASK = 16  # pixels of a mask's side
_OUTSIDE = -10.0  # logit outside of the box


class LayoutModel(MapModel):
    """A box and a mask for each class, the mask laid into the box bilinearly.

    Loss, the mean over the classes of a map: L1 of the box's sides, in shares of the map, and the binary
    cross-entropy, within the true box, of the mask laid into it.

    Attributes: those of `SegVAE` of the same names; `hidden_dim` is the width of a class's features.
    """

    ngf: int = 64
    hidden_dim: int = 256
    latent_dim: int = 384
    gain: float = 0.02
    dtype: str = "float32"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """A vector for each class."""
        return len(self.order), self.latent_dim

    @nn.compact
    def layout(
        self, label_set: Float[Array, "B C"], eps: Float[Array, "B K Z"]
    ) -> tuple[Float[Array, "B K 4"], Float[Array, "B K M M"]]:
        """Boxes, (top, left, bottom, right) in shares of the map, and logits of the masks."""
        present = label_set[:, np.asarray(self.order)]
        embedding = self.param("embedding", nn.initializers.normal(1.0), (len(self.order), self.hidden_dim))
        x = jnp.concatenate([jnp.broadcast_to(embedding[None], (*present.shape, self.hidden_dim)), eps], axis=-1)
        x = nn.Dense(self.hidden_dim, name="start")(x)
        for number in range(_ROUNDS):
            x = x + _Messages(self.hidden_dim, name=f"messages_{number}")(x, present)
        features = nn.LayerNorm(name="norm")(x)
        centre, size = jnp.split(nn.sigmoid(nn.Dense(4, name="box")(features)), 2, axis=-1)
        decoder = Decoder((_MASK, _MASK), self.ngf, self.gain, self.dtype, name="mask")
        rows = features.reshape(-1, self.hidden_dim), eps.reshape(-1, self.latent_dim)
        masks = decoder(*rows).reshape(*present.shape, _MASK, _MASK)
        return jnp.concatenate([centre - size / 2, centre + size / 2], axis=-1), masks

    def __call__(
        self, class_maps: Float[Array, "B H W C"], label_set: Float[Array, "B C"], eps: Float[Array, "B K Z"]
    ) -> MapTerms:
        """Training forward."""
        import optax  # for training alone

        shapes = jnp.moveaxis(class_maps[..., np.asarray(self.order)], -1, 1)
        present = label_set[:, np.asarray(self.order)]
        truth = boxes_of(shapes > 0)
        boxes, masks = self.layout(label_set, eps)
        placed, inside = placed_in(truth, masks, self.image_size)
        entropy = (optax.sigmoid_binary_cross_entropy(placed, shapes) * inside).sum((2, 3))
        terms = jnp.abs(boxes - truth).sum(-1) + entropy / jnp.maximum(inside.sum((2, 3)), 1)
        mean = (terms * present).sum(1, keepdims=True) / jnp.maximum(present.sum(1, keepdims=True), 1)
        return MapTerms(mean, present.max(1, keepdims=True))

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """Soft class maps of the predicted boxes and masks."""
        output: Any = self.apply(variables, label_set, eps * temperature, method="layout")
        boxes, masks = output
        placed, inside = placed_in(boxes, masks, self.image_size)
        return self.on_channels(nn.sigmoid(placed) * inside) * label_set[:, None, None]


class _Messages(nn.Module):
    """One round: each class hears the mean of what it makes of itself and each class present."""

    width: int

    @nn.compact
    def __call__(self, x: Float[Array, "B K D"], present: Float[Array, "B K"]) -> Float[Array, "B K D"]:
        normal = nn.LayerNorm(name="norm")(x)
        ours, theirs = (nn.Dense(self.width, name=name)(normal) for name in ("ours", "theirs"))
        pairs = nn.relu(ours[:, :, None] + theirs[:, None]) * present[:, None, :, None]
        heard = pairs.sum(2) / jnp.maximum(present.sum(1), 1)[:, None, None]
        return nn.Dense(self.width, name="out")(nn.relu(nn.Dense(self.width, name="mix")(heard)))


def boxes_of(shapes: Bool[Array, "B K H W"]) -> Float[Array, "B K 4"]:
    """The smallest boxes, (top, left, bottom, right) in shares of the map, that hold the shapes."""
    sides = []
    for axis in (3, 2):
        line = shapes.any(axis)
        first, last = line.argmax(-1), line.shape[-1] - line[..., ::-1].argmax(-1)
        sides.append((first / line.shape[-1], last / line.shape[-1]))
    (top, bottom), (left, right) = sides
    return jnp.stack([top, left, bottom, right], axis=-1)


def placed_in(
    boxes: Float[Array, "B K 4"], masks: Float[Array, "B K M N"], image_size: tuple[int, int]
) -> tuple[Float[Array, "B K H W"], Float[Array, "B K H W"]]:
    """Logits of masks laid into boxes, and 1 where the boxes are."""
    rows, in_rows = _along(boxes[..., 0], boxes[..., 2], image_size[0], masks.shape[-2])
    columns, in_columns = _along(boxes[..., 1], boxes[..., 3], image_size[1], masks.shape[-1])
    inside = in_rows[..., :, None] * in_columns[..., None, :]
    laid = jnp.einsum("bkhm,bkmn,bkwn->bkhw", rows, masks, columns)
    return jnp.where(inside > 0, laid, _OUTSIDE), inside


def _along(
    begin: Float[Array, "B K"], end: Float[Array, "B K"], pixels: int, cells: int
) -> tuple[Float[Array, "B K P M"], Float[Array, "B K P"]]:
    """Bilinear weights of a box's cells in the pixels of one axis, and 1 for pixels whose centre is in the box."""
    centres = ((jnp.arange(pixels) + 0.5) / pixels)[None, None]
    begin, end = begin[..., None], end[..., None]
    where = (centres - begin) / jnp.maximum(end - begin, 1e-3) * cells - 0.5
    distance = jnp.abs(jnp.clip(where, 0, cells - 1)[..., None] - jnp.arange(cells)[None, None, None])
    return jnp.maximum(1 - distance, 0), ((centres >= begin) & (centres <= end)).astype(jnp.float32)
