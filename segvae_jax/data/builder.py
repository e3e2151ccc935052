"""Prepares a source once into ArrayRecord files through a tfds builder, and opens them again.

TensorFlow is not needed. Maps are stored bit-packed, `[H, W, ceil(C / 8)] uint8`.
"""

import collections
import contextlib
import dataclasses
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from jaxtyping import Bool, UInt8
from rich.console import Console
from rich.progress import track

from segvae_jax import maps
from segvae_jax.data.sources import Source
from segvae_jax.data.splits import SPLITS, content_hash, split_of
from segvae_jax.errors import DataError
from segvae_jax.labels import LabelSpace

_FORMAT = "2"  # of the prepared files and of the conversion to them


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
        """Random access to a split's examples: `map` (packed), `label_set` and `id` (bytes).

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


class SemanticMaps(tfds.core.GeneratorBasedBuilder):
    """The tfds builder of every source: packed maps, label-sets and ids in three splits."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, source: Source, image_size: tuple[int, int], data_dir: str | Path):
        self._source = source
        self._image_size = (image_size[0], image_size[1])
        name = f"{source.name}_{image_size[0]}x{image_size[1]}_{_fingerprint(source, image_size)}"
        config = tfds.core.BuilderConfig(name=name)
        super().__init__(data_dir=data_dir, config=config, file_format="array_record")

    def _info(self) -> tfds.core.DatasetInfo:
        channels = self._source.space.num_channels
        shape = (*self._image_size, maps.packed_channels(channels))
        features = {
            "map": tfds.features.Tensor(shape=shape, dtype=np.uint8, encoding="zlib"),
            "label_set": tfds.features.Tensor(shape=(channels,), dtype=np.bool_),
            "id": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), metadata=tfds.core.MetadataDict()
        )

    def _split_generators(self, dl_manager: object) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        splits, duplicates = _convert(self._source, self._image_size)
        self.info.metadata.update(
            label_space=self._source.space.to_json(), image_size=self._image_size, duplicates=duplicates
        )
        return {name: self._generate_examples(splits[name]) for name in SPLITS if splits[name]}

    def _generate_examples(self, rows: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, dict[str, Any]]]:
        space = self._source.space
        for example_id, compressed in rows:
            packed = np.frombuffer(zlib.decompress(compressed), np.uint8).reshape(*self._image_size, -1)
            class_maps = np.unpackbits(packed, axis=-1, count=space.num_channels)
            yield example_id, {"map": packed, "label_set": maps.label_set_of(class_maps), "id": example_id}


def _fingerprint(source: Source, image_size: tuple[int, int]) -> str:
    text = "\n".join([_FORMAT, source.version, source.space.to_json(), str(tuple(image_size)), *source.ids])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _convert(source: Source, size: tuple[int, int]) -> tuple[dict[str, list[tuple[str, bytes]]], int]:
    """Every distinct, non-empty map of the source, packed and compressed, by split."""
    splits: dict[str, list[tuple[str, bytes]]] = collections.defaultdict(list)
    seen: set[str] = set()
    duplicates = 0
    for example_id in track(source.ids, description=f"preparing {source.name}", console=Console(stderr=True)):
        class_maps = source.read(example_id, size)
        compressed = zlib.compress(maps.pack(class_maps).tobytes())
        digest = content_hash(compressed)
        if digest in seen:
            duplicates += 1
        elif class_maps.any():
            seen.add(digest)
            splits[split_of(example_id)].append((example_id, compressed))
    if not splits["train"]:
        raise DataError(f"{source.name}: none of its {len(source.ids)} maps is left for training: are they blank?")
    return splits, duplicates


def prepare(source: Source, image_size: tuple[int, int], directory: str | Path) -> Prepared:
    """Prepares a source under `directory`, or opens what an earlier call prepared.

    The files appear under their final name only when complete, so a killed run leaves nothing that loads.

    Raises:
      SegVAEError: if a map cannot be read; names the file.
    """
    root = Path(directory).expanduser().resolve()
    with _quiet_tfds():
        builder = SemanticMaps(source, image_size, data_dir=root)
        if not builder.is_prepared():
            builder.download_and_prepare()
    return open_prepared(str(builder.data_path))


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


@contextlib.contextmanager
def _quiet_tfds() -> Iterator[None]:
    """tfds prints a banner, a bar a shard, and warnings on naming; the bar of the conversion is enough."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logging.set_verbosity(verbosity)
