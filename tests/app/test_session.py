"""What a user of the page can do, without a page."""

import base64
import contextlib
import dataclasses
import functools
import io
import json
import pathlib
import sys

import numpy as np
import pytest
from html_pages import HOSTILE, Page
from PIL import Image
from toy import SPACE, toy_card, toy_generator, toy_translator

from segvae_jax import pages, pictures
from segvae_jax.app import views
from segvae_jax.app.alternatives import LIKELIEST_OF, PER_ALTERNATIVE
from segvae_jax.app.choices import presets
from segvae_jax.app.serving import serve, warm_up_calls
from segvae_jax.app.session import HISTORY, Session, loading, repeat
from segvae_jax.errors import ConfigError, LabelError, MapError
from segvae_jax.given_maps import Meaning
from segvae_jax.labels import LabelSpace
from segvae_jax.original_labels import Label, OriginalLabels

GENERATE = {"call": "generate", "labels": ["face", "hat"], "num": 4, "seed": 3, "temperature": 1.0}
ABOUT = "toy", "weights"
FACE = np.ones((8, 16), np.uint8)  # a map that has one class, whatever an untrained model generates
FACE[:, :4] = 0


def uploading(png: bytes):
    call, note = loading(png, Meaning(SPACE))
    assert note == ""
    return call


@pytest.fixture(scope="module")
def generator():
    return toy_generator()


@pytest.fixture(scope="module")
def generated(generator):
    return Session().apply(generator, GENERATE)


@pytest.fixture
def loaded(generator):
    return Session().apply(generator, uploading(pictures.index_png_bytes(FACE, SPACE)))


def edit(**asked):
    return {"call": "edit", "num": 4, "seed": 1, "temperature": 1.0, "region": "", **asked}


def region_of(mask):
    return base64.b64encode(pictures.png_bytes(np.repeat(np.uint8(255) * mask[..., None], 3, axis=2))).decode()


def test_generating_shows_the_maps_of_the_generator(generator, generated):
    np.testing.assert_array_equal(generated.step.index_maps, generator.generate(["face", "hat"], 4, 3))
    assert generated.step.title(SPACE) == "new" and generated.position == 0


def test_an_edit_goes_on_from_the_map_that_was_picked(generator, loaded):
    added = loaded.apply(generator, edit(add=["hat"])).pick(2)
    np.testing.assert_array_equal(added.index_map, generator.add(FACE, "hat", 4, 1).index_maps[2])
    removed = added.apply(generator, {"call": "edit", "remove": ["face"], "region": ""})
    np.testing.assert_array_equal(removed.index_map, generator.remove(added.index_map, "face").index_maps[0])
    assert [step.title(SPACE) for step in removed.steps] == ["uploaded", "+ hat", "− face"]
    completed = loaded.apply(generator, {**GENERATE, "call": "complete", "labels": ["face", "eye"]})
    np.testing.assert_array_equal(completed.step.index_maps, generator.add(FACE, "eye", 4, 3).index_maps)


def test_nothing_changes_outside_of_a_region(generator, loaded):
    mask = np.zeros(FACE.shape, bool)
    mask[:5, 3:11] = True
    edited = loaded.apply(generator, edit(restyle=["face"], region=region_of(mask)))
    assert (edited.step.index_maps[:, ~mask] == FACE[~mask]).all()
    assert (loaded.apply(generator, edit(restyle=["face"])).step.index_maps[:, ~mask] != FACE[~mask]).any()


@pytest.mark.parametrize("region", ["no base64", base64.b64encode(b"no PNG").decode(), region_of(np.ones((3, 3)) > 0)])
def test_a_region_that_does_not_fit_is_refused(generator, loaded, region):
    with pytest.raises(MapError, match=r"region|base64"):
        loaded.apply(generator, edit(restyle=["face"], region=region))


def test_undo_and_redo_go_along_the_history(generator, generated):
    later = generated.apply(generator, {**GENERATE, "seed": 4})
    assert later.undo().step is generated.step and later.undo().redo().step is later.step
    assert later.undo().undo().position == 0 and later.redo().position == 1 and later.go_to(0).position == 0
    assert Session().undo().step is None


def test_what_was_undone_is_replaced_by_what_is_done_next(generator, generated):
    undone = generated.apply(generator, {**GENERATE, "seed": 4}).undo()
    again = undone.apply(generator, {**GENERATE, "seed": 5})
    assert [step.call["seed"] for step in again.steps] == [3, 5]
    assert [step.picked for step in undone.pick(1).steps] == [1]
    assert len(undone.pick(0).steps) == 2  # it was picked already


