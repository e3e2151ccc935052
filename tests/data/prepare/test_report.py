import dataclasses
import re

import numpy as np
import pytest

from segvae_jax.data.prepare.conversion import MapStatistics, convert
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.prepare.report import make_data_report
from segvae_jax.data.prepare.splits import assign
from segvae_jax.data.sources.cartoon import cartoon

RECIPE = Recipe((32, 32))
FACES = cartoon("faces", 20, 0)


def sides(source):
    """The warnings of a data report that are about left and right."""
    statistics = MapStatistics.joined([convert(source, RECIPE, example_id).statistics for example_id in source.ids])
    lines = make_data_report(source, RECIPE, statistics, assign(source.ids, {}, ()))["warnings"]
    return [line for line in lines if "left" in line]


def faces(change):
    """Cartoon faces that `change(class_maps, number)` has spoilt."""
    read = lambda example_id, size: change(FACES.read(example_id, size), int(example_id))
    return dataclasses.replace(FACES, read=read)


def exchanged(*names):
    """Channels in which two classes have each other's places."""
    order = np.arange(FACES.space.num_channels)
    order[[FACES.space.channel(name) for name in names]] = [FACES.space.channel(name) for name in names[::-1]]
    return order


def test_classes_that_lie_on_their_sides_are_not_warned_of():
    assert sides(FACES) == []
    assert sides(faces(lambda class_maps, number: class_maps[:, ::-1])) == [], "the other side, all of them"
    assert sides(faces(lambda class_maps, number: class_maps[:, ::-1][..., FACES.space.mirrored])) == []


@pytest.mark.parametrize("pair", FACES.space.pairs)
def test_two_classes_that_are_exchanged_in_all_maps_are_warned_of(pair):
    order = exchanged(*pair)
    found = sides(faces(lambda class_maps, number: class_maps[..., order]))
    assert found == ["some left classes lie at image left, others at image right: are two classes exchanged?"]


def test_maps_that_were_mirrored_without_their_classes_are_warned_of_with_their_share():
    found = sides(faces(lambda class_maps, number: class_maps[:, ::-1] if number % 5 == 0 else class_maps))
    assert len(found) == len(FACES.space.pairs)
    for line, (left, right) in zip(found, FACES.space.pairs, strict=True):
        assert re.fullmatch(
            rf"{left} lies left of {right} in [23].% of \d+ maps: expected nearly all or none.*\?", line
        )


@pytest.mark.parametrize(
    ("labelled", "warned"), [(lambda covered: 2 * covered, True), (lambda covered: covered, False)]
)
def test_classes_that_cover_little_of_what_has_a_label_are_warned_of(labelled, warned):
    native = lambda example_id: FACES.read(example_id, (40, 40))
    foreground = lambda example_id: labelled(int(native(example_id).any(-1).sum()))
    left_out = tuple(f"thing {number}" for number in range(9))
    source = dataclasses.replace(FACES, native=native, foreground=foreground, left_out=left_out)
    statistics = MapStatistics.joined([convert(source, RECIPE, example_id).statistics for example_id in source.ids])
    report = make_data_report(source, RECIPE, statistics, assign(source.ids, {}, ()))
    message = (
        "the classes cover 50% of the pixels that have a label: merge labels into classes, or keep more: left out are "
        + ", ".join(left_out[:8])
        + " and 1 more"
    )
    assert [line for line in report["warnings"] if "cover" in line] == [message] * warned
    assert report["foreground"] == {"covered": 0.5 if warned else 1.0, "left_out": list(left_out)}
