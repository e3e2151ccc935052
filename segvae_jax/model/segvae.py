"""SegVAE: the iteration over the classes of a label-set on a growing canvas (paper section 3).

Three ways through the same modules:

* `SegVAE.__call__`: the training forward. Teacher forcing makes the canvas of every step known, so all
  K classes pass the convolutions as one batch and only the two LSTMs scan.
* `teacher_forced_scan`: the same as a plain scan over one step function; the readable definition.
* `generate`: free-running, a scan over the classes on the canvas of what has been drawn.

Arrays with a step axis are batch-major, `[B, K, ...]`, steps in drawing order.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import flax.linen as nn
import flax.struct
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from segvae_jax.model.decoder import Decoder
from segvae_jax.model.encoders import ContextEncoder
from segvae_jax.model.layers import spectrally_normalised
from segvae_jax.model.packing import Budget, Slots, context_slots, give, shape_slots, take
from segvae_jax.model.protocol import MapModel, VAEOutput
from segvae_jax.model.recurrence import Carry, Gaussian, Posterior, Prior, StandardPrior, initial_carry

M = TypeVar("M", bound=MapModel)


@flax.struct.dataclass
class StepOutput(VAEOutput):
    """What the steps of a training forward compute; classes and latents are in drawing order."""

    context: Float[Array, "*b K F"]


@flax.struct.dataclass
class GivenShapes:
    """What generation does not draw but take over; of a label-set's other classes nothing is given."""

    shapes: Float[Array, "*b H W"]  # in drawing order
    mask: Float[Array, "*b H W"]  # 1 where the shape is given, 0 where it is to be drawn

    def completed(self, drawn: Float[Array, "*b H W"]) -> Float[Array, "*b H W"]:
        """The given pixels, and those of drawn shapes elsewhere."""
        return jnp.where(self.mask > 0, self.shapes, drawn)


@flax.struct.dataclass
class Generated:
    """A free-running generation."""

    class_maps: Float[Array, "B H W C"]  # soft, channel 0 blank
    drawn: Float[Array, "B K H W"]  # what the decoder made of the steps that draw, where shapes are given too
    context: Float[Array, "B K F"]
    prior: Gaussian  # mu, logvar [B, K, Z]


