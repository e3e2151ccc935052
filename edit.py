"""Edits a semantic map: adds, removes and restyles classes, and leaves the others as they are.

    python edit.py --map=face.png --add=eye_g --remove=hat --restyle=hair --num=4 --out=edited
    python edit.py --checkpoint=DIR --map=sketch.png --complete="skin,hair,nose,mouth" --out=completed

The map is an index PNG with or without a palette, of any size, which the results keep. Where it has class names in its
metadata, as the maps that this project writes, they say what the indices mean, else the model's classes do. Writes
numbered index PNGs and `sheet.png`, before and after beside one another.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

from pathlib import Path

import numpy as np
from absl import flags
from jaxtyping import Bool, UInt8

from segvae_jax import pictures
from segvae_jax.cli.script import run_user_script
from segvae_jax.editing import Edits, present_classes
from segvae_jax.errors import LabelError, MapError, SegVAEError
from segvae_jax.generation import Generator

_CHECKPOINT = flags.DEFINE_string("checkpoint", "cartoon", "The --workdir of a training run, or a shipped checkpoint.")
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_MAP = flags.DEFINE_string("map", None, "Index PNG to edit.", required=True)
_ADD = flags.DEFINE_list("add", [], "Classes to draw that the map does not have.")
_REMOVE = flags.DEFINE_list("remove", [], "Classes to take out.")
_RESTYLE = flags.DEFINE_list("restyle", [], "Classes to draw anew.")
_COMPLETE = flags.DEFINE_list("complete", [], "Classes of the whole map: what is missing is drawn.")
_REGION = flags.DEFINE_string("region", None, "TOP,LEFT,BOTTOM,RIGHT in pixels, or a black and white PNG: may change.")
_NUM = flags.DEFINE_integer("num", 4, "How many alternatives.", lower_bound=1, upper_bound=1024)
_SEED = flags.DEFINE_integer("seed", 0, "Equal seeds make equal edits.", lower_bound=0, upper_bound=2**31 - 1)
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of the prior; lower is more typical.", lower_bound=0.0)
_OUT = flags.DEFINE_string("out", None, "Folder to write to.", required=True)


def main(argv: list[str]) -> None:
    """Edits."""
    if len(argv) > 1:
        raise SegVAEError(f"unexpected argument {argv[1]!r}: flags only, see --help")
    generator = Generator.load(_CHECKPOINT.value, _STEP.value)
    index = pictures.read_index_map(_MAP.value, generator.space)
    try:
        edits = _edited(generator, index)
    except (LabelError, MapError) as error:
        raise SegVAEError(f"{_MAP.value}: {error}") from None
    pictures.write_index_pngs(_OUT.value, edits.index_maps, generator.space)
    sheet = Path(_OUT.value) / "sheet.png"
    pictures.save_picture(sheet, generator.picture(np.stack([index, *edits.index_maps])))
    for name in (*_ADD.value, *_RESTYLE.value, *_COMPLETE.value):
        seen = (edits.index_maps == generator.space.channel(name.strip())).any((1, 2))
        if not seen.all():
            print(
                f"{name.strip()} shows in {seen.sum()} of {len(seen)} maps: try another seed, or restyle what hides it"
            )
    print(f"wrote {len(edits.index_maps)} index PNGs and {sheet.name} to {_OUT.value}")


def _edited(generator: Generator, index: UInt8[np.ndarray, "H W"]) -> Edits:
    names = lambda flag: [name.strip() for name in flag.value]
    missing = [name for name in names(_COMPLETE) if name not in present_classes(index, generator.space)]
    return generator.edit(
        index,
        add=[*names(_ADD), *missing],
        remove=names(_REMOVE),
        restyle=names(_RESTYLE),
        num=_NUM.value,
        seed=_SEED.value,
        temperature=_TEMPERATURE.value,
        region=_region(index.shape),
    )


def _region(shape: tuple[int, int]) -> Bool[np.ndarray, "H W"] | None:
    """What --region names; `None` is all."""
    if _REGION.value is None:
        return None
    box = _REGION.value.split(",")
    if len(box) != 4:
        return pictures.read_mask_png(_REGION.value)
    if not all(side.strip().isdecimal() for side in box):
        raise SegVAEError(f"--region={_REGION.value}: expected TOP,LEFT,BOTTOM,RIGHT in pixels, or a PNG")
    top, left, bottom, right = map(int, box)
    region = np.zeros(shape, bool)
    region[top:bottom, left:right] = True
    return region


if __name__ == "__main__":
    run_user_script(main)
