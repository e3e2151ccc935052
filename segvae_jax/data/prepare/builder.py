"""Prepares a source once into ArrayRecord files that tfds describes, and opens them again.

    prepared = build(source, Recipe(size=(128, 128)), "celeba_128", processes(8))

TensorFlow is not needed. Maps are stored bit-packed, `[H, W, ceil(C / 8)] uint8`. They are converted in chunks into
a folder beside the data set, which a run that is killed goes on from; the data set gets its name when it is
complete. Its files depend on source and recipe alone.
"""

import contextlib
import dataclasses
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from jaxtyping import Bool, UInt8

from segvae_jax.data.prepare.conversion import FORMAT, Facts, Recipe, features_of
from segvae_jax.data.prepare.drawing_order import by_area
from segvae_jax.data.prepare.near_duplicates import NEAR_MAPS, NEAR_PICTURES, near_pairs
from segvae_jax.data.prepare.report import survey_of
from segvae_jax.data.prepare.report_page import write_page
from segvae_jax.data.prepare.splits import SPLITS, Assignment, assign, duplicates_of, groups_of, shuffled, split_of
from segvae_jax.data.prepare.staging import Staging
from segvae_jax.data.shards.records import DataSetFiles, write_records
from segvae_jax.data.sources.source import Size, Source
from segvae_jax.errors import DataError, OutputError
from segvae_jax.files import locked, output_errors, remove
from segvae_jax.labels import LabelSpace
from segvae_jax.progress import MapProgress
from segvae_jax.workers import Runner, one_process

REPORT = "report.html"
_SURVEY = "survey.json"
_SHARD = 4_096  # maps a file
_DESCRIPTION = (
    "Semantic label maps for segvae_jax, bit-packed: channel c of `map` unpacked along its last axis is class c of "
    "the label space in the metadata. `label_set` says which classes a map holds, `image` is the picture it was "
    "drawn on, where there is one. Near duplicates share a split."
)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A prepared data set.

    Attributes:
      directory: of its files.
      space: its classes.
      image_size: H, W.
      duplicates: maps left out because an earlier one is equal.
    """

    directory: Path
    space: LabelSpace
    image_size: tuple[int, int]
    duplicates: int

    def split(self, name: str) -> Sequence[dict[str, Any]]:
        """Random access to a split's examples: `map` (packed), `label_set`, `id` (bytes), perhaps `image` (RGB).

        Raises:
          DataError: if the split is empty.
        """
        builder = tfds.builder_from_directory(self.directory)
        if name not in builder.info.splits:
            raise DataError(f"the {name} split is empty: a data set of at least 20 maps is needed")
        return builder.as_data_source(split=name)

    def packed(self, name: str) -> UInt8[np.ndarray, "N H W P"]:
        """All packed maps of a split."""
        return np.stack([example["map"] for example in self.split(name)])

    def label_sets(self, name: str) -> Bool[np.ndarray, "N C"]:
        """All label-sets of a split."""
        return np.stack([example["label_set"] for example in self.split(name)])

    def survey(self) -> dict[str, Any]:
        """What was found when it was prepared, as `survey_of` says.

        Raises:
          DataError: if it was prepared before there were surveys, or its file is damaged.
        """
        try:
            return dict(json.loads((self.directory / _SURVEY).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(f"{self.directory / _SURVEY}: cannot be read ({error}): prepare the data again") from None


def prepare(source: Source, image_size: Size, directory: str | Path) -> Prepared:
    """Prepares a source under `directory`, or opens what an earlier call prepared.

    Raises:
      SegVAEError: if a map cannot be read; names the file.
    """
    recipe = Recipe((image_size[0], image_size[1]))
    name = f"{source.name}_{image_size[0]}x{image_size[1]}_{recipe.fingerprint(source)}"
    return build(source, recipe, Path(directory).expanduser() / name)


def build(
    source: Source, recipe: Recipe, out: str | Path, run: Runner = one_process, chunk_size: int = 128
) -> Prepared:
    """Prepares a source in the folder `out`, or opens it if that was done before.

    Args:
      source: of the maps.
      recipe: what to make of them.
      out: absent, empty, or holding this very data set.
      run: who converts.
      chunk_size: maps that are converted at a time; each process that is killed loses as many at most.

    Raises:
      SegVAEError: if a map cannot be read; names the file.
      OutputError: if the folder holds something else or cannot be written.
    """
    out = Path(out).expanduser().resolve()
    workplace = out.with_name(f".{out.name}.preparing")
    _check(source, recipe)
    with _quiet_tfds():
        if not _is_complete(out, recipe.fingerprint(source)):
            with output_errors(out):
                workplace.mkdir(parents=True, exist_ok=True)
                with locked(workplace / "lock"):
                    if not _is_complete(out, recipe.fingerprint(source)):  # by now, by another process
                        _build(Staging(workplace / "chunks", source, recipe, chunk_size), out, run)
        with contextlib.suppress(OSError):
            remove(workplace)
        return open_prepared(str(out))


def open_prepared(directory: str | Path) -> Prepared:
    """Opens a prepared data set by its directory.

    Raises:
      DataError: if there is none.
    """
    try:
        metadata = tfds.builder_from_directory(directory).info.metadata
        space = LabelSpace.from_json(metadata["label_space"])
    except (OSError, ValueError, KeyError, TypeError, tfds.core.DatasetNotFoundError) as error:
        raise DataError(f"{directory}: no prepared data set in it ({error})") from None
    return Prepared(Path(directory), space, tuple(metadata["image_size"]), metadata["duplicates"])


def _check(source: Source, recipe: Recipe) -> None:
    if not source.ids:
        raise DataError(f"{source.name}: none of its 0 maps is left for training: is the folder the right one?")
    if recipe.image_size and source.image is None:
        raise DataError(f"{source.name}: has maps only, no pictures: leave --image_size out")


def _is_complete(out: Path, fingerprint: str) -> bool:
    """Whether the folder holds this data set.

    Raises:
      OutputError: if it holds anything else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    with contextlib.suppress(OSError, ValueError):
        if json.loads((out / "metadata.json").read_text()).get("fingerprint") == fingerprint:
            return True
        raise OutputError(f"{out}: holds a data set of another source or recipe: give another folder")
    raise OutputError(f"{out}: holds other files: give a new or empty folder")


