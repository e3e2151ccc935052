"""The cost of a training step, and how much of the machine it uses."""

import dataclasses
import math
import time

import jax
import jax.numpy as jnp

from segvae_jax.data.feed.feeding import Feed
from segvae_jax.training.operations import count_operations

_SIDE = {"cpu": 1024}  # of the square matrices whose product measures the peak
_SIDE_ELSEWHERE = 8192
_PREFIXES = ("", "k", "M", "G", "T", "P")


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of a compiled step.

    Attributes:
      flops: floating-point operations, as `count_operations` counts them.
      bytes: bytes that the compiled program reads and writes on one device, as the compiler counts them; None if it
        does not count them.
      peak: operations per second that large matrix products reach on all devices.
    """

    flops: int
    bytes: float | None
    peak: float

    def __str__(self) -> str:
        accesses = "" if self.bytes is None else f", {_short(self.bytes)}B per device"
        return f"one step: {_short(self.flops)}FLOP{accesses}; matrix products reach {_short(self.peak)}FLOP/s here"


def _short(number: int | float) -> str:
    """A number to four digits, with a metric prefix: 7,123,000 as 7.123 M."""
    power = min(int(math.log10(max(number, 1))) // 3, len(_PREFIXES) - 1)
    return f"{number / 1000**power:,.4g} {_PREFIXES[power]}"


def cost_of(traced: jax.stages.Traced, compiled: jax.stages.Compiled, dtype: str) -> Cost:
    """Counts operations and bytes, and measures the peak rate of matrix products in `dtype`."""
    accesses = (compiled.cost_analysis() or {}).get("bytes accessed")
    return Cost(count_operations(traced.jaxpr), accesses, jax.device_count() * measured_peak(dtype))


def measured_peak(dtype: str) -> float:
    """Floating-point operations per second of a large matrix product on one device, the best of four."""
    side = _SIDE.get(jax.default_backend(), _SIDE_ELSEWHERE)
    matrix = jax.device_put(jnp.ones((side, side), dtype), jax.local_devices()[0])
    product = jax.jit(jnp.matmul)
    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - begin)
    return 2 * side**3 / min(seconds)


class Gauges:
    """Scalars for the training log that describe the use of the machine."""

    def __init__(self, cost: Cost, feed: Feed):
        self._cost, self._feed, self._waited = cost, feed, feed.waited

    def __call__(self, steps: int, seconds: float) -> dict[str, float]:
        """Shares over the last steps.

        Args:
          steps: how many.
          seconds: that they took.

        Returns:
          `utilisation`, the share of the peak rate that the steps reached, and `data_wait`, the share of the time that
          they waited for batches.
        """
        waited, self._waited = self._feed.waited - self._waited, self._feed.waited
        achieved = self._cost.flops * steps / seconds
        return {"utilisation": achieved / self._cost.peak, "data_wait": waited / seconds}
