"""Prepares a data set once, for training and for tfds: python prepare.py --source=NAME --path=DIR --out=DIR

Writes the maps, and with --image_size their pictures, to ArrayRecord files, and a data report to the terminal and to
report.html. A run that was stopped or killed continues when it is started again.
"""

import dataclasses
import os
from typing import Any

from absl import flags
from rich.console import Console

from segvae_jax.cli.script import run_user_script
from segvae_jax.data.prepare.beam import beam_runner
from segvae_jax.data.prepare.builder import REPORT, build
from segvae_jax.data.prepare.recipe import RecipeOptions, make_recipe, parse_size
from segvae_jax.data.prepare.report_print import print_data_report
from segvae_jax.data.sources.reading import FITS
from segvae_jax.data.sources.registry import DATA_SETS, SourceOptions, open_source
from segvae_jax.workers import processes

_SOURCE = flags.DEFINE_string("source", None, f"Which data set: {', '.join(DATA_SETS)}.", required=True)
_OUT = flags.DEFINE_string("out", None, "Folder for the prepared data set: new, empty, or begun before.", required=True)
_WORKERS = flags.DEFINE_integer("workers", os.cpu_count() or 1, "Processes; the files do not depend on it.", 1)
_BEAM = flags.DEFINE_string("beam", None, "Convert with Apache Beam, with these flags of its own; may be empty.")

# The fields of SourceOptions.
flags.DEFINE_string("path", "", "Folder or .zip of the data set; cartoons need none.")
flags.DEFINE_string("layout", "", "Published sets: name of the layout, where several fit.")
flags.DEFINE_enum("fit", "stretch", list(FITS), "humanparsing: how maps are resized.")
flags.DEFINE_string("labels", "", "folder: .txt, .json or .csv file with the name of each index, or of each colour.")
flags.DEFINE_string("merge", "", "folder: classes to join, old,old=new;old=new.")
flags.DEFINE_string("classes", "", "folder: classes to keep, in drawing order; all if empty.")
flags.DEFINE_integer("ignore", -1, "folder: index of pixels that become background; -1 for none.", -1, 255)
flags.DEFINE_enum("kind", "faces", ["faces", "people"], "cartoon: what is drawn.")
flags.DEFINE_integer("num_maps", 8_000, "cartoon: how many are drawn.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "cartoon: equal seeds draw equal maps.", lower_bound=0)

_SIZE = flags.DEFINE_list("size", ["128"], "Pixels of the maps: SIDE, or HEIGHT,WIDTH.")
_IMAGE_SIZE = flags.DEFINE_list("image_size", [], "Pixels of the pictures beside the maps; none if not given.")

# The fields of RecipeOptions.
flags.DEFINE_string("exclude", "", "File that lists maps to leave out: one line `id reason` per map.")
flags.DEFINE_bool("skip_broken", False, "Leave out maps that cannot be read, and list them.")
flags.DEFINE_string("celeba_mapping", "", "CelebA-HQ-to-CelebA-mapping.txt, for the official splits.")
flags.DEFINE_string("celeba_partition", "", "list_eval_partition.txt, with --celeba_mapping.")


def main(argv: list[str]) -> None:
    """Prepares the data set and prints its report."""
    del argv
    size = parse_size("size", _SIZE.value)
    image_size = parse_size("image_size", _IMAGE_SIZE.value) if _IMAGE_SIZE.value else None
    source = open_source(_SOURCE.value, SourceOptions(**_given(SourceOptions)))
    recipe = make_recipe(_SOURCE.value, source, RecipeOptions(**_given(RecipeOptions)), size, image_size)
    run = processes(_WORKERS.value) if _BEAM.value is None else beam_runner(_BEAM.value.split())
    prepared = build(source, recipe, _OUT.value, run)
    console = Console()
    print_data_report(prepared.data_report(), console)
    console.print(f"wrote {prepared.directory}, see {REPORT} in it", highlight=False, soft_wrap=True)


def _given(options: type[SourceOptions | RecipeOptions]) -> dict[str, Any]:
    return {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(options)}


if __name__ == "__main__":
    run_user_script(main)
