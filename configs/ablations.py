"""Ablations: the hierarchical model with one change at a time, on the recipe of `configs/celeba.py:fresh`.

    python train.py --config=configs/ablations.py:no_lstm --config.data.path=FOLDER --workdir=runs/no_lstm

`:base` changes nothing. `:still` does not move training maps; `:untold` moves all of them, and does not tell the model.
`:latents_1`, `:latents_4` and `:latents_8` have the scales of the latent up to that side.
`:pairs` trains without LSTMs on one random class of each map, in larger batches. Every data set can be used, e.g.
`--config.data.source=cartoon`.
"""

from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs import celeba
from segvae_jax.training.config import with_variant

_FRESH = celeba.get_config("fresh")
_CHANNELS = _FRESH.model.latent_channels
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no_skips": {"model.skips": False},
    "repeat": {"model.subpixel": False},
    "one_group": {"model.latent_groups": 1},
    "still": {"data.rotate": 0.0, "data.scale": 0.0, "data.shift": 0.0},
    "untold": {"model.augment_labels": False},
    "latents_1": {"model.latent_channels": ()},
    "latents_4": {"model.latent_channels": _CHANNELS[:1]},
    "latents_8": {"model.latent_channels": _CHANNELS[:2]},
    "soft_canvas": {"model.hard_canvas": False},
    "no_lstm": {"model.recurrent": False},
    "pairs": {"model.recurrent": False, "loss.classes_per_map": 1, "batch_size": 13 * _FRESH.batch_size},
    "patches": {"model.patch": 2},
    "dice": {"loss.reconstruction": "bce_dice_sum"},
    "beta_low": {"loss.kl_weight": 0.25},
    "beta_one": {"loss.kl_weight": 1.0},
    "order_area": {"model.order": "area"},
    "order_random": {"model.order": "random"},
}


def get_config(variant: str = "base") -> ConfigDict:
    """One of the variants."""
    return with_variant(celeba.get_config("fresh"), variant or "base", VARIANTS)
