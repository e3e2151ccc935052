"""Draws semantic maps from class names.

    python generate.py --labels="skin,hair,nose,l_eye,r_eye" --num=16 --out=faces.png
    python generate.py --checkpoint=DIR --num=1_000_000 --format=arrayrecord --out=DIR

`--labels=random` draws a label-set of the training data for every map, `--labels=@label_sets.txt` takes those
of a file in turn. With `--format` maps are streamed into a folder, over all devices; a run that was stopped, by
whatever means, goes on when started again. Several hosts share the work under --distributed. Without `--checkpoint`
the shipped model of cartoon faces draws.
"""

from segvae_jax.allocator import restart_with_allocator

if __name__ == "__main__":
    restart_with_allocator()  # before the imports that take seconds

import dataclasses
from pathlib import Path

import jax
import numpy as np
from absl import flags
from jaxtyping import Bool

from segvae_jax import pictures
from segvae_jax.bulk import Request, write_shards
from segvae_jax.cli.script import define_host_flags, run_user_script
from segvae_jax.data.shards.formats import FORMATS
from segvae_jax.errors import SegVAEError
from segvae_jax.files import output_errors
from segvae_jax.generation import Generator
from segvae_jax.labels import LABEL_SETS_FILE, LabelSpace, label_sets_text, read_label_sets

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "cartoon", "The --workdir of a training run, an import, or a shipped one: cartoon or fashion."
)
_STEP = flags.DEFINE_integer("step", None, "Saved step; the latest if not given.")
_LABELS = flags.DEFINE_string("labels", "random", "Class names separated by commas; @FILE with a set a line; random.")
_NUM = flags.DEFINE_integer("num", 16, "How many maps.", lower_bound=1, upper_bound=2**31 - 1)
_SEED = flags.DEFINE_integer("seed", 0, "Equal seeds draw equal maps.", lower_bound=0, upper_bound=2**31 - 1)
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Of the prior; lower is more typical.", lower_bound=0.0)
_OUT = flags.DEFINE_string("out", None, "PNG to write the coloured maps to; with --format, a folder.")
_SAVE_MAPS = flags.DEFINE_string(
    "save_maps", None, "Folder for index PNGs, with palette and class names, and label_sets.txt."
)
_FORMAT = flags.DEFINE_enum("format", None, list(FORMATS), "Stream the maps into the folder --out.")
_SHARD_SIZE = flags.DEFINE_integer("shard_size", 10_000, "With --format: maps a file or subfolder.", lower_bound=1)
_join_hosts = define_host_flags()


def main(argv: list[str]) -> None:
    """Generates."""
    del argv
    if not (_OUT.value or _SAVE_MAPS.value):
        raise SegVAEError("nowhere to write to: give --out=FILE.png, --save_maps=FOLDER, or both")
    if _FORMAT.value and _SAVE_MAPS.value:
        raise SegVAEError(f"--save_maps: --format={_FORMAT.value} writes to one folder: give it as --out alone")
    _join_hosts()
    generator = Generator.load(_CHECKPOINT.value, _STEP.value)
    request = Request(_NUM.value, _label_sets(generator.space), _SEED.value, _TEMPERATURE.value)
    if _FORMAT.value and _OUT.value:
        request = dataclasses.replace(request, format=_FORMAT.value, shard_size=_SHARD_SIZE.value)
        done = write_shards(generator, request, _OUT.value, None, jax.process_index(), jax.process_count())
        print(f"{_OUT.value}: {done:,} of {request.num:,} maps")
    else:
        _draw_at_once(generator, request.label_sets_of(range(request.num), generator))


def _label_sets(space: LabelSpace) -> Bool[np.ndarray, "M C"] | None:
    """What --labels names; `None` is random."""
    if _LABELS.value == "random":
        return None
    if _LABELS.value.startswith("@"):
        return read_label_sets(_LABELS.value[1:], space)
    return space.encode(name.strip() for name in _LABELS.value.split(",") if name.strip())[None]


def _draw_at_once(generator: Generator, label_sets: Bool[np.ndarray, "N C"]) -> None:
    index_maps = generator.generate_each(label_sets, _SEED.value, _TEMPERATURE.value)
    if _OUT.value:
        pictures.save_picture(_OUT.value, generator.picture(index_maps))
        print(f"wrote {_OUT.value}")
    if _SAVE_MAPS.value:
        folder = Path(_SAVE_MAPS.value).expanduser()
        pictures.write_index_pngs(folder, index_maps, generator.space)
        with output_errors(folder):
            (folder / LABEL_SETS_FILE).write_text(label_sets_text(label_sets, generator.space), "utf-8")
        print(f"wrote {len(index_maps)} index PNGs to {_SAVE_MAPS.value}")


if __name__ == "__main__":
    run_user_script(main)
