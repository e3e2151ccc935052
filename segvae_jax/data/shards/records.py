"""ArrayRecord files that tfds opens without TensorFlow: serialised examples, the files, and their description."""

import contextlib
import io
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from jaxtyping import Int, Shaped
from tensorflow_datasets.core.example_serializer import ExampleSerializer
from tensorflow_datasets.proto import tf_example_pb2

from segvae_jax.errors import OutputError
from segvae_jax.pictures import decode_rgb


class Serializer:
    """Serialises examples into the bytes of records; equal examples give equal bytes.

    Args:
      features: of the examples.
    """

    def __init__(self, features: tfds.features.FeaturesDict):
        self._features = features
        self._serializer = ExampleSerializer(features.get_serialized_info())

    def __call__(self, example: Mapping[str, Any]) -> bytes:
        """The record of one example."""
        serialized = self._serializer.get_tf_example(self._features.encode_example(example))
        return serialized.SerializeToString(deterministic=True)  # otherwise the order of the fields varies


class Arrays:
    """One array of each example of a split, indexed by an array of their numbers, as a NumPy array is.

    Only this array is decoded, into the memory of the result. Decompression leaves the interpreter to other threads.

    Args:
      examples: `as_data_source(split)` of tfds.
      name: of a feature of fixed shape: a picture, or an array whose encoding is `zlib`.
    """

    def __init__(self, examples: Any, name: str):
        feature = examples.dataset_info.features[name]
        self._records, self._name = examples.data_source, name
        self.shape: tuple[int, ...] = tuple(feature.shape)  # of one of them
        self._dtype = feature.np_dtype
        self._is_picture = isinstance(feature, tfds.features.Image)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays in memory."""
        return len(self) * int(np.prod(self.shape)) * np.dtype(self._dtype).itemsize

    def __getitem__(self, rows: Int[np.ndarray, "B"]) -> Shaped[np.ndarray, "B ..."]:
        arrays = np.empty((len(rows), *self.shape), self._dtype)
        for array, row in zip(arrays, rows.tolist(), strict=True):
            # One by one: ArrayRecord takes several times as long for a list of 16 records.
            example = tf_example_pb2.Example.FromString(self._records[row])
            array[...] = self._decoded(example.features.feature[self._name].bytes_list.value[0])
        return arrays

    def _decoded(self, content: bytes) -> Shaped[np.ndarray, "..."]:
        if self._is_picture:
            return decode_rgb(content, self._name)
        raw = zlib.decompress(content, bufsize=int(np.prod(self.shape)) * np.dtype(self._dtype).itemsize)
        return np.frombuffer(raw, self._dtype).reshape(self.shape)


class DataSetFiles:
    """Names and description of a data set that consists of ArrayRecord files in one folder.

    Args:
      name: of the data set, as tfds knows it.
      version: of the format of the examples, e.g. `1.0.0`.
      features: of the examples.
      description: what the data set is, in a few sentences.
    """

    def __init__(self, name: str, version: str, features: tfds.features.FeaturesDict, description: str = ""):
        self._name, self._version = name, tfds.core.Version(version)
        self._features, self._description = features, description

    def name(self, split: str, shard: int, num_shards: int) -> str:
        """The name of a file, as tfds expects it."""
        return self._template(".", split).sharded_filepath(shard_index=shard, num_shards=num_shards).name

    def describe(self, directory: Path, splits: Mapping[str, Sequence[int]], metadata: Mapping[str, Any]) -> None:
        """Writes the description that tfds opens; without it, the data set does not load.

        Args:
          directory: where all files are already.
          splits: number of examples in each file of each split.
          metadata: other properties that JSON can hold.
        """
        identity = tfds.core.DatasetIdentity(self._name, self._version, str(directory), "")
        info = tfds.core.DatasetInfo(
            builder=identity,
            description=self._description,
            features=self._features,
            metadata=tfds.core.MetadataDict(metadata),
        )
        info.set_file_format(tfds.core.FileFormat.ARRAY_RECORD)
        info.set_splits(tfds.core.splits.SplitDict([self._split(directory, *item) for item in splits.items()]))
        with tempfile.TemporaryDirectory(dir=directory, prefix=".") as partial:
            info.write_to_directory(partial)
            for path in sorted(Path(partial).iterdir(), reverse=True):  # dataset_info.json, which tfds opens, last
                path.replace(directory / path.name)

    def _split(self, directory: Path, split: str, lengths: Sequence[int]) -> tfds.core.SplitInfo:
        names = [self.name(split, shard, len(lengths)) for shard in range(len(lengths))]
        size = sum((directory / name).stat().st_size for name in names)
        return tfds.core.SplitInfo(split, list(lengths), size, self._template(directory, split))

    def _template(self, directory: str | Path, split: str) -> tfds.core.ShardedFileTemplate:
        return tfds.core.ShardedFileTemplate(
            data_dir=directory, dataset_name=self._name, split=split, filetype_suffix="array_record"
        )


def write_records(path: Path, records: Iterable[bytes]) -> None:
    """Writes one ArrayRecord file, which allows random access.

    Raises:
      OutputError: if it cannot be written.
    """
    from array_record.python.array_record_module import ArrayRecordWriter  # does not exist on Windows

    writer = _reporting(path, ArrayRecordWriter, str(path), "group_size:1")
    for record in records:
        _reporting(path, writer.write, record)
    _reporting(path, writer.close)


def _reporting(path: Path, function: Any, *arguments: Any) -> Any:
    """Calls the ArrayRecord writer, which reports a full disk as a RuntimeError."""
    try:
        return function(*arguments)
    except RuntimeError as error:
        raise OutputError(f"{path.parent}: cannot be written ({error}): make room, or give another folder") from None


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Silences tfds, which prints a banner, and warnings about names."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
