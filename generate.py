"""Draws semantic maps from class names.

    python generate.py --checkpoint=DIR --labels="skin,hair,nose,l_eye,r_eye" --num=16 --out=faces.png

`--labels=random` draws a label-set of the training data for every map.
"""

from pathlib import Path

import numpy as np
from absl import flags

from segvae_jax import pictures
from segvae_jax.errors import SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.scripts import run_user_script

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "The --workdir of a training run, or an imported checkpoint.", required=True
)
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_LABELS = flags.DEFINE_string("labels", "random", "Class names separated by commas, or: random.")
_NUM = flags.DEFINE_integer("num", 16, "How many maps.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Equal seeds draw equal maps.", lower_bound=0, upper_bound=2**31 - 1)
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of the prior; lower is more typical.", lower_bound=0.0)
_OUT = flags.DEFINE_string("out", None, "PNG to write the coloured maps to.")
_SAVE_MAPS = flags.DEFINE_string("save_maps", None, "Folder to write index PNGs to, with palette and class names.")


def main(argv: list[str]) -> None:
    """Generates."""
    del argv
    if not (_OUT.value or _SAVE_MAPS.value):
        raise SegVAEError("nowhere to write to: give --out=FILE.png, --save_maps=FOLDER, or both")
    generator = Generator.load(_CHECKPOINT.value, _STEP.value)
    if _LABELS.value == "random":
        label_sets = generator.random_label_sets(_NUM.value, _SEED.value)
    else:
        names = [name.strip() for name in _LABELS.value.split(",") if name.strip()]
        label_sets = np.tile(generator.space.encode(names), (_NUM.value, 1))
    index_maps = generator.draw(label_sets, _SEED.value, _TEMPERATURE.value)
    if _OUT.value:
        pictures.save_picture(_OUT.value, generator.picture(index_maps))
        print(f"wrote {_OUT.value}")
    if _SAVE_MAPS.value:
        pictures.write_index_pngs(Path(_SAVE_MAPS.value), index_maps, generator.space)
        print(f"wrote {len(index_maps)} index PNGs to {_SAVE_MAPS.value}")


if __name__ == "__main__":
    run_user_script(main)
