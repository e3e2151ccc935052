"""Generated maps on disk, one shard at a time: ArrayRecord files for tfds and Grain, or folders of index PNGs.

A shard holds the samples of a range of numbers, in order, so that element i of the data set is sample number i. tfds,
whose import takes a second, is imported where ArrayRecord files are written: a sheet of maps needs none.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import Bool, UInt8

from segvae_jax import pictures
from segvae_jax.labels import LABEL_SETS_FILE, LabelSpace, label_sets_text

_DATASET, _SPLIT = "segvae", "train"


class Sample(TypedDict):
    """A generated map, and all that is needed to sample it again from the same checkpoint."""

    map: UInt8[np.ndarray, "H W"]
    label_set: Bool[np.ndarray, "C"]
    seed: int
    number: int


class ArrayRecordShards:
    """ArrayRecord files that `tfds.builder_from_directory(...).as_data_source("train")` opens.

    An example is a `Sample`: index map, label-set, seed and number. The metadata holds the label space.

    Args:
      space: the classes.
      image_size: (H, W), in pixels.
      num_shards: over all hosts.
    """

    def __init__(self, space: LabelSpace, image_size: tuple[int, int], num_shards: int):
        import tensorflow_datasets as tfds

        from segvae_jax.data.shards.records import DataSetFiles, Serializer

        self._num_shards = num_shards
        features = tfds.features.FeaturesDict({
            "map": tfds.features.Tensor(shape=image_size, dtype=np.uint8, encoding="zlib"),
            "label_set": tfds.features.Tensor(shape=(space.num_channels,), dtype=np.bool_),
            "seed": tfds.features.Scalar(np.int64),
            "number": tfds.features.Scalar(np.int64),
        })  # fmt: skip
        self._serialize = Serializer(features)
        self._files = DataSetFiles(_DATASET, "1.0.0", features)

    def name(self, shard: int) -> str:
        """The name of the file of a shard, as tfds expects it."""
        return self._files.name(_SPLIT, shard, self._num_shards)

    def write(self, path: Path, samples: Iterable[Sample]) -> None:
        """Writes the file of one shard.

        Raises:
          OutputError: if it cannot be written.
        """
        from segvae_jax.data.shards.records import write_records

        write_records(path, map(self._serialize, samples))

    def finish(self, directory: Path, lengths: Sequence[int], metadata: Mapping[str, Any]) -> None:
        """Writes the description that tfds opens; without it, the data set does not load."""
        self._files.describe(directory, {_SPLIT: lengths}, metadata)


class PngFolders:
    """Numbered folders of numbered index PNGs, with their label-sets as lines of `label_sets.txt`.

    Args:
      space: the classes; every PNG has their palette and names.
      image_size: (H, W), in pixels.
      num_shards: over all hosts.
    """

    def __init__(self, space: LabelSpace, image_size: tuple[int, int], num_shards: int):
        del image_size, num_shards
        self._space = space

    def name(self, shard: int) -> str:
        """The name of the folder of a shard."""
        return f"{shard:05d}"

    def write(self, path: Path, samples: Iterable[Sample]) -> None:
        """Writes the folder of one shard.

        Raises:
          SegVAEError: if a file cannot be written.
        """
        path.mkdir()
        with (path / LABEL_SETS_FILE).open("w", encoding="utf-8") as label_sets:
            for sample in samples:
                pictures.write_index_png(path / f"{sample['number']:07d}.png", sample["map"], self._space)
                label_sets.write(label_sets_text([sample["label_set"]], self._space))

    def finish(self, directory: Path, lengths: Sequence[int], metadata: Mapping[str, Any]) -> None:
        """Does nothing: PNGs need no description."""


ShardFormat = ArrayRecordShards | PngFolders
FORMATS: dict[str, type[ShardFormat]] = {"arrayrecord": ArrayRecordShards, "png": PngFolders}
