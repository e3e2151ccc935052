"""Turns semantic maps into pictures: segvae translate --map=face.png --num=4 --out=pictures

    segvae translate --map=FOLDER --checkpoint=fashion --style=photo.png --out=pictures

The map is an index PNG, as for `segvae edit`, or a folder of them; it is resized to the size of the translator. Writes
numbered PNGs, `00000_0.png` for the first picture of the first map, and `sheet.png`, in which a row has a map and its
pictures. Picture i of every map has the same noise. With --style, all pictures have the style of the given one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from jaxtyping import Float

from segvae_jax.cli.script import check_folders, checkpoint_help, define_labels_flag
from segvae_jax.errors import SegVAEError
from segvae_jax.files import locked
from segvae_jax.labels import LabelSpace

if TYPE_CHECKING:
    import segvae_jax.translation


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    flags.DEFINE_string("checkpoint", "cartoon", checkpoint_help(), own)
    flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
    flags.DEFINE_string("map", None, "Index PNG, or a folder of them.", own, required=True)
    define_labels_flag(own)
    flags.DEFINE_integer("num", 4, "Pictures of each map.", 1, 1024, own)
    flags.DEFINE_integer("seed", 0, "Equal seeds give equal pictures.", 0, 2**31 - 1, own)
    flags.DEFINE_string("style", None, "Picture (PNG, JPEG or WebP) whose style all pictures get.", own)
    flags.DEFINE_string("out", None, "Folder to write to.", own, required=True)


def main(given: flags.FlagValues) -> None:
    """Translates."""
    check_folders({"--out": given.out})
    from segvae_jax import pictures
    from segvae_jax.given_maps import Meaning, map_file, pngs_in, read_given
    from segvae_jax.translation import Translator

    translator = Translator.load(given.checkpoint, given.step)
    single = not Path(given.map).expanduser().is_dir()
    files = [map_file(file) for file in ([given.map] if single else pngs_in(given.map))]
    meaning = Meaning(translator.space, translator.card.original, given.labels)
    read, note = read_given(files, meaning, resized=translator.resized)
    if note:
        print(f"note: {note}")
    index_maps = np.stack(read)
    made = translator.translate(index_maps, given.num, given.seed, _style(given.style, translator))
    out = Path(given.out).expanduser()
    with locked(out):
        for (row, number), picture in zip(np.ndindex(made.shape[:2]), made.reshape(-1, *made.shape[2:]), strict=True):
            pictures.save_picture(out / f"{row:05d}_{number}.png", picture)
        pictures.save_picture(out / "sheet.png", pictures.sheet_of_translations(index_maps, made, translator.space))
    print(f"wrote {made.shape[0] * made.shape[1]} pictures and sheet.png to {given.out}")


def _style(path: str | None, translator: "segvae_jax.translation.Translator") -> Float[np.ndarray, "S"] | None:
    from segvae_jax import pictures

    if path is None:
        return None
    rgb = pictures.read_rgb(path)
    return translator.encode(pictures.resize_rgb(rgb, translator.image_size))


def define_translator_flag(own: flags.FlagValues) -> None:
    """Defines `--translator`, whose default is the translator of `--checkpoint`."""
    about = "Checkpoint of a translator for --pictures; that of --checkpoint if not given."
    flags.DEFINE_string("translator", None, about, own)


def translator_of(given: flags.FlagValues, space: LabelSpace) -> "segvae_jax.translation.Translator":
    """The translator that `--translator` or `--checkpoint` names.

    Raises:
      SegVAEError: if there is none, or its maps have other classes than `space`.
    """
    from segvae_jax.translation import Translator

    load = Translator.load if given.translator else Translator.of_checkpoint
    if (translator := load(given.translator or given.checkpoint)) is None:
        raise SegVAEError(f"--checkpoint={given.checkpoint}: has no translator: name one, --translator=DIR")
    if translator.space.names != space.names:
        theirs, ours = ", ".join(translator.space.classes), ", ".join(space.classes)
        raise SegVAEError(f"the translator has the classes {theirs}: expected those of the maps, {ours}")
    return translator
