"""Boxes and masks from the set of classes, after sg2im (Johnson, Gupta, Fei-Fei, CVPR 2018).

The graph is complete: each class of the label-set exchanges messages with every other. There is no adversarial loss.
As in sg2im, noise is concatenated to the embeddings; nothing makes the model use it.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from segvae_jax.model.decoder import Decoder
from segvae_jax.model.protocol import MapModel

_ROUNDS = 3
_MASK = 16  # pixels of a mask's side
_OUTSIDE = -10.0  # logit outside of a box


class LayoutModel(MapModel):
    """One box and one mask per class; the mask is resized bilinearly into the box.

    Loss: the mean over the classes of a map of the L1 distance of the sides of the box, in shares of the map, plus the
    binary cross-entropy of the mask within the true box.

    Attributes: as in `SegVAE`; `hidden_dim` is the width of the features of a class.
    """

    ngf: int = 64
    hidden_dim: int = 256
    latent_dim: int = 384
    gain: float = 0.02
    dtype: str = "float32"

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One vector per class."""
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
    ) -> Float[Array, "B 1"]:
        """Training forward pass: the loss of each map."""
        shapes = jnp.moveaxis(class_maps[..., np.asarray(self.order)], -1, 1)
        present = label_set[:, np.asarray(self.order)]
        truth = boxes_of(shapes > 0)
        boxes, masks = self.layout(label_set, eps)
        placed, inside = placed_in(truth, masks, self.image_size)
        entropy = ((nn.softplus(placed) - shapes * placed) * inside).sum((2, 3))
        terms = jnp.abs(boxes - truth).sum(-1) + entropy / jnp.maximum(inside.sum((2, 3)), 1)
        return (terms * present).sum(1, keepdims=True) / jnp.maximum(present.sum(1, keepdims=True), 1)

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
    """One round of messages: each class receives the mean of the messages from all present classes."""

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
    """Logits of masks that are resized into boxes, and 1 inside the boxes."""
    rows, in_rows = _along(boxes[..., 0], boxes[..., 2], image_size[0], masks.shape[-2])
    columns, in_columns = _along(boxes[..., 1], boxes[..., 3], image_size[1], masks.shape[-1])
    inside = in_rows[..., :, None] * in_columns[..., None, :]
    laid = jnp.einsum("bkhm,bkmn,bkwn->bkhw", rows, masks, columns)
    return jnp.where(inside > 0, laid, _OUTSIDE), inside


def _along(
    begin: Float[Array, "B K"], end: Float[Array, "B K"], pixels: int, cells: int
) -> tuple[Float[Array, "B K P M"], Float[Array, "B K P"]]:
    """Bilinear weights of the cells of a box for the pixels of one axis, and 1 for pixels inside the box."""
    centres = ((jnp.arange(pixels) + 0.5) / pixels)[None, None]
    begin, end = begin[..., None], end[..., None]
    where = (centres - begin) / jnp.maximum(end - begin, 1e-3) * cells - 0.5
    distance = jnp.abs(jnp.clip(where, 0, cells - 1)[..., None] - jnp.arange(cells)[None, None, None])
    return jnp.maximum(1 - distance, 0), ((centres >= begin) & (centres <= end)).astype(jnp.float32)
