"""Edits: each fault planted in an editor moves the figure that should see it, and no other."""

import dataclasses

import jax
import numpy as np
import pytest

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.editing import Change, Edits, compose
from segvae_jax.evaluation import edits as scored
from segvae_jax.evaluation import evaluate
from segvae_jax.evaluation.edits import (
    KINDS,
    choose_targets,
    half_against_half,
    new_pieces_of_the_rest,
    score_edits,
    target_as_requested,
    untouched,
)
from segvae_jax.evaluation.map_set import MapSet
from segvae_jax.evaluation.metrics.two_sample import JUDGES, TwoSampleTest
from segvae_jax.evaluation.target import EvaluationTarget
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import index_to_class_maps, index_to_shapes
from segvae_jax.model.protocol import init_variables

SPACE = LabelSpace(("roof", "wall", "door"))
SIZE = (12, 7)
RESULT = {"rows": {"generated": {}}, "reconstruction": None, "edits": None, "suite": "all"}
ALIKE = np.array([0.0, 0.6, 0.6, 0.6])


def draw(channel, rng):
    """A box anywhere in the four rows of the class: whatever the others are, this is how real maps have it."""
    shape = np.zeros(SIZE, bool)
    top, left = 4 * (channel - 1) + rng.integers(0, 2), rng.integers(0, 4)
    shape[top : top + rng.integers(2, 4), left : left + rng.integers(2, 5)] = True
    return shape


def real_maps(count):
    rng = np.random.default_rng(0)
    index_maps = np.zeros((count, *SIZE), np.uint8)
    for index in index_maps:
        for channel in rng.permutation([1, 2, 3])[: rng.integers(1, 4)]:
            index[draw(channel, rng)] = channel
    return index_maps


def edit(index, kind, name, seed, draw=draw) -> Edits:
    """An editor without fault: it knows how real maps come about."""
    channel = SPACE.channel(name)
    drawn = np.zeros((1, *SIZE, 4), np.float32)
    drawn[0, ..., channel] = draw(channel, np.random.default_rng(seed))
    return compose(Change(SPACE, index, **{kind: (name,)}), drawn * (kind != "remove"), 0 * drawn)


def score(edit, count=60, seed=3):
    return score_edits(edit, real_maps(count), ALIKE, SPACE, seed=seed)


@pytest.fixture(scope="module")
def faultless():
    return score(edit)


@pytest.fixture
def untested(faultless, monkeypatch):
    """The same without the two-sample test, which takes the time."""
    monkeypatch.setattr(scored, "LEAST", 100)
    return {**faultless, "restyle": {name: value for name, value in faultless["restyle"].items() if name != "c2st"}}


def figures(result, name):
    return [result[kind][name]["value"] for kind in KINDS]


def differing(result, other):
    """Places of the figures that differ."""
    if not isinstance(result, dict):
        return [] if result == other or result != result else [()]
    return [(key, *place) for key in result for place in differing(result[key], other[key])]


def test_edits_without_fault(faultless):
    assert faultless["num_maps"] == faultless["restyle"]["num_maps"] == 60
    assert faultless["add"]["num_maps"] < 60 > faultless["remove"]["num_maps"]
    assert figures(faultless, "presence") == figures(faultless, "untouched") == [1, 1, 1]
    assert figures(faultless, "new_pieces") == [0, 0, 0]
    assert all(faultless[kind]["presence"]["per_class"] == [1, 1, 1] for kind in KINDS)
    test = faultless["restyle"]["c2st"]
    assert test["num_maps"] == 30
    for judge in JUDGES:  # of 30 maps a side, the AUC has a standard deviation of about 0.09
        assert abs(test[judge]["value"] - 0.5) < 0.2 and abs(test["real_vs_real"][judge]["value"] - 0.5) < 0.2
    assert faultless["restyle"]["changed"]["value"] > 0.3


def test_a_hidden_pixel_of_another_class(untested):
    def touching(index, kind, name, seed):
        edits = edit(index, kind, name, seed)
        edits.class_maps[0, 0, 6, 1 + SPACE.channel(name) % 3] ^= seed % 2 == 0
        return edits

    result = score(touching)
    assert {place[:2] for place in differing(result, untested)} == {(kind, "untouched") for kind in KINDS}
    assert all(0.3 < value < 0.7 for value in figures(result, "untouched"))


def test_a_piece_of_another_class_where_the_target_was(untested):
    """It is declared as uncovered, so that it does not count as touched."""

    def adding(index, kind, name, seed):
        edits = edit(index, kind, name, seed)
        stays = [channel for channel in np.unique(index).tolist() if channel not in (0, SPACE.channel(name))]
        far = [pixel for pixel in np.argwhere(edits.uncovered[0]) if stays and is_far(index, pixel, stays[0])]
        planted[kind].append(seed % 2 if far else 0)
        if planted[kind][-1]:
            edits.index_maps[(0, *far[0])] = stays[0]
        return edits

    planted = {kind: [] for kind in KINDS}
    result = score(adding)
    assert {place[:2] for place in differing(result, untested)} == {("restyle", "new_pieces"), ("remove", "new_pieces")}
    assert figures(result, "new_pieces") == pytest.approx([np.mean(planted[kind]) for kind in KINDS])
    assert 0 < np.mean(planted["remove"]) < 1