def test_a_session_is_never_changed(generator, generated):
    generated.pick(1), generated.apply(generator, GENERATE)
    assert generated.step.picked == 0 and len(generated.steps) == 1


def test_the_oldest_steps_are_forgotten_but_not_how_the_map_came_about(generator, loaded):
    session = loaded
    for seed in range(HISTORY + 2):
        session = session.apply(generator, edit(restyle=session_classes(session), num=4, seed=seed))
    assert len(session.steps) == HISTORY and session.position == HISTORY - 1
    assert len(session.step.calls) == HISTORY + 3


def session_classes(session):
    return views.shown_classes(session, SPACE)[0][:1]


def test_a_record_repeats_the_map(generator, loaded):
    mask = np.zeros(FACE.shape, bool)
    mask[2:6, 3:11] = True
    session = loaded.apply(generator, edit(add=["hat"], seed=7)).pick(3)
    session = session.apply(generator, edit(restyle=["face"], region=region_of(mask))).pick(1)
    record = session.record("runs/toy", generator.fingerprint())
    np.testing.assert_array_equal(repeat(generator, record), session.index_map)
    assert json.loads(record)["checkpoint"] == "runs/toy"
    assert [call["picked"] for call in json.loads(record)["calls"]] == [0, 3, 1]
    with pytest.raises(MapError, match=r"other weights.*runs/toy"):
        repeat(generator, session.record("runs/toy", "0"))
    with pytest.raises(MapError, match="not a record"):
        repeat(generator, "[]")


def changed(call, /, **values):
    """A record of one call with other values."""
    return lambda record: {**record, "calls": [{**call, "picked": 0, **values}]}


NESTED = "[" * 900 + "]" * 900
DAMAGED = {
    "not an object": lambda record: [record],
    "other weights, nested": lambda record: {**record, "weights": 0, "checkpoint": json.loads(NESTED)},
    "no calls": lambda record: {**record, "calls": []},
    "calls that are a text": lambda record: {**record, "calls": "x"},
    "calls that are a number": lambda record: {**record, "calls": 0},
    "a call that is a number": lambda record: {**record, "calls": [3]},
    "an empty call": lambda record: {**record, "calls": [{}]},
    "an unknown field": changed(GENERATE, ter=1.0),
    "a name of a call that is a list": changed(GENERATE, call=["generate"]),
    "labels that are a number": changed(GENERATE, labels=1),
    "labels that are one name": changed(GENERATE, labels="face"),
    "a label that is a number": changed(GENERATE, labels=[1]),
    "labels in lists": changed(GENERATE, labels=[[[1, 2]]]),
    "an unknown label": changed(GENERATE, labels=["nose"]),
    "no label": changed(GENERATE, labels=[]),
    "no map": changed(GENERATE, num=0),
    "fewer maps than none": changed(GENERATE, num=-1),
    "a million maps": changed(GENERATE, num=10**6),
    "maps by truth": changed(GENERATE, num=True),
    "maps that are a list": changed(GENERATE, num=[]),
    "half a map": changed(GENERATE, num=1.5),
    "a seed in lists": changed(GENERATE, seed=json.loads(NESTED)),
    "a seed of 32 bits": changed(GENERATE, seed=2**31),
    "a negative seed": changed(GENERATE, seed=-1),
    "a temperature that is a text": changed(GENERATE, temperature="1"),
    "a temperature of 400 digits": changed(GENERATE, temperature=10**400),
    "a temperature that is none": changed(GENERATE, temperature=float("inf")),
    "a pick that is an object": changed(GENERATE, picked={}),
    "half a pick": changed(GENERATE, picked=3.5),
    "a pick out of range": changed(GENERATE, picked=4),
    "no pick": changed(GENERATE, picked=None),
    "a PNG that is a number": changed({"call": "load"}, png=3),
    "a PNG that is none": changed({"call": "load"}, png="AAAA"),
    "an edit of nothing": changed({"call": "edit"}, add=["hat"]),
    "a region that is a list": changed({"call": "edit"}, add=["hat"], region=[]),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_refused_in_one_line(generator, generated, damage):
    record = damage(json.loads(generated.record("runs/toy", generator.fingerprint())))
    with pytest.raises((MapError, LabelError)) as caught:
        repeat(generator, json.dumps(record))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["", "{", "[" * 10**5, '{"calls": NaN}', "1" * 5000, "3", "null", b"\xff"])
def test_what_is_no_json_is_refused_in_one_line(generator, text):
    with pytest.raises(MapError, match="is not"):
        repeat(generator, text)


