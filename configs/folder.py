"""Your own maps: a folder of index PNGs, or RGB PNGs, and a list of the names of their indices, or colours.

    python train.py --config=configs/folder.py:tiny --config.data.path=FOLDER \\
        --config.data.labels=labels.json --workdir=runs/mine

The list is text with one name a line, JSON (a list, or an object index -> name) or CSV (index,name or
index,name,red,green,blue). Classes are joined with --config.data.merge="pants,jeans=trousers;purse=bag" and
chosen, in drawing order, with --config.data.classes="skin,hair,trousers,bag"; what is not chosen becomes
background. Without it all are drawn, big ones first. --config.data.ignore=255 makes pixels of that index
background; any other index without a name is an error. Variants as in `configs/celeba.py`;
docs/own_data.md has the whole way, and the lists of colours.
"""

from ml_collections import ConfigDict

from configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = celeba.get_config(variant)
    config.data.source = "folder"
    return config
