import jax
import jax.numpy as jnp
import pytest

from segvae_jax.data.feed.feeding import Feed
from segvae_jax.training.cost import Cost, Gauges, cost_of


def test_operations_of_a_product_are_counted():
    lowered = jax.jit(jnp.matmul).lower(jnp.ones((8, 16)), jnp.ones((16, 4)))
    cost = cost_of(lowered, lowered.compile(), "float32")
    assert cost.flops == 2 * 8 * 16 * 4
    assert cost.bytes >= 4 * (8 * 16 + 16 * 4 + 8 * 4)
    assert cost.peak > 1e9 and "GFLOP" in str(cost)


def test_gauges_are_shares_since_the_last_reading():
    feed = object.__new__(Feed)
    feed.waited = 5.0
    gauges = Gauges(Cost(flops=100.0, bytes=1.0, peak=1000.0), feed)
    feed.waited = 6.0
    assert gauges(20, 4.0) == {"utilisation": pytest.approx(0.5), "data_wait": pytest.approx(0.25)}
    assert gauges(10, 1.0) == {"utilisation": pytest.approx(1.0), "data_wait": 0}
