"""Cartoon faces that the project draws itself: the default, which needs no data.

    python train.py --config=configs/cartoon.py --workdir=runs/cartoon

Maps have 64 px. `:tiny` has 32 px, is for two CPU cores, and is what `make demo` trains. `:shipped` has half of the
weights. `:people` draws standing figures in the classes of HumanParsing, 64 x 32 px.
"""

from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs import default
from segvae_jax.training.config import with_variant

RECIPE = {
    **default.SMALL,
    "num_steps": 10_000,
    "checkpoint_every": 500,
    "data.flip": False,
}
TINY = {
    "num_steps": 1_000,
    "log_every": 100,
    "data.num_maps": 4_000,
    "model.image_size": (32, 32),
    "model.widths": (8, 16, 32, 48),
    "optimizer.warmup_steps": 100,
    "optimizer.ema_decay": 0.99,
    "loss.kl_warmup": 300,
}
# Narrower vectors, so that the file has less than 4 MB. No map is moved: nothing to tell.
SHIPPED = {
    "num_steps": 5_000,
    "checkpoint_every": 1_000,
    "data.num_maps": 20_000,
    "model.context_dim": 80,
    "model.hidden_dim": 64,
    "model.augment_labels": False,
}
PEOPLE = {"data.kind": "people", "model.image_size": (64, 32)}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny`, `shipped` or `people`."""
    changes: dict[str, dict[str, Any]] = {"": {}, "tiny": TINY, "shipped": SHIPPED, "people": PEOPLE}
    variants = {name: {**RECIPE, **changed} for name, changed in changes.items()}
    return with_variant(default.get_config(), variant, variants)