def _build(staging: Staging, out: Path, run: Runner) -> None:
    name, total = staging.source.name, len(staging.source.ids)
    staging.directory.mkdir(exist_ok=True)
    missing = staging.missing()
    done = total - sum(map(staging.size, missing))
    with MapProgress(f"preparing {name}", total, done) as progress:
        for chunk in run(staging.convert, missing):
            progress.advance_logged(staging.size(chunk))
    assembled = staging.directory.with_name("set")
    remove(assembled)
    assembled.mkdir()
    _assemble(staging, assembled)
    assembled.replace(out)


def _assemble(staging: Staging, directory: Path) -> None:
    """Makes the data set of complete chunks."""
    source, recipe, facts = staging.source, staging.recipe, staging.facts()
    assignment = _assigned(source, recipe, facts)
    if "train" not in assignment.split.values():
        why = f" ({facts.reason[facts.reason != ''][0]})" if (facts.reason != "").any() else ""
        raise DataError(f"{source.name}: none of its {len(source.ids)} maps is left for training{why}: are they blank?")
    files = DataSetFiles("semantic_maps", "2.0.0", features_of(source, recipe), _DESCRIPTION)
    lengths = _write_splits(staging, assignment, files, directory)
    survey = survey_of(source, recipe, facts, assignment)
    (directory / _SURVEY).write_text(json.dumps(survey, indent=1))
    files.describe(directory, lengths, _metadata(source, recipe, assignment, _space(source, facts, assignment)))
    write_page(directory / REPORT, survey, open_prepared(str(directory)))


def _assigned(source: Source, recipe: Recipe, facts: Facts) -> Assignment:
    """Drops exact duplicates, joins near ones, and splits what is left."""
    usable = np.flatnonzero(facts.reason == "")
    duplicates = duplicates_of([source.ids[i] for i in usable], facts.content[usable].tolist())
    rows = np.array([i for i in usable if source.ids[i] not in duplicates], np.int64)
    ids = [source.ids[i] for i in rows]
    pairs = near_pairs(facts.map_hash[rows], NEAR_MAPS)
    if recipe.image_size:
        pairs = np.concatenate([pairs, near_pairs(facts.picture_hash[rows], NEAR_PICTURES)])
    rule = split_of if recipe.splits is None else recipe.splits.__getitem__
    return assign(ids, duplicates, groups_of(ids, pairs), rule)


def _write_splits(
    staging: Staging, assignment: Assignment, files: DataSetFiles, directory: Path
) -> dict[str, list[int]]:
    """Writes the records of all splits that are not empty; returns how many each file holds."""
    number = {example_id: i for i, example_id in enumerate(staging.source.ids)}
    record, lengths = staging.reader(), {}
    for split in SPLITS:
        ids = shuffled(example_id for example_id, of in assignment.split.items() if of == split)
        parts = [ids[begin : begin + _SHARD] for begin in range(0, len(ids), _SHARD)]
        for shard, part in enumerate(parts):
            write_records(directory / files.name(split, shard, len(parts)), (record(number[i]) for i in part))
        if parts:
            lengths[split] = [len(part) for part in parts]
    return lengths


def _space(source: Source, facts: Facts, assignment: Assignment) -> LabelSpace:
    """The classes, in the drawing order that the training maps suggest if the source asks for it."""
    if not source.order_by_area:
        return source.space
    training = [assignment.split.get(example_id) == "train" for example_id in source.ids]
    return by_area(source.space, facts.area[training])


def _metadata(source: Source, recipe: Recipe, assignment: Assignment, space: LabelSpace) -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "fingerprint": recipe.fingerprint(source),
        "source": source.name,
        "notes": dict(source.notes),
        "label_space": space.to_json(),
        "image_size": recipe.size,
        "picture_size": recipe.image_size,
        "duplicates": len(assignment.duplicates),
    }


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """tfds prints a banner and warnings on naming; the bar of the conversion is enough."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
