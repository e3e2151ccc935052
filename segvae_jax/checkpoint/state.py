"""TrainState: what training carries from step to step, and what a checkpoint saves."""

from typing import Any

import flax.struct


@flax.struct.dataclass
class TrainState:
    """Everything that training carries from step to step; keys are folded from the seed and `step`."""

    step: Any  # int32 [], number of updates done
    params: Any
    spectral: Any  # singular vectors of the spectral norm; empty without it
    opt_state: Any
    ema: Any  # averaged params, or None

    def variables(self, averaged: bool = False) -> dict[str, Any]:
        """Variables for `model.apply`; with `averaged`, the averaged params if the run keeps them."""
        params = self.ema if averaged and self.ema is not None else self.params
        return {"params": params, "spectral": self.spectral}
