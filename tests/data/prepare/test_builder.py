import dataclasses
import errno
import functools
import importlib.abc
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from segvae_jax import maps
from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.data.prepare import builder
from segvae_jax.data.prepare.builder import open_prepared, prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.splits import SPLITS, split_of
from segvae_jax.data.sources.source import Source
from segvae_jax.errors import DataError, MapError, OutputError
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace
from segvae_jax.workers import processes

SIZE = (8, 6)
SPACE = LabelSpace(
    tuple("abcdefghi"), drawing_order=tuple("ihgfedcba"), covered_by=(("a", ("b", "c")),), pairs=(("d", "e"),)
)
IDS = tuple(f"{i:02d}" for i in range(40))
COPIES = {"07": "03", "20": "03", "31": "30"}
BLANK = ("11", "12")
KEPT = [i for i in IDS if i not in COPIES and i not in BLANK]


build = functools.partial(builder.build, chunk_size=8)


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


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def prepared(root):
    return prepare(TOY, Recipe(SIZE), root)


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
    again = prepare(failing(0, AssertionError("read again")), Recipe(SIZE), str(root))
    assert again == prepared
    assert {path: path.stat().st_mtime_ns for path in prepared.directory.iterdir()} == written


def test_preparing_needs_no_tensorflow_and_prints_nothing_to_stdout(tmp_path, monkeypatch, capsys):
    imported = []

    class Recorder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            imported.append(name.partition(".")[0])

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Recorder(), *sys.meta_path])
    prepared = prepare(dataclasses.replace(TOY, ids=IDS[:10]), Recipe(SIZE), tmp_path)
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
    other = dataclasses.replace(TOY, **changes)
    assert prepare(other, Recipe(size), root).directory != prepared.directory
    with pytest.raises(OutputError, match=f"{prepared.directory}: holds a data set of another source or recipe"):
        build(other, Recipe(size), prepared.directory)


