"""Convolutional encoders: the context encoder E_c and the shape encoder of the posterior, E_phi.

Both take T steps at once, `[B, T, ...]`: one in generation, all K in training. Their first level is linear in its input
channels, and most of these repeat from step to step. Its response is therefore the sum of the responses to each class
map and to each distinct label; the canvas itself is never formed. `reference.context_encoder` forms it.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from segvae_jax.model.layers import (
    Weights,
    dense,
    downsample,
    instance_norm_leaky_relu,
    level_widths,
    map_to_vector,
    strided_conv,
)
from segvae_jax.model.packing import Slots, gather_slots, scatter_slots


class LabelEmbedding(nn.Module):
    """A label vector as one more input channel: Linear, ReLU, Linear, ReLU."""

    image_size: tuple[int, int]
    hidden_dim: int
    spectral_norm: bool = False
    gain: float = 0.02

    @nn.compact
    def __call__(self, labels: Float[Array, "B C"]) -> Float[Array, "B H W 1"]:
        """Spreads labels over the map, row-major."""
        height, width = self.image_size
        weights = lambda name, *shape: Weights(shape, self.spectral_norm, self.gain, name=name)()
        x = nn.relu(dense(labels, weights("hidden", labels.shape[-1], self.hidden_dim)))
        x = nn.relu(dense(x, weights("out", self.hidden_dim, height * width)))
        return x.reshape(-1, height, width, 1)


class ContextEncoder(nn.Module):
    """E_c: encodes the canvas, the label-set and the target into one feature vector.

    Training calls it for all steps at once. Generation keeps the response of the first level to the canvas and adds to
    it shape by shape.
    """

    num_channels: int
    image_size: tuple[int, int]
    ngf: int
    context_dim: int
    hidden_dim: int
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"
    canvas: bool = True  # whether it sees the canvas

    def setup(self):
        """The first level in its parts, and the rest."""
        norm, gain = self.spectral_norm, self.gain
        self.embed_label_set = LabelEmbedding(self.image_size, self.hidden_dim, norm, gain)
        self.embed_target = LabelEmbedding(self.image_size, self.hidden_dim, norm, gain)
        self.down_0 = Weights((3, 3, self.canvas * self.num_channels + 2, self.ngf), norm, gain)
        self.levels = _Levels(self.image_size, self.ngf, self.context_dim, norm, gain)

    def __call__(
        self,
        class_maps: Float[Array, "B H W C"],
        on_canvas: Float[Array, "T C"],
        label_set: Float[Array, "B C"],
        target: Float[Array, "T C"],
        present: Float[Array, "B T"],
        slots: Slots | None = None,
    ) -> Float[Array, "B T F"]:
        """Context features of T steps.

        Args:
          class_maps: shapes, soft or in {0, 1}.
          on_canvas: 1 for the classes that are on the canvas of each step.
          label_set: all classes that are asked for.
          target: one-hot class of each step.
          present: 1 where the label-set has the class of the step; the target is all zeros elsewhere.
          slots: of the (sample, step) pairs whose features differ; one slot per pair if None.
        """
        kernel, bias = self.down_0()
        labels, targets = self._responses(label_set, target, kernel)
        first = labels[:, None]
        if self.canvas:
            first = canvas_response(class_maps.astype(self.dtype), on_canvas, kernel[:, :, :-2]) + first
        first = first + _rows_of(targets, _row(present))
        return scatter_slots(self.levels(gather_slots(first, slots), bias), present.shape, slots)

    def initial_responses(
        self, label_set: Float[Array, "B C"], target: Float[Array, "T C"]
    ) -> tuple[Float[Array, "B h w O"], Float[Array, "T+1 h w O"]]:
        """First-level responses to label-sets with a blank canvas, and to T targets and the blank one, in float32."""
        return jax.tree.map(jnp.float32, self._responses(label_set, target, self.down_0()[0]))

    def shape_response(self, shape: Float[Array, "B H W"], channel: Int[Array, ""]) -> Float[Array, "B h w O"]:
        """What a shape in a channel of the canvas adds to the first-level response, in float32."""
        kernel, _ = self.down_0()
        return strided_conv(shape[..., None].astype(self.dtype), kernel[:, :, channel, None]).astype(jnp.float32)

    def encode_response(self, first: Float[Array, "B h w O"]) -> Float[Array, "B F"]:
        """The context feature from the first-level response."""
        return self.levels(first.astype(self.dtype), self.down_0()[1])

    def _responses(
        self, label_set: Float[Array, "B C"], target: Float[Array, "T C"], kernel: Float[Array, "3 3 I O"]
    ) -> tuple[Float[Array, "B h w O"], Float[Array, "T+1 h w O"]]:
        labels = strided_conv(self.embed_label_set(label_set).astype(self.dtype), kernel[:, :, -2:-1])
        return labels, target_responses(self.embed_target, target, kernel[:, :, -1:]).astype(self.dtype)


class ShapeEncoder(nn.Module):
    """E_phi: encodes the true shape of one class for the posterior. Its label embedding has no spectral norm."""

    image_size: tuple[int, int]
    ngf: int
    hidden_dim: int
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"

    @nn.compact
    def __call__(
        self,
        shape: Float[Array, "B T H W"],
        target: Float[Array, "T C"],
        present: Float[Array, "B T"],
        slots: Slots | None = None,
    ) -> Float[Array, "B T D"]:
        """Features of the shapes of T steps, each with its target; shapes of absent classes are blank."""
        embed = LabelEmbedding(self.image_size, self.hidden_dim, gain=self.gain, name="embed_target")
        kernel, bias = Weights((3, 3, 2, self.ngf), self.spectral_norm, self.gain, name="down_0")()
        targets = target_responses(embed, target, kernel[:, :, 1:]).astype(self.dtype)
        shape = gather_slots(shape.astype(self.dtype), slots)[..., None]
        first = strided_conv(shape, kernel[:, :, :1]) + _rows_of(targets, gather_slots(_row(present), slots))
        rest = _Levels(self.image_size, self.ngf, self.hidden_dim, self.spectral_norm, self.gain, name="levels")
        return scatter_slots(rest(first, bias), present.shape, slots)


def canvas_response(
    class_maps: Float[Array, "B H W C"], on_canvas: Float[Array, "T C"], kernel: Float[Array, "3 3 C O"]
) -> Float[Array, "B T h w O"]:
    """First-level response to the canvases of T steps, each of which holds the class maps that `on_canvas` marks.

    Instead of T canvases and one kernel, this convolves one stack of maps with T kernels, which are zero for classes
    that are not on the canvas.
    """
    steps, features = on_canvas.shape[0], kernel.shape[-1]
    kernels = kernel[:, :, :, None] * on_canvas.T[None, None, :, :, None]
    response = strided_conv(class_maps, kernels.reshape(*kernel.shape[:3], steps * features))
    return jnp.moveaxis(response.reshape(*response.shape[:3], steps, features), 3, 1)


def target_responses(
    embed: LabelEmbedding, target: Float[Array, "T C"], kernel: Float[Array, "3 3 1 O"]
) -> Float[Array, "T+1 h w O"]:
    """First-level responses to the target channel: to T targets, and to the all-zero target."""
    return strided_conv(embed(jnp.pad(target, ((0, 1), (0, 0)))), kernel)


def _row(present: Float[Array, "B T"]) -> Int[Array, "B T"]:
    """The row of `target_responses` for each step."""
    steps = present.shape[1]
    return jnp.where(present > 0, jnp.arange(steps)[None], steps)


def _rows_of(table: Float[Array, "R ..."], index: Int[Array, "*n"]) -> Float[Array, "..."]:
    """The rows of a table. On a GPU as a product: the gradient of a gather adds one number after the other there."""
    if jax.default_backend() == "cpu":
        return table[index]
    return jnp.tensordot(jax.nn.one_hot(index, table.shape[0], dtype=table.dtype), table, axes=1)


class _Levels(nn.Module):
    """The rest of an encoder after the response of the first level: norms, further levels, one vector per step."""

    image_size: tuple[int, int]
    ngf: int
    features: int
    spectral_norm: bool
    gain: float

    @nn.compact
    def __call__(self, first: Float[Array, "N h w O"], bias: Float[Array, "O"]) -> Float[Array, "N F"]:
        weights = lambda name, *shape: Weights(shape, self.spectral_norm, self.gain, name=name)()
        x = instance_norm_leaky_relu(first + bias.astype(first.dtype).reshape(1, 1, 1, -1))
        for level, width in enumerate(level_widths(self.image_size, self.ngf)[1:], start=1):
            x = downsample(x, weights(f"down_{level}", 3, 3, x.shape[-1], width))
        return map_to_vector(x, weights("flatten", *x.shape[1:], self.features))
