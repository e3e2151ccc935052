"""TrainState: what training carries from step to step, and what a checkpoint saves of it."""

from typing import Any

import flax.struct


@flax.struct.dataclass
class TrainState:
    """Everything that training carries from step to step; keys are folded from the seed and `step`."""

    step: Any  # int32 [], updates done
    params: Any
    spectral: Any  # singular vectors of the spectral norm; empty without it
    opt_state: Any
    ema: Any  # averaged params, or None

    def variables(self, averaged: bool = False) -> dict[str, Any]:
        """Variables for the model; with `averaged`, the EMA where there is one."""
        params = self.ema if averaged and self.ema is not None else self.params
        return {"params": params, "spectral": self.spectral}
