"""Faces: CelebAMask-HQ index maps at 128 px, the release's architecture.

    python train.py --config=configs/celeba.py --config.data.path=FOLDER --workdir=runs/celeba

FOLDER holds flattened index maps (0-18 in official order), one PNG each. `--config=configs/celeba.py:tiny`
is 64 px and a quarter of the widths, for two CPU cores; `:paper` is the authors' settings in full.
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
    "model.hidden_dim": 64,
    "model.latent_dim": 96,
    "loss.kl_weight": 5e-4,
    "optimizer.learning_rate": 1e-3,
    "optimizer.warmup_steps": 100,
    "optimizer.ema_decay": 0.998,
}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = default_config()
    config.data.source = "celebamask"
    if variant == "paper":
        return config
    config.num_epochs = 0
    config.num_steps = 100_000
    config.model.spectral_norm = False
    config.model.gain = 1.0
    config.loss.reconstruction = "bce_dice"
    config.loss.kl_weight = 5e-4
    config.optimizer.learning_rate = 5e-4
    config.optimizer.warmup_steps = 500
    config.optimizer.decay_from = 0.5
    config.optimizer.ema_decay = 0.999
    return with_variant(config, variant, {"tiny": TINY})
