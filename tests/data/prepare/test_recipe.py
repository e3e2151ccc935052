"""What users may say about preparing, and the recipe that is made of it."""

import pytest

from segvae_jax.data.prepare import recipe as recipes
from segvae_jax.data.prepare.recipe import Recipe, RecipeOptions, make_recipe, parse_size
from segvae_jax.data.sources.exclusions import read_exclusions
from segvae_jax.data.sources.registry import SourceOptions, open_source
from segvae_jax.errors import DataError

CARTOONS = open_source("cartoon", SourceOptions(num_maps=3))


def test_options_that_are_not_given_change_nothing():
    assert make_recipe("cartoon", CARTOONS, RecipeOptions(), (8, 8)) == Recipe((8, 8))


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("size", ["12", "x"]),
        ("size", ["0"]),
        ("size", ["8193"]),
        ("size", ["9" * 5000]),
        ("size", []),
        ("image_size", ["1", "2", "3"]),
    ],
)
def test_a_size_that_cannot_be_used_is_refused(flag, words):
    with pytest.raises(DataError, match=f"--{flag}={','.join(words)}: expected SIDE, or HEIGHT,WIDTH"):
        parse_size(flag, words)


def test_a_size_is_one_side_or_height_and_width():
    assert parse_size("size", ["12"]) == (12, 12) and parse_size("size", ["12", " 8"]) == (12, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"celeba_mapping": "x"},
            "need two files: give --config.data.celeba_mapping and --config.data.celeba_partition",
        ),
        ({"celeba_partition": "x"}, "need two files"),
        ({"exclude": "absent.txt"}, r"absent\.txt: cannot be read"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        make_recipe("cartoon", CARTOONS, RecipeOptions(**options), (8, 8), flag="--config.data.")


def test_exclusions_need_reasons_and_maps(tmp_path):
    (tmp_path / "bare.txt").write_text("000001 odd\n000002\n")
    with pytest.raises(DataError, match=r"bare\.txt:2: no reason for leaving out '000002'"):
        read_exclusions(tmp_path / "bare.txt")
    (tmp_path / "other.txt").write_text("7 odd\n")
    with pytest.raises(DataError, match=r"other\.txt: no map '7' in cartoon_faces: its ids look like '000000'"):
        make_recipe("cartoon", CARTOONS, RecipeOptions(exclude=str(tmp_path / "other.txt")), (8, 8))


def test_shipped_exclusions_are_joined_with_those_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "shipped_exclusions", lambda file: {"000001": file, "elsewhere": "no such map"})
    (tmp_path / "list.txt").write_text("000002 odd\n")
    options = RecipeOptions(exclude=str(tmp_path / "list.txt"))
    excluded = make_recipe("celebamask_hq", CARTOONS, options, (8, 8)).exclude
    assert excluded == {"000001": "celebamask_hq.txt", "000002": "odd"}
