"""Ablations of the paper's model: one change at a time, on the recipe of `configs/celeba.py:segvae`.

    python train.py --config=configs/segvae_ablations.py:no_lstm --config.data.path=FOLDER --workdir=runs/no_lstm

`:base` changes nothing. Every data set can be used, e.g. `--config.data.source=cartoon`.
"""

from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs import celeba
from segvae_jax.training.config import with_variant

_KL_WEIGHT = celeba.get_config("segvae").loss.kl_weight
VARIANTS: dict[str, dict[str, Any]] = {
    "base": {},
    "no_lstm": {"model.recurrent": False},
    "no_prior": {"model.learned_prior": False},
    "no_canvas": {"model.canvas": False},
    "hard_canvas": {"model.hard_canvas": True},
    "skip_absent": {"model.skip_absent": True},
    "order_area": {"model.order": "area"},
    "order_organs": {"model.order": "organs_first"},
    "order_random": {"model.order": "random"},
    "l1": {"loss.reconstruction": "l1"},
    "bce": {"loss.reconstruction": "bce"},
    "bce_dice": {"loss.reconstruction": "bce_dice"},
    "kl_low": {"loss.kl_weight": 0.1 * _KL_WEIGHT},
    "kl_high": {"loss.kl_weight": 10 * _KL_WEIGHT},
}


def get_config(variant: str = "base") -> ConfigDict:
    """One of the variants."""
    return with_variant(celeba.get_config("segvae"), variant or "base", VARIANTS)
