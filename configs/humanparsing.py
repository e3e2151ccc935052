"""Standing people: HumanParsing (ATR) index maps at 128 px, the release's architecture.

    python train.py --config=configs/humanparsing.py --config.data.path=FOLDER --workdir=runs/people

FOLDER holds index maps (0-17 in ATR order), one PNG each. `--config=configs/humanparsing.py:tiny` is
64 px and a quarter of the widths, for two CPU cores; `:paper` is the authors' settings in full. The
objective is the one found best on faces; on people it was not searched for.
"""

from ml_collections import ConfigDict

from configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = celeba.get_config(variant)
    config.data.source = "humanparsing"
    return config
