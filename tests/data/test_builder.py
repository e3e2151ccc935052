import dataclasses
import importlib.abc
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from segvae_jax import maps
from segvae_jax.data import builder
from segvae_jax.data.builder import open_prepared, prepare
from segvae_jax.data.sources import Source
from segvae_jax.data.splits import SPLITS, split_of
from segvae_jax.errors import DataError, MapError
from segvae_jax.labels import LabelSpace

SIZE = (8, 6)
SPACE = LabelSpace(
    tuple("abcdefghi"), drawing_order=tuple("ihgfedcba"), covered_by=(("a", ("b", "c")),), pairs=(("d", "e"),)
)
IDS = tuple(f"{i:02d}" for i in range(40))
COPIES = {"07": "03", "20": "03", "31": "30"}
BLANK = ("11", "12")
KEPT = [i for i in IDS if i not in COPIES and i not in BLANK]


def toy_map(example_id, size):
    """A map of ten channels; some are copies of an earlier one, some blank."""
    number = int(COPIES.get(example_id, example_id))
    class_maps = np.random.default_rng(number).random((*size, 10)) < 0.1 * (example_id not in BLANK)
    class_maps[..., 0] = False
    class_maps[..., 1 + number % 9] = False
    return class_maps


TOY = Source("toy", SPACE, IDS, toy_map, "1")


def failing(after, error):
    """`toy_map` that raises at the call after so many."""
    calls = iter(range(1000))

    def read(example_id, size):
        if next(calls) == after:
            raise error
        return toy_map(example_id, size)

    return dataclasses.replace(TOY, read=read)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def prepared(root):
    return prepare(TOY, SIZE, root)


def loadable(directory):
    """Every folder below `directory` that opens as a prepared data set."""
    found = []
    for path in [directory, *(p for p in directory.rglob("*") if p.is_dir())]:
        try:
            found.append(open_prepared(path).directory)
        except DataError:
            continue
    return found


def test_every_distinct_map_is_stored_once_in_the_split_of_its_id(prepared):
    for split in SPLITS:
        examples = {example["id"].decode(): example for example in prepared.split(split)}
        assert sorted(examples) == [i for i in KEPT if split_of(i) == split] != []
        for example_id, example in examples.items():
            class_maps = toy_map(example_id, SIZE)
            assert example["map"].dtype == np.uint8 and example["label_set"].dtype == bool
            np.testing.assert_array_equal(example["map"], maps.pack(class_maps))
            np.testing.assert_array_equal(example["label_set"], class_maps.any(axis=(0, 1)))


def test_copies_are_dropped_and_counted_and_blank_maps_dropped(prepared):
    assert prepared.duplicates == len(COPIES)
    stored = [example["id"].decode() for split in SPLITS for example in prepared.split(split)]
    assert sorted(stored) == KEPT


def test_whole_splits_are_stacked(prepared):
    packed, label_sets = prepared.packed("train"), prepared.label_sets("train")
    assert packed.shape == (len(prepared.split("train")), *SIZE, 2)
    np.testing.assert_array_equal(label_sets, maps.label_set_of(np.unpackbits(packed, axis=-1, count=10)))


def test_classes_and_size_are_kept_with_the_files(prepared):
    again = open_prepared(str(prepared.directory))
    assert again == prepared
    assert again.space == SPACE and again.image_size == SIZE and again.duplicates == 3


def test_the_files_open_with_tfds_alone(prepared):
    plain = tfds.builder_from_directory(prepared.directory)
    assert set(plain.info.features) == {"map", "label_set", "id"}
    assert plain.info.features["map"].shape == (*SIZE, 2)
    assert {split: info.num_examples for split, info in plain.info.splits.items()} == {
        split: len(prepared.split(split)) for split in SPLITS
    }
    example = plain.as_data_source(split="test")[0]
    np.testing.assert_array_equal(example["map"], maps.pack(toy_map(example["id"].decode(), SIZE)))


