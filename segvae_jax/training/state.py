"""The state before the first step, the form in which steps keep it, its update, and the optimiser."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.protocol import MapModel, init_variables
from segvae_jax.streams import Seed


class Shapes(NamedTuple):
    """The structure of a tree of float32 arrays, and the shapes of its arrays; hashable."""

    structure: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tree: Any) -> "Shapes":
        """Those of a tree."""
        leaves, structure = jax.tree.flatten(tree)
        return cls(structure, tuple(leaf.shape for leaf in leaves))

    def restored(self, vector: Float[Array, "P"]) -> Any:
        """The tree from the vector of all its numbers."""
        ends = list(itertools.accumulate(math.prod(shape) for shape in self.shapes))
        parts = jnp.split(vector, ends[:-1])
        return self.structure.unflatten([part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)])


def as_vector(tree: Any) -> Float[Array, "P"]:
    """All numbers of a tree of arrays."""
    return ravel_pytree(tree)[0]


@flax.struct.dataclass
class FlatState:
    """A `TrainState` in which all that has the structure of the parameters is a vector: they, average, and moments.

    A step on this state has tens of arrays instead of a thousand. On a GPU the thousand took longer to pass on than the
    step takes to compute.
    """

    step: Any
    params: Any  # [P]
    spectral: Any
    opt_state: Any
    ema: Any  # [P], or None
    shapes: Shapes = flax.struct.field(pytree_node=False)

    @classmethod
    def of(cls, state: TrainState) -> "FlatState":
        """The flat form of a state."""
        shapes = Shapes.of(state.params)
        like_params = lambda tree: jax.tree.structure(tree) == shapes.structure
        flat = lambda tree: as_vector(tree) if like_params(tree) else tree
        params, opt_state, ema = jax.tree.map(flat, (state.params, state.opt_state, state.ema), is_leaf=like_params)
        return cls(state.step, params, state.spectral, opt_state, ema, shapes)

    def whole(self) -> TrainState:
        """The state with trees."""
        whole = lambda array: self.shapes.restored(array) if array.shape == self.params.shape else array
        params, opt_state, ema = jax.tree.map(whole, (self.params, self.opt_state, self.ema))
        return TrainState(self.step, params, self.spectral, opt_state, ema)


def create_state(model: MapModel, optimizer: optax.GradientTransformation, seed: Seed, use_ema: bool) -> TrainState:
    """The state before the first step."""
    return first_state(init_variables(model, seed), optimizer, use_ema)


def first_state(variables: Mapping[str, Any], optimizer: optax.GradientTransformation, use_ema: bool) -> TrainState:
    """The state before the first step, with fresh `params` and, where there are any, `spectral`."""
    params = variables["params"]
    ema = jax.tree.map(jnp.copy, params) if use_ema else None
    return TrainState(jnp.zeros((), jnp.int32), params, variables.get("spectral", {}), optimizer.init(params), ema)


def updated(
    optimizer: optax.GradientTransformation, ema_decay: float, state: TrainState, grads: Any, spectral: Any
) -> tuple[TrainState, dict[str, Any]]:
    """One update of the parameters.

    Args:
      optimizer: of the parameters.
      ema_decay: decay of the averaged weights, of a state that has them.
      state: before the update.
      grads: gradient of each parameter.
      spectral: of the new state.

    Returns:
      the new state; norms of gradient and update, and for each parameter, in the order of the tree, whether its
      gradient is finite.
    """
    before, gradient = FlatState.of(state), as_vector(grads)
    updates, opt_state = optimizer.update(gradient, before.opt_state, before.params)
    params = optax.apply_updates(before.params, updates)
    ema = _averaged(before.ema, params, ema_decay, state.step)
    norms = {
        "gradient_norm": optax.tree.norm(gradient),
        "update_norm": optax.tree.norm(updates),
        "finite": jnp.stack([jnp.isfinite(g).all() for g in jax.tree.leaves(grads)]),
    }
    return FlatState(state.step + 1, params, spectral, opt_state, ema, before.shapes).whole(), norms


def _averaged(
    ema: Float[Array, "P"] | None, params: Float[Array, "P"], decay: float, step: Any
) -> Float[Array, "P"] | None:
    """Exponential moving average with a warm-up, so that early weights are soon forgotten."""
    if ema is None:
        return None
    return optax.incremental_update(params, ema, 1 - jnp.minimum(decay, (1.0 + step) / (10.0 + step)))


def learning_rate_schedule(peak: float, num_steps: int, warmup_steps: int, decay_from: float) -> optax.Schedule:
    """Linear warm-up, constant rate, then linear decay to zero, which is reached after `num_steps` updates.

    Args:
      peak: constant learning rate between warm-up and decay.
      num_steps: of the whole run.
      warmup_steps: length of the warm-up; the first step has the rate `peak / warmup_steps`.
      decay_from: fraction of the run at which the decay begins; 0.75 in the release.
    """
    begin = max(round(decay_from * num_steps), warmup_steps)
    parts = [
        optax.linear_schedule(peak / max(warmup_steps, 1), peak, max(warmup_steps - 1, 1)),
        optax.constant_schedule(peak),
        optax.linear_schedule(peak, 0.0, max(num_steps - begin, 1)),
    ]
    return optax.join_schedules(parts, [warmup_steps, begin])


def adam(
    schedule: optax.Schedule, betas: tuple[float, float], weight_decay: float = 0.0, clip_norm: float = 0.0
) -> optax.GradientTransformation:
    """Adam, as in the paper.

    Args:
      schedule: of the learning rate.
      betas: decay of both moments.
      weight_decay: decoupled (AdamW), times the learning rate; 0 for none.
      clip_norm: largest norm of all gradients together; longer ones are scaled down to it; 0 for no limit.
    """
    update = optax.adam(schedule, b1=betas[0], b2=betas[1])
    if weight_decay:
        update = optax.adamw(schedule, b1=betas[0], b2=betas[1], weight_decay=weight_decay)
    return optax.chain(optax.clip_by_global_norm(clip_norm), update) if clip_norm else update