def test_any_change_of_a_record_gives_a_map_or_one_line(generator, loaded):
    session = loaded.apply(generator, {"call": "edit", "remove": ["face"]})
    record = session.record("runs/toy", generator.fingerprint())
    random = np.random.default_rng(0)
    for _ in range(150):
        text = bytearray(record.encode())
        for place in random.integers(len(text), size=random.integers(1, 4)):
            text[place] = random.integers(256) if random.random() < 0.5 else ord(random.choice(list('[]{}",:0-1e')))
        with contextlib.suppress(MapError, LabelError):
            assert repeat(generator, bytes(text)).ndim == 2


def test_repeated_names_count_once(generator, loaded):
    added = loaded.apply(generator, edit(add=["hat"] * 1000))
    assert added.step.call["add"] == ["hat"] and added.step.title(SPACE) == "+ hat"
    once = Session().apply(generator, GENERATE)
    twice = Session().apply(generator, {**GENERATE, "labels": ["face", "hat", "face"]})
    np.testing.assert_array_equal(once.step.index_maps, twice.step.index_maps)
    assert twice.step.call == once.step.call


def test_the_maps_of_a_session_are_bounded(generator, monkeypatch):
    monkeypatch.setattr("segvae_jax.app.session.MAX_BYTES", 3 * 4 * FACE.size)
    session = Session()
    for seed in range(5):
        session = session.apply(generator, {**GENERATE, "seed": seed})
    assert [step.call["seed"] for step in session.steps] == [2, 3, 4]
    assert len(session.apply(generator, {**GENERATE, "num": 16}).steps) == 1


def test_the_record_of_a_session_is_bounded(generator, loaded, monkeypatch):
    monkeypatch.setattr("segvae_jax.app.session.MAX_RECORD", 600)
    session = loaded
    with pytest.raises(MapError, match="too many edits for one record: download it"):
        for _ in range(20):
            session = session.apply(generator, edit(restyle=session_classes(session), num=4))
    assert 1 < len(session.steps) < 20
    assert session.apply(generator, GENERATE).step.calls[0]["call"] == "generate"


def test_mistakes_are_told_in_one_line(generator, generated):
    for call in (edit(add=["face"]), edit()):
        with pytest.raises((LabelError, MapError)) as caught:
            Session().apply(generator, call)
        assert "no map yet" in str(caught.value)
    for number in (-1, 4):
        with pytest.raises(MapError, match="no map"):
            generated.pick(number)
    with pytest.raises(MapError, match="unknown call 'delete'"):
        generated.apply(generator, {"call": "delete"})


def test_an_upload_is_read_by_the_names_in_it(generator):
    other = dataclasses.replace(SPACE, classes=("hat", "face", "eye"), palette=())
    session = Session().apply(generator, uploading(pictures.index_png_bytes(FACE, other)))
    np.testing.assert_array_equal(session.index_map, FACE * np.uint8(SPACE.channel("hat")))


@pytest.mark.parametrize(
    ("png", "reason"),
    [
        (b"GIF89a", "your map: cannot be read as an image"),
        (pictures.png_bytes(np.zeros((4, 4, 3), np.uint8)), "your map: image mode RGB"),
        (pictures.index_png_bytes(np.zeros((1, 4096 * 4096 + 1), np.uint8), SPACE), "at most 16,777,216 pixels"),
        (pictures.index_png_bytes(FACE, LabelSpace(("nose",))), "unknown label 'nose'"),
    ],
)  # fmt: skip
def test_an_upload_that_cannot_be_used_is_refused(png, reason):
    with pytest.raises(MapError, match=reason):
        uploading(png)


