"""Convolutional encoders: the context encoder E_c and the shape encoder of the posterior, E_phi.

Both take T steps at once, `[B, T, ...]`: one in generation, all K in training. Their first level is
linear in its input channels, and most of these repeat from step to step, so its response is put
together from parts: of each class's map, of each distinct label. The canvas itself is never formed.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from segvae_jax.model.layers import Weights, dense, down, flatten, halve, level_widths, normalise
from segvae_jax.model.packing import Slots, give, take


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
    """E_c: what has been drawn, what shall be drawn in all, and what now, as one feature vector.

    Training calls it whole, for all steps at once. Generation keeps the first level's response to what has been
    drawn and adds to it shape by shape.
    """

    num_channels: int
    image_size: tuple[int, int]
    ngf: int
    context_dim: int
    hidden_dim: int
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"
    canvas: bool = True  # whether it sees what has been drawn

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
        drawn: Float[Array, "T C"],
        label_set: Float[Array, "B C"],
        target: Float[Array, "T C"],
        present: Float[Array, "B T"],
        slots: Slots | None = None,
    ) -> Float[Array, "B T F"]:
        """Context features of T steps.

        Args:
          class_maps: shapes, soft or in {0, 1}.
          drawn: which of them are on the canvas of each step.
          label_set: all classes asked for.
          target: one-hot class of each step.
          present: 1 where the label-set has the step's class; the target is all zeros elsewhere.
          slots: of the (sample, step) pairs whose features differ; each has its own if None.
        """
        kernel, bias = self.down_0()
        labels, targets = self._responses(label_set, target, kernel)
        first = labels[:, None]
        if self.canvas:
            first = canvas_response(class_maps.astype(self.dtype), drawn, kernel[:, :, :-2]) + first
        first = first + targets[_row(present)]
        return give(self.levels(take(first, slots), bias), present.shape, slots)

    def begin(
        self, label_set: Float[Array, "B C"], target: Float[Array, "T C"]
    ) -> tuple[Float[Array, "B h w O"], Float[Array, "T+1 h w O"]]:
        """First-level responses to the blank canvas with a label-set, and to T targets and to none, in float32."""
        return jax.tree.map(jnp.float32, self._responses(label_set, target, self.down_0()[0]))

    def add(self, shape: Float[Array, "B H W"], channel: Int[Array, ""]) -> Float[Array, "B h w O"]:
        """What a shape drawn in a channel adds to the first-level response, in float32."""
        kernel, _ = self.down_0()
        return halve(shape[..., None].astype(self.dtype), kernel[:, :, channel, None]).astype(jnp.float32)

    def look(self, first: Float[Array, "B h w O"]) -> Float[Array, "B F"]:
        """The context feature from the first-level response."""
        return self.levels(first.astype(self.dtype), self.down_0()[1])

    def _responses(
        self, label_set: Float[Array, "B C"], target: Float[Array, "T C"], kernel: Float[Array, "3 3 I O"]
    ) -> tuple[Float[Array, "B h w O"], Float[Array, "T+1 h w O"]]:
        labels = halve(self.embed_label_set(label_set).astype(self.dtype), kernel[:, :, -2:-1])
        return labels, target_responses(self.embed_target, target, kernel[:, :, -1:]).astype(self.dtype)


class ShapeEncoder(nn.Module):
    """E_phi: the true shape of one class, for the posterior. Its embedding has no spectral norm."""

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
        """Features of the shapes of T steps, with the class that each belongs to; shapes without one are blank."""
        embed = LabelEmbedding(self.image_size, self.hidden_dim, gain=self.gain, name="embed_target")
        kernel, bias = Weights((3, 3, 2, self.ngf), self.spectral_norm, self.gain, name="down_0")()
        targets = target_responses(embed, target, kernel[:, :, 1:]).astype(self.dtype)
        shape = take(shape.astype(self.dtype), slots)[..., None]
        first = halve(shape, kernel[:, :, :1]) + targets[take(_row(present), slots)]
        rest = _Levels(self.image_size, self.ngf, self.hidden_dim, self.spectral_norm, self.gain, name="levels")
        return give(rest(first, bias), present.shape, slots)


def canvas_response(
    class_maps: Float[Array, "B H W C"], drawn: Float[Array, "T C"], kernel: Float[Array, "3 3 C O"]
) -> Float[Array, "B T h w O"]:
    """First-level response to the canvases of T steps, each the class maps that `drawn` marks.

    Instead of T canvases under one kernel: one stack of maps under T kernels, blank where not drawn.
    """
    steps, features = drawn.shape[0], kernel.shape[-1]
    kernels = kernel[:, :, :, None] * drawn.T[None, None, :, :, None]
    response = halve(class_maps, kernels.reshape(*kernel.shape[:3], steps * features))
    return jnp.moveaxis(response.reshape(*response.shape[:3], steps, features), 3, 1)


def target_responses(
    embed: LabelEmbedding, target: Float[Array, "T C"], kernel: Float[Array, "3 3 1 O"]
) -> Float[Array, "T+1 h w O"]:
    """First-level responses to the target channel: of the T classes, and of the all-zero target."""
    return halve(embed(jnp.pad(target, ((0, 1), (0, 0)))), kernel)


def _row(present: Float[Array, "B T"]) -> Int[Array, "B T"]:
    """The row of `target_responses` that belongs to each step."""
    steps = present.shape[1]
    return jnp.where(present > 0, jnp.arange(steps)[None], steps)


class _Levels(nn.Module):
    """An encoder from the first level's response on: norms, further levels, one vector a step."""

    image_size: tuple[int, int]
    ngf: int
    features: int
    spectral_norm: bool
    gain: float

    @nn.compact
    def __call__(self, first: Float[Array, "N h w O"], bias: Float[Array, "O"]) -> Float[Array, "N F"]:
        weights = lambda name, *shape: Weights(shape, self.spectral_norm, self.gain, name=name)()
        x = normalise(first + bias.astype(first.dtype).reshape(1, 1, 1, -1))
        for level, width in enumerate(level_widths(self.image_size, self.ngf)[1:], start=1):
            x = down(x, weights(f"down_{level}", 3, 3, x.shape[-1], width))
        return flatten(x, weights("flatten", *x.shape[1:], self.features))
