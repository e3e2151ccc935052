"""Painting by hand, and completing a map around what was painted."""

import base64

import numpy as np
import pytest
from toy import SPACE, toy_generator

from segvae_jax import pictures
from segvae_jax.app import views
from segvae_jax.app.painting import MAX_PIXELS, painted, region_of, region_text, strokes_of, strokes_text
from segvae_jax.app.session import Session, loading, repeat, widely
from segvae_jax.errors import LabelError, MapError
from segvae_jax.given_maps import Meaning

FACE, EYE, HAT = (SPACE.channel(name) for name in ("face", "eye", "hat"))
SHAPE = 8, 16
ALL = ["face", "eye", "hat"]


@pytest.fixture(scope="module")
def generator():
    return toy_generator()


@pytest.fixture
def blank(generator):
    return Session().apply(generator, {"call": "blank"})


def strokes(*parts):
    """Strokes of a class in some rows each; -1 erases."""
    painting = np.zeros(SHAPE, np.uint8)
    for channel, rows in parts:
        painting[rows] = channel + 1
    return painting


def paint(session, generator, *parts):
    return session.apply(generator, {"call": "paint", "png": strokes_text(strokes(*parts))})


def test_a_blank_map_has_the_size_of_the_model(blank):
    assert blank.index_map.shape == SHAPE and not blank.index_map.any() and blank.step.title(SPACE) == "blank"


def test_strokes_are_painted_on_the_map_and_the_eraser_paints_background(generator, blank):
    session = paint(blank, generator, (FACE, slice(0, 5)))
    session = paint(session, generator, (0, slice(0, 1)), (HAT, slice(7, 8)))
    assert session.index_map[:, 0].tolist() == [0, FACE, FACE, FACE, FACE, 0, 0, HAT]
    assert [step.title(SPACE) for step in session.steps] == ["blank", "painted", "painted"]
    np.testing.assert_array_equal(repeat(generator, session.record("x", generator.fingerprint())), session.index_map)


def test_strokes_and_regions_keep_their_pixels_as_text():
    some = np.random.default_rng(0).integers(0, SPACE.num_channels + 1, SHAPE).astype(np.uint8)
    np.testing.assert_array_equal(strokes_of(strokes_text(some), SPACE), some)
    np.testing.assert_array_equal(region_of(region_text(some > 1)), some > 1)


def test_what_was_painted_stays_and_all_other_ticked_classes_are_added_around_it(generator, blank):
    session = paint(blank, generator, (EYE, slice(3, 5)))
    asked = session.completion(ALL, "", SPACE)
    assert asked == {"add": ["face", "hat"], "restyle": [], "region": ""}
    done = session.apply(generator, {"call": "edit", **asked, **widely(4), "seed": 1, "temperature": 1.0})
    assert len(done.step.index_maps) == 4
    assert all((index_map[3:5] == EYE).any() for index_map in done.step.index_maps)
    assert all((index_map[:3] != EYE).all() for index_map in done.step.index_maps)


def test_classes_of_the_map_that_were_not_painted_get_new_shapes_if_they_are_ticked(generator):
    face = np.full(SHAPE, FACE, np.uint8)
    face[6:] = EYE
    start = Session().apply(generator, loading(pictures.index_png_bytes(face, SPACE), Meaning(SPACE))[0])
    session = paint(start, generator, (HAT, slice(0, 2)))
    assert session.completion(ALL, "", SPACE) == {"add": [], "restyle": ["face", "eye"], "region": ""}
    assert session.completion(["eye"], "", SPACE)["restyle"] == ["eye"]
    assert start.completion(ALL, "", SPACE) == {"add": ["hat"], "restyle": ["face", "eye"], "region": ""}
    with pytest.raises(LabelError, match="you painted all ticked classes"):
        session.completion(["hat"], "", SPACE)


def test_what_was_erased_stays_background(generator, blank):
    session = paint(blank, generator, (FACE, slice(0, 5)))
    session = paint(session, generator, (0, slice(0, 2)))
    asked = session.completion(["face", "hat"], "", SPACE)
    assert asked["add"] == ["hat"] and region_of(asked["region"])[:, 0].tolist() == [False] * 2 + [True] * 6
    within = np.zeros(SHAPE, bool)
    within[1:4] = True
    narrow = region_of(session.completion(["face", "hat"], region_text(within), SPACE)["region"])
    assert narrow[:, 0].tolist() == [False, False, True, True, False, False, False, False]
    done = session.apply(generator, {"call": "edit", **asked, **widely(4), "seed": 1, "temperature": 1.0})
    assert not done.step.index_maps[:, :2].any()
    within[2:] = False
    with pytest.raises(MapError, match="erased"):
        session.completion(["face", "hat"], region_text(within), SPACE)


def test_painting_before_another_step_counts_no_more(generator, blank):
    session = paint(blank, generator, (FACE, slice(0, 5)))
    edited = session.apply(generator, {"call": "edit", "add": ["hat"], "seed": 1})
    present = views.shown_classes(edited, SPACE)[0]
    assert edited.completion(ALL, "", SPACE)["restyle"] == present


def test_a_region_or_strokes_stay_until_the_next_step(generator, blank):
    key = lambda session: views.canvas(session, SPACE)["step"]
    edited = blank.apply(generator, {"call": "complete", "labels": ALL, **widely(4), "seed": 1})
    assert key(edited) == key(edited.pick(2)) == key(edited.other_look()) != key(blank)
    assert key(edited.undo()) == key(blank) and key(blank.apply(generator, {"call": "blank"})) == key(blank)


def test_the_map_before_is_shown_if_it_has_the_size(generator, blank):
    edited = paint(blank, generator, (FACE, slice(0, 5)))
    assert views.canvas(edited, SPACE)["before"] == views.canvas(blank, SPACE)["map"]
    assert views.canvas(blank, SPACE)["before"] == ""
    larger = pictures.index_png_bytes(np.ones((9, 16), np.uint8), SPACE)
    assert views.canvas(edited.apply(generator, loading(larger, Meaning(SPACE))[0]), SPACE)["before"] == ""


def png(rows):
    return base64.b64encode(pictures.png_bytes(np.asarray(rows, np.uint8))).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no base64", "base64"),
        (base64.b64encode(b"no PNG").decode(), "the painting"),
        (png(np.full((*SHAPE, 3), SPACE.num_channels + 1)), "the painting: index 4: expected 0 to 3"),
        (png(np.zeros((3, 3, 3))), r"a painting of \(3, 3\) pixels: expected that of the map"),
        (png(np.zeros((1, MAX_PIXELS + 1, 3))), "at most 262,144 pixels"),
    ],
)
def test_strokes_that_cannot_be_used_are_refused_in_one_line(generator, blank, text, reason):
    with pytest.raises(MapError, match=reason) as caught:
        blank.apply(generator, {"call": "paint", "png": text})
    assert "\n" not in str(caught.value)


def test_without_a_map_nothing_is_painted(generator):
    with pytest.raises(MapError, match="no map yet"):
        paint(Session(), generator, (FACE, slice(0, 5)))
    with pytest.raises(MapError, match="no map yet"):
        Session().completion(ALL, "", SPACE)
    with pytest.raises(MapError, match="a painting of"):
        painted(np.zeros((3, 3), np.uint8), strokes((FACE, slice(0, 5))))