@pytest.mark.parametrize(
    "error", [MapError("x.png: index 20 is out of range"), KeyboardInterrupt(), MemoryError()], ids=repr
)
def test_nothing_loads_after_reading_is_interrupted(tmp_path, error):
    with pytest.raises(type(error)):
        prepare(failing(20, error), Recipe(SIZE), tmp_path)
    assert loadable(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "error", "seen"),
    [
        ("staging.write_records", OSError(errno.ENOSPC, "No space left on device"), OutputError),
        ("staging.np.savez", OSError(errno.ENOSPC, "No space left on device"), OutputError),
        ("builder.write_records", OutputError("disk full"), OutputError),
        ("builder.write_page", KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_nothing_loads_after_writing_is_interrupted_and_the_next_call_goes_on(
    tmp_path, prepared, monkeypatch, place, error, seen
):
    calls = []

    def interrupted(*arguments, **named):
        calls.append(arguments)
        assert len(calls) < 2 and loadable(tmp_path / "out") == []  # as a killed process would leave it
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(f"segvae_jax.data.prepare.{place}", interrupted)
        with pytest.raises(seen):
            build(TOY, Recipe(SIZE), tmp_path / "out")
    assert calls and not (tmp_path / "out").exists()
    stale = tmp_path / ".out.preparing/chunks/.stale.partial"
    stale.parent.mkdir(parents=True, exist_ok=True)  # an error leaves no empty folder behind
    stale.write_text("of a killed process")
    complete = build(TOY, Recipe(SIZE), tmp_path / "out")
    assert contents(complete.directory) == contents(prepared.directory)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_complete_chunks_are_not_read_again(tmp_path, prepared):
    read = []

    def interrupted(example_id, size):
        read.append(example_id)
        if example_id == "20":
            raise KeyboardInterrupt
        return toy_map(example_id, size)

    for first in ("00", "16"):
        read.clear()
        with pytest.raises(KeyboardInterrupt):
            build(dataclasses.replace(TOY, read=interrupted), Recipe(SIZE), tmp_path / "out")
        assert (read[0], read[-1]) == (first, "20")
    assert contents(build(TOY, Recipe(SIZE), tmp_path / "out").directory) == contents(prepared.directory)


def test_several_processes_write_the_same_files(tmp_path, prepared):
    several = build(TOY, Recipe(SIZE), tmp_path / "out", processes(2))
    assert contents(several.directory) == contents(prepared.directory)


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(OutputError, match=f"{tmp_path}: holds other files: give a new or empty folder"):
        build(TOY, Recipe(SIZE), tmp_path)
    with pytest.raises(OutputError, match=r"thesis\.tex: holds other files"):
        build(TOY, Recipe(SIZE), tmp_path / "thesis.tex")
    with pytest.raises(OutputError, match="cannot be written"):
        build(TOY, Recipe(SIZE), tmp_path / "thesis.tex" / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def with_pictures(example_id, size):
    return np.random.default_rng(int(example_id)).integers(0, 256, (*size, 3)).astype(np.uint8)


def test_pictures_are_stored_beside_the_maps(tmp_path):
    source = dataclasses.replace(TOY, image=with_pictures, notes={"licence": "none"})
    prepared = build(source, Recipe(SIZE, image_size=(5, 7)), tmp_path / "out")
    for example in prepared.split("train"):
        np.testing.assert_array_equal(example["image"], with_pictures(example["id"].decode(), (5, 7)))
    assert tfds.builder_from_directory(prepared.directory).info.metadata["notes"] == {"licence": "none"}
    with pytest.raises(DataError, match="toy: has maps only, no pictures: leave --image_size out"):
        build(TOY, Recipe(SIZE, image_size=(5, 7)), tmp_path / "other")


def test_broken_and_excluded_maps_are_left_out_with_their_reasons(tmp_path):
    def read(example_id, size):
        if example_id == "05":
            raise MapError("05.png: image mode RGB")
        if example_id == "06":
            raise PermissionError("permission denied")
        return toy_map(example_id, size)

    source = dataclasses.replace(TOY, read=read)
    with pytest.raises(MapError, match=r"05\.png: image mode RGB"):
        build(source, Recipe(SIZE), tmp_path / "out")
    recipe = Recipe(SIZE, exclude={"03": "an ear of three metres"}, skip_broken=True)
    prepared = build(source, recipe, tmp_path / "out")
    stored = {example["id"].decode() for split in SPLITS for example in prepared.split(split)}
    assert stored == {*KEPT, "07"} - {"03", "05", "06"}, "the first copy of what is excluded takes its place"
    report = prepared.data_report()
    assert report["excluded"] == {
        "03": "excluded: an ear of three metres",
        "05": "broken: 05.png: image mode RGB",
        "06": "broken: toy: map 06 cannot be read (permission denied)",
        **dict.fromkeys(BLANK, "blank: no class covers a pixel"),
    }
    assert report["duplicates"] == {"20": "07", "31": "30"} and report["read"] == 40 and report["kept"] == len(stored)


def test_official_splits_replace_the_rule(tmp_path):
    official = {example_id: SPLITS[int(example_id) % 3] for example_id in IDS}
    prepared = build(TOY, Recipe(SIZE, splits=official), tmp_path / "out")
    for split in SPLITS:
        assert {official[example["id"].decode()] for example in prepared.split(split)} == {split}


def moved(class_maps, pixels):
    return np.roll(class_maps, pixels, axis=1)


def test_near_duplicates_share_the_split_of_their_first_at_any_size(tmp_path):
    copies = {"31": "25", "38": "20"}  # 20 and 38, 25 and 31 are of different splits by the rule

    def read(example_id, size):
        drawn = cartoon_map("faces", 0, int(copies.get(example_id, example_id)), (128, 128))
        return maps.resize(moved(drawn, 1) if example_id in copies else drawn, size)

    source = Source("faces", CELEBAMASK_HQ, IDS, read, "1")
    assert any(split_of(copy) != split_of(first) for copy, first in copies.items())
    for size in ((96, 80), (24, 16)):
        prepared = build(source, Recipe(size), tmp_path / str(size))
        of = {example["id"].decode(): split for split in SPLITS for example in prepared.split(split)}
        for copy, first in copies.items():
            assert of[copy] == of[first] == split_of(first)
        assert prepared.data_report()["near_duplicates"] == [["20", "38"], ["25", "31"]]
        assert prepared.duplicates == 0 and len(of) == len(IDS)


def test_an_error_of_the_source_reaches_the_user_unchanged(tmp_path):
    with pytest.raises(MapError) as error:
        prepare(failing(5, MapError("05.png: image mode RGB")), Recipe(SIZE), tmp_path)
    assert str(error.value) == "05.png: image mode RGB"


@pytest.mark.parametrize("ids", [BLANK, ()], ids=["blank", "none"])
def test_a_source_without_maps_for_training_is_refused(tmp_path, ids):
    with pytest.raises(DataError, match=f"toy: none of its {len(ids)} maps is left for training"):
        prepare(dataclasses.replace(TOY, ids=ids), Recipe(SIZE), tmp_path)
    assert loadable(tmp_path) == []


def test_an_empty_split_is_refused_when_asked_for(tmp_path):
    train_only = tuple(i for i in KEPT if split_of(i) == "train")[:3]
    prepared = prepare(dataclasses.replace(TOY, ids=train_only), Recipe(SIZE), tmp_path)
    assert prepared.packed("train").shape == (3, *SIZE, 2)
    for read in (prepared.split, prepared.packed, prepared.label_sets):
        with pytest.raises(DataError) as error:
            read("validation")
        assert str(error.value) == (
            "the validation split is empty: expected at least 20 different maps, got 3 maps (3 train, 0 validation,"
            " 0 test; 0 of them near duplicates, which share a split), without 0 equal to others and 0 blank, broken or"
            " excluded"
        )


def numbered(count, distinct):
    """Maps `img0`, `img1`, .., none of which the rule on names gives to validation; some are equal."""
    ids = tuple(f"img{i}" for i in range(count))
    return dataclasses.replace(TOY, ids=ids, read=lambda i, size: toy_map(str(100 + int(i[3:]) % distinct), size))


def test_what_is_left_of_many_maps_is_said(tmp_path):
    prepared = prepare(numbered(30, 14), Recipe(SIZE), tmp_path)
    assert prepared.summary().endswith("without 16 equal to others and 0 blank, broken or excluded")
    with pytest.raises(DataError, match="split is empty: expected at least 20 different maps, got 14 maps"):
        prepared.split("validation")


def test_a_split_that_names_leave_empty_is_filled_and_the_report_says_so(tmp_path):
    prepared = prepare(numbered(46, 46), Recipe(SIZE), tmp_path)
    assert [len(prepared.split(name)) for name in SPLITS] == [39, 2, 5]
    assert prepared.data_report()["warnings"][-1] == (
        "2 maps are in the validation split because the rule on names left it empty"
    )


def test_maps_that_are_all_near_duplicates_fill_the_splits_with_a_warning(tmp_path):
    face = cartoon_map("faces", 0, 0, (128, 128))
    read = lambda i, size: maps.resize(np.roll(face, (int(i) % 5 - 2, int(i) // 5 - 2), (0, 1)), size)
    prepared = prepare(Source("faces", CELEBAMASK_HQ, IDS[:20], read, "1"), Recipe((64, 64)), tmp_path)
    assert all(len(prepared.split(name)) for name in SPLITS)
    assert prepared.data_report()["warnings"][-1].startswith("nearly all maps are near duplicates, and some are in sev")


def test_few_maps_that_are_all_for_tests_are_not_said_to_be_blank(tmp_path):
    ids = tuple(i for i in KEPT if split_of(i) == "test")
    with pytest.raises(DataError, match=f"no map is left for training, its {len(ids)} maps are for validation and"):
        prepare(dataclasses.replace(TOY, ids=ids), Recipe(SIZE), tmp_path)


def test_a_folder_without_prepared_data_is_refused(tmp_path):
    for directory in (tmp_path, tmp_path / "missing"):
        with pytest.raises(DataError) as error:
            open_prepared(directory)
        assert str(error.value).startswith(f"{directory}: no prepared data set in it")
        assert "\n" not in str(error.value)
