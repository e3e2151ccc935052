"""Faces: CelebAMask-HQ index maps at 128 px, the release's architecture.

    python train.py --config=configs/celeba.py --config.data.path=FOLDER --workdir=runs/celeba

FOLDER is CelebAMask-HQ as published or as the release repackaged it, or flattened index maps (0-18 in official
order), one PNG each; or a .zip of any of these. `--config=configs/celeba.py:tiny`
is 64 px and a quarter of the widths, half an hour on two CPU cores for the scores in the README;
`:paper` is the authors' settings in full. The 128 px settings are those of `:tiny` carried over, not searched for.
"""

from ml_collections import ConfigDict

from segvae_jax.training.config import default_config, with_variant

TINY = {
    "num_steps": 4_000,
    "log_every": 50,
    "checkpoint_every": 250,
    "model.image_size": (64, 64),
    "model.ngf": 16,
    "model.context_dim": 128,
    "model.hidden_dim": 128,
    "model.latent_dim": 16,
    "loss.kl_weight": 4e-4,
    "optimizer.learning_rate": 1e-3,
    "optimizer.warmup_steps": 100,
    "optimizer.ema_decay": 0.998,
}

RECIPE = {
    "num_epochs": 0,
    "num_steps": 100_000,
    "data.flip": True,
    "model.spectral_norm": False,
    "model.gain": 1.0,
    # Many latents code one fact many times over; noise drawn for each averages out, and samples vary little.
    "model.latent_dim": 32,
    "loss.reconstruction": "bce_dice",
    "loss.kl_weight": 4e-4,
    "optimizer.learning_rate": 5e-4,
    "optimizer.warmup_steps": 500,
    "optimizer.decay_from": 0.5,
    "optimizer.ema_decay": 0.999,
}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = default_config()
    config.data.source = "celebamask"
    return with_variant(config, variant, {"": RECIPE, "tiny": {**RECIPE, **TINY}, "paper": {}})
