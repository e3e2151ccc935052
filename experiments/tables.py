"""What the tables compare: one configuration per row. Rows are trained alike, except for what they compare."""

import dataclasses
import functools
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from segvae_jax.configs.default import SMALL, get_config

_RECIPE = get_config()


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One row of a table.

    Attributes:
      name: name of its folder; rows with the same name in two tables share their runs.
      title: title for readers.
      config: module and variant, as in `--config=configs/MODULE.py:VARIANT`.
      weights_of: name of the experiment whose trained weights it uses, if it differs from it in generation only.
    """

    name: str
    title: str
    config: str
    weights_of: str = ""


@dataclasses.dataclass(frozen=True)
class Budget:
    """The budget that each row gets.

    Attributes:
      title: title for readers.
      overrides: entries of the configuration that are the same in all rows.
    """

    title: str
    overrides: Mapping[str, Any]


def _ablation(name: str, title: str, weights_of: str = "") -> Experiment:
    return Experiment(name, title, f"ablations:{name}", weights_of)


def _baseline(name: str, title: str) -> Experiment:
    return Experiment(name, title, f"baselines:{name}")


_OURS = Experiment("base", "SegVAE", "ablations:base")

TABLES: Mapping[str, tuple[Experiment, ...]] = MappingProxyType({
    "baselines": (
        _OURS,
        _baseline("cvae_sep", "C-VAE, classes apart"),
        _baseline("cvae_global", "C-VAE, all at once"),
        _baseline("sg2im", "sg2im-style, box and mask"),
        _baseline("masked", "masked tokens"),
        _baseline("diffusion", "categorical diffusion"),
    ),
    "ablations": (
        _OURS,
        _ablation("no_lstm", "without LSTM"),
        _ablation("no_prior", "standard normal prior"),
        _ablation("no_canvas", "without canvas"),
        _ablation("hard_canvas", "hard canvas in generation", weights_of="base"),
        _ablation("skip_absent", "absent classes skipped"),
        _ablation("order_area", "drawn by area, big first"),
        _ablation("order_organs", "drawn by area, small first"),
        _ablation("order_random", "drawn in random order"),
        _ablation("l1", "L1 reconstruction"),
        _ablation("bce", "cross-entropy without Dice"),
        _ablation("kl_low", "KL weight a tenth"),
        _ablation("kl_high", "KL weight tenfold"),
    ),
})  # fmt: skip

BUDGETS: Mapping[str, Budget] = MappingProxyType({
    "trial": Budget("16 px, 20 steps: to see that all of it runs", {
        "num_steps": 20, "log_every": 10, "checkpoint_every": 20, "batch_size": 8,
        "optimizer.warmup_steps": 5, "data.num_maps": 120,
        "model.image_size": (16, 16), "model.ngf": 4, "model.context_dim": 8, "model.hidden_dim": 8,
        "model.latent_dim": 4,
    }),
    "small": Budget("32 px, 1,500 steps of 16 maps", {
        "num_steps": 1_500, "checkpoint_every": 500, "data.num_maps": 1_000,
        "model.image_size": (32, 32), "model.ngf": 12, "model.context_dim": 96, "model.hidden_dim": 96,
    }),
    "medium": Budget("64 px, 4,000 steps of 16 maps", {}),
    "large": Budget("128 px, 100,000 steps of 16 maps", {
        key: functools.reduce(operator.getitem, key.split("."), _RECIPE)
        for key in ("num_steps", "checkpoint_every", *SMALL)
    }),
})  # fmt: skip
