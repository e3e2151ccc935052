"""Seconds of the forward and backward pass of each part of a training step alone, for the picture."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from benchmarks.measure import Row, Work, time_in_turn
from benchmarks.plan import Plan, Task
from benchmarks.workload import Setup, build_model, class_maps, initial_state, label_sets, optimizer, train_work
from segvae_jax.model.encoders import ShapeEncoder
from segvae_jax.model.recurrence import LSTM, initial_carry
from segvae_jax.model.segvae import SegVAE
from segvae_jax.training.state import as_vector

SECTION = "parts"
WHOLE = "whole step"


def tasks(plan: Plan) -> Iterator[Task]:
    """Yields the tasks of this section."""
    setup = plan.fitted(Setup(ngf=64 if plan.on_gpu else 16))
    yield Task(SECTION, str(setup), lambda: _rows(plan, setup), worth=2)


def _rows(plan: Plan, setup: Setup) -> Iterator[Row]:
    works = {**_parts(setup), WHOLE: train_work(setup)}
    note = str(setup)
    for name, seconds in time_in_turn(works, plan.repeats).items():
        yield Row(SECTION, name, "s", seconds, note=note, conditions={**dataclasses.asdict(setup), "part": name})


def _parts(setup: Setup) -> dict[str, Work]:
    model, state = build_model(setup), initial_state(setup).whole()
    assert isinstance(model, SegVAE)
    variables, widths = state.variables(), setup.widths()
    posterior = _submodule(variables, "posterior")
    features = lambda width: jnp.ones((setup.batch, setup.steps, width))
    context, hidden = features(widths["context_dim"]), features(widths["hidden_dim"])
    decode = lambda variables, context, z: model.apply(variables, context, z, method="decode")
    return {
        "context encoder": _forward_and_backward(_context_encoder(model, setup), variables),
        "posterior's encoder": _forward_and_backward(
            _shape_encoder(model, setup), _submodule(posterior, "shape_encoder")
        ),
        "decoder": _forward_and_backward(decode, variables, context, features(widths["latent_dim"])),
        "prior's LSTM": _forward_and_backward(_lstm(model), _submodule(_submodule(variables, "prior"), "lstm"), hidden),
        "posterior's LSTM": _forward_and_backward(
            _lstm(model), _submodule(posterior, "lstm"), jnp.concatenate([hidden, context], -1)
        ),
        "optimiser": _update(setup, as_vector(state.params)),
    }


def _context_encoder(model: SegVAE, setup: Setup) -> Callable[..., Any]:
    target, present, shapes = _inputs(setup)
    canvas, label_set = jnp.cumsum(target, axis=0) - target, jnp.asarray(label_sets(setup), jnp.float32)
    run = lambda model: model.context_encoder(shapes, canvas, label_set, target, present)
    return lambda variables: model.apply(variables, method=run)


def _shape_encoder(model: SegVAE, setup: Setup) -> Callable[..., Any]:
    target, present, shapes = _inputs(setup)
    encoder = ShapeEncoder(model.image_size, model.ngf, model.hidden_dim, model.spectral_norm)
    in_order = jnp.moveaxis(shapes[..., np.asarray(model.order)], -1, 1)
    return lambda variables: encoder.apply(variables, in_order, target, present)


def _lstm(model: SegVAE) -> Callable[..., Any]:
    cell = LSTM(model.hidden_dim)
    return lambda variables, xs: cell.apply(variables, initial_carry(len(xs), model.hidden_dim), xs)[1]


def _inputs(setup: Setup) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Target, presence and class maps for all steps."""
    order = np.asarray(setup.space.order)
    present = jnp.asarray(label_sets(setup)[:, order], jnp.float32)
    return jnp.eye(setup.steps + 1)[order], present, jnp.asarray(class_maps(setup), jnp.float32)


def _submodule(variables: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The variables of a submodule."""
    return {collection: tree[name] for collection, tree in variables.items() if name in tree}


def _forward_and_backward(run: Callable[..., Any], variables: Mapping[str, Any], *inputs: jax.Array) -> Work:
    """Forward pass, and backward pass to the parameters and to the inputs that come from other parts."""
    rest = {name: tree for name, tree in variables.items() if name != "params"}
    loss = lambda params, *inputs: run({"params": params, **rest}, *inputs).sum()
    gradients = jax.jit(jax.grad(loss, argnums=tuple(range(1 + len(inputs)))))
    return _repeated(lambda: gradients(variables["params"], *inputs))


def _update(setup: Setup, params: Float[Array, "P"]) -> Work:
    adam = optimizer(setup)
    opt_state, gradients = adam.init(params), jnp.ones_like(params)

    @jax.jit
    def update(gradients: Any, opt_state: Any, params: Any) -> Any:
        updates, advanced = adam.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), advanced

    return _repeated(lambda: update(gradients, opt_state, params))


def _repeated(run: Callable[[], Any]) -> Work:
    def work(calls: int) -> None:
        for _ in range(calls):
            result = run()
        jax.block_until_ready(result)

    return work
