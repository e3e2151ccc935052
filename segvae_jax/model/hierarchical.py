"""Hierarchical SegVAE: latents at several scales, and a decoder that sees the canvas.

The iteration is that of `segvae`: one class after the other, in drawing order, on a growing canvas, each from a
conditional VAE with a learned prior that an LSTM carries from step to step. Three things differ:

* The context encoder is the downward half of a U-Net. Its features join the decoder at every resolution, so that a
  shape can follow the edges of what is on the canvas.
* The latent has several scales, from one vector to small maps, as in ladder VAEs (Sonderby et al. 2016), the
  Hierarchical Probabilistic U-Net (Kohl et al. 2019) and the very deep VAE (Child 2021). At each scale the prior is
  read from the decoder's feature, which knows the context and all coarser latents; the posterior also sees the shape.
  A scale may have several groups of latents, each of which knows those before it.
* The canvas is hard: it holds shapes in {0, 1}, in generation as in training.

The LSTMs read the contexts (and true shapes) of the classes that a map has, and feed the vector latent. A step of an
absent class changes nothing. `hierarchical_reference` defines the model step by step; this module computes the same
results for all (map, class) pairs of a batch at once.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from segvae_jax.model.gaussian import Gaussian
from segvae_jax.model.ladder import CanvasEncoder, Conditions, Decoder, ShapeEncoder, VectorLatent, stage_widths
from segvae_jax.model.layers import BASE, base_size
from segvae_jax.model.packing import Budget, gather_slots, scatter_slots, shape_slots
from segvae_jax.model.protocol import NUM_MOVES, Generated, GivenShapes, PosteriorModel, StepOutput, Temperature
from segvae_jax.model.recurrence import LSTM, Carry, FeedForward, initial_carry
from segvae_jax.model.rows import for_rows


class Hierarchical(PosteriorModel):
    """The model.

    Attributes:
      num_channels, order, image_size: as in `MapModel`.
      widths: channels at each resolution, from the finest to the coarsest; the last one is repeated where there are
        more resolutions, down to a short side of 4.
      patch: side of the patches of pixels that the networks see as channels; 1 for none. Larger patches are faster,
        and worse at outlines.
      context_dim: F.
      hidden_dim: D, of the LSTMs.
      latent_dim: size of the vector latent.
      latent_channels: channels of the latent maps, the first of 4 px on the short side, each next one twice as large;
        those that would be finer than the networks are not used.
      latent_groups: groups of so many channels at each scale. One is sampled after the other (Child 2021), so that
        pixels of a scale, which are independent within a group, agree with one another.
      skips: whether the features of the context encoder join the decoder at every resolution.
      subpixel: whether each pixel becomes 2 x 2 different ones where the resolution doubles (sub-pixel convolution, Shi
        et al. 2016), so that a scale of the latent can tell details finer than its pixels; False repeats pixels.
      recurrent: False replaces each LSTM by a layer without memory.
      hard_canvas: False shows later classes soft shapes in generation.
      augment_labels: whether all networks are told how a training map was moved (Karras et al. 2022). Generated maps
        are those of maps that were not, so that augmentation adds variety without its traces.
      flip_labels: whether this tells them, too, whether the map was flipped.
      dtype: type that the convolutions compute in, "float32" or "bfloat16"; parameters, norm statistics, LSTMs and
        Gaussians stay float32.
    """

    widths: tuple[int, ...] = (8, 16, 32, 64)
    patch: int = 1
    context_dim: int = 256
    hidden_dim: int = 128
    latent_dim: int = 32
    latent_channels: tuple[int, ...] = (12, 8, 4)
    latent_groups: int = 1  # as in checkpoints that do not say
    skips: bool = True
    subpixel: bool = False  # as in checkpoints that do not say
    recurrent: bool = True
    hard_canvas: bool = True
    augment_labels: bool = False  # as in checkpoints that do not say
    flip_labels: bool = False  # as in checkpoints that do not say
    dtype: str = "float32"

    can_infer = True
    can_edit = True
    can_pack = True
    can_reorder = True
    can_choose_steps = True
    can_transfer = True

    def setup(self):
        """Makes the networks; the name of each is that of its parameters."""
        size, widths = self.image_size, stage_widths(self.image_size, self.widths, self.patch)
        channels = self._used_channels()
        self.conditions = Conditions(self.context_dim)
        self.canvas_encoder = CanvasEncoder(self.num_channels, size, widths, self.patch, self.context_dim)
        self.shape_encoder = ShapeEncoder(size, widths[-max(len(channels), 1) :], self.hidden_dim)
        memory = LSTM if self.recurrent else FeedForward
        self.prior_memory, self.posterior_memory = memory(self.hidden_dim), memory(self.hidden_dim)
        self.vector_latent = VectorLatent(self.latent_dim, self.context_dim)
        self.decoder = Decoder(size, widths, channels, self.latent_groups, self.patch, self.skips, self.subpixel)

    @nn.nowrap
    def require_valid_sizes(self) -> None:
        """Image size and patch; see `MapModel`."""
        super().require_valid_sizes()
        if self.patch & (self.patch - 1) or min(self.image_size) // self.patch < BASE:
            raise ValueError(f"patch={self.patch}: expected 1, 2, 4, ... and a short side of at least {BASE} patches")

    @property
    def latent_scales(self) -> dict[str, int]:
        """Size of the latent at each scale, in the order in which the flat latent holds them."""
        height, width = base_size(self.image_size)
        channels = [self.latent_groups * channels for channels in self._used_channels()]
        sides = [(height << level, width << level, count) for level, count in enumerate(channels)]
        return {"vector": self.latent_dim} | {f"{h}x{w}": h * w * count for h, w, count in sides}

    @nn.nowrap
    def _used_channels(self) -> tuple[int, ...]:
        return self.latent_channels[: len(stage_widths(self.image_size, self.widths, self.patch))]

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """One flat latent per class, in drawing order."""
        return len(self.order), sum(self.latent_scales.values())

    @nn.nowrap
    def sample_among(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        temperature: Temperature,
        given: GivenShapes | None,
    ) -> Generated:
        """See `generate`."""
        return generate(self, variables, label_set, eps, temperature, given)

    def __call__(
        self,
        class_maps: Float[Array, "B H W C"],
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        budget: Budget | None = None,
        order: Int[Array, "K"] | None = None,
        steps: Int[Array, "B M"] | None = None,
        moves: Float[Array, "B 5"] | None = None,
    ) -> StepOutput:
        """Training forward pass: every class from its posterior, on a canvas of true shapes.

        Args:
          class_maps: in {0, 1}, channel 0 blank.
          label_set: in {0, 1}.
          eps: standard normal noise of the posterior, for each step of the output.
          budget: number of slots that the networks are packed into; not packed if None.
          order: drawing order, which the steps of the output have; that of the model if None.
          steps: numbers of the steps that the output has, for a model that is not `recurrent`; all K if None.
          moves: how the maps were moved, for a model with `augment_labels`; not at all if None.
        """
        channels = np.asarray(self.order) if order is None else order
        batch, count = class_maps.shape[0], len(self.order)
        steps = jnp.broadcast_to(jnp.arange(count), (batch, count)) if steps is None else steps
        target = jnp.eye(self.num_channels)[channels]
        on_canvas = jnp.cumsum(target, axis=0) - target
        present = jnp.take_along_axis(label_set[:, channels], steps, axis=1)
        slots = shape_slots(present, budget)
        pairs = lambda x: gather_slots(x, slots)
        of_map = lambda x: pairs(jnp.broadcast_to(x[:, None], (*steps.shape, *x.shape[1:])))
        by_pair = lambda rows: scatter_slots(rows, steps.shape, slots)

        planes, channel = jnp.moveaxis(class_maps, -1, 1), jnp.asarray(channels)[steps]
        shape = pairs(jnp.take_along_axis(planes, channel[..., None, None], axis=1))
        condition = self.conditions(of_map(self._known(label_set, moves)), pairs(target[steps]))
        canvas = self.canvas_encoder.embed(class_maps.astype(self.dtype), on_canvas[steps])
        skips, context = self.canvas_encoder(pairs(canvas), condition)
        features, seen = self.shape_encoder(shape.astype(self.dtype), condition)

        start, contexts = initial_carry(batch, self.hidden_dim), by_pair(context)
        _, of_prior = self.prior_memory(start, contexts, present)
        _, of_posterior = self.posterior_memory(start, jnp.concatenate([contexts, by_pair(seen)], -1), present)
        memory, latent = pairs(of_prior), self.vector_latent
        vector = latent.prior(memory, condition), latent.posterior(pairs(of_posterior), condition)
        logits, prior, posterior = self.decoder(context, memory, vector, skips, condition, pairs(eps), features)
        gaussian = lambda g: Gaussian(by_pair(g.mu), by_pair(g.logvar))
        return StepOutput(gaussian(prior), gaussian(posterior), by_pair(logits), present, contexts)

    def generation_step(
        self,
        carry: tuple[Carry, Float[Array, "B H W w"]],
        label_set: Float[Array, "B C"],
        channel: Int[Array, ""],
        eps: Float[Array, "B Z"],
        given: GivenShapes | None,
    ) -> tuple[Any, tuple[Float[Array, "B F"], Gaussian, Float[Array, "B H W"]]]:
        """One step of generation; the canvas gains the given or the generated shape where the class is asked for.

        Args:
          carry: state of the prior's memory, and embedded canvas.
          label_set: in {0, 1}.
          channel: of the step.
          eps: standard normal noise.
          given: the shape of this step, or parts of it, blank where the class is not asked for; None to sample all.

        Returns:
          the next carry; context, prior and sampled shape of the step.
        """
        state, canvas = carry
        present = label_set[:, channel] > 0
        target = jax.nn.one_hot(channel, self.num_channels)

        def encode(self: "Hierarchical", label_set: Array, canvas: Array) -> Any:
            target_of = jnp.broadcast_to(target, label_set.shape)
            condition = self.conditions(self._known(label_set), target_of)
            return *self.canvas_encoder(canvas.astype(self.dtype), condition), condition

        inputs = label_set, canvas
        skips, context, condition = for_rows(self, present, encode, inputs)
        state, memory = self.prior_memory(state, context[:, None], present[:, None].astype(jnp.float32))
        samples = present if given is None else present & (given.mask == 0).any((-2, -1))
        shape, prior = self._sampled(samples, eps, (context, memory[:, 0], condition, skips))
        shown = shape if given is None else given.completed(shape)
        shown = (shown >= 0.5).astype(shown.dtype) if self.hard_canvas else shown
        canvas = canvas + self.canvas_encoder.embed_shape(shown, channel)
        return (state, canvas), (context, prior, shape)

    def _sampled(
        self, samples: Bool[Array, "B"], eps: Float[Array, "B Z"], inputs: tuple[Any, ...]
    ) -> tuple[Float[Array, "B H W"], Gaussian]:
        """Shapes and priors of the rows that sample, of which none is lost; zeros elsewhere."""

        def sample(self: "Hierarchical", eps: Array, *inputs: Any) -> Any:
            context, memory, condition, skips = inputs
            vector = self.vector_latent.prior(memory, condition)
            logits, prior, _ = self.decoder(context, memory, (vector, vector), skips, condition, eps)
            return nn.sigmoid(logits), prior

        def attempt(state: tuple[Array, Array, Any]) -> tuple[Array, Array, Any]:
            number, lost, before = state
            noise = jnp.where(number == 0, eps, -eps)
            shape, prior = for_rows(self, lost, sample, (noise, *inputs), before)
            return number + 1, lost & (shape.max((-2, -1)) < 0.5), (shape, prior)

        blank = jnp.zeros((eps.shape[0], *self.image_size)), Gaussian(jnp.zeros_like(eps), jnp.zeros_like(eps))
        again = lambda state: (state[0] < 2) & state[1].any()
        _, lost, (shape, prior) = lax.while_loop(again, attempt, (jnp.int32(0), samples, blank))
        return jnp.where(lost[:, None, None], _raised(shape), shape), prior

    def _known(self, label_set: Float[Array, "B C"], moves: Float[Array, "B 5"] | None = None) -> Float[Array, "B _"]:
        """What the conditions know of a map: its label-set and, with `augment_labels`, how it was moved."""
        if not self.augment_labels:
            return label_set
        moves = jnp.zeros((label_set.shape[0], NUM_MOVES)) if moves is None else moves
        return jnp.concatenate([label_set, moves if self.flip_labels else moves[:, :-1]], axis=-1)

    def blank_canvas(self, batch: Any) -> Float[Array, "B H W w"]:
        """The embedding of a canvas without shapes."""
        return self.canvas_encoder.blank(batch)


def _raised(shape: Float[Array, "B H W"]) -> Float[Array, "B H W"]:
    """The shape, raised until its likeliest pixel reaches one half."""
    peak = shape.max((-2, -1), keepdims=True)
    return jnp.where(shape == peak, 0.5, shape * 0.5 / jnp.maximum(peak, 1e-12))  # the peak is free of rounding


def generate(
    model: Hierarchical,
    variables: Mapping[str, Any],
    label_set: Float[Array, "B C"],
    eps: Float[Array, "B K Z"],
    temperature: Temperature = 1.0,
    given: GivenShapes | None = None,
) -> Generated:
    """Generates the classes of each label-set one after the other, each from the learned prior.

    A class that was asked for is drawn. Where its shape reaches one half nowhere, it is sampled once more, with the
    noise negated; where this shape does not either, its likeliest pixel is raised to one half.

    Given shapes are put onto the canvas in their steps, as in training, and the prior steps through them.

    Args:
      model: the model.
      variables: its `params`.
      label_set: in {0, 1}; absent classes stay blank.
      eps: standard normal noise; a sample depends on its own row alone.
      temperature: scales the standard deviation of the prior, of all components of the latent or of each.
      given: shapes `[B, K, H, W]`, blank in absent classes; None to sample all.
    """

    def step(carry, inputs):
        return model.apply(variables, carry, label_set, *inputs, method="generation_step")

    batch, scaled = label_set.shape[0], eps * jnp.reshape(jnp.asarray(temperature), (1, 1, -1))
    canvas = model.apply(variables, batch, method="blank_canvas")
    by_step = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (scaled, given))
    start = initial_carry(batch, model.hidden_dim), canvas
    _, outputs = lax.scan(step, start, (jnp.asarray(model.order), *by_step))
    context, prior, sampled = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), outputs)
    class_maps = model.on_channels(sampled if given is None else given.completed(sampled))
    return Generated(class_maps, sampled, context, prior)
