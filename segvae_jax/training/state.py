"""The state before the first step, and the optimiser."""

import jax
import jax.numpy as jnp
import optax

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.protocol import MapModel, init_variables


def create_state(model: MapModel, optimizer: optax.GradientTransformation, seed: int, use_ema: bool) -> TrainState:
    """The state before the first step."""
    variables = dict(init_variables(model, seed))
    params = variables.pop("params")
    ema = jax.tree.map(jnp.copy, params) if use_ema else None
    return TrainState(jnp.zeros((), jnp.int32), params, variables.get("spectral", {}), optimizer.init(params), ema)


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
