"""What the tables compare: one configuration per row. Rows are trained alike, except for what they compare."""

import dataclasses
import functools
import operator
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs.default import SEGVAE, SMALL, get_config
from segvae_jax.training.config import with_variant


def _value(config: ConfigDict, key: str) -> Any:
    return functools.reduce(operator.getitem, key.split("."), config)


_RECIPE = get_config()
_PAPERS_RECIPE = with_variant(get_config(), "segvae", {"segvae": SEGVAE})
# What goes with the size of the networks; other keys of this recipe may be what a row compares.
_PAPERS_SIZES = (
    "model.ngf", "model.context_dim", "model.hidden_dim", "model.latent_dim",
    "optimizer.learning_rate", "optimizer.warmup_steps", "optimizer.ema_decay",
)  # fmt: skip


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
      overrides: entries of the configuration that are the same in all rows, but for what a row compares.
      of_model: further entries by the name of the model, "" for those that are not named: sizes of networks, and
        numbers of steps.
    """

    title: str
    overrides: Mapping[str, Any]
    of_model: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def for_model(self, name: str) -> dict[str, Any]:
        """The entries for rows with a model of that name."""
        return {**self.overrides, **self.of_model.get(name, self.of_model.get("", {}))}


def _ablation(name: str, title: str, weights_of: str = "") -> Experiment:
    return Experiment(f"hierarchical_{name}", title, f"ablations:{name}", weights_of)


def _segvae_ablation(name: str, title: str, weights_of: str = "") -> Experiment:
    return Experiment(name, title, f"segvae_ablations:{name}", weights_of)


def _baseline(name: str, title: str) -> Experiment:
    return Experiment(name, title, f"baselines:{name}")


_OURS = _ablation("base", "hierarchical SegVAE")
_UNMOVED = _ablation("still", "hierarchical, maps not moved")
_PAPERS = Experiment("base", "SegVAE (paper)", "segvae_ablations:base")

TABLES: Mapping[str, tuple[Experiment, ...]] = MappingProxyType({
    "baselines": (
        _OURS,
        _UNMOVED,  # as the maps of the other rows
        _PAPERS,
        _baseline("cvae_sep", "C-VAE, classes apart"),
        _baseline("cvae_global", "C-VAE, all at once"),
        _baseline("sg2im", "sg2im-style, box and mask"),
        _baseline("masked", "masked tokens"),
        _baseline("diffusion", "categorical diffusion"),
    ),
    "ablations": (
        _OURS,
        _ablation("no_skips", "without skip connections"),
        _ablation("repeat", "pixels repeated, not subpixels"),
        _ablation("one_group", "one group of latents a scale"),
        _UNMOVED,
        _ablation("untold", "all moved, model not told"),
        _ablation("latents_1", "latent vector only"),
        _ablation("latents_4", "latents up to 4 px"),
        _ablation("latents_8", "latents up to 8 px"),
        _ablation("soft_canvas", "soft canvas in generation", weights_of="hierarchical_base"),
        _ablation("no_lstm", "without LSTMs"),
        _ablation("pairs", "without LSTMs, on pairs"),
        _ablation("patches", "2 x 2 patches"),
        _ablation("dice", "with a Dice loss"),
        _ablation("beta_low", "KL weight 0.25"),
        _ablation("beta_one", "KL weight 1"),
    ),
    "segvae_ablations": (
        _PAPERS,
        _segvae_ablation("no_lstm", "without LSTM"),
        _segvae_ablation("no_prior", "standard normal prior"),
        _segvae_ablation("no_canvas", "without canvas"),
        _segvae_ablation("hard_canvas", "hard canvas in generation", weights_of="base"),
        _segvae_ablation("skip_absent", "absent classes skipped"),
        _segvae_ablation("order_area", "drawn by area, big first"),
        _segvae_ablation("order_organs", "drawn by area, small first"),
        _segvae_ablation("order_random", "drawn in random order"),
        _segvae_ablation("l1", "L1 reconstruction"),
        _segvae_ablation("bce", "cross-entropy without Dice"),
        _segvae_ablation("kl_low", "KL weight a tenth"),
        _segvae_ablation("kl_high", "KL weight tenfold"),
    ),
})  # fmt: skip

_NARROW: dict[str, Any] = {"model.ngf": 12, "model.context_dim": 96, "model.hidden_dim": 96}

BUDGETS: Mapping[str, Budget] = MappingProxyType({
    "trial": Budget("16 px, 20 steps: to see that all of it runs", {
        "num_steps": 20, "log_every": 10, "checkpoint_every": 20, "batch_size": 8,
        "optimizer.warmup_steps": 5, "data.num_maps": 120,
        "model.image_size": (16, 16), "model.ngf": 4, "model.context_dim": 8, "model.hidden_dim": 8,
        "model.latent_dim": 4, "model.widths": (4, 8),
    }),
    "small": Budget("32 px, about 8 minutes of one core", {
        "checkpoint_every": 500, "data.num_maps": 1_000, "model.image_size": (32, 32),
    }, {
        "hierarchical": {"num_steps": 1_400, "model.widths": (8, 16, 32, 48)},
        "cvae_global": _NARROW | {"num_steps": 28_000},
        "sg2im": _NARROW | {"num_steps": 24_000},
        "": _NARROW | {"num_steps": 4_000},
    }),
    "medium": Budget("64 px, the steps of each configuration", {}),
    "large": Budget("128 px, for a GPU", {
        "model.image_size": (128, 128), "num_steps": 100_000, "checkpoint_every": 1_000,
    }, {
        "hierarchical": {key: _value(_RECIPE, key) for key in SMALL if key != "batch_size"} | {"batch_size": 16},
        "": {key: _value(_PAPERS_RECIPE, key) for key in _PAPERS_SIZES},
    }),
})  # fmt: skip
