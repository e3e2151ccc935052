"""Generates semantic maps from class names: segvae generate --labels=skin,hair,nose --num=16 --out=faces.png

    segvae generate --checkpoint=DIR --num=1_000_000 --format=arrayrecord --out=DIR

`--labels=random` takes a label-set of the training data for every map, `--labels=@label_sets.txt` takes those
of a file in turn. With `--format`, maps are streamed into a folder, over all devices; a run that was stopped, by
whatever means, continues when it is started again. Several hosts share the work under --distributed. Without
`--checkpoint` the shipped model of cartoon faces is used.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from absl import flags
from jaxtyping import Bool

from segvae_jax.cli.script import (
    check_folders,
    checkpoint_help,
    define_host_flags,
    define_picture_flags,
    define_temperature_flag,
    flag_group,
    join_hosts,
    temperature_of,
)
from segvae_jax.cli.translate import define_translator_flag, translator_of
from segvae_jax.errors import SegVAEError
from segvae_jax.files import check_writable, locked, write_atomically
from segvae_jax.labels import LABEL_SETS_FILE, LabelSpace, label_sets_text, read_label_sets
from segvae_jax.specks import speck_warning

if TYPE_CHECKING:
    import segvae_jax.bulk
    import segvae_jax.generation
    import segvae_jax.translation

_FORMATS = ("arrayrecord", "png")  # the keys of `shards.formats.FORMATS`, which are slow to import
_LABELS = "Class names separated by commas; @FILE with one label-set per line; random."
_OUT = "Picture (.png, .jpg or .webp) of all maps in colour; with --format, a folder."
_PICTURES = "Picture of all maps as a translator sees them, in real colours."
_SAVE_MAPS = "Folder for index PNGs, with palette and class names, and label_sets.txt."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    with flag_group(own, "Maps"):
        flags.DEFINE_string("checkpoint", "cartoon", checkpoint_help(), own)
        flags.DEFINE_integer("step", None, "Saved step; the latest if not given.", flag_values=own)
        flags.DEFINE_string("labels", "random", _LABELS, own)
        flags.DEFINE_integer("num", 16, "Number of maps.", 1, 2**31 - 1, own)
        flags.DEFINE_integer("seed", 0, "Equal seeds give equal maps.", 0, 2**31 - 1, own)
        define_temperature_flag(own)
    with flag_group(own, "Files and pictures"):
        flags.DEFINE_string("out", None, _OUT, own)
        flags.DEFINE_string("save_maps", None, _SAVE_MAPS, own)
        define_picture_flags(own)
        flags.DEFINE_string("pictures", None, _PICTURES, own)
        define_translator_flag(own)
    with flag_group(own, "Many maps, over all devices and hosts"):
        flags.DEFINE_enum("format", None, _FORMATS, "Stream the maps into the folder --out.", own)
        flags.DEFINE_integer("shard_size", 10_000, "With --format: maps per file or subfolder.", 1, flag_values=own)
        define_host_flags(own)


def main(given: flags.FlagValues) -> None:
    """Generates."""
    _check_outputs(given)
    from segvae_jax.bulk import Request
    from segvae_jax.generation import Generator

    join_hosts(given)
    generator = Generator.load(given.checkpoint, given.step)
    translator = translator_of(given, generator.space) if given.pictures else None
    label_sets = _label_sets(given.labels, generator.space)
    request = Request(given.num, label_sets, given.seed, temperature_of(given))
    if given.format:
        _stream(given, generator, request)
        return
    with contextlib.ExitStack() as locks:
        for folder in _folders(given).values():
            locks.enter_context(locked(Path(folder).expanduser()))
        _generate_at_once(given, generator, request.label_sets_of(range(given.num), generator), translator)


def _folders(given: flags.FlagValues) -> dict[str, str]:
    """The folders that are asked for, by flag."""
    named = {"--save_maps": given.save_maps, "--save_enlarged": given.save_enlarged}
    return {flag: folder for flag, folder in named.items() if folder}


def _check_outputs(given: flags.FlagValues) -> None:
    """Finds what cannot be written before anything is computed."""
    folders = _folders(given)
    files = {flag: file for flag, file in (("--out", given.out), ("--pictures", given.pictures)) if file}
    if not (files or folders):
        raise SegVAEError("nowhere to write to: give --out=FILE.png, --save_maps=FOLDER, --pictures=FILE.png")
    if given.format and (others := [flag for flag in (*folders, *files) if flag != "--out"]):
        raise SegVAEError(f"{others[0]}: --format={given.format} writes to one folder: give it as --out alone")
    check_folders(folders)
    if not given.format:
        _check_files(files)
        _check_numbered(given, files)


def _check_files(files: dict[str, str]) -> None:
    from segvae_jax.pictures import picture_format

    for flag, file in files.items():
        picture_format(file)
        check_writable(Path(file).parent, flag)
    if len({Path(file).expanduser().resolve() for file in files.values()}) < len(files):
        raise SegVAEError(f"--pictures={files['--pictures']}: --out names this file: give each its own")


def _check_numbered(given: flags.FlagValues, files: dict[str, str]) -> None:
    """Maps have numbers for names; others in their folder would seem to be of the same label-sets."""
    if not given.save_maps:
        return
    folder = Path(given.save_maps).expanduser()
    if inside := [flag for flag, file in files.items() if Path(file).expanduser().resolve().parent == folder.resolve()]:
        raise SegVAEError(f"{inside[0]}={files[inside[0]]}: in the folder of --save_maps: give it another place")
    if others := sorted(path.name for path in folder.glob("*.png") if not _is_replaced(path.stem, given.num)):
        raise SegVAEError(
            f"--save_maps={given.save_maps}: holds {others[0]}, which is none of these maps: give a new folder"
        )


def _is_replaced(stem: str, num: int) -> bool:
    return len(stem) == 5 and stem.isdecimal() and int(stem) < num


def _label_sets(labels: str, space: LabelSpace) -> Bool[np.ndarray, "M C"] | None:
    """What --labels names; `None` is random."""
    if labels == "random":
        return None
    if labels.startswith("@"):
        return read_label_sets(labels[1:], space)
    return space.encode(labels)[None]


def _stream(
    given: flags.FlagValues, generator: "segvae_jax.generation.Generator", request: "segvae_jax.bulk.Request"
) -> None:
    import jax

    from segvae_jax.bulk import write_shards

    request = dataclasses.replace(request, format=given.format, shard_size=given.shard_size)
    done = write_shards(generator, request, given.out, None, jax.process_index(), jax.process_count())
    print(f"{given.out}: {done:,} of {request.num:,} maps")


def _generate_at_once(
    given: flags.FlagValues,
    generator: "segvae_jax.generation.Generator",
    label_sets: Bool[np.ndarray, "N C"],
    translator: "segvae_jax.translation.Translator | None",
) -> None:
    from segvae_jax import pictures, sheets

    index_maps = generator.generate_each(label_sets, given.seed, temperature_of(given))
    if warning := speck_warning(index_maps):
        print(f"warning: {warning}", file=sys.stderr)
    if given.out:
        sheet = generator.picture(index_maps, given.columns, given.scale)
        pictures.save_picture(Path(given.out).expanduser(), sheet)
        print(f"wrote {given.out}")
    if translator:
        made = sheets.enlarged(translator.translate_each(index_maps, given.seed), given.scale)
        pictures.save_picture(Path(given.pictures).expanduser(), sheets.grid(made, given.columns))
        print(f"wrote {given.pictures}")
    if given.save_maps:
        folder = Path(given.save_maps).expanduser()
        pictures.write_index_pngs(folder, index_maps, generator.space)
        text = label_sets_text(label_sets, generator.space)
        write_atomically(folder / LABEL_SETS_FILE, lambda path: path.write_text(text, "utf-8"))
        print(f"wrote {len(index_maps)} index PNGs to {given.save_maps}")
    if given.save_enlarged:
        folder = Path(given.save_enlarged).expanduser()
        pictures.write_pictures(folder, index_maps, generator.space, given.scale)
        print(f"wrote {len(index_maps)} pictures to {given.save_enlarged}")