@pytest.mark.parametrize("shape", [(550, 810), (3, 100_000), (600_000, 1)])
def test_a_large_upload_becomes_smaller_and_says_so(generator, shape):
    index = np.full(shape, 1, np.uint8)
    index[shape[0] // 2 :, shape[1] // 2 :] = 2
    call, note = loading(pictures.index_png_bytes(index, SPACE), Meaning(SPACE))
    shown = Session().apply(generator, call).index_map
    assert shown.size <= 512 * 512 and set(np.unique(shown)) == {1, 2}
    assert note == f"your map: resized from {shape[0]} x {shape[1]} to {shown.shape[0]} x {shown.shape[1]} pixels"
    if shape == (550, 810):
        assert abs(shown.shape[0] / shown.shape[1] - 550 / 810) < 0.01 and shown.size > 0.98 * 512 * 512


def test_an_original_map_is_uploaded_in_the_classes_of_the_model(generator):
    labels = Label(0, "null", "background"), Label(1, "cap", "hat"), Label(9, "head", "face")
    grey = io.BytesIO()
    Image.fromarray(FACE * np.uint8(9)).save(grey, "png")
    call, note = loading(grey.getvalue(), Meaning(SPACE, OriginalLabels(labels)))
    np.testing.assert_array_equal(Session().apply(generator, call).index_map, FACE)
    assert note == ""
    Image.fromarray(FACE).save(grey := io.BytesIO(), "png")
    call, note = loading(grey.getvalue(), Meaning(SPACE, OriginalLabels(labels)))
    np.testing.assert_array_equal(Session().apply(generator, call).index_map, FACE * SPACE.channel("hat"))
    assert note.startswith("your map, without class names: read by the labels of the training maps")


def test_presets_are_those_of_the_checkpoint():
    card = toy_card()
    assert presets(card) == {
        "most frequent (60%)": ("face", "eye", "hat"),
        "most frequent − hat (30%)": ("face", "eye"),
        "most frequent − face − eye (10%)": ("hat",),
        "all": ("face", "eye", "hat"),
        "none": (),
    }
    unknown = dataclasses.replace(card, label_sets=np.zeros((0, 4), bool), counts=np.zeros(0, int))
    assert list(presets(unknown)) == ["all", "none"]


def test_no_click_compiles_anything_after_the_warm_up(generator, loaded, generated):
    for call in warm_up_calls(generator):
        call()
    compiled = lambda: sum(f._cache_size() for f in vars(generator).values() if hasattr(f, "_cache_size"))
    before = compiled()
    for num in (4, 8):
        generator.generate(["hat"], num, 9, 0.5)
        generator.edit(FACE, add="eye", num=PER_ALTERNATIVE * num, seed=2, temperature=0.5, candidates=LIKELIEST_OF)
    assert compiled() == before


def test_a_picture_follows_the_map_and_the_look_alone():
    session = Session().apply(toy_generator(), {"call": "generate", "labels": ["face", "hat"], "num": 2, "seed": 1})
    translate = functools.partial(views.translated, toy_translator())
    url = lambda session: views.canvas(session, SPACE, translate)["picture"]
    assert url(session).startswith("data:image/png") and url(session) in views.downloads(
        session, SPACE, ABOUT, translate
    )
    assert url(session.pick(1).pick(0)) == url(session) != url(session.other_look())
    assert session.other_look().pick(1).undo().look == 1
    large = np.kron(session.index_map, np.ones((3, 3), np.uint8))
    np.testing.assert_array_equal(translate(large[None], 0), translate(session.index_map[None], 0))


def test_views_hold_the_exact_map_and_escape_names(generator, loaded):
    canvas = views.canvas(loaded, SPACE)
    png = base64.b64decode(canvas["map"].removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(pictures.decode_index_map(png, "x", SPACE, 128), FACE)
    assert (canvas["height"], canvas["width"]) == FACE.shape
    assert views.shown_classes(loaded, SPACE) == (["face"], ["eye", "hat"])
    assert views.growth(loaded, SPACE)["growth"].startswith("data:image/gif")
    assert canvas["picture"] == "" and "picture.png" not in views.downloads(loaded, SPACE, ABOUT)

    spaced = dataclasses.replace(SPACE, classes=('a"] {} b', "eye", "hat"), drawing_order=(), paint_order=())
    assert 'input[name="a\\22 \\5d \\20 \\7b \\7d \\20 b"]' in views.colours(spaced, "scope")
    titled = dataclasses.replace(loaded.step, call=edit(add=HOSTILE))
    history = Page(views.history(Session((titled,), 0), SPACE))
    history.assert_harmless()
    assert history.texts == [titled.title(SPACE)] and history.tags[0][1]["aria-label"] == titled.title(SPACE)
    empty = Session()
    assert views.samples(empty, SPACE) == views.history(empty, SPACE) == views.downloads(empty, SPACE, ABOUT) == ""


@pytest.mark.parametrize("value", HOSTILE)
def test_the_names_of_checkpoints_and_errors_are_text_on_the_page(value):
    models = [{"name": value, "path": "data:,"}, {"name": "other", "path": "data:,other"}]
    heading = rendered("heading", checkpoint=value, models=models)
    assert heading.texts[-2:] == [value, "other"] and value in heading.texts[:-2]
    assert heading.tags[-2][1].get("aria-current") == "page" and "aria-current" not in heading.tags[-1][1]
    assert rendered("heading", checkpoint=value, models=models[:1]).texts[-1] == value
    assert rendered("error", message=value).texts[-1] == value


def rendered(template, **values):
    shown = Page(pages.render(pathlib.Path(views.__file__).parent / f"{template}.html.jinja", **values))
    shown.assert_harmless()
    return shown


def test_without_gradio_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "segvae_jax.app.page", raising=False)
    with pytest.raises(ConfigError, match=r"needs Gradio.*pip install 'segvae_jax\[demo\]'"):
        serve(["nowhere"], "127.0.0.1", 7860)