class SegVAE(MapModel):
    """The model.

    Attributes:
      num_channels, order, image_size: as in `MapModel`.
      ngf: width of the first level.
      context_dim, hidden_dim, latent_dim: F, D, Z.
      spectral_norm: whether the encoders and the prior are spectrally normalised.
      gain: of the Xavier initialisation.
      dtype: that the convolutions compute in, "float32" or "bfloat16"; parameters, statistics of norms,
        LSTMs and Gaussians stay float32.
      recurrent: False puts a layer without memory in the place of each LSTM.
      learned_prior: False draws every latent from a standard normal distribution.
      canvas: False hides what was drawn from the context encoder; the classes then are not drawn iteratively.
      hard_canvas: True has the context encoder see generated shapes thresholded at one half.
      skip_absent: True leaves the LSTMs where they are in steps of absent classes.
    """

    ngf: int = 64
    context_dim: int = 512
    hidden_dim: int = 256
    latent_dim: int = 384
    spectral_norm: bool = True
    gain: float = 0.02
    dtype: str = "float32"
    recurrent: bool = True
    learned_prior: bool = True
    canvas: bool = True
    hard_canvas: bool = False
    skip_absent: bool = False

    def setup(self):
        """The four networks of the paper's figure 2."""
        size, ngf, norm, gain = self.image_size, self.ngf, self.spectral_norm, self.gain
        hidden_dim, latent_dim, dtype, recurrent = self.hidden_dim, self.latent_dim, self.dtype, self.recurrent
        self.context_encoder = ContextEncoder(
            self.num_channels, size, ngf, self.context_dim, hidden_dim, norm, gain, dtype, self.canvas
        )
        if self.learned_prior:
            self.prior = Prior(hidden_dim, latent_dim, norm, gain, recurrent)
        else:
            self.prior = StandardPrior(latent_dim)
        self.posterior = Posterior(size, ngf, hidden_dim, latent_dim, norm, gain, dtype, recurrent)
        self.decoder = Decoder(size, ngf, gain, dtype)

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """A latent for each class, in drawing order."""
        return len(self.order), self.latent_dim

    @property
    def can_reconstruct(self) -> bool:
        """From the posterior."""
        return True

    @nn.nowrap
    def sample(
        self,
        variables: Any,
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        temperature: float | Float[Array, ""] = 1.0,
    ) -> Float[Array, "B H W C"]:
        """The class maps of `generate`."""
        return generate(self, variables, label_set, eps, temperature).class_maps

    def __call__(
        self,
        class_maps: Float[Array, "B H W C"],
        label_set: Float[Array, "B C"],
        eps: Float[Array, "B K Z"],
        budget: Budget | None = None,
        order: Int[Array, "K"] | None = None,
    ) -> StepOutput:
        """Training forward: every class from its posterior, on a canvas of true shapes.

        Args:
          class_maps: in {0, 1}, channel 0 blank.
          label_set: in {0, 1}.
          eps: standard normal noise of the posterior.
          budget: of slots to pack the convolutions into; not packed if None. Logits of absent classes then
            are one another's.
          order: to draw the classes in; the model's if None. That of the steps of the output.
        """
        channels = np.asarray(self.order) if order is None else order
        target = jnp.eye(self.num_channels)[channels]
        drawn = jnp.cumsum(target, axis=0) - target
        present = label_set[:, channels]
        start = initial_carry(class_maps.shape[0], self.hidden_dim)
        looks, draws, advances = context_slots(present, budget), shape_slots(present, budget), self._advances(present)
        context = self.context_encoder(class_maps, drawn, label_set, target, present, looks)
        _, prior = self.prior(start, context, advances)
        shapes = jnp.moveaxis(class_maps[..., channels], -1, 1)
        _, posterior = self.posterior(start, shapes, target, present, context, draws, advances)
        logits = self.decode(context, posterior.sample(eps), draws)
        return StepOutput(prior, posterior, logits, present, context)

    def teacher_forced_step(
        self,
        carry: tuple[Carry, Carry, Float[Array, "B H W C"]],
        class_maps: Float[Array, "B H W C"],
        label_set: Float[Array, "B C"],
        channel: Int[Array, ""],
        eps: Float[Array, "B Z"],
    ) -> tuple[tuple[Carry, Carry, Float[Array, "B H W C"]], StepOutput]:
        """One step of the training forward; the canvas gains the true shape. Outputs have K = 1."""
        prior_carry, posterior_carry, canvas = carry
        target, present, context = self._look(canvas, label_set, channel)
        advances = self._advances(present)
        prior_carry, prior = self.prior(prior_carry, context, advances)
        shape = class_maps[..., channel][:, None]
        inputs = shape, target, present, context
        posterior_carry, posterior = self.posterior(posterior_carry, *inputs, advances=advances)
        logits = self.decode(context, posterior.sample(eps[:, None]))
        canvas = canvas + shape[:, 0, ..., None] * target[:, None, None]
        return (prior_carry, posterior_carry, canvas), StepOutput(prior, posterior, logits, present, context)

    def generation_step(
        self,
        carry: tuple[Carry, Float[Array, "B h w O"], Float[Array, "B 1 F"], Bool[Array, "B"]],
        label_set: Float[Array, "B C"],
        channel: Int[Array, ""],
        asked: Float[Array, "2 h w O"],
        eps: Float[Array, "B Z"],
        given: GivenShapes | None,
    ) -> tuple[Any, tuple[Float[Array, "B 1 F"], Gaussian, Float[Array, "B H W"]]]:
        """One step of generation; the canvas gains the given or soft generated shape where the class is asked for.

        Args:
          carry: state of the prior, the context encoder's first-level response to the canvas, the context of the
            step before, and whether that step drew something: if not, and the class is not asked for now either,
            the context is the same.
          label_set: in {0, 1}.
          channel: of the step.
          asked: the context encoder's response to the target that there is none, and to this one.
          eps: standard normal noise.
          given: the shape of this step, or parts of it, blank where the class is not asked for; None if all is drawn.

        Returns:
          the next carry; context, prior and drawn shape of the step.
        """
        prior_carry, seen, context, drew = carry
        present = label_set[:, channel] > 0
        look = lambda self, seen, present: self.context_encoder.look(seen + asked[present.astype(int)])[:, None]
        context = self._for_rows(present | drew, look, (seen, present), context)
        prior_carry, prior = self.prior(prior_carry, context, self._advances(label_set[:, channel][:, None]))
        z = prior.sample(eps[:, None])

        def show(self: "SegVAE", shape: Array) -> Array:
            shown = (shape >= 0.5).astype(shape.dtype) if self.hard_canvas else shape
            nothing = jnp.zeros((shape.shape[0], *seen.shape[1:]))
            return self.context_encoder.add(shown, channel) if self.canvas else nothing

        def draw(self: "SegVAE", context: Array, z: Array, given: GivenShapes | None) -> tuple[Array, Array]:
            shape = nn.sigmoid(self.decode(context, z))[:, 0]
            return shape, show(self, shape if given is None else given.completed(shape))

        blank = jnp.zeros((present.shape[0], *self.image_size))
        draws = present if given is None else present & (given.mask == 0).any((-2, -1))
        otherwise = blank, jnp.zeros_like(seen) if given is None else show(self, given.shapes)
        shape, gained = self._for_rows(draws, draw, (context, z, given), otherwise)
        return (prior_carry, seen + gained, context, present), (context, prior, shape)

    def begin(self, label_set: Float[Array, "B C"]) -> tuple[Float[Array, "B h w O"], Float[Array, "K 2 h w O"]]:
        """The context encoder's response to the blank canvas, and to no target and the target of each step."""
        seen, targets = self.context_encoder.begin(label_set, jnp.eye(self.num_channels)[np.asarray(self.order)])
        return seen, jnp.stack([jnp.broadcast_to(targets[-1:], targets[:-1].shape), targets[:-1]], axis=1)

    def _for_rows(
        self, needed: Bool[Array, "B"], compute: Callable[..., Any], inputs: tuple[Any, ...], otherwise: Any
    ) -> Any:
        """`compute` of the inputs in the rows that need it, `otherwise` in the rest.

        A CPU is spared most of the other rows: those that need it are taken together, in one of few sizes. On
        other devices the choice would cost more than it saves, and of an unknown number (`jax.export`) there is none.
        """
        keep = lambda new, old: jnp.where(needed.reshape(-1, *[1] * (new.ndim - 1)), new, old)
        if jax.default_backend() != "cpu" or jax.export.is_symbolic_dim(needed.shape[0]):
            return jax.tree.map(keep, compute(self, *inputs), otherwise)
        rows = jnp.argsort(~needed)

        def of(size: int) -> Callable[["SegVAE"], Any]:
            some = rows[:size]
            put = lambda old, new: keep(old.at[some].set(new), old)
            return lambda self: jax.tree.map(put, otherwise, compute(self, *jax.tree.map(lambda x: x[some], inputs)))

        sizes = sorted({-(-len(needed) * quarter // 4) for quarter in range(1, 5)})
        branches = [lambda self: otherwise, *map(of, sizes)]
        return nn.switch(jnp.searchsorted(jnp.array([0, *sizes]), needed.sum()), branches, self)

    def decode(
        self, context: Float[Array, "B K F"], z: Float[Array, "B K Z"], slots: Slots | None = None
    ) -> Float[Array, "B K H W"]:
        """Logits of the shapes of K steps, as one batch."""
        return give(self.decoder(take(context, slots), take(z, slots))[..., 0], context.shape[:2], slots)

    def _advances(self, present: Float[Array, "B T"]) -> Float[Array, "B T"] | None:
        """The steps in which the LSTMs move; all if None."""
        return present if self.skip_absent else None

    def _look(
        self, canvas: Float[Array, "B H W C"], label_set: Float[Array, "B C"], channel: Int[Array, ""]
    ) -> tuple[Float[Array, "1 C"], Float[Array, "B 1"], Float[Array, "B 1 F"]]:
        """Target, presence and context of one step on a canvas."""
        target = jnp.eye(self.num_channels)[channel][None]
        present = label_set[:, channel][:, None]
        return (
            target,
            present,
            self.context_encoder(canvas, jnp.ones_like(target), label_set, target, present),
        )


def teacher_forced_scan(
    model: SegVAE,
    variables: Mapping[str, Any],
    class_maps: Float[Array, "B H W C"],
    label_set: Float[Array, "B C"],
    eps: Float[Array, "B K Z"],
) -> StepOutput:
    """The training forward as a scan over the classes: the definition that `SegVAE.__call__` is held to."""

    def step(carry, inputs):
        return model.apply(variables, carry, class_maps, label_set, *inputs, method="teacher_forced_step")

    state = initial_carry(class_maps.shape[0], model.hidden_dim)
    inputs = (jnp.asarray(model.order), jnp.swapaxes(eps, 0, 1))
    _, outputs = lax.scan(step, (state, state, jnp.zeros_like(class_maps)), inputs)
    return _batch_major(outputs)


def generate(
    model: SegVAE,
    variables: Mapping[str, Any],
    label_set: Float[Array, "B C"],
    eps: Float[Array, "B K Z"],
    temperature: float | Float[Array, ""] = 1.0,
    given: GivenShapes | None = None,
) -> Generated:
    """Draws the classes of each label-set one after the other, each from the learned prior.

    GivenShapes shapes are put onto the canvas in their steps, as in training, and the prior steps through them: to draw
    some classes among given ones is what the paper calls editing.

    Args:
      model: the model.
      variables: its `params` and, with spectral norm, `spectral` collections.
      label_set: in {0, 1}; absent classes stay blank.
      eps: standard normal noise; a sample depends on its own row alone.
      temperature: scales the prior's standard deviation; 0 gives the mean, 1 the learned prior.
      given: shapes `[B, K, H, W]`, blank in absent classes; None to draw all.
    """

    def step(carry, inputs):
        return model.apply(variables, carry, label_set, *inputs, method="generation_step")

    batch, order = label_set.shape[0], jnp.asarray(model.order)
    seen, asked = model.apply(variables, label_set, method="begin")
    context = jnp.zeros((batch, 1, model.context_dim))
    start = initial_carry(batch, model.hidden_dim), seen, context, jnp.ones(batch, bool)
    by_step = jax.tree.map(lambda a: jnp.swapaxes(a, 0, 1), (eps * temperature, given))
    _, (context, prior, shapes) = lax.scan(step, start, (order, asked, *by_step))
    drawn = jnp.swapaxes(shapes, 0, 1)
    class_maps = model.on_channels(drawn if given is None else given.completed(drawn))
    return Generated(class_maps, drawn, *_batch_major((context, prior)))


def fold_spectral_norm(model: M, variables: Mapping[str, Any]) -> tuple[M, dict[str, Any]]:
    """The same function without spectral norm: every kernel that has it divided by its largest singular value once."""
    if not variables.get("spectral"):
        return model, {"params": variables["params"]}

    def fold(params, spectral):
        if "u" in spectral:
            return {**params, "kernel": spectrally_normalised(params["kernel"], spectral["u"])[0]}
        return {name: fold(tree, spectral[name]) if name in spectral else tree for name, tree in params.items()}

    folded = fold(variables["params"], variables["spectral"])
    return model.clone(spectral_norm=False), {"params": folded}


def _batch_major(outputs):
    """Scanned outputs `[K, B, 1, ...]` as `[B, K, ...]`."""
    return jax.tree.map(lambda a: jnp.moveaxis(a[:, :, 0], 0, 1), outputs)
