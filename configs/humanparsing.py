"""Standing people: HumanParsing (ATR) at 128 px.

    python train.py --config=configs/humanparsing.py --config.data.path=FOLDER --workdir=runs/people

FOLDER holds HumanParsing as published or as the release repackaged it, or flattened index maps (0-17 in ATR order),
one PNG each; a .zip of any of these works as well. The variants are those of `configs/celeba.py`; nothing was tuned on
people.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or one of the variants of `configs/celeba.py`."""
    config = celeba.get_config(variant)
    config.data.source = "humanparsing"
    return config
