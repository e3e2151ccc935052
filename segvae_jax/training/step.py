"""The training and validation steps, written as for one device.

Parallelism is one place's business: `jit_train_step` compiles the step over a mesh, batch split along
`data`, state everywhere; XLA then averages gradients over the global batch by itself.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, UInt8

from segvae_jax import losses, maps
from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.layers import CONVOLUTION
from segvae_jax.model.packing import Budget
from segvae_jax.model.protocol import MapModel
from segvae_jax.sharding import replicated, split_batch
from segvae_jax.streams import stream_key
from segvae_jax.training.augmentation import Augmentation, augment

Metrics = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Objective:
    """What is minimised, and how the weights are averaged.

    Attributes:
      reconstruction: a key of `losses.RECONSTRUCTION`.
      kl_weight: of the KL term.
      ema_decay: of the averaged weights; 0 keeps none.
      seed: of the posterior's noise and of the augmentation.
      augmentation: what is done to the training maps.
      random_order: whether each batch is drawn in an order of its own.
    """

    reconstruction: str
    kl_weight: float
    ema_decay: float
    seed: int
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    random_order: bool = False


@dataclasses.dataclass(frozen=True)
class Execution:
    """How a step is computed: time against memory. Changes no result but for rounding.

    Attributes:
      remat: keeps the outputs of convolutions for the backward pass, and computes what follows them again.
      accumulate: parts of a batch that are computed one after the other.
    """

    remat: bool = False
    accumulate: int = 1


def forward(
    model: MapModel,
    variables: Any,
    class_maps: Float[Array, "B H W C"],
    eps: Float[Array, "B ..."],
    budget: Budget | None = None,
    order: Int[Array, "K"] | None = None,
    **kwargs: Any,
) -> tuple[Any, Float[Array, "B K H W"]]:
    """The training forward of a batch of class maps; returns its output and the true shapes in drawing order.

    Budget and order are for a `SegVAE` only.
    """
    label_set = maps.label_set_of(class_maps).astype(jnp.float32)
    shapes = jnp.moveaxis(class_maps[..., _in_order(model, order)], -1, 1)
    kwargs |= {name: value for name, value in (("budget", budget), ("order", order)) if value is not None}
    return model.apply(variables, class_maps, label_set, eps, **kwargs), shapes


def train_step(
    model: MapModel,
    optimizer: optax.GradientTransformation,
    objective: Objective,
    state: TrainState,
    packed: UInt8[Array, "B H W P"],
    budget: Budget | None = None,
    execution: Execution = Execution(),
) -> tuple[TrainState, Metrics]:
    """One update.

    Args:
      model: the model.
      optimizer: of its parameters.
      objective: what is minimised.
      state: before the update.
      packed: the batch.
      budget: of slots for the convolutions of each accumulated part; not packed if None. Saves time, changes
        nothing.
      execution: how.

    Returns:
      the new state, and scalars: losses, norms of gradients and updates, and per parameter whether its
      gradient is finite.
    """
    eps = _noise(model, objective, packed.shape[0], state.step)
    class_maps = maps.unpack(packed, model.num_channels)
    class_maps = augment(objective.augmentation, class_maps, objective.seed, state.step)
    order = drawn_order(model, objective, state.step)
    present = maps.label_set_of(class_maps)[:, _in_order(model, order)]
    rows = losses.Rows.of(present.astype(jnp.float32))
    policy = jax.checkpoint_policies.save_only_these_names(CONVOLUTION)
    run = jax.checkpoint(_run, policy=policy, static_argnums=(0, 1)) if execution.remat else _run

    def loss(params: Any, *part: Array) -> tuple[Float[Array, ""], tuple[losses.Losses, Any]]:
        (output, updated), shapes = run(model, budget, order, {"params": params, "spectral": state.spectral}, *part)
        terms = losses.losses(output, shapes, objective.reconstruction, objective.kl_weight, rows)
        return terms.total, (terms, updated.get("spectral", {}))

    gradient = functools.partial(jax.grad(loss, has_aux=True), state.params)
    if execution.accumulate == 1:
        grads, (terms, spectral) = gradient(class_maps, eps)
    else:
        zero = jnp.zeros(())
        nothing = jax.tree.map(jnp.zeros_like, state.params), losses.Losses(zero, zero, zero), state.spectral
        grads, terms, spectral = _accumulated(gradient, execution.accumulate, nothing, class_maps, eps)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    ema = _average(state.ema, params, objective.ema_decay, state.step)
    metrics = {
        **vars(terms),
        "gradient_norm": optax.tree.norm(grads),
        "update_norm": optax.tree.norm(updates),
        "finite": jax.tree.map(lambda g: jnp.isfinite(g).all(), grads),
    }
    return TrainState(state.step + 1, params, spectral, opt_state, ema), metrics


def _run(
    model: MapModel, budget: Budget | None, order: Array | None, variables: Any, class_maps: Array, eps: Array
) -> Any:
    return forward(model, variables, class_maps, eps, budget, order, mutable=["spectral"])


def drawn_order(model: MapModel, objective: Objective, step: Any) -> Int[Array, "K"] | None:
    """The order of a batch; None for the model's own."""
    if not objective.random_order:
        return None
    return jax.random.permutation(stream_key(objective.seed, "order", step), jnp.asarray(model.order))