def test_a_prepared_source_is_not_read_again(root, prepared):
    written = {path: path.stat().st_mtime_ns for path in prepared.directory.iterdir()}
    again = prepare(failing(0, AssertionError("read again")), SIZE, str(root))
    assert again == prepared
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.iterdir()} == written


def test_preparing_needs_no_tensorflow_and_prints_nothing_to_stdout(tmp_path, monkeypatch, capsys):
    imported = []

    class Recorder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            imported.append(name.partition(".")[0])

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Recorder(), *sys.meta_path])
    prepared = prepare(dataclasses.replace(TOY, ids=IDS[:10]), SIZE, tmp_path)
    assert len(prepared.packed("train")) > 0
    assert "tensorflow" not in imported and "tensorflow" not in sys.modules
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"version": "2"}, SIZE),
        ({"space": dataclasses.replace(SPACE, drawing_order=())}, SIZE),
        ({"ids": IDS[1:]}, SIZE),
        ({"name": "other"}, SIZE),
        ({}, (6, 8)),
    ],
    ids=["version", "classes", "ids", "name", "size"],
)
def test_another_source_or_size_goes_to_another_folder(root, prepared, changes, size):
    other = builder.SemanticMaps(dataclasses.replace(TOY, **changes), size, root)
    assert other.data_path != builder.SemanticMaps(TOY, SIZE, root).data_path
    assert not other.is_prepared()


@pytest.mark.parametrize(
    "error", [MapError("x.png: index 20 is out of range"), KeyboardInterrupt(), MemoryError()], ids=repr
)
def test_nothing_loads_after_reading_is_interrupted(tmp_path, error):
    with pytest.raises(type(error)):
        prepare(failing(20, error), SIZE, tmp_path)
    assert loadable(tmp_path) == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_nothing_loads_after_writing_is_interrupted_and_the_next_call_prepares(tmp_path, monkeypatch, error):
    calls = iter(range(1000))

    def label_set_of(class_maps):
        if next(calls) == 33:  # within the last split
            assert loadable(tmp_path) == []  # as a killed process would leave it
            raise error
        return maps.label_set_of(class_maps)

    with monkeypatch.context() as patch:
        patch.setattr(builder, "maps", type("Failing", (), {**vars(maps), "label_set_of": staticmethod(label_set_of)}))
        with pytest.raises(type(error)):
            prepare(TOY, SIZE, tmp_path)
    assert next(calls) == 34 and loadable(tmp_path) == []
    complete = prepare(TOY, SIZE, tmp_path)
    assert sum(len(complete.split(split)) for split in SPLITS) == len(KEPT)
    assert loadable(tmp_path) == [complete.directory]


def test_an_error_of_the_source_reaches_the_user_unchanged(tmp_path):
    with pytest.raises(MapError) as error:
        prepare(failing(5, MapError("05.png: image mode RGB")), SIZE, tmp_path)
    assert str(error.value) == "05.png: image mode RGB"


@pytest.mark.parametrize("ids", [BLANK, ()], ids=["blank", "none"])
def test_a_source_without_maps_for_training_is_refused(tmp_path, ids):
    with pytest.raises(DataError, match=f"toy: none of its {len(ids)} maps is left for training"):
        prepare(dataclasses.replace(TOY, ids=ids), SIZE, tmp_path)
    assert loadable(tmp_path) == []


def test_an_empty_split_is_refused_when_asked_for(tmp_path):
    train_only = tuple(i for i in KEPT if split_of(i) == "train")[:3]
    prepared = prepare(dataclasses.replace(TOY, ids=train_only), SIZE, tmp_path)
    assert prepared.packed("train").shape == (3, *SIZE, 2)
    for read in (prepared.split, prepared.packed, prepared.label_sets):
        with pytest.raises(DataError, match="the validation split is empty"):
            read("validation")


def test_a_folder_without_prepared_data_is_refused(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError) as error:
            open_prepared(directory)
        assert str(error.value).startswith(f"{directory}: no prepared data set in it")
        assert "\n" not in str(error.value)