def is_far(index, pixel, channel) -> bool:
    """Whether a pixel touches no pixel of the class."""
    return np.abs(np.argwhere(index == channel) - pixel).max(axis=1).min() > 1


def test_new_pieces_are_those_where_nothing_showed_the_class():
    before = np.zeros((3, 4, 9), np.uint8)
    before[:, 0, :4], before[:, 3, 8] = 1, 2
    after = before.copy()
    after[0, 1, 4] = after[0, 0, 1] = 1  # one piece has grown over a corner, and the target now splits it
    after[0, 0, 1] = 3
    after[1, 2, 6], after[1, 2, 2], after[1, 3, 3], after[1, 0, 8] = 1, 1, 1, 2  # three new ones: two touch at a corner
    after[2, 2, 2], after[2, 2, 6] = 3, 3  # of the target
    np.testing.assert_array_equal(new_pieces_of_the_rest(before, after, np.full(3, 3)), [0, 3, 0])


def test_a_target_that_is_left_out_or_left_in(untested):
    def idle(index, kind, name, seed):
        if kind == "restyle" or name != "wall":
            return edit(index, kind, name, seed)
        return Edits(index[None], index_to_shapes(index, SPACE)[None], *np.zeros((2, 1, *SIZE), bool))

    result = score(idle)
    assert {place[:2] for place in differing(result, untested)} == {("add", "presence"), ("remove", "presence")}
    for kind in ("add", "remove"):
        assert result[kind]["presence"]["per_class"] == [1, 0, 1]
        assert result[kind]["presence"]["low"] <= result[kind]["presence"]["value"] <= result[kind]["presence"]["high"]


def test_noise_in_place_of_a_shape(faultless):
    result = score(lambda *asked: edit(*asked, draw=lambda channel, rng: rng.random(SIZE) < 0.5))
    assert {place[:2] for place in differing(result, faultless)} == {("restyle", "changed"), ("restyle", "c2st")}
    test, without_noise = (scores["restyle"]["c2st"] for scores in (result, faultless))
    for judge in JUDGES:
        assert test[judge]["value"] > 0.75 > 0.65 > without_noise[judge]["value"]
    assert test["real_vs_real"] == without_noise["real_vs_real"]


def test_a_restyled_class_that_stays_as_it_was(faultless):
    same = lambda index, *asked: edit(index, *asked, draw=lambda channel, rng: index == channel)
    result = score(lambda index, kind, *asked: (same if kind == "restyle" else edit)(index, kind, *asked))
    assert {place[:2] for place in differing(result, faultless)} == {("restyle", "changed"), ("restyle", "c2st")}
    assert result["restyle"]["changed"] == {"value": 0, "low": 0, "high": 0}
    test = result["restyle"]["c2st"]
    assert {judge: test[judge] for judge in JUDGES} == test["real_vs_real"]


@pytest.fixture
def added():
    """A door on background and on a wall that it hides in part."""
    index = np.zeros(SIZE, np.uint8)
    index[2:6, 1:4] = SPACE.channel("wall")
    on_both = np.zeros(SIZE, bool)
    on_both[4:8, 2:5] = True
    return index, edit(index, "add", "door", 0, draw=lambda *_: on_both)


def holds(index, edits, name):
    return untouched(index[None], edits, np.array([SPACE.channel(name)]), SPACE)[0]


def test_what_is_not_declared_counts_as_touched(added):
    index, edits = added
    assert edits.occluded.sum() == 4 and holds(index, edits, "door") == 1
    nowhere = np.zeros_like(edits.occluded)
    assert holds(index, dataclasses.replace(edits, occluded=nowhere), "door") == 0
    back = Edits(index[None], index_to_shapes(index, SPACE)[None], nowhere, edits.index_maps == 3)
    assert untouched(edits.index_maps, back, np.array([3]), SPACE)[0] == 0  # the class under it is whole again
    removed = edit(edits.index_maps[0], "remove", "door", 0)
    assert holds(edits.index_maps[0], removed, "door") == 1
    assert holds(edits.index_maps[0], dataclasses.replace(removed, uncovered=nowhere), "door") == 0


@pytest.mark.parametrize("channel", [0, 1])
def test_a_declaration_covers_the_edited_class_alone(added, channel):
    index, edits = added
    changed = edits.index_maps.copy()
    changed[0, 2, 1] = channel  # wall before
    everywhere = np.ones_like(edits.occluded)
    declared = dataclasses.replace(edits, index_maps=changed, occluded=everywhere, uncovered=everywhere)
    assert holds(index, declared, "door") == 0


