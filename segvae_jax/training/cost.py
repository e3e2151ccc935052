"""What a training step costs, and how much of the machine it uses."""

import dataclasses
import time

import jax
import jax.numpy as jnp

from segvae_jax.data.feed.feeding import Feed

_SIDE = {"cpu": 1024}  # of the matrices whose product tells the peak
_SIDE_ELSEWHERE = 8192


@dataclasses.dataclass(frozen=True)
class Cost:
    """Of a compiled step.

    Attributes:
      flops: floating-point operations, counted before compilation: library calls would hide theirs.
      bytes: read and written by the compiled program, by the compiler's account; on one device.
      peak: operations a second that large matrix products reach on all devices.
    """

    flops: float
    bytes: float
    peak: float

    def __str__(self) -> str:
        return (
            f"a step: {self.flops / 1e9:,.1f} GFLOP, {self.bytes / 1e9:,.2f} GB a device; "
            f"matrix products reach {self.peak / 1e9:,.0f} GFLOP/s here"
        )


def cost_of(lowered: jax.stages.Lowered, compiled: jax.stages.Compiled, dtype: str) -> Cost:
    """Counts operations and bytes, and measures the peak for products in `dtype`."""
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
    """Scalars on the use of the machine, for the training log."""

    def __init__(self, cost: Cost, feed: Feed):
        self._cost, self._feed, self._waited = cost, feed, feed.waited

    def __call__(self, steps: int, seconds: float) -> dict[str, float]:
        """Shares of the last so many steps, which took so long.

        Returns:
          `utilisation`: of the peak that the steps' arithmetic reached; `data_wait`: of the time that batches
          were waited for.
        """
        waited, self._waited = self._feed.waited - self._waited, self._feed.waited
        achieved = self._cost.flops * steps / seconds
        return {"utilisation": achieved / self._cost.peak, "data_wait": waited / seconds}
