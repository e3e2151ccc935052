"""Street clothes: Clothing Co-Parsing (Yang, Luo, Lin, CVPR 2014), 58 tags joined into 15 classes.

    python train.py --config=configs/clothing.py:tiny --config.data.path=FOLDER \\
        --config.data.labels=label_names.json --workdir=runs/clothing

An example of an experiment on your own maps; docs/own_data.md walks through it. The height of the maps is 1.5 times
their width. The variants are those of `configs/celeba.py`, and `:shipped`, which is `:tiny` for 3,000 steps of 6 maps.
"""

from ml_collections import ConfigDict

from segvae_jax.configs import folder

MERGE = """
    blazer,cape,cardigan,coat,jacket,vest=coat;
    blouse,bodysuit,bra,intimate,jumper,shirt,sweater,sweatshirt,swimwear,t-shirt,top=top;
    dress,romper,suit=dress;
    pants,jeans,leggings=pants;
    shorts,panties=shorts;
    tights,stockings,socks=tights;
    shoes,boots,clogs,flats,heels,loafers,pumps,sandals,sneakers,wedges=shoes;
    bag,purse,wallet=bag;
    scarf,tie=scarf;
    glasses,sunglasses=glasses
"""
CLASSES = "skin,hair,top,dress,coat,pants,skirt,shorts,tights,shoes,hat,belt,scarf,glasses,bag"

SHIPPED = {"num_steps": 3_000, "batch_size": 6}


def get_config(variant: str = "") -> ConfigDict:
    """The experiment, or one of its variants."""
    config = folder.get_config("tiny" if variant == "shipped" else variant)
    if variant == "shipped":
        config.update_from_flattened_dict(SHIPPED)
    config.data.merge, config.data.classes = MERGE, CLASSES
    width = config.model.image_size[1]
    config.model.image_size = (width * 3 // 2, width)
    return config
