"""Bulk generation: any number of maps, computed on all devices and hosts, and written to shards of bounded size.

    write_shards(generator, Request(num=1_000_000), "maps")

Sample i is the map that `Generator.generate_each` returns for label-set i, whatever the devices, hosts and batches. A
shard gets its name when it is complete. A run that was killed keeps its complete shards when it is started again;
those that differ from their digests, in `SHA256SUMS.NAME`, are made again.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jaxtyping import Array, Bool, UInt8

from segvae_jax import arguments
from segvae_jax.batching import padded_size
from segvae_jax.data.shards.formats import FORMATS, Sample, ShardFormat
from segvae_jax.digests import SUMS, is_whole, sums_of, write_sums
from segvae_jax.errors import ArgumentError, OutputError
from segvae_jax.files import locked, output_errors, remove, write_atomically
from segvae_jax.generation import Generator
from segvae_jax.json_objects import json_object
from segvae_jax.paths import FOR_DATA_SETS, require_literal
from segvae_jax.progress import MapProgress
from segvae_jax.sampling import Temperature
from segvae_jax.termination import termination

_REQUEST = "generation.json"
_BATCH = 64  # maps per device
_AHEAD = 1  # batches that the devices compute while one is written; enough to keep them busy
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to generate. A folder holds the maps of one request to one checkpoint.

    Attributes:
      num: how many maps.
      label_sets: used in turn; if None, they are sampled with their frequencies in the training data.
      seed: of noise and label-sets.
      temperature: of the prior.
      format: a key of `FORMATS`.
      shard_size: maps per shard; a killed run loses at most as many.

    Raises:
      ArgumentError: if a number is out of its range, as in `Generator.generate`, or the format is unknown.
      LabelError: if the label-sets are not bool of shape `[M, C]`.
    """

    num: int
    label_sets: Bool[np.ndarray, "M C"] | None = None
    seed: int = 0
    temperature: Temperature = 1.0
    format: str = "arrayrecord"
    shard_size: int = 10_000

    def __post_init__(self):
        fill = lambda name, value: object.__setattr__(self, name, value)
        fill("num", arguments.whole("num", self.num, 1))
        fill("seed", arguments.whole("seed", self.seed))
        fill("shard_size", arguments.whole("shard_size", self.shard_size, 1))
        fill("temperature", arguments.checked_temperature(self.temperature))
        if self.label_sets is not None:
            fill("label_sets", arguments.label_sets(self.label_sets))
        if self.format not in tuple(FORMATS):
            raise ArgumentError(f"format={arguments.shown(self.format)}: expected one of {', '.join(FORMATS)}")

    @property
    def num_shards(self) -> int:
        """How many shards all hosts write together."""
        return -(-self.num // self.shard_size)

    def numbers(self, shard: int) -> range:
        """The numbers of the samples of a shard."""
        return range(shard * self.shard_size, min((shard + 1) * self.shard_size, self.num))

    def label_sets_of(self, numbers: range, generator: Generator) -> Bool[np.ndarray, "N C"]:
        """The label-sets of numbered samples.

        Raises:
          CheckpointError: if they are to be sampled and the checkpoint has none.
          LabelError: if they are of another number of channels than the checkpoint.
        """
        if self.label_sets is None:
            return generator.random_label_sets(len(numbers), self.seed, numbers.start)
        return arguments.label_sets(self.label_sets, generator.space.num_channels)[
            np.asarray(numbers) % len(self.label_sets)
        ]

    def settings(self, generator: Generator) -> dict[str, Any]:
        """The settings, as JSON can hold them, that two runs must have in common to share a folder."""
        settings = dataclasses.asdict(self)
        if self.label_sets is not None:
            digest = hashlib.sha256(np.packbits(self.label_sets, axis=-1).tobytes()).hexdigest()[:12]
            settings["label_sets"] = f"{len(self.label_sets)} given ({digest})"
        else:
            settings["label_sets"] = "random"
        return {"checkpoint": f"{generator.fingerprint()} (step {generator.step})", **settings}


class _Batch(NamedTuple):
    """Samples that the devices compute; rows of the maps beyond the label-sets are padding."""

    shard: int
    first: int
    label_sets: Bool[np.ndarray, "B C"]
    index_maps: UInt8[Array, "P H W"]


class _Terminated(Exception):
    """A SIGTERM was received."""


def write_shards(
    generator: Generator,
    request: Request,
    directory: str | Path,
    devices: Sequence[jax.Device] | None = None,
    process_index: int = 0,
    process_count: int = 1,
) -> int:
    """Generates the shards of this process that are not in the directory yet.

    It stops early at a SIGTERM. The last process to finish adds the metadata that readers need.

    Args:
      generator: generates the maps.
      request: what to generate.
      directory: shared by all processes; made if it is missing.
      devices: to use; all of this process if None.
      process_index, process_count: shards are assigned to the processes in turn.

    Returns:
      how many maps the complete shards in the directory hold.

    Raises:
      OutputError: if the directory holds something else or cannot be written to, if another run writes to it, or if
        tfds would not take its path literally.
      CheckpointError: if label-sets are to be sampled and the checkpoint has none, or has no such scale of the latent.
      LabelError: if the label-sets are of another number of channels than the checkpoint.
      ArgumentError: if `directory` is no path, or the number of a process is out of its range.
    """
    process_count = arguments.whole("process_count", process_count, 1)
    process_index = arguments.whole("process_index", process_index, 0, process_count - 1)
    directory = arguments.path("directory", directory).resolve()
    require_literal(directory, FOR_DATA_SETS)
    request.label_sets_of(range(1), generator)  # what the checkpoint cannot do fails before the folder is claimed
    generator.temperature_array(request.temperature)
    settings = request.settings(generator)
    size, space = tuple(generator.card.arguments["image_size"]), generator.space
    form = FORMATS[request.format](space, size, request.num_shards)
    share = range(process_index, request.num_shards, process_count)
    # Each process of a job has its own lock.
    with locked(directory, name=f".lock-{process_index}"), output_errors(directory):
        _claim(directory, settings)
        missing = [shard for shard in share if not _is_whole(directory / form.name(shard))]
        batches = ahead(_dispatched(generator, request, missing, devices or jax.local_devices()), _AHEAD)
        with _progress(request, share, missing) as report:
            _write_all(form, directory, batches, request.seed, report)
        return _finish(form, directory, request, {"label_space": space.to_json(), "image_size": size, **settings})


def ahead(items: Iterable[T], count: int) -> Iterator[T]:
    """Yields the same items, each after `count` further ones have been taken from the iterable."""
    taken: collections.deque[T] = collections.deque()
    for item in items:
        taken.append(item)
        if len(taken) > count:
            yield taken.popleft()
    yield from taken


def _dispatched(
    generator: Generator, request: Request, shards: Iterable[int], devices: Sequence[jax.Device]
) -> Iterator[_Batch]:
    """Batches of the shards, which the devices begin to compute when they are taken. No batch spans two shards, so that
    the content of a shard does not depend on where a run began."""
    sample = generator.sampler(devices)
    size = len(devices) * padded_size(-(-min(request.shard_size, request.num) // len(devices)), _BATCH)
    for shard in shards:
        numbers = request.numbers(shard)
        label_sets = request.label_sets_of(numbers, generator)
        for begin in range(0, len(numbers), size):
            rows = label_sets[begin : begin + size]
            padded = np.pad(rows, ((0, size - len(rows)), (0, 0))).astype(np.float32)
            first = numbers.start + begin
            index_maps = sample(padded, request.seed, first + np.arange(size), request.temperature)
            yield _Batch(shard, first, rows, index_maps)


def _write_all(form: ShardFormat, directory: Path, batches: Iterable[_Batch], seed: int, report: MapProgress) -> None:
    """Writes one shard after the other, until a SIGTERM."""
    with termination(signal.SIGTERM) as terminated, contextlib.suppress(_Terminated):
        for shard, group in itertools.groupby(batches, key=lambda batch: batch.shard):
            samples = _samples(_counted(group, report), seed, terminated)
            path = directory / form.name(shard)
            if path.exists():
                report.print(f"{path.name} is damaged, and is made again")
                remove(path)
            write_atomically(path, functools.partial(_write_shard, form, path, samples))
            report.print(f"{form.name(shard)} is complete")
        return
    report.print("stopped by SIGTERM, complete shards are kept: start again to go on")


def _write_shard(form: ShardFormat, path: Path, samples: Iterable[Sample], partial: Path) -> None:
    """Writes a shard under a temporary name, and the digests of its files under its name."""
    form.write(partial, samples)
    write_sums(_sums(path), sums_of(partial, path.name))


def _sums(shard: Path) -> Path:
    return shard.with_name(f"{SUMS}.{shard.name}")


def _is_whole(shard: Path) -> bool:
    """Whether there is such a shard, and it is as it was written."""
    return shard.exists() and is_whole(_sums(shard), [shard.name])


def _finish(form: ShardFormat, directory: Path, request: Request, metadata: dict[str, Any]) -> int:
    """Adds the metadata if all shards of all processes are there; returns how many maps there are."""
    complete = [shard for shard in range(request.num_shards) if (directory / form.name(shard)).exists()]
    lengths = [len(request.numbers(shard)) for shard in complete]
    if len(complete) == request.num_shards:
        form.finish(directory, lengths, metadata)
    return sum(lengths)


def _samples(batches: Iterable[_Batch], seed: int, terminated: Callable[[], object]) -> Iterator[Sample]:
    for batch in batches:
        if terminated():
            raise _Terminated
        for i, (label_set, index_map) in enumerate(zip(batch.label_sets, np.asarray(batch.index_maps), strict=False)):
            yield {"map": index_map, "label_set": label_set, "seed": seed, "number": batch.first + i}


def _claim(directory: Path, settings: dict[str, Any]) -> None:
    """Marks an empty directory as that of the request, or checks that it is."""
    directory.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in directory.iterdir() if not path.name.startswith(".")}
    path = directory / _REQUEST
    if names and _REQUEST not in names:
        raise OutputError(f"{directory}: holds other files ({min(names)}): give a new or empty folder")
    if not names:
        text = json.dumps(settings, indent=1)
        write_atomically(path, lambda partial: partial.write_text(text), shared=True)
    try:
        found = json_object(path.read_bytes())
    except ValueError:
        raise OutputError(f"{path}: damaged, so the content of the folder is unknown: give another folder") from None
    for key, value in settings.items():
        if found.get(key) != value:
            here = f"holds maps of {key}={found.get(key)}, not {value}"
            raise OutputError(f"{directory}: {here}: give another folder, or the settings that it was begun with")


def _progress(request: Request, share: Iterable[int], missing: Iterable[int]) -> MapProgress:
    """A progress bar of the shards of one process."""
    maps_of = lambda shards: sum(len(request.numbers(shard)) for shard in shards)
    total = maps_of(share)
    return MapProgress("generating", total, total - maps_of(missing))


def _counted(batches: Iterable[_Batch], report: MapProgress) -> Iterator[_Batch]:
    """The same batches; each is counted when the next one is taken."""
    for batch in batches:
        yield batch
        report.advance(len(batch.label_sets))
