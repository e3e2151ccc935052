"""Prepares a source once, as ArrayRecord files with a tfds description, and opens what was prepared.

    prepared = build(source, Recipe(size=(128, 128)), "celeba_128", processes(8))

TensorFlow is not needed. Maps are stored bit-packed, `[H, W, ceil(C / 8)] uint8`. They are converted in chunks in a
folder beside the data set, so that a run that was killed can be resumed. The data set gets its name only when it is
complete. Its files depend on the source and the recipe alone.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, UInt8

from segvae_jax.data.prepare.conversion import MapStatistics, features_of
from segvae_jax.data.prepare.drawing_order import by_area
from segvae_jax.data.prepare.near_duplicates import NEAR_MAPS, NEAR_PICTURES, near_pairs
from segvae_jax.data.prepare.recipe import FORMAT, Recipe
from segvae_jax.data.prepare.report import make_data_report
from segvae_jax.data.prepare.report_page import write_page
from segvae_jax.data.prepare.splits import (
    LEAST,
    SPLITS,
    Assignment,
    assign,
    duplicates_of,
    groups_of,
    shuffled,
    split_of,
)
from segvae_jax.data.prepare.staging import Staging
from segvae_jax.data.shards.records import Arrays, DataSetFiles, quiet_tfds, write_records
from segvae_jax.data.sources.source import Source
from segvae_jax.digests import SUMS, compare, sums_of, write_sums
from segvae_jax.errors import DamagedFile, DataError, OutputError
from segvae_jax.files import locked, output_errors, remove
from segvae_jax.json_objects import json_object
from segvae_jax.labels import LabelSpace
from segvae_jax.original_labels import OriginalLabels
from segvae_jax.paths import FOR_DATA_SETS, require_literal
from segvae_jax.progress import MapProgress
from segvae_jax.workers import Runner, one_process

REPORT = "report.html"
_DATA_REPORT = "survey.json"  # the name in earlier prepared sets
_DESCRIPTION_FILES = ("dataset_info.json", "features.json", "metadata.json")  # of tfds
_MAPS_PER_FILE = 4_096
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
      image_size: (H, W) of its maps.
      duplicates: number of maps that were left out because an earlier one is equal.
      original: the labels of the user's own maps; None for published sets, and sets of earlier versions.
      fit: how its maps got their size, one of `maps.FITS`.
      source: the name of its source; "" if an early version prepared it.
    """

    directory: Path
    space: LabelSpace
    image_size: tuple[int, int]
    duplicates: int
    original: OriginalLabels | None = None
    fit: str = "stretch"
    source: str = ""

    def split(self, name: str) -> Sequence[dict[str, Any]]:
        """Random access to the examples of a split: `map` (packed), `label_set`, `id` (bytes), `image` (RGB) if stored.

        Raises:
          DataError: if the split is empty, or a file of it is damaged.
        """
        _require_whole(self.directory, _DESCRIPTION_FILES)
        builder = tfds.builder_from_directory(self.directory)
        if name not in builder.info.splits:
            raise DataError(
                f"the {name} split is empty: expected at least {LEAST} different maps, got {self.summary()}"
            )
        _require_whole(self.directory, builder.info.splits[name].filenames)
        return builder.as_data_source(split=name)

    def summary(self) -> str:
        """How many maps each split has, and how many were left out, in one line."""
        splits = tfds.builder_from_directory(self.directory).info.splits
        counts = {name: splits[name].num_examples if name in splits else 0 for name in SPLITS}
        kept = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        left_out = [f"{self.duplicates:,} equal to others"]
        with contextlib.suppress(DataError):  # of an early version
            report = self.data_report()
            left_out.append(f"{len(report['excluded']):,} blank, broken or excluded")
            kept += f"; {sum(map(len, report['near_duplicates'])):,} of them near duplicates, which share a split"
        return f"{sum(counts.values()):,} maps ({kept}), without {' and '.join(left_out)}"

    def packed_on_disk(self, name: str) -> Arrays:
        """The packed maps of a split, read when they are indexed.

        Raises:
          DataError: as `split`.
        """
        return Arrays(self.split(name), "map")

    def pictures_on_disk(self, name: str) -> Arrays:
        """The RGB pictures `[h, w, 3]` of a split, read when they are indexed.

        Raises:
          DataError: as `split`, or if the data set has maps only.
        """
        examples: Any = self.split(name)
        if "image" not in examples.dataset_info.features:
            raise DataError(f"{self.directory}: has maps only, no pictures: prepare it with --image_size")
        return Arrays(examples, "image")

    def packed(self, name: str) -> UInt8[np.ndarray, "N H W P"]:
        """All maps of a split, packed.

        Raises:
          DataError: as `split`.
        """
        maps = self.packed_on_disk(name)
        return maps[np.arange(len(maps))]

    def label_sets(self, name: str) -> Bool[np.ndarray, "N C"]:
        """All label-sets of a split.

        Raises:
          DataError: if the split is empty.
        """
        return np.stack([example["label_set"] for example in self.split(name)])

    def data_report(self) -> dict[str, Any]:
        """What was found when the data set was prepared, see `make_data_report`.

        Raises:
          DataError: if an early version prepared it, without a report, or the file of the report is damaged.
        """
        _require_whole(self.directory, [_DATA_REPORT])
        try:
            return json_object((self.directory / _DATA_REPORT).read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self.directory / _DATA_REPORT}: cannot be read ({error}): prepare the data again"
            ) from None


