"""Faces: CelebAMask-HQ index maps at 128 px, the release's architecture.

    python train.py --config=configs/celeba.py --config.data.path=FOLDER --workdir=runs/celeba

FOLDER is CelebAMask-HQ as published or as the release repackaged it, or flattened index maps (0-18 in official
order), one PNG each; or a .zip of any of these. `--config=configs/celeba.py:tiny`
is 64 px and a quarter of the widths, half an hour on two CPU cores for the scores in the README;
`:paper` is the authors' settings in full. The 128 px settings are those of `:tiny` carried over, not searched for.
"""

from ml_collections import ConfigDict

from configs import default
from segvae_jax.training.config import with_variant

TINY = {
    **default.SMALL,
    "num_steps": 4_000,
    "checkpoint_every": 250,
}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = default.get_config()
    config.data.source = "celebamask_hq"
    return with_variant(config, variant, {"": {}, "tiny": TINY, "paper": default.PAPER})