def test_presence_counts_from_the_area_of_control():
    maps = np.zeros((3, 128, 128), np.uint8)
    maps[0, 0, :4], maps[1, 0, :3] = 1, 1
    target = np.ones(3, int)
    np.testing.assert_array_equal(target_as_requested("add", maps, target), [1, 0, 0])
    np.testing.assert_array_equal(target_as_requested("remove", maps, target), [0, 0, 1])


def test_targets_are_as_likely_as_they_should_be():
    kinds = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]], bool)
    targets = choose_targets(kinds.repeat(2000, 0), np.array([0, 0.4, 0.6, 0.2]), np.random.default_rng(0))
    shares = lambda kind: [np.bincount(rows, minlength=4) / 2000 for rows in np.split(targets[kind], 4)]
    expected = {
        "restyle": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 1 / 3, 1 / 3, 1 / 3]],
        "add": [[0, 1 / 3, 1 / 2, 1 / 6], [0, 0, 0.75, 0.25], [0, 0, 0, 1], [1, 0, 0, 0]],
        "remove": [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 1 / 3, 1 / 3, 1 / 3]],
    }
    for kind in KINDS:
        np.testing.assert_allclose(shares(kind), expected[kind], atol=0.04)


def test_the_seed_says_what_is_edited_and_how(monkeypatch):
    monkeypatch.setattr(scored, "EDITED_MAPS", 8)
    asked = []

    def recording(index, kind, name, seed):
        asked.append((index.tobytes(), kind, name, seed))
        return edit(index, kind, name, seed)

    results = [score(recording, count=30, seed=seed) for seed in (1, 1, 2)]
    once = len(asked[: sum(results[0][kind]["num_maps"] for kind in KINDS)])
    assert asked[:once] == asked[once : 2 * once] and not differing(*results[:2])
    assert not set(asked[:once]) & set(asked[2 * once :])
    assert results[0]["num_maps"] == 8 == len({index for index, *_ in asked[:once]})
    assert len({seed for *_, seed in asked[:once]}) == once and "c2st" not in results[0]["restyle"]


def test_what_no_map_allows_has_no_figures():
    whole = np.repeat(np.arange(1, 4, dtype=np.uint8), 28).reshape(1, *SIZE)
    result = score_edits(edit, np.concatenate([whole, 0 * whole]), ALIKE, SPACE, seed=0)
    assert result["num_maps"] == 1 and result["add"] is None and result["remove"]["presence"]["value"] == 1


def test_every_map_faces_others_than_the_one_it_was_made_from():
    faced = []

    def recorded(edited, real, *, seed):
        faced.append([np.flatnonzero(rows.reshape(len(rows), 21).any(axis=0)) for rows in (edited, real)])
        return TwoSampleTest({"trees": np.full(5, float(len(faced)))})

    numbered = np.eye(21, dtype=bool).reshape(21, 7, 3, 1)
    test = half_against_half(recorded, numbered, numbered, seed=0)
    first, second = np.arange(10), np.arange(10, 20)
    np.testing.assert_array_equal(faced, [[first, second], [second, first]])
    np.testing.assert_array_equal(test.auc, [1] * 5 + [2] * 5)


def test_models_that_edit_are_asked_to(monkeypatch):
    """By the full suite, which gets what the Generator makes of a map."""
    arguments = {"image_size": (8, 8), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "gain": 1.0}
    card = ModelCard(SPACE, arguments, np.zeros((0, 4), bool), np.zeros(0, int))
    generator = Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))
    asked = {}
    monkeypatch.setattr(evaluate, "run_suite", lambda *maps, **rest: asked.update(rest) or RESULT)
    real = np.zeros((3, 8, 8), np.uint8)
    real[:, :4, :6], real[1:, 3:7, 2:] = 1, 2
    splits = {"test": index_to_class_maps(real, 4)}
    evaluate.evaluate(EvaluationTarget(SPACE, splits, generator.generate_each, generator, {}), suite="all")
    scores = score_edits(asked["edit"], real, ALIKE, SPACE, seed=1)
    assert figures(scores, "untouched") == [1, 1, 1] and scores["remove"]["presence"]["value"] == 1
    ours, theirs = asked["edit"](real[1], "restyle", "wall", 7), generator.restyle(real[1], "wall", seed=7)
    np.testing.assert_array_equal(ours.index_maps, theirs.index_maps)


@pytest.mark.parametrize("suite, reason", [("all", True), ("quick", False)])
def test_maps_alone_cannot_be_edited(monkeypatch, suite, reason):
    asked = {}
    monkeypatch.setattr(evaluate, "run_suite", lambda *maps, **rest: asked.update(rest) or RESULT | {"suite": suite})
    result = evaluate.evaluate(EvaluationTarget(SPACE, {}, MapSet(real_maps(1), None), None, {}), suite=suite)
    assert asked["edit"] is None and ("edits" in result["omitted"]) == reason
