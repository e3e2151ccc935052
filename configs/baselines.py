"""Baselines: other models at the size and on the recipe of `configs/celeba.py:segvae`.

    python train.py --config=configs/baselines.py:masked --config.data.path=FOLDER --workdir=runs/masked

`:segvae` is the paper's model with our settings. `:cvae_sep` generates each class by itself, `:cvae_global` all classes
from one latent, `:sg2im` one box and one mask per class; `:masked` and `:diffusion` treat pixels as tokens. Every data
set can be used, e.g. `--config.data.source=cartoon`.
"""

from typing import Any

from ml_collections import ConfigDict

from segvae_jax.configs import celeba
from segvae_jax.training.config import with_variant

VARIANTS: dict[str, dict[str, Any]] = {
    "segvae": {},
    "cvae_sep": {"model.canvas": False, "model.recurrent": False, "model.learned_prior": False},
    "cvae_global": {"model.name": "cvae_global", "model.latent_dim": 128, "optimizer.learning_rate": 2e-3},
    "sg2im": {"model.name": "sg2im"},
    "masked": {"model.name": "masked"},
    "diffusion": {"model.name": "diffusion"},
}


def get_config(variant: str = "") -> ConfigDict:
    """One of the variants."""
    return with_variant(celeba.get_config("segvae"), variant, VARIANTS)
