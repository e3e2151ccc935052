"""The cost of a training step, and how much of the machine it uses."""

import dataclasses
import time

import jax
import jax.numpy as jnp

from segvae_jax.data.feed.feeding import Feed

_SIDE = {"cpu": 1024}  # of the square matrices whose product measures the peak
_SIDE_ELSEWHERE = 8192


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of a compiled step.

    Attributes:
      flops: floating-point operations, counted before compilation, because library calls hide theirs afterwards.
      bytes: bytes that the compiled program reads and writes on one device, as the compiler counts them.
      peak: operations per second that large matrix products reach on all devices.
    """

    flops: float
    bytes: float
    peak: float

    def __str__(self) -> str:
        return (
            f"one step: {self.flops / 1e9:,.1f} GFLOP, {self.bytes / 1e9:,.2f} GB per device; "
            f"matrix products reach {self.peak / 1e9:,.0f} GFLOP/s here"
        )


def cost_of(lowered: jax.stages.Lowered, compiled: jax.stages.Compiled, dtype: str) -> Cost:
    """Counts operations and bytes, and measures the peak rate of matrix products in `dtype`."""
    operations, accesses = lowered.cost_analysis() or {}, compiled.cost_analysis() or {}
    peak = jax.device_count() * _measured_peak(dtype)
    return Cost(float(operations.get("flops", 0)), float(accesses.get("bytes accessed", 0)), peak)


def _measured_peak(dtype: str) -> float:
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
