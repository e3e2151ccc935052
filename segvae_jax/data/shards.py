"""Generated maps on disk, a shard at a time: ArrayRecord files for tfds and Grain, or folders of index PNGs.

A shard holds the samples of a range of numbers, in order; so index i of what is read is sample number i.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, UInt8
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from segvae_jax import pictures
from segvae_jax.errors import OutputError
from segvae_jax.labels import LabelSpace

_DATASET, _SPLIT = "segvae", "train"


class Sample(TypedDict):
    """A generated map, and all that it takes to draw it again from the same checkpoint."""

    map: UInt8[np.ndarray, "H W"]
    label_set: Bool[np.ndarray, "C"]
    seed: int
    number: int


class ArrayRecordShards:
    """ArrayRecord files that `tfds.builder_from_directory(...).as_data_source("train")` opens.

    An example is a `Sample`: index map, label-set, seed and number; the metadata has the label space.

    Args:
      space: the classes.
      image_size: H, W.
      num_shards: of all hosts.
    """

    def __init__(self, space: LabelSpace, image_size: tuple[int, int], num_shards: int):
        self._num_shards = num_shards
        self._features = tfds.features.FeaturesDict({
            "map": tfds.features.Tensor(shape=image_size, dtype=np.uint8, encoding="zlib"),
            "label_set": tfds.features.Tensor(shape=(space.num_channels,), dtype=np.bool_),
            "seed": tfds.features.Scalar(np.int64),
            "number": tfds.features.Scalar(np.int64),
        })  # fmt: skip
        self._serializer = ExampleSerializer(self._features.get_serialized_info())

    def name(self, shard: int) -> str:
        """As tfds names it."""
        return self._template(".").sharded_filepath(shard_index=shard, num_shards=self._num_shards).name

    def write(self, path: Path, samples: Iterable[Sample]) -> None:
        """Writes one file.

        Raises:
          OutputError: if it cannot be written.
        """
        from array_record.python.array_record_module import ArrayRecordWriter  # does not exist on Windows

        writer = _reporting(path, ArrayRecordWriter, str(path), "group_size:1")
        for sample in samples:
            example = self._serializer.get_tf_example(self._features.encode_example(sample))
            _reporting(path, writer.write, example.SerializeToString(deterministic=True))  # else fields change places
        _reporting(path, writer.close)

    def finish(self, directory: Path, lengths: Sequence[int], metadata: Mapping[str, Any]) -> None:
        """Writes the metadata of tfds; without it nothing loads."""
        sizes = [(directory / self.name(shard)).stat().st_size for shard in range(self._num_shards)]
        template = self._template(directory)
        split = tfds.core.SplitInfo(_SPLIT, list(lengths), sum(sizes), template)
        identity = tfds.core.DatasetIdentity(_DATASET, tfds.core.Version("1.0.0"), str(directory), "")
        info = tfds.core.DatasetInfo(
            builder=identity, features=self._features, metadata=tfds.core.MetadataDict(metadata)
        )
        info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD)
        info.set_splits(tfds.core.splits.SplitDict([split]))
        with tempfile.TemporaryDirectory(dir=directory, prefix=".") as partial:
            info.write_to_directory(partial)
            for path in sorted(Path(partial).iterdir(), reverse=True):  # dataset_info.json, which tfds opens, last
                path.replace(directory / path.name)

    def _template(self, directory: str | Path) -> tfds.core.ShardedFileTemplate:
        return tfds.core.ShardedFileTemplate(
            data_dir=directory, dataset_name=_DATASET, split=_SPLIT, filetype_suffix="array_record"
        )


class PngFolders:
    """Numbered folders of numbered index PNGs, with their label-sets as lines of `label_sets.txt`.

    Args:
      space: the classes; every PNG has their palette and names.
      image_size: H, W.
      num_shards: of all hosts.
    """

    def __init__(self, space: LabelSpace, image_size: tuple[int, int], num_shards: int):
        del image_size, num_shards
        self._space = space

    def name(self, shard: int) -> str:
        """A folder."""
        return f"{shard:05d}"

    def write(self, path: Path, samples: Iterable[Sample]) -> None:
        """Writes one folder.

        Raises:
          SegVAEError: if a file cannot be written.
        """
        path.mkdir()
        with (path / "label_sets.txt").open("w") as label_sets:
            for sample in samples:
                pictures.write_index_png(path / f"{sample['number']:07d}.png", sample["map"], self._space)
                label_sets.write(",".join(self._space.decode(sample["label_set"])) + "\n")

    def finish(self, directory: Path, lengths: Sequence[int], metadata: Mapping[str, Any]) -> None:
        """PNGs say all by themselves."""


ShardFormat = ArrayRecordShards | PngFolders
FORMATS: dict[str, type[ShardFormat]] = {"arrayrecord": ArrayRecordShards, "png": PngFolders}


def _reporting(path: Path, function: Any, *arguments: Any) -> Any:
    """Calls the ArrayRecord writer, which reports a full disk as a RuntimeError."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        raise OutputError(f"{path.parent}: cannot be written ({error}): make room, or give another folder") from None
