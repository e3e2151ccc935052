"""Prepares a data set once, for training and for tfds: segvae prepare --source=NAME --path=DIR --out=DIR

Writes the maps, and with --image_size their pictures, to ArrayRecord files, and a data report to the terminal and to
report.html. A run that was stopped or killed continues when it is started again.
"""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

from absl import flags

from segvae_jax.cli.script import flag_group
from segvae_jax.errors import DataError

_OUT = "Folder for the prepared data set: new, empty, or begun before."
_LABELS = "folder: .txt, .json, .yaml or .csv file with the name of each index, or of each colour."


def define_flags(own: flags.FlagValues, words: Sequence[str]) -> None:
    """Defines the flags in `own`."""
    from segvae_jax.data.sources.registry import DATA_SETS

    flags.DEFINE_string("source", None, f"Which data set: {', '.join(DATA_SETS)}.", own, required=True)
    flags.DEFINE_string("out", None, _OUT, own, required=True)
    flags.DEFINE_integer("workers", os.cpu_count() or 1, "Processes; the files do not depend on it.", 1, None, own)
    flags.DEFINE_string("beam", None, "Convert with Apache Beam, with these flags of its own; may be empty.", own)
    with flag_group(own, "Maps of the data set"):
        _define_options(own)
    with flag_group(own, "Sizes, and what is left out"):
        _define_recipe(own)


def _define_options(own: flags.FlagValues) -> None:
    """The fields of `SourceOptions`."""
    flags.DEFINE_string("path", "", "Folder or .zip of the data set; cartoons need none.", own)
    flags.DEFINE_string("images", "", "Folder or .zip of the pictures, named as the maps; see --image_size.", own)
    flags.DEFINE_string("layout", "", "Published sets: name of the layout, where several fit.", own)
    flags.DEFINE_enum("fit", "stretch", ["stretch", "pad"], "humanparsing: how maps are resized.", own)
    flags.DEFINE_string("labels", "", _LABELS, own)
    flags.DEFINE_string("merge", "", "folder: classes to join, old,old=new;old=new.", own)
    flags.DEFINE_string("classes", "", "folder: classes to keep, in drawing order; all if empty.", own)
    flags.DEFINE_integer("ignore", -1, "folder: index of pixels that become background; -1 for none.", -1, 255, own)
    flags.DEFINE_enum("kind", "faces", ["faces", "people"], "cartoon: what is drawn.", own)
    flags.DEFINE_integer("num_maps", 8_000, "cartoon: how many are drawn.", 1, 10_000_000, own)
    flags.DEFINE_integer("seed", 0, "cartoon: equal seeds draw equal maps.", 0, flag_values=own)


def _define_recipe(own: flags.FlagValues) -> None:
    """The sizes, and the fields of `RecipeOptions`."""
    flags.DEFINE_list("size", ["128"], "Pixels of the maps: SIDE, or HEIGHT,WIDTH.", own)
    flags.DEFINE_list("image_size", [], "Pixels of the pictures beside the maps; none if not given.", own)
    flags.DEFINE_string("exclude", "", "File that lists maps to leave out: one line `id reason` per map.", own)
    flags.DEFINE_bool("skip_broken", False, "Leave out maps that cannot be read, and list them.", own)
    flags.DEFINE_string("celeba_mapping", "", "CelebA-HQ-to-CelebA-mapping.txt, for the official splits.", own)
    flags.DEFINE_string("celeba_partition", "", "list_eval_partition.txt, with --celeba_mapping.", own)


def main(given: flags.FlagValues) -> None:
    """Prepares the data set and prints its report."""
    from rich.console import Console

    from segvae_jax.data.prepare.beam import beam_runner
    from segvae_jax.data.prepare.builder import REPORT, build
    from segvae_jax.data.prepare.recipe import RecipeOptions, make_recipe, parse_size
    from segvae_jax.data.prepare.report_print import print_data_report
    from segvae_jax.data.sources.registry import SourceOptions, open_source
    from segvae_jax.workers import processes

    if given.images and not given.image_size:
        raise DataError(f"--images={given.images}: no size for the pictures: give --image_size=SIDE as well")
    size = parse_size("size", given.size)
    image_size = parse_size("image_size", given.image_size) if given.image_size else None
    source = open_source(given.source, SourceOptions(**_values(given, SourceOptions)))
    recipe = make_recipe(given.source, source, RecipeOptions(**_values(given, RecipeOptions)), size, image_size)
    run = processes(given.workers) if given.beam is None else beam_runner(given.beam.split())
    prepared = build(source, recipe, given.out, run)
    console = Console()
    print_data_report(prepared.data_report(), console)
    console.print(f"wrote {prepared.directory}, see {REPORT} in it", highlight=False, soft_wrap=True)


def _values(given: flags.FlagValues, options: Any) -> dict[str, Any]:
    """Values of the flags that are fields of a dataclass."""
    return {field.name: given[field.name].value for field in dataclasses.fields(options)}
