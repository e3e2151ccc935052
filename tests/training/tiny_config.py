"""A run of seconds: cartoon faces of 16 px through a model of 7 thousand weights."""

from ml_collections import ConfigDict

from segvae_jax.configs import default
from segvae_jax.training.config import with_variant

TINY = {
    "batch_size": 8,
    "num_epochs": 0,
    "num_steps": 24,
    "log_every": 1,
    "checkpoint_every": 3,
    "keep_checkpoints": 2,
    "data.num_maps": 80,
    "model.image_size": (16, 16),
    "model.ngf": 2,
    "model.context_dim": 8,
    "model.hidden_dim": 6,
    "model.latent_dim": 4,
    "model.gain": 1.0,
    "loss.reconstruction": "bce_dice",
    "optimizer.learning_rate": 1e-4,
    "optimizer.warmup_steps": 4,
    "optimizer.ema_decay": 0.9,
}


def get_config(variant: str = "") -> ConfigDict:
    return with_variant(default.get_config(), variant, {"": {**default.PAPER, **TINY}})