def prepare(source: Source, recipe: Recipe, directory: str | Path) -> Prepared:
    """Prepares a source in a folder below `directory`, or opens what an earlier call prepared.

    Raises:
      SegVAEError: if a map cannot be read; names the file.
    """
    name = f"{source.name}_{recipe.size[0]}x{recipe.size[1]}_{recipe.fingerprint(source)}"
    return build(source, recipe, Path(directory).expanduser() / name)


def build(
    source: Source, recipe: Recipe, out: str | Path, run: Runner = one_process, chunk_size: int = 128
) -> Prepared:
    """Prepares a source in the folder `out`, or opens the data set if an earlier call prepared it.

    Args:
      source: of the maps.
      recipe: what to make of them.
      out: a folder that does not exist, is empty, or holds this data set already.
      run: does the conversion, in one or several processes.
      chunk_size: maps converted at a time; a killed process loses at most one chunk.

    Raises:
      SegVAEError: if a map cannot be read; names the file.
      OutputError: if the folder holds something else or cannot be written, or tfds would not take its path literally.
    """
    require_literal(out, FOR_DATA_SETS)
    out = Path(out).expanduser().resolve()
    temporary = out.with_name(f".{out.name}.preparing")
    _check(source, recipe)
    with quiet_tfds():
        if not _is_complete(out, recipe.fingerprint(source)):
            with output_errors(out):
                with locked(temporary, wait=True):
                    if not _is_complete(out, recipe.fingerprint(source)):  # another process may have built it meanwhile
                        _build(Staging(temporary / "chunks", source, recipe, chunk_size), out, run)
        with contextlib.suppress(OSError):
            remove(temporary)
        return dataclasses.replace(open_prepared(str(out)), original=source.original)  # an early version kept none


def open_prepared(directory: str | Path) -> Prepared:
    """Opens a prepared data set by its directory.

    Raises:
      DataError: if there is none, or its description is damaged.
      OutputError: if tfds would not take the path literally.
    """
    require_literal(directory, FOR_DATA_SETS)
    if (Path(directory) / _DESCRIPTION_FILES[0]).exists():
        _require_whole(Path(directory), _DESCRIPTION_FILES)
    try:
        metadata = tfds.builder_from_directory(directory).info.metadata
        (height, width), duplicates = metadata["image_size"], metadata["duplicates"]
        if not all(type(number) is int and number >= 0 for number in (height, width, duplicates)):
            raise ValueError("image_size and duplicates are no counts")
        space = LabelSpace.from_json(metadata["label_space"])
        original, fit = metadata.get("original"), metadata.get("notes", {}).get("fit", "stretch")
        origin = OriginalLabels.from_json(original, space) if original else None, fit, metadata.get("source", "")
        return Prepared(Path(directory), space, (height, width), duplicates, *origin)
    except Exception as error:  # damaged files make tfds raise nearly anything
        why = " ".join(str(error).split())[:300]
        raise DataError(f"{directory}: no prepared data set in it ({why})") from None


