"""Maps of any other generator: how a folder of them is read, and what is said where it cannot be."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from segvae_jax import pictures
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.data.prepare.builder import prepare
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.registry import SourceOptions, open_source
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.evaluation.map_set import MapSet, read_map_set
from segvae_jax.evaluation.target import open_maps
from segvae_jax.given_maps import Meaning
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("roof", "wall", "door"))
OTHER = LabelSpace(("door", "roof"))
SIZE = (8, 6)


def indices(count, num_indices=4, seed=0):
    return np.random.default_rng(seed).integers(0, num_indices, (count, *SIZE)).astype(np.uint8)


def test_indices_are_those_of_the_names_in_a_file_or_else_of_the_data(tmp_path):
    index_maps = indices(3, num_indices=3)
    pictures.write_index_pngs(tmp_path / "b", index_maps, OTHER)
    for i, index in enumerate(index_maps):
        (tmp_path / "a").mkdir(exist_ok=True)
        Image.fromarray(index).save(tmp_path / "a" / f"{i}.png")
    given = read_map_set(tmp_path, Meaning(SPACE), SIZE)
    by_name = np.array([0, SPACE.channel("door"), SPACE.channel("roof")], np.uint8)
    np.testing.assert_array_equal(given.index_maps, [*index_maps, *by_name[index_maps]])
    assert given.label_sets is None


def test_maps_of_other_sizes_are_resized_as_the_real_ones_were(tmp_path):
    index = indices(1)[0]
    large, wide = np.kron(index, np.ones((3, 3), np.uint8)), np.pad(index, ((0, 0), (5, 5)))
    for name, array in (("a", index), ("b", large), ("c", wide)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    stretched = read_map_set(tmp_path, Meaning(SPACE), SIZE).index_maps
    np.testing.assert_array_equal(stretched[:2], [index, index])
    assert (stretched[2] != index).any()
    narrow = np.pad(index, ((2, 2), (0, 0)))
    Image.fromarray(narrow).save(tmp_path / "c.png")
    padded = read_map_set(tmp_path, Meaning(SPACE), (12, 9), fit="pad").index_maps
    np.testing.assert_array_equal(padded[2], np.pad(narrow, ((0, 0), (1, 2))))


def test_label_sets_beside_the_maps_are_read_by_folder(tmp_path):
    for folder, lines in (("1", "roof\nwall,door\n"), ("0", "door\n")):
        pictures.write_index_pngs(tmp_path / folder, indices(len(lines.splitlines())), SPACE)
        (tmp_path / folder / "label_sets.txt").write_text(lines)
    given = read_map_set(tmp_path, Meaning(SPACE), SIZE)
    assert [SPACE.decode(row) for row in given.label_sets] == [("door",), ("roof",), ("wall", "door")]
    (tmp_path / "1" / "label_sets.txt").write_text("roof\n")
    with pytest.raises(DataError, match=r"label_sets\.txt: 1 label-sets for 2 maps: expected one line per map"):
        read_map_set(tmp_path, Meaning(SPACE), SIZE)
    (tmp_path / "1" / "label_sets.txt").write_text("roof\ndor\n")
    with pytest.raises(LabelError, match=r"label_sets\.txt:2: unknown label 'dor'"):
        read_map_set(tmp_path, Meaning(SPACE), SIZE)
    (tmp_path / "1" / "label_sets.txt").unlink()
    assert read_map_set(tmp_path, Meaning(SPACE), SIZE).label_sets is None


def test_a_sample_keeps_maps_and_label_sets_together_and_in_order():
    rows = np.arange(12)
    given = MapSet(np.broadcast_to(rows[:, None, None], (12, *SIZE)).astype(np.uint8), rows[:, None] > np.arange(4))
    some = given.sample(5, seed=1)
    chosen = some.index_maps[:, 0, 0]
    assert len(chosen) == 5 and (np.diff(chosen.astype(int)) > 0).all()
    np.testing.assert_array_equal(some.label_sets, given.label_sets[chosen])
    assert not np.array_equal(chosen, given.sample(5, seed=2).index_maps[:, 0, 0])
    assert len(given.sample(99, seed=1).index_maps) == 12
    assert dataclasses.replace(given, label_sets=None).sample(3, seed=0).label_sets is None


def test_files_that_cannot_be_compared_are_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        read_map_set(tmp_path / "absent", Meaning(SPACE), SIZE)
    (tmp_path / "notes.txt").write_text("no map")
    with pytest.raises(DataError, match="no PNG file in it"):
        read_map_set(tmp_path, Meaning(SPACE), SIZE)
    path = tmp_path / "map.png"
    Image.fromarray(np.full(SIZE, 4, np.uint8)).save(path)
    with pytest.raises(MapError, match=r"map\.png: index 4 is out of range: expected 0 to 3"):
        read_map_set(tmp_path, Meaning(SPACE), SIZE)
    pictures.write_index_png(path, np.full(SIZE, 1, np.uint8), LabelSpace(("rooof", "wall")))
    with pytest.raises(MapError, match=r"map\.png: unknown label 'rooof' \(did you mean 'roof'"):
        read_map_set(tmp_path, Meaning(SPACE), SIZE)
    pictures.write_index_png(path, np.full(SIZE, 2, np.uint8), LabelSpace(("rooof", "wall")))
    assert (read_map_set(tmp_path, Meaning(SPACE), SIZE).index_maps == SPACE.channel("wall")).all()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    source = open_source("cartoon", SourceOptions(num_maps=60))
    return prepare(source, Recipe((16, 16)), tmp_path_factory.mktemp("data"))


def random_maps(folder, prepared, count):
    index_maps = np.random.default_rng(0).integers(0, prepared.space.num_channels, (count, 16, 16)).astype(np.uint8)
    pictures.write_index_pngs(folder, index_maps, prepared.space)
    return index_maps


def test_no_more_test_maps_than_given_ones_and_no_more_given_ones_than_test_maps(tmp_path, prepared):
    tests = len(prepared.packed("test"))
    index_maps = random_maps(tmp_path / "maps", prepared, 20)
    many = open_maps(tmp_path / "maps", data=prepared.directory, seed=3)
    assert len(many.map_set(3).index_maps) == len(many.splits["test"]) == tests < 20
    assert many.identity["maps_in_folder"] == 20 and many.identity["data"] == str(prepared.directory)
    for path in sorted((tmp_path / "maps").iterdir())[10:]:
        path.unlink()
    few = open_maps(tmp_path / "maps", data=prepared.directory, seed=3)
    np.testing.assert_array_equal(few.map_set(3).index_maps, index_maps[:10])
    np.testing.assert_array_equal(few.splits["test"], many.splits["test"][:10])
    hashes = [target.identity[key] for target in (many, few) for key in ("maps_hash", "data_hash")]
    assert len(set(hashes)) == 4 and all(len(text) == 12 for text in hashes)
    for path in sorted((tmp_path / "maps").iterdir())[9:]:
        path.unlink()
    with pytest.raises(DataError, match="9 maps: expected at least 10"):
        open_maps(tmp_path / "maps", data=prepared.directory)
    with pytest.raises(DataError, match="nothing to compare with: give --data=DIR"):
        open_maps(tmp_path / "maps")


def test_a_checkpoint_names_data_and_how_they_are_painted(tmp_path, prepared):
    random_maps(tmp_path / "maps", prepared, 10)
    space = dataclasses.replace(prepared.space, palette=prepared.space.palette[::-1])
    card = ModelCard(
        space, {"image_size": (16, 16)}, np.zeros((0, 19), bool), np.zeros(0, int), str(prepared.directory)
    )
    card.write(tmp_path)
    target = open_maps(tmp_path / "maps", checkpoint=tmp_path)
    assert target.space == space and target.identity["data"] == str(prepared.directory)
    dataclasses.replace(card, arguments={"image_size": (32, 16)}).write(tmp_path)
    with pytest.raises(DataError, match="maps of 16 x 16 pixels: expected 32 x 16, the size of the checkpoint"):
        open_maps(tmp_path / "maps", checkpoint=tmp_path)
    dataclasses.replace(card, space=LabelSpace(("skin",)), label_sets=np.zeros((0, 2), bool)).write(tmp_path)
    with pytest.raises(DataError, match="its classes are not those of the checkpoint"):
        open_maps(tmp_path / "maps", checkpoint=tmp_path)
