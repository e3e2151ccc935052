"""Your own maps: a folder of index PNGs or RGB PNGs, and a list with the names of their indices or colours.

    python train.py --config=configs/folder.py:tiny --config.data.path=FOLDER \\
        --config.data.labels=labels.json --workdir=runs/mine

The list is text with one name per line, JSON or YAML (a list, or an object index -> name) or CSV (index,name or
index,name,red,green,blue). --config.data.merge="pants,jeans=trousers;purse=bag" joins classes, and
--config.data.classes="skin,hair,trousers,bag" chooses classes in drawing order; all others become background. Without
it all classes are kept, large ones first. --config.data.ignore=255 makes pixels of that index background; any other
index without a name is an error. The variants are those of `configs/celeba.py`; docs/own_data.md describes every step,
and lists of colours.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or one of the variants of `configs/celeba.py`."""
    config = celeba.get_config(variant)
    config.data.source = "folder"
    return config
