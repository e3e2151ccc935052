"""The data sets by the names that users give them."""

import dataclasses
import inspect

import pytest
from layout_writers import put, refusal, write_maps

from segvae_jax.data.sources.exclusions import shipped_exclusions
from segvae_jax.data.sources.registry import DATA_SETS, LAYOUTS, SourceOptions, open_source

PUBLISHED = ("celebamask_hq", "humanparsing")


def test_published_data_sets_have_classes_layouts_and_a_list_of_exclusions():
    for name, data_set in DATA_SETS.items():
        assert (name in PUBLISHED) == bool(data_set.layouts) == bool(data_set.exclusions) == bool(data_set.space)
    assert all(shipped_exclusions(DATA_SETS[name].exclusions) == {} for name in PUBLISHED)


def test_no_two_data_sets_have_a_layout_of_one_name():
    assert len(LAYOUTS) == sum(len(data_set.layouts) for data_set in DATA_SETS.values())


def test_every_option_is_taken_by_a_data_set_and_every_reader_takes_its_options():
    fields = {field.name for field in dataclasses.fields(SourceOptions)}
    taken = {option for data_set in DATA_SETS.values() for option in data_set.options}
    assert fields == {*taken, "images"}  # which `open_source` adds to any data set
    for data_set in DATA_SETS.values():
        inspect.signature(data_set.open).bind(**dict.fromkeys(data_set.options))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("celebamask", " (did you mean 'celebamask_hq'?)"),
        ("human_parsing", " (did you mean 'humanparsing'?)"),
        ("celebamask_release", " (did you mean 'celebamask_hq' with layout=celebamask_release?)"),
        ("humanparsing_release", " (did you mean 'humanparsing' with layout=humanparsing_release?)"),
        ("x", ""),
    ],
)
def test_an_unknown_data_set_is_refused_with_the_nearest_one(name, hint):
    expected = f"--source={name}: no such data set{hint}: expected one of {', '.join(DATA_SETS)}"
    assert refusal(open_source, name, SourceOptions(path="maps")) == expected


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("folder", "", "--path is not set: give the folder or .zip with the maps, --path=FOLDER"),
        ("celebamask_hq", "", "--path is not set: give the folder or .zip with the maps, --path=FOLDER"),
        ("folder", "maps", "--labels is not set: give the file with the names of the indices, --labels=FILE"),
    ],
)
def test_an_option_that_is_needed_and_not_given_is_named(name, path, message):
    assert refusal(open_source, name, SourceOptions(path=path)) == message


@pytest.mark.parametrize(
    ("name", "option", "value", "owner"),
    [
        ("celebamask_hq", "classes", "skin,hair", "folder"), ("celebamask_hq", "ignore", 255, "folder"),
        ("humanparsing", "merge", "a=b", "folder"), ("folder", "fit", "pad", "humanparsing"),
        ("folder", "layout", "x", "celebamask_hq, humanparsing"),
        ("cartoon", "path", "maps", "celebamask_hq, humanparsing, folder"),
    ],
)  # fmt: skip
def test_an_option_that_would_be_ignored_is_refused(name, option, value, owner):
    message = f"--{option}={value}: not an option of {name}, but of {owner}: leave it out"
    assert refusal(open_source, name, SourceOptions(**{"path": "maps", option: value})) == message


def test_where_several_layouts_fit_one_can_be_named(tmp_path):
    put(write_maps(tmp_path, **{"7": [[1]]}), {"000000.parquet": b"no parquet"})
    options = SourceOptions(path=str(tmp_path))
    assert "could be celebamask_index or celebamask_parquet" in refusal(open_source, "celebamask_hq", options)
    named = dataclasses.replace(options, layout="celebamask_index")
    assert open_source("celebamask_hq", named).ids == ("7",)


def test_names_of_layouts_are_unique_over_all_data_sets():
    assert len(LAYOUTS) == sum(len(data_set.layouts) for data_set in DATA_SETS.values()) > 4