def _in_order(model: MapModel, order: Int[Array, "K"] | None) -> Int[Array, "K"]:
    return jnp.asarray(model.order) if order is None else order


def _accumulated(gradient: Callable[..., Any], parts: int, nothing: Any, *inputs: Float[Array, "B ..."]) -> Any:
    """Sums of gradients and loss terms over parts of a batch; each takes every so-many-th row, of every device."""

    def add(total: Any, part: Any) -> tuple[Any, None]:
        grads, (terms, spectral) = gradient(*part)
        return (*jax.tree.map(jnp.add, total[:2], (grads, terms)), spectral), None

    split = [jnp.swapaxes(x.reshape(-1, parts, *x.shape[1:]), 0, 1) for x in inputs]
    return lax.scan(add, nothing, split)[0]


def _noise(model: MapModel, objective: Objective, batch_size: int, step: Any) -> Float[Array, "B ..."]:
    shape = (batch_size, *model.noise_shape)
    return jax.random.normal(stream_key(objective.seed, "posterior", step), shape)


def _average(ema: Any, params: Any, decay: float, step: Any) -> Any:
    """Exponential average with warm-up: early weights, far from any solution, are soon forgotten."""
    if ema is None:
        return None
    rate = 1 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda average, p: average + rate * (p - average), ema, params)


def jit_train_step(
    model: MapModel,
    optimizer: optax.GradientTransformation,
    objective: Objective,
    mesh: Mesh,
    execution: Execution = Execution(),
) -> jax.stages.Wrapped:
    """`train_step` over all devices of the mesh, `(state, packed, budget) -> (state, metrics)`.

    The state is given up. The budget is static and packs in as many groups as there are devices.
    """
    everywhere = replicated(mesh)
    return jax.jit(
        functools.partial(train_step, model, optimizer, objective, execution=execution),
        in_shardings=(everywhere, split_batch(mesh)),
        out_shardings=everywhere,
        donate_argnums=0,
        static_argnums=2,
    )


def validation_step(
    model: MapModel,
    objective: Objective,
    variables: Any,
    packed: UInt8[Array, "B H W P"],
    weight: Float[Array, "B"],
) -> Metrics:
    """Losses of a batch under fixed noise; rows of weight 0 (padding) count nothing."""
    eps = _noise(model, objective, packed.shape[0], 0)
    output, shapes = forward(model, variables, maps.unpack(packed, model.num_channels), eps)
    output = output.replace(present=output.present * weight[:, None])
    return vars(losses.losses(output, shapes, objective.reconstruction, objective.kl_weight))
