"""Sessions as files: what they keep, and what is refused."""

import base64
import contextlib
import dataclasses
import json

import numpy as np
import pytest
from toy import SPACE, toy_generator

from segvae_jax import pictures
from segvae_jax.app import session_file
from segvae_jax.app.painting import strokes_text
from segvae_jax.app.session import Session, repeat, widely
from segvae_jax.app.session_file import restored, saved
from segvae_jax.errors import LabelError, MapError
from segvae_jax.json_objects import sealed

NESTED = json.loads("[" * 900 + "]" * 900)


@pytest.fixture(scope="module")
def generator():
    return toy_generator()


@pytest.fixture(scope="module")
def weights(generator):
    return generator.fingerprint()


@pytest.fixture(scope="module")
def session(generator):
    strokes = np.zeros((8, 16), np.uint8)
    strokes[2:5, 3:12] = 1 + SPACE.channel("face")
    session = Session().apply(generator, {"call": "generate", "labels": ["hat"], "num": 4, "seed": 1}).pick(3)
    session = session.apply(generator, {"call": "paint", "png": strokes_text(strokes)})
    session = session.apply(generator, {"call": "complete", "labels": ["face", "eye"], **widely(4), "seed": 2})
    return session.pick(1).other_look().undo()


def test_a_session_survives_as_a_file(generator, weights, session):
    again = restored(saved(session, "toy", weights, SPACE), weights, SPACE)
    assert (again.position, again.look, len(again.steps)) == (1, 1, 3)
    for one, other in zip(session.steps, again.steps, strict=True):
        np.testing.assert_array_equal(one.index_maps, other.index_maps)
        assert one.calls == other.calls
    record = again.redo().record("toy", weights)
    np.testing.assert_array_equal(repeat(generator, record), session.redo().index_map)
    assert len(again.redo().apply(generator, {"call": "edit", "remove": ["face"]}).steps) == 4


def test_a_long_session_loses_its_oldest_steps_but_not_how_its_maps_came_about(weights, session, monkeypatch):
    whole = saved(session.redo(), "toy", weights, SPACE)
    monkeypatch.setattr(session_file, "MAX_FILE", len(whole) // 2)
    again = restored(saved(session.redo(), "toy", weights, SPACE), weights, SPACE)
    assert 0 < len(again.steps) < 3 and again.step.calls == session.redo().step.calls
    with pytest.raises(MapError, match="too long"):
        restored(" " * 2**17 + whole, weights, SPACE)


def changed(**values):
    return lambda content: {**content, **values}


def step(**values):
    return lambda content: {**content, "steps": [{**content["steps"][0], **values}, *content["steps"][1:]]}


def png(shape):
    return base64.b64encode(pictures.index_png_bytes(np.zeros(shape, np.uint8), SPACE)).decode()


DAMAGED = {
    "not an object": lambda content: [content],
    "other weights": changed(weights="0", checkpoint=NESTED),
    "no steps": changed(steps=[]),
    "steps that are a text": changed(steps="x"),
    "a million steps": lambda content: {**content, "steps": content["steps"] * 9},
    "a step that is a number": changed(steps=[3]),
    "a step without a call": changed(steps=[{}]),
    "an unknown entry": changed(run="import os"),
    "a position out of range": changed(position=3),
    "half a position": changed(position=0.5),
    "a look that is a text": changed(look="1"),
    "a negative look": changed(look=-1),
    "calls before that are a text": changed(before="x"),
    "a call before that is none": changed(before=[3]),
    "an unknown call": step(call={"call": "delete"}),
    "a call that is nested": step(call=NESTED),
    "a call that starts from nothing": step(call={"call": "edit", "remove": ["hat"]}),
    "a pick out of range": step(picked=4),
    "a million maps": step(num=10**6),
    "maps of another number": step(num=3),
    "maps that are a number": step(maps=3),
    "maps that are no base64": step(maps="no base64"),
    "maps that are no PNG": step(maps="AAAA"),
    "maps of many pixels": step(maps=png((1, 4 * 512 * 512 + 4))),
    "maps of other classes": step(
        maps=base64.b64encode(pictures.index_png_bytes(np.ones((8, 4), np.uint8), dataclasses.replace(
            SPACE, classes=("nose", "eye", "hat"), drawing_order=(), paint_order=(), palette=()
        ))).decode()
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_session_is_refused_in_one_line(weights, session, damage):
    content = damage({k: v for k, v in json.loads(saved(session, "toy", weights, SPACE)).items() if k != "sha256"})
    text = json.dumps(sealed(content) if isinstance(content, dict) else content)
    with pytest.raises((MapError, LabelError)) as caught:
        restored(text, weights, SPACE)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_session_that_was_changed_is_refused(weights, session):
    content = json.loads(saved(session, "toy", weights, SPACE))
    with pytest.raises(MapError, match="was changed"):
        restored(json.dumps({**content, "look": 7}), weights, SPACE)
    with pytest.raises(MapError, match="no session of the page"):
        restored(session.record("toy", weights), weights, SPACE)
    with pytest.raises(MapError, match="other weights: choose the model 'toy'"):
        restored(json.dumps(content), "0", SPACE)


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, "3", "null", b"\xff"])
def test_what_is_no_json_is_refused_in_one_line(weights, text):
    with pytest.raises(MapError, match=r"is no"):
        restored(text, weights, SPACE)


def test_any_change_of_a_session_is_one_line(weights, session):
    """Its digest tells: what is as it was, in another layout, is a session all the same."""
    text = saved(session, "toy", weights, SPACE).encode()
    random = np.random.default_rng(0)
    for _ in range(100):
        other = bytearray(text)
        for place in random.integers(len(other), size=random.integers(1, 4)):
            other[place] = random.integers(256) if random.random() < 0.5 else ord(random.choice(list('[]{}",:0-1e')))
        with contextlib.suppress(MapError, LabelError):
            assert restored(bytes(other), weights, SPACE).steps


def test_the_maps_of_a_session_are_bounded(weights, session, monkeypatch):
    text = saved(session, "toy", weights, SPACE)
    monkeypatch.setattr(session_file, "MAX_BYTES", 5 * 8 * 16)
    with pytest.raises(MapError, match="maps of more than"):
        restored(text, weights, SPACE)
