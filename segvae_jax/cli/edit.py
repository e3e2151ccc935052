"""Adds, removes and restyles classes of a semantic map: segvae edit --map=face.png --add=hat --out=edited

All other classes stay as they are.

    segvae edit --map=face.png --add=eye_g --remove=hat --restyle=hair --num=4 --out=edited
    segvae edit --checkpoint=DIR --map=sketch.png --complete="skin,hair,nose,mouth" --out=completed

The map is an index PNG with or without a palette, of any size, which the results keep. It may be an original map, whose
labels were merged in training. If it has class names in its metadata, as the maps that this project writes do, they say
what the indices mean; otherwise the labels of the training maps do, or the model's classes. --labels says it for maps
from elsewhere.
Writes numbered index PNGs and `sheet.png`, which shows the map and its edits beside one another; with --pictures, also
`pictures.png` and a picture of each edit.
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from jaxtyping import Bool, UInt8

from segvae_jax.cli.script import (
    check_folders,
    checkpoint_help,
    define_labels_flag,
    define_picture_flags,
    define_temperature_flag,
    flag_group,
    temperature_of,
)
from segvae_jax.cli.translate import define_translator_flag, translator_of
from segvae_jax.errors import LabelError, MapError, SegVAEError
from segvae_jax.files import locked

if TYPE_CHECKING:
    import segvae_jax.editing
    import segvae_jax.generation
    import segvae_jax.translation

_OUT = "Folder for index PNGs of the size of the map, and sheet.png."
_SHEET = "sheet.png"
_REGION = "What may change: TOP,LEFT,BOTTOM,RIGHT in pixels, or a black and white PNG."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    with flag_group(own, "Model and map"):
        flags.DEFINE_string("checkpoint", "cartoon", checkpoint_help(), own)
        flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
        flags.DEFINE_string("map", None, "Index PNG to edit.", own, required=True)
        define_labels_flag(own)
    with flag_group(own, "Edit"):
        flags.DEFINE_list("add", [], "Classes to add, which the map does not have.", own)
        flags.DEFINE_list("remove", [], "Classes to remove.", own)
        flags.DEFINE_list("restyle", [], "Classes to generate anew.", own)
        flags.DEFINE_list("complete", [], "Classes of the whole map: those that are missing are added.", own)
        flags.DEFINE_string("region", None, _REGION, own)
        flags.DEFINE_integer("num", 4, "Number of alternatives.", 1, 1024, own)
        flags.DEFINE_integer("seed", 0, "Equal seeds give equal edits.", 0, 2**31 - 1, own)
        define_temperature_flag(own)
    with flag_group(own, "Files and pictures"):
        flags.DEFINE_string("out", None, _OUT, own, required=True)
        define_picture_flags(own)
        flags.DEFINE_bool("pictures", False, "Translate the map and its edits to pictures too.", own)
        define_translator_flag(own)


def main(given: flags.FlagValues) -> None:
    """Edits."""
    folders = {"--out": given.out, "--save_enlarged": given.save_enlarged}
    folders = {flag: folder for flag, folder in folders.items() if folder}
    _check_out(given)
    check_folders(folders)
    from segvae_jax.generation import Generator
    from segvae_jax.given_maps import Meaning, map_file, read_given

    generator = Generator.load(given.checkpoint, given.step)
    translator = translator_of(given, generator.space) if given.pictures else None
    meaning = Meaning(generator.space, generator.card.original, given.labels)
    (index,), note = read_given([map_file(given.map)], meaning)
    if note:
        print(f"note: {note}")
    try:
        edits = _edited(given, generator, index)
    except (LabelError, MapError) as error:
        raise SegVAEError(f"{given.map}: {error}") from None
    with contextlib.ExitStack() as locks:
        for folder in folders.values():
            locks.enter_context(locked(Path(folder).expanduser()))
        _write(given, generator, translator, index, edits)


def _check_out(given: flags.FlagValues) -> None:
    """Edits have numbers for names, so they could replace the map and those beside it."""
    if not given.out:
        raise SegVAEError("--out is empty: expected a folder for the edits")
    if Path(given.map).expanduser().resolve().parent == Path(given.out).expanduser().resolve():
        raise SegVAEError(f"--out={given.out}: holds the map, which an edit could replace: give another folder")


def _write(
    given: flags.FlagValues,
    generator: "segvae_jax.generation.Generator",
    translator: "segvae_jax.translation.Translator | None",
    index: UInt8[np.ndarray, "H W"],
    edits: "segvae_jax.editing.Edits",
) -> None:
    from segvae_jax import pictures

    out, count = Path(given.out).expanduser(), len(edits.index_maps)
    shown = generator.picture(np.stack([index, *edits.index_maps]), given.columns, given.scale)
    pictures.write_index_pngs(out, edits.index_maps, generator.space)
    pictures.save_picture(out / _SHEET, shown)
    if translator:
        _translate(translator, out, np.stack([index, *edits.index_maps]), given.seed)
    for name in generator.space.resolve([*given.add, *given.restyle, *given.complete]):
        seen = (edits.index_maps == generator.space.channel(name)).any((1, 2))
        if not seen.all():
            print(f"{name} shows in {seen.sum()} of {len(seen)} maps: try another seed, or restyle what hides it")
    print(f"wrote {count} index PNGs and {_SHEET} to {given.out}")
    if given.save_enlarged:
        folder = Path(given.save_enlarged).expanduser()
        pictures.write_pictures(folder, edits.index_maps, generator.space, given.scale)
        print(f"wrote {count} pictures to {given.save_enlarged}")


def _translate(
    translator: "segvae_jax.translation.Translator", out: Path, index_maps: UInt8[np.ndarray, "N H W"], seed: int
) -> None:
    """Writes pictures of the map and its edits. All have the same noise, so that what was not edited keeps its look."""
    from segvae_jax import pictures, sheets

    made = translator.translate(index_maps, num=1, seed=seed)[:, 0]
    pictures.save_picture(out / "pictures.png", sheets.grid(sheets.enlarged(made, None)))
    for number, picture in enumerate(made[1:]):
        pictures.save_picture(out / f"{number:05d}_picture.png", picture)
    print(f"wrote pictures.png and {len(made) - 1} pictures of edits to {out}")


def _edited(
    given: flags.FlagValues, generator: "segvae_jax.generation.Generator", index: UInt8[np.ndarray, "H W"]
) -> "segvae_jax.editing.Edits":
    from segvae_jax.editing import present_classes

    present = present_classes(index, generator.space)
    missing = [name for name in generator.space.resolve(given.complete) if name not in present]
    return generator.edit(
        index,
        add=[*given.add, *missing],
        remove=given.remove,
        restyle=given.restyle,
        num=given.num,
        seed=given.seed,
        temperature=temperature_of(given),
        region=_region(given.region, index.shape),
    )


def _region(region: str | None, shape: tuple[int, int]) -> Bool[np.ndarray, "H W"] | None:
    """What --region names; `None` is all."""
    from segvae_jax import pictures

    if region is None:
        return None
    box = region.split(",")
    if region.lower().endswith(".png") or (region and len(box) == 1):
        return pictures.read_mask_png(Path(region).expanduser())
    if len(box) != 4 or not all(re.fullmatch("[0-9]{1,9}", side.strip()) for side in box):
        raise SegVAEError(f"--region={region:.50}: expected TOP,LEFT,BOTTOM,RIGHT in pixels, or a PNG")
    (top, left, bottom, right), (height, width) = map(int, box), shape
    if not (top < bottom <= height and left < right <= width):
        inside = f"0 <= TOP < BOTTOM <= {height} and 0 <= LEFT < RIGHT <= {width}"
        raise SegVAEError(f"--region={region}: expected a box inside the map, {inside}")
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask
