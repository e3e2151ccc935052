"""Standing people: HumanParsing (ATR) at 128 px: the networks of the release with our settings.

    python train.py --config=configs/humanparsing.py --config.data.path=FOLDER --workdir=runs/people

FOLDER holds index maps (0-17 in ATR order), one PNG each. `:tiny` has 64 px and smaller networks, for two CPU cores;
`:paper` has all settings of the authors. The loss is the one that was best on faces; nothing was tuned on people.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = celeba.get_config(variant)
    config.data.source = "humanparsing"
    return config
