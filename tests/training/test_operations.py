"""Operations counted by hand, and by XLA's CPU backend where it counts all of them."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.sharding import PartitionSpec
from tiny_config import get_config

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES
from segvae_jax.model import convolution
from segvae_jax.sharding import device_mesh
from segvae_jax.training import setup
from segvae_jax.training.operations import count_operations
from segvae_jax.training.state import FlatState, create_state
from segvae_jax.training.step import jit_train_step

SQUARE = jnp.ones((4, 4))
PRODUCT = 2 * 4**3  # operations of a product of two such matrices


def counted(function, *inputs) -> int:
    return count_operations(jax.jit(function).trace(*inputs).jaxpr)


def test_products_are_counted_with_all_their_axes():
    assert counted(jnp.matmul, jnp.ones((8, 16)), jnp.ones((16, 3))) == 2 * 8 * 16 * 3
    contracted_twice = lambda a, b: jnp.einsum("bijk,blkj->bil", a, b)
    assert counted(contracted_twice, jnp.ones((5, 2, 3, 4)), jnp.ones((5, 6, 4, 3))) == 2 * 5 * 2 * 6 * (3 * 4)
    assert counted(lambda a: jnp.tanh(a) + a.sum(), SQUARE) == 0


# Along each axis, how often an entry of the kernel meets an entry of the input: for 5 entries, 3 of the kernel and
# one of padding on either side, 2 + 3 + 3 + 3 + 2 times.
@pytest.mark.parametrize(
    "options, expected",
    [
        ({"padding": [(0, 0)] * 2}, 2 * (2 * 5) * 4 * 9**2),
        ({"padding": [(1, 1)] * 2}, 2 * (2 * 5) * 4 * 13**2),
        ({"padding": [(1, 1)] * 2, "window_strides": (2, 2)}, 2 * (2 * 5) * 4 * 7**2),
        ({"padding": [(1, 1)] * 2, "lhs_dilation": (2, 2)}, 2 * (2 * 5) * 4 * 13**2),
        ({"padding": [(0, 0)] * 2, "rhs_dilation": (2, 2)}, 2 * (2 * 5) * 4 * 3**2),
        ({"padding": [(-1, 2), (1, 1)]}, 2 * (2 * 5) * 4 * (3 + 3 + 2 + 1) * 13),
    ],
    ids=["valid", "padded", "strided", "transposed", "dilated", "uneven"],
)
def test_convolutions_are_counted_without_zeros(options, expected):
    options = {"window_strides": (1, 1), **options, "dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    run = functools.partial(lax.conv_general_dilated, **options)
    inputs = jnp.ones((2, 5, 5, 4)), jnp.ones((3, 3, 4, 5))
    assert counted(run, *inputs) == expected == jax.jit(run).lower(*inputs).cost_analysis()["flops"]


def test_groups_of_features_and_of_the_batch_are_counted():
    run = functools.partial(lax.conv_general_dilated, window_strides=(1,), padding=[(0, 0)])
    image = jnp.ones((6, 4, 7))
    assert counted(functools.partial(run, feature_group_count=2), image, jnp.ones((8, 2, 3))) == 2 * 6 * 8 * 2 * 15
    assert counted(functools.partial(run, batch_group_count=3), image, jnp.ones((9, 4, 3))) == 2 * 2 * 9 * 4 * 15


def test_loops_count_as_often_as_they_run():
    by_scan = lambda a: lax.scan(lambda c, _: (lax.fori_loop(0, 3, lambda i, d: d @ d, c), None), a, None, 5)[0]
    assert counted(by_scan, SQUARE) == 5 * 3 * PRODUCT
    as_long_as = lambda a: lax.while_loop(lambda c: (c @ c).sum() < 9, lambda c: c @ c @ c, a)
    assert counted(as_long_as, SQUARE) == 3 * PRODUCT  # the condition and the body once
    choice = lambda a: lax.cond(a.sum() > 0, lambda: a @ a @ a, lambda: a @ a)
    assert counted(choice, SQUARE) == 2 * PRODUCT


def test_functions_within_functions_are_counted():
    @jax.custom_vjp
    def square(a):
        return a @ a

    square.defvjp(lambda a: (a @ a, a), lambda a, g: (g @ a @ a @ a,))
    assert counted(square, SQUARE) == PRODUCT
    assert counted(jax.grad(lambda a: square(a).sum()), SQUARE) == (1 + 3) * PRODUCT
    nested = jax.checkpoint(jax.jit(lambda a: jnp.sin(a @ a)))
    assert counted(jax.vmap(nested), jnp.ones((7, 4, 4))) == 7 * PRODUCT


def test_every_device_of_a_shard_map_counts():
    mesh, split = device_mesh(), PartitionSpec("data")
    run = jax.shard_map(lambda a: a @ SQUARE, mesh=mesh, in_specs=split, out_specs=split)
    rows = 3 * mesh.size
    assert counted(run, jnp.ones((rows, 4))) == 2 * rows * 4 * 4


@pytest.mark.parametrize(
    "changes", [{}, {"model.name": "hierarchical", "model.widths": (8, 16, 32)}], ids=["paper", "default"]
)
def test_a_training_step_has_nearly_the_operations_that_xla_counts(monkeypatch, changes):
    """XLA also counts what is no product, and counts one turn of each loop: only the LSTMs' here."""
    monkeypatch.setattr(convolution, "_conv", convolution._native_conv)
    monkeypatch.setattr(convolution, "_conv_transpose", convolution._native_conv_transpose)
    config, space = get_config(), CARTOON_SPACES["faces"]
    config.update_from_flattened_dict({**changes, "model.ngf": 16, "model.image_size": (32, 32), "data.flip": False})
    model, optimizer = setup.build_model(config, space), setup.build_optimizer(config, 10)
    state = jax.eval_shape(lambda: FlatState.of(create_state(model, optimizer, 0, True)))
    step = jit_train_step(model, optimizer, setup.build_step(config, space), device_mesh(jax.devices()[:1]))
    batch = jax.ShapeDtypeStruct((2, 32, 32, maps.packed_channels(space.num_channels)), jnp.uint8)
    traced = step.trace(state, batch, jnp.uint32(0), None)
    ratio = count_operations(traced.jaxpr) / traced.lower().cost_analysis()["flops"]
    assert 0.9 < ratio <= 1, ratio
