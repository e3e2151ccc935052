import jax
import jax.numpy as jnp
import pytest

from segvae_jax.data.feed.feeding import Feed
from segvae_jax.training.cost import Cost, Gauges, cost_of


def test_operations_of_a_product_are_counted():
    traced = jax.jit(jnp.matmul).trace(jnp.ones((8, 16)), jnp.ones((16, 4)))
    cost = cost_of(traced, traced.lower().compile(), "float32")
    assert cost.flops == 2 * 8 * 16 * 4
    assert cost.bytes >= 4 * (8 * 16 + 16 * 4 + 8 * 4)
    assert cost.peak > 1e9 and str(cost).startswith("one step: 1.024 kFLOP, ")


def test_operations_are_counted_where_the_compiler_counts_none(monkeypatch):
    """As on a GPU."""
    monkeypatch.setattr(jax.stages.Lowered, "cost_analysis", lambda self: None)
    monkeypatch.setattr(jax.stages.Compiled, "cost_analysis", lambda self: None)
    traced = jax.jit(jnp.matmul).trace(jnp.ones((300, 200)), jnp.ones((200, 100)))
    cost = cost_of(traced, traced.lower().compile(), "float32")
    assert (cost.flops, cost.bytes) == (2 * 300 * 200 * 100, None)
    assert str(cost).startswith("one step: 12 MFLOP; matrix products reach ")


@pytest.mark.parametrize(
    "flops, text", [(7_120_000, "7.12 MFLOP"), (94 * 10**9, "94 GFLOP"), (15 * 10**11, "1.5 TFLOP"), (3, "3 FLOP")]
)
def test_small_and_large_steps_are_told_in_digits(flops, text):
    assert str(Cost(flops, None, 1e12)).startswith(f"one step: {text}; matrix products reach 1 TFLOP/s")


def test_gauges_are_shares_since_the_last_reading():
    feed = object.__new__(Feed)
    feed.waited = 5.0
    gauges = Gauges(Cost(flops=100, bytes=1.0, peak=1000.0), feed)
    feed.waited = 6.0
    assert gauges(20, 4.0) == {"utilisation": pytest.approx(0.5), "data_wait": pytest.approx(0.25)}
    assert gauges(10, 1.0) == {"utilisation": pytest.approx(1.0), "data_wait": 0}