def _require_whole(directory: Path, names: Iterable[str]) -> None:
    """Compares files of a prepared set with the digests that were written with it.

    Raises:
      DataError: naming the first damaged file.
    """
    try:
        compare(directory / SUMS, names)
    except DamagedFile as error:
        raise DataError(f"{error}: copy the data set again, or prepare it again in another folder") from None


def _check(source: Source, recipe: Recipe) -> None:
    if not source.ids:
        raise DataError(f"{source.name}: none of its 0 maps is left for training: is the folder the right one?")
    if recipe.image_size and source.image is None:
        raise DataError(f"{source.name}: has maps only, no pictures: leave --image_size out")


def _is_complete(out: Path, fingerprint: str) -> bool:
    """Whether the folder holds this data set.

    Raises:
      OutputError: if the folder holds anything else.
      DataError: if its description is damaged.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    _require_whole(out, ["metadata.json"])
    with contextlib.suppress(OSError, ValueError):
        if json_object((out / "metadata.json").read_bytes()).get("fingerprint") == fingerprint:
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
    """Makes the data set from the chunks, which are complete."""
    source, recipe, statistics = staging.source, staging.recipe, staging.statistics()
    assignment = _assigned(source, recipe, statistics)
    if not assignment.split:
        why = f" ({statistics.reason[statistics.reason != ''][0]})" if (statistics.reason != "").any() else ""
        raise DataError(f"{source.name}: none of its {len(source.ids)} maps is left for training{why}: are they blank?")
    if "train" not in assignment.split.values():
        held = f"its {len(assignment.split)} maps are for validation and tests by their names"
        raise DataError(f"{source.name}: no map is left for training, {held}: expected at least {LEAST} different maps")
    files = DataSetFiles("semantic_maps", "2.0.0", features_of(source, recipe), _DESCRIPTION)
    lengths = _write_splits(staging, assignment, files, directory)
    report = make_data_report(source, recipe, statistics, assignment)
    (directory / _DATA_REPORT).write_text(json.dumps(report, indent=1))
    files.describe(directory, lengths, _metadata(source, recipe, assignment, _space(source, statistics, assignment)))
    write_page(directory / REPORT, report, open_prepared(str(directory)))
    write_sums(directory / SUMS, *(sums_of(path, path.name) for path in sorted(directory.iterdir())))


def _assigned(source: Source, recipe: Recipe, statistics: MapStatistics) -> Assignment:
    """Drops exact duplicates, groups near duplicates, and assigns the remaining maps to splits."""
    usable = np.flatnonzero(statistics.reason == "")
    duplicates = duplicates_of([source.ids[i] for i in usable], statistics.content[usable].tolist())
    rows = np.array([i for i in usable if source.ids[i] not in duplicates], np.int64)
    ids = [source.ids[i] for i in rows]
    pairs = near_pairs(statistics.map_hash[rows], NEAR_MAPS)
    if recipe.image_size:
        pairs = np.concatenate([pairs, near_pairs(statistics.picture_hash[rows], NEAR_PICTURES)])
    rule = split_of if recipe.splits is None else recipe.splits.__getitem__
    return assign(ids, duplicates, groups_of(ids, pairs), rule)


def _write_splits(
    staging: Staging, assignment: Assignment, files: DataSetFiles, directory: Path
) -> dict[str, list[int]]:
    """Writes the records of all splits that are not empty; returns the number of records in each file."""
    number = {example_id: i for i, example_id in enumerate(staging.source.ids)}
    record, lengths = staging.reader(), {}
    for split in SPLITS:
        ids = shuffled(example_id for example_id, of in assignment.split.items() if of == split)
        parts = [ids[begin : begin + _MAPS_PER_FILE] for begin in range(0, len(ids), _MAPS_PER_FILE)]
        for shard, part in enumerate(parts):
            write_records(directory / files.name(split, shard, len(parts)), (record(number[i]) for i in part))
        if parts:
            lengths[split] = [len(part) for part in parts]
    return lengths


def _space(source: Source, statistics: MapStatistics, assignment: Assignment) -> LabelSpace:
    """The classes; if the source asks for it, in a drawing order determined from the training maps."""
    if not source.order_by_area:
        return source.space
    training = [assignment.split.get(example_id) == "train" for example_id in source.ids]
    return by_area(source.space, statistics.area[training])


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
        "original": source.original.to_json() if source.original else None,
    }
