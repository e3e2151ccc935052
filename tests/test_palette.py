"""The colours of classes: apart from one another, also for colour-blind people."""

import json
import re

import numpy as np
import pytest
from colour_vision import SEEN, least_distance
from golden import palette as golden
from pages import ROOT
from skimage.color import deltaE_ciede2000

from segvae_jax import palette, pictures
from segvae_jax.data.cartoon import CARTOON_SPACES
from segvae_jax.errors import LabelError
from segvae_jax.labels import CELEBAMASK_HQ, CELEBAMASK_RELEASE, HUMAN_PARSING, LabelSpace
from segvae_jax.palette import MOST_CLASSES, colours, derived_palette

SPACES = {"celebamask": CELEBAMASK_HQ, "release": CELEBAMASK_RELEASE, "humanparsing": HUMAN_PARSING, **CARTOON_SPACES}
CARDS = sorted(ROOT.glob("segvae_jax/shipped/*/model.json")) + sorted(ROOT.glob("addons/*/*/*/model.json"))


def numbered(num_classes):
    return LabelSpace(tuple(f"class {i}" for i in range(num_classes)))


def test_distances_are_those_of_published_pairs():
    """Four of the pairs of Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula", table 1."""
    one = np.array([[50, 2.6772, -79.7751], [50, 2.5, 0], [50, 2.49, -0.001], [2.0776, 0.0795, -1.135]])
    other = np.array([[50, 0, -82.7485], [73, 25, -18], [50, -2.49, 0.0009], [0.9033, -0.0636, -0.5514]])
    np.testing.assert_allclose(deltaE_ciede2000(one, other), [2.0425, 27.1492, 7.1792, 0.9082], atol=1e-4)


def test_the_distances_of_derived_colours_are_those_that_are_stated():
    table = {
        name: [float(word) for word in row.split()]
        for name, row in re.findall(r"^    (classes|all colours|colour-blind) +(.*)$", palette.__doc__, re.MULTILINE)
    }
    assert len(table) == 3
    for number, stated, blind in zip(*table.values(), strict=True):
        found = {vision: least_distance(numbered(int(number)).palette_array(), vision) for vision in SEEN}
        assert stated <= found.pop("all colours") < stated + 0.1
        assert blind <= min(found.values()) < blind + 0.1


def test_up_to_30_classes_are_12_apart_and_up_to_18_for_the_colour_blind():
    assert least_distance(numbered(30).palette_array(), "all colours") >= 12
    assert min(least_distance(numbered(18).palette_array(), vision) for vision in SEEN) >= 12


@pytest.mark.parametrize("name", SPACES)
def test_the_data_sets_that_are_known_are_12_apart_for_everybody(name):
    assert min(least_distance(SPACES[name].palette_array(), vision) for vision in SEEN) >= 12


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_so_are_the_checkpoints_that_come_along(card):
    stored = LabelSpace.from_json(json.dumps(json.loads(card.read_text())["label_space"]))
    assert min(least_distance(stored.palette_array(), vision) for vision in SEEN) >= 12


def test_a_class_keeps_its_colour_when_others_are_appended():
    assert numbered(30).palette[:11] == numbered(10).palette
    assert numbered(3).palette[0] == (0, 0, 0) and len(set(numbered(MOST_CLASSES).palette)) == 256


def test_more_classes_than_a_map_holds_are_refused():
    with pytest.raises(LabelError, match="256 classes: an index map holds at most 255"):
        numbered(256)


def test_the_colours_are_those_that_were_chosen():
    assert derived_palette(golden.NUM_COLOURS) == colours(" ".join(golden.chosen(golden.NUM_COLOURS)))


def test_maps_with_the_colours_of_the_first_version_are_read_as_they_were_written(tmp_path):
    """Each class in turn has the whole map, so no other colour can say that the palette was not reordered."""
    names = tuple(f"class {i}" for i in range(30))
    earlier = LabelSpace(names, palette=colours(" ".join(golden.of_earlier_versions()[:31])))
    for channel in range(31):
        index = np.full((2, 3), channel, np.uint8)
        pictures.write_index_png(tmp_path / "map.png", index, earlier)
        np.testing.assert_array_equal(pictures.read_index_map(tmp_path / "map.png", LabelSpace(names)), index)


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.parent.name)
def test_a_card_has_the_palette_that_its_classes_get_today(card):
    stored = LabelSpace.from_json(json.dumps(json.loads(card.read_text())["label_space"]))
    made = CELEBAMASK_HQ if "eye_g" in stored.classes else LabelSpace(stored.classes)
    assert stored.palette == made.palette
