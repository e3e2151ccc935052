"""Faces: CelebAMask-HQ at 128 px.

    python train.py --config=configs/celeba.py --config.data.path=FOLDER --workdir=runs/celeba

FOLDER holds CelebAMask-HQ as published or as the release repackaged it, or flattened index maps (0-18 in official
order), one PNG each; a .zip of any of these works as well. `:tiny` has 64 px and narrower networks, for two CPU cores,
and begins with the weights of the shipped `cartoon`. `:fresh` is the same from random weights, with the wider vectors
of `configs/default.py`. `:paper` has the paper's model with all settings of the authors, `:segvae` the same model at
64 px with settings that suit it better. The settings at 128 px follow those of `:fresh`; they were not tuned.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import default
from segvae_jax.training.config import with_variant

FRESH = {
    **default.SMALL,
    **default.MOVED,
    "num_steps": 3_400,
    "checkpoint_every": 250,
}
TINY = {**FRESH, **default.STARTED}
SEGVAE = {**default.SEGVAE_SMALL, "num_steps": 4_000, "checkpoint_every": 250}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny`, `fresh`, `segvae` or `paper`."""
    config = default.get_config()
    config.data.source = "celebamask_hq"
    variants = {"": default.MOVED, "tiny": TINY, "fresh": FRESH, "segvae": SEGVAE, "paper": default.PAPER}
    return with_variant(config, variant, variants)
