"""Your own maps: a folder of index PNGs and a list of the names of the indices.

    python train.py --config=configs/folder.py:tiny --config.data.path=FOLDER \\
        --config.data.labels=labels.json --workdir=runs/mine

Classes are joined with --config.data.merge="trousers=pants,jeans;bag=bag,purse" and chosen, in drawing
order, with --config.data.classes="skin,hair,trousers,bag"; what is not chosen becomes background. Big
classes first, then the parts on them, then accessories, is the order to go for. Variants as in
`configs/celeba.py`.
"""

from ml_collections import ConfigDict

from configs import celeba


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or its variant `tiny` or `paper`."""
    config = celeba.get_config(variant)
    config.data.source = "folder"
    return config
