"""From maps to pictures: a translator, on pairs of a map and its picture.

    python train.py --config=configs/translator.py:tiny --workdir=runs/cartoon_pictures
    python train.py --config=configs/translator.py:tiny --config.data.prepared=SET --workdir=runs/pictures

SET is a data set with pictures, of `prepare.py --image_size`. Without one, the project's cartoon faces are used, which
paint their own. Pictures have 128 px. `:tiny` has 64 px and narrower networks, for two CPU cores.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import default
from segvae_jax.training.config import with_variant

TINY = {
    "num_steps": 4_500,
    "data.num_maps": 4_000,
    "model.image_size": (64, 64),
    "model.widths": (16, 32, 64, 64),
    "model.discriminator_widths": (32, 64, 64),
    "optimizer.ema_decay": 0.998,
}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny`."""
    return with_variant(default.get_translator_config(), variant, {"": {}, "tiny": TINY})
