"""The training and validation steps, written as for one device.

`jit_train_step` compiles the training step over a mesh, with the batch split along `data` and the state on every
device (`validation` does the same for the validation step). Each device computes the gradient of its own maps, and all
of them are added in one all-reduce.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt8

from segvae_jax import maps
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.layers import CONVOLUTION
from segvae_jax.model.losses import Losses, RowCounts, reduce_losses
from segvae_jax.model.packing import Budget
from segvae_jax.model.protocol import MapModel
from segvae_jax.sharding import replicated, split_batch, summed
from segvae_jax.streams import Seed, stream_key
from segvae_jax.training.augmentation import Augmentation, augment
from segvae_jax.training.state import FlatState, updated

_ONLY_CONVOLUTIONS = jax.checkpoint_policies.save_only_these_names(CONVOLUTION)

Metrics = dict[str, Any]
# Number of maps that have the class of each step; sum and sum of squares of the means of their posteriors.
Moments = tuple[Float[Array, "K"], Float[Array, "K Z"], Float[Array, "K Z"]]


@dataclasses.dataclass(frozen=True)
class StepConfig:
    """What a step minimises, and how it is computed.

    Attributes:
      reconstruction: a key of `losses.RECONSTRUCTION`.
      kl_weight: weight of the KL term.
      kl_warmup: number of steps in which it grows linearly from 0.
      reduction: of the loss, one of `losses.REDUCTIONS`.
      classes_per_map: how many classes of each training map a step draws at random and computes; 0 for all. For a
        model that `can_choose_steps`, and for the reduction "pairs", which is then the same on average.
      ema_decay: decay of the averaged weights; 0 keeps none.
      seed: of the noise of the training forward pass and of the augmentation; an array in a compiled step.
      augmentation: of the training maps.
      random_order: whether each batch has a random drawing order of its own.
      remat: whether the backward pass keeps the outputs of convolutions only and computes the rest again; saves memory
        and changes results by rounding alone.
      accumulate: number of parts of a batch that are computed one after the other; saves memory likewise.
    """

    reconstruction: str
    kl_weight: float
    ema_decay: float
    seed: Seed
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    random_order: bool = False
    remat: bool = False
    accumulate: int = 1
    kl_warmup: int = 0
    reduction: str = "steps"
    classes_per_map: int = 0

    def kl_weight_at(self, step: Any) -> float | Float[Array, ""]:
        """The weight of the KL term in the step that follows `step` others."""
        return self.kl_weight * jnp.minimum(1.0, (step + 1) / self.kl_warmup) if self.kl_warmup else self.kl_weight


def forward(
    model: MapModel,
    variables: Any,
    class_maps: Float[Array, "B H W C"],
    eps: Float[Array, "B ..."],
    budget: Budget | None = None,
    order: Int[Array, "K"] | None = None,
    steps: Int[Array, "B M"] | None = None,
    moves: Float[Array, "B 5"] | None = None,
    **kwargs: Any,
) -> tuple[Any, Float[Array, "B M H W"]]:
    """The training forward pass of a batch of class maps.

    Args:
      model: the model.
      variables: of the model.
      class_maps: in {0, 1}.
      eps: standard normal noise.
      budget: for a model that `can_pack`; not packed if None.
      order: drawing order, for a model that `can_reorder`; that of the model if None.
      steps: numbers of the steps to compute, for a model that `can_choose_steps`; all K if None.
      moves: how the maps were moved, for a model with `augment_labels`; not at all if None.
      kwargs: for `model.apply`.

    Returns:
      what the model returns, and the true shapes of its steps.
    """
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    shapes = jnp.moveaxis(class_maps[..., _in_order(model, order)], -1, 1)
    if steps is not None:
        shapes = jnp.take_along_axis(shapes, steps[..., None, None], axis=1)
    options = {"budget": budget, "order": order, "steps": steps, "moves": moves}
    kwargs |= {name: value for name, value in options.items() if value is not None}
    return model.apply(variables, class_maps, label_set, eps, **kwargs), shapes


def train_step(
    model: MapModel,
    optimizer: optax.GradientTransformation,
    config: StepConfig,
    state: TrainState,
    packed: UInt8[Array, "B H W P"],
    budget: Budget | None = None,
    mesh: Mesh | None = None,
) -> tuple[TrainState, Metrics]:
    """One update.

    Args:
      model: the model.
      optimizer: of its parameters.
      config: what is minimised, and how.
      state: before the update.
      packed: the batch.
      budget: number of slots for the convolutions of each accumulated part; not packed if None. It saves time and
        changes no result.
      mesh: over which the batch is split; None for one device.

    Returns:
      the new state, and metrics: losses, norms of gradients and updates, and for each parameter, in the order of the
      tree, whether its gradient is finite.
    """
    class_maps, moves = augment(config.augmentation, maps.unpack(packed, model.num_channels), config.seed, state.step)
    eps = _noise(model, config.seed, packed.shape[0], state.step, config.classes_per_map)
    inputs = class_maps, eps, moves if model.augment_labels else None
    (grads, terms), spectral = _gradient(model, config, state, inputs, budget, mesh)
    after, norms = updated(optimizer, config.ema_decay, state, grads, spectral)
    return after, {**terms.scalars(), **norms}


def _gradient(
    model: MapModel,
    config: StepConfig,
    state: TrainState,
    inputs: tuple[Float[Array, "B H W C"], Float[Array, "B ..."], Float[Array, "B 5"] | None],
    budget: Budget | None,
    mesh: Mesh | None,
) -> tuple[tuple[Any, Losses], Any]:
    """Gradients of the loss of a batch, its terms, and the advanced singular vectors of the spectral norm."""
    class_maps, eps, moves = inputs
    order = random_order(model, config, state.step)
    present, steps = _present(model, class_maps, order), None
    rows, kl_weight = RowCounts.of(present), config.kl_weight_at(state.step)
    if config.classes_per_map:
        steps = _random_steps(config, state.step, present)
        present = _weights(present, steps)
    if mesh and budget:
        budget = dataclasses.replace(budget, groups=1)  # each device packs its own maps
    run = jax.checkpoint(_run, policy=_ONLY_CONVOLUTIONS, static_argnums=(0, 1)) if config.remat else _run

    shared = state.params, state.spectral, rows, kl_weight, order  # not closed over: a device has its own view of them

    def loss(params: Any, shared: Any, present: Array, *inputs: Any) -> Any:
        spectral, rows, kl_weight, order = shared
        variables = {"params": params, "spectral": spectral}
        (output, advanced), shapes = run(model, budget, order, variables, *inputs)
        terms = model.loss_terms(output, shapes, config.reconstruction)
        reduced = reduce_losses(terms, present, kl_weight, rows, config.reduction)
        return reduced.total, (reduced, advanced.get("spectral", {}))

    def gradient(shared: Any, *inputs: Any) -> tuple[tuple[Any, Losses], Any]:
        def of_part(*inputs: Any) -> tuple[tuple[Any, Losses], Any]:
            grads, (terms, spectral) = jax.grad(loss, has_aux=True)(params, others, *inputs)
            return (grads, terms), spectral

        params, *others = shared
        if config.accumulate == 1:
            return of_part(*inputs)
        zero = jnp.zeros(())
        losses = Losses(zero, zero, zero, dict.fromkeys(model.latent_scales, zero))
        nothing = (jax.tree.map(jnp.zeros_like, params), losses), others[0]
        return _accumulated(of_part, config.accumulate, nothing, *inputs)

    return (summed(mesh, gradient) if mesh else gradient)(shared, present, class_maps, eps, steps, moves)


def _run(
    model: MapModel,
    budget: Budget | None,
    order: Array | None,
    variables: Any,
    class_maps: Array,
    eps: Array,
    steps: Array | None,
    moves: Array | None,
) -> Any:
    return forward(model, variables, class_maps, eps, budget, order, steps, moves, mutable=["spectral"])


def saved_for_gradient(model: MapModel, config: StepConfig, state: Any, packed: Any, budget: Budget | None) -> Any:
    """Shapes of what the forward pass of a batch keeps for the gradient, whatever the compiler makes of it.

    These are its inputs, and the outputs of products and convolutions; with `config.remat` of convolutions only.

    Args:
      model, config, budget: as in `train_step`.
      state: shapes of the state before the update.
      packed: shape of the batch.
    """

    def saved(state: TrainState, packed: Array) -> Any:
        class_maps = maps.unpack(packed, model.num_channels)
        eps = _noise(model, config.seed, packed.shape[0], 0, config.classes_per_map)
        order, present = random_order(model, config, 0), _present(model, class_maps)
        steps = _random_steps(config, 0, present) if config.classes_per_map else None
        policy = _ONLY_CONVOLUTIONS if config.remat else jax.checkpoint_policies.dots_saveable
        run = jax.checkpoint(_run, policy=policy, static_argnums=(0, 1))
        output = lambda params: run(
            model, budget, order, {"params": params, "spectral": state.spectral}, class_maps, eps, steps, None
        )
        return jax.vjp(output, state.params)[1]

    return jax.eval_shape(saved, state, packed)


def _random_steps(config: StepConfig, step: Any, present: Float[Array, "B K"]) -> Int[Array, "B M"]:
    """Numbers of random steps whose classes the maps have; of others too, if a map has fewer."""
    noise = jax.random.gumbel(stream_key(config.seed, "classes", step), present.shape, mode="low")
    first = jnp.argsort(jnp.where(present > 0, -noise, jnp.inf), axis=1)  # `top_k` would gather the rows of all devices
    return first[:, : min(config.classes_per_map, present.shape[1])]


def _weights(present: Float[Array, "B K"], steps: Int[Array, "B M"]) -> Float[Array, "B M"]:
    """Weights of the chosen steps, 0 for absent classes: those of a map stand for all classes that it has."""
    chosen = jnp.take_along_axis(present, steps, axis=1)
    return chosen * (present.sum(1, keepdims=True) / jnp.maximum(chosen.sum(1, keepdims=True), 1))


def random_order(model: MapModel, config: StepConfig, step: Any) -> Int[Array, "K"] | None:
    """The random drawing order of a batch; None for the order of the model."""
    if not config.random_order:
        return None
    return jax.random.permutation(stream_key(config.seed, "order", step), jnp.asarray(model.order))


def _in_order(model: MapModel, order: Int[Array, "K"] | None) -> Int[Array, "K"]:
    return jnp.asarray(model.order) if order is None else order


def _present(
    model: MapModel, class_maps: Float[Array, "B H W C"], order: Int[Array, "K"] | None = None
) -> Float[Array, "B K"]:
    """1 where a map has the class of the step."""
    return maps.label_set_of(class_maps)[:, _in_order(model, order)].astype(jnp.float32)


def _accumulated(gradient: Callable[..., Any], parts: int, nothing: Any, *inputs: Any) -> Any:
    """Sums gradients and loss terms over parts of a batch; each part takes every `parts`-th row, on every device."""

    def add(total: Any, part: Any) -> tuple[Any, None]:
        sums, others = gradient(*part)
        return (jax.tree.map(jnp.add, total[0], sums), others), None

    split = jax.tree.map(lambda x: jnp.swapaxes(x.reshape(-1, parts, *x.shape[1:]), 0, 1), inputs)
    return lax.scan(add, nothing, split)[0]


def _noise(model: MapModel, seed: Seed, batch_size: int, step: Any, classes_per_map: int = 0) -> Float[Array, "B ..."]:
    count, *rest = model.noise_shape
    shape = (batch_size, min(count, classes_per_map or count), *rest)
    return jax.random.normal(stream_key(seed, "posterior", step), shape)


def jit_train_step(
    model: MapModel, optimizer: optax.GradientTransformation, config: StepConfig, mesh: Mesh
) -> jax.stages.Wrapped:
    """`train_step` over all devices of the mesh: `(flat state, packed, seed, budget) -> (flat state, metrics)`.

    The state is donated. The seed, of type uint32, takes the place of `config.seed`, so that one program is compiled
    for all seeds. The budget is static and has as many groups as there are devices.
    """
    everywhere = replicated(mesh)

    def step(state: FlatState, packed: Array, seed: Array, budget: Budget | None) -> tuple[FlatState, Metrics]:
        seeded = dataclasses.replace(config, seed=seed)
        over = mesh if mesh.size > 1 else None
        after, metrics = train_step(model, optimizer, seeded, state.whole(), packed, budget, over)
        return FlatState.of(after), metrics

    return jax.jit(
        step,
        in_shardings=(everywhere, split_batch(mesh), everywhere),
        out_shardings=everywhere,
        donate_argnums=0,
        static_argnums=3,
    )


def validation_step(
    model: MapModel,
    config: StepConfig,
    seed: Seed,
    variables: Any,
    packed: UInt8[Array, "B H W P"],
    weight: Float[Array, "B"],
    rows: RowCounts,
    number: Any = 0,
) -> tuple[Metrics, Moments | None]:
    """A batch's part of the losses of a split, and moments of the posterior of a model that has one, by class.

    Args:
      model: the model.
      config: what is measured.
      seed: of the noise.
      variables: of the model.
      packed: the batch.
      weight: of its rows; those of weight 0 (padding) do not count.
      rows: counts of the whole split, of which the parts of all batches add up to the losses.
      number: of the batch, which has noise of its own.
    """
    class_maps, eps = maps.unpack(packed, model.num_channels), _noise(model, seed, packed.shape[0], number)
    output, shapes = forward(model, variables, class_maps, eps)
    terms = model.loss_terms(output, shapes, config.reconstruction)
    present = _present(model, class_maps) * weight[:, None]
    losses = reduce_losses(terms, present, config.kl_weight, rows, config.reduction).scalars()
    if not model.can_infer:
        return losses, None
    mu = jnp.where(present[..., None] > 0, output.posterior.mu, 0.0)
    return losses, (present.sum(0), mu.sum(0), jnp.square(mu).sum(0))
