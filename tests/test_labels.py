import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import ROOT

from segvae_jax.errors import LabelError
from segvae_jax.labels import (
    CELEBAMASK_HQ,
    CELEBAMASK_RELEASE,
    HUMAN_PARSING,
    LabelSpace,
    label_sets_text,
    pairs_by_name,
    read_label_sets,
)

OFFICIAL = (
    "background skin nose eye_g l_eye r_eye l_brow r_brow l_ear r_ear mouth u_lip l_lip hair hat ear_r neck_l neck"
    " cloth"
).split()
RELEASE = (
    "background skin hair cloth l_brow r_brow l_ear r_ear ear_r l_eye r_eye eye_g l_lip u_lip mouth neck neck_l nose"
    " hat"
).split()
FACE_DRAWING = (
    "skin neck hair l_brow r_brow l_ear r_ear l_eye r_eye nose l_lip u_lip mouth hat cloth eye_g ear_r neck_l"
).split()
ATR = (
    "background hat hair sunglass upper-clothes skirt pants dress belt left-shoe right-shoe face left-leg right-leg"
    " left-arm right-arm bag scarf"
).split()
BODY_DRAWING = (
    "face hair left-arm right-arm left-leg right-leg upper-clothes dress skirt pants left-shoe right-shoe hat sunglass"
    " belt scarf bag"
).split()
NAMED = pytest.mark.parametrize(
    "space",
    [CELEBAMASK_HQ, CELEBAMASK_RELEASE, HUMAN_PARSING],
    ids=["celebamask_hq", "celebamask_release", "humanparsing"],
)


@pytest.mark.parametrize(
    ("space", "names", "drawing"),
    [
        (CELEBAMASK_HQ, OFFICIAL, FACE_DRAWING),
        (CELEBAMASK_RELEASE, RELEASE, FACE_DRAWING),
        (HUMAN_PARSING, ATR, BODY_DRAWING),
    ],
)
def test_channels_and_drawing_order_of_the_known_data_sets(space, names, drawing):
    assert list(space.names) == names
    assert [names[channel] for channel in space.order] == drawing
    assert [space.channel(name) for name in names[1:]] == list(range(1, len(names)))


def test_the_two_celebamask_numberings_agree_by_name():
    channels = [CELEBAMASK_HQ.channel(name) for name in CELEBAMASK_RELEASE.classes]
    assert sorted(channels) == list(range(1, 19)) and channels != sorted(channels)
    label_set = CELEBAMASK_HQ.encode(["hat", "nose", "neck_l"])
    assert CELEBAMASK_RELEASE.decode(label_set[[0, *channels]]) == ("neck_l", "nose", "hat")
    for field in ("drawing_order", "paint_order", "covered_by", "accessories", "pairs"):
        assert getattr(CELEBAMASK_RELEASE, field) == getattr(CELEBAMASK_HQ, field)
    by_name = lambda space: dict(zip(space.names, space.palette, strict=True))
    assert by_name(CELEBAMASK_RELEASE) == by_name(CELEBAMASK_HQ)


@NAMED
def test_mirroring_exchanges_left_and_right_and_nothing_else(space):
    image = {name: space.names[channel] for name, channel in zip(space.names, space.mirrored, strict=True)}
    assert sorted(pairs_by_name(space.classes)) == sorted(space.pairs) and len(space.pairs) == 3
    for left, right in space.pairs:
        assert image.pop(left) == right and image.pop(right) == left
    assert all(name == other for name, other in image.items())


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left-shoe", "right-shoe"), ("shoe left", "shoe right"), ("Left Arm", "Right Arm"), ("LEFT_ARM", "RIGHT_ARM"),
        ("leftArm", "rightArm"), ("l_eye", "r_eye"), ("L-eye", "R-eye"), ("Arm.L", "Arm.R"), ("eye l", "eye r"),
    ],
)  # fmt: skip
def test_names_that_differ_in_the_side_are_a_pair(left, right):
    assert pairs_by_name(["tail", right, "roll", left]) == ((left, right),)


def test_other_names_are_no_pair():
    assert pairs_by_name("lip rip left l_eye eye_r ball barr".split()) == ()


def test_skin_continues_under_the_facial_parts_alone():
    parts = "nose eye_g l_eye r_eye l_brow r_brow mouth u_lip l_lip".split()
    assert [(name, sorted(covers)) for name, covers in CELEBAMASK_HQ.covered_by] == [("skin", sorted(parts))]
    assert not HUMAN_PARSING.covered_by


@NAMED
def test_colours_differ_and_background_is_black(space):
    assert len(set(space.palette)) == space.num_channels == len(space.names)
    assert space.palette_array()[0].tolist() == [0, 0, 0]
    assert [tuple(colour) for colour in space.palette_array().tolist()] == list(space.palette)


@NAMED
def test_flip_partners_are_distinct_classes_of_either_side(space):
    partners = [name for pair in space.pairs for name in pair]
    assert len(partners) == 6 == len(set(partners))
    for left, right in space.pairs:
        assert left.startswith("l") and right == right[0] + right[1:]
        assert left.replace("left", "right").replace("l_", "r_") == right


def test_orders_and_palette_have_defaults():
    space = LabelSpace(("roof", "wall", "door"))
    assert space.drawing_order == space.paint_order == space.classes
    assert space.order == (1, 2, 3)
    assert len(set(space.palette)) == 4 and space.palette[0] == (0, 0, 0)
    drawn = LabelSpace(("roof", "wall", "door"), drawing_order=("wall", "roof", "door"))
    assert drawn.paint_order == ("wall", "roof", "door") and drawn.order == (2, 1, 3)


def test_many_derived_colours_stay_distinct():
    space = LabelSpace(tuple(f"class {i}" for i in range(60)))
    assert len(set(space.palette)) == 61


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classes": ()}, "the class list is empty"),
        ({"classes": ("a", "b", "a")}, "class 'a' is listed twice"),
        ({"classes": ("a", "background")}, "'background' is implied"),
        ({"classes": ("a", "b"), "drawing_order": ("a",)}, "drawing_order must name every class exactly once: see b"),
        (
            {"classes": ("a", "b"), "paint_order": ("a", "c")},
            "paint_order must name every class exactly once: see b, c",
        ),
        ({"classes": ("a", "b"), "paint_order": ("a", "b", "a")}, "see a repeated name"),
        ({"classes": ("a", "b"), "pairs": (("a", "x"),)}, "unknown label 'x'"),
        ({"classes": ("a", "b"), "pairs": (("a", "b"), ("b", "a"))}, "class 'a' is in two pairs"),
        ({"classes": ("a", "b"), "accessories": ("x",)}, "unknown label 'x'"),
        ({"classes": ("a", "b"), "covered_by": (("y", ("a",)),)}, "unknown label 'y'"),
        ({"classes": ("a", "b"), "covered_by": (("a", ("z",)),)}, "unknown label 'z'"),
        ({"classes": ("a", "b"), "palette": ((0, 0, 0), (1, 1, 1))}, "the palette has 2 colours: expected 3"),
    ],
)
def test_contradictory_label_spaces_are_refused(fields, message):
    with pytest.raises(LabelError) as error:
        LabelSpace(**fields)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("har", "hair"),
        ("l_eyes", "l_eye"),
        ("neklace", "necklace"),
        ("lower-lips", "lower lip"),
        ("spectacle", "spectacles"),
    ],
)
def test_an_unknown_label_is_answered_with_the_nearest_and_all_known(typed, meant):
    with pytest.raises(LabelError) as error:
        CELEBAMASK_HQ.channel(typed)
    assert f"unknown label {typed!r} (did you mean {meant!r}?)" in str(error.value)
    known = str(error.value).rpartition(": known labels are ")[2].split(", ")
    assert [name.partition(" ")[0] for name in known] == OFFICIAL[1:] and "eye_g (glasses)" in known
    assert "\n" not in str(error.value)


FACE_TITLES = (
    "background, skin, nose, glasses, left eye, right eye, left eyebrow, right eyebrow, left ear, right ear, mouth,"
    " upper lip, lower lip, hair, hat, earring, necklace, neck, clothes"
).split(", ")
BODY_TITLES = (
    "background, hat, hair, sunglasses, upper clothes, skirt, pants, dress, belt, left shoe, right shoe, face,"
    " left leg, right leg, left arm, right arm, bag, scarf"
).split(", ")
FASHION = LabelSpace(
    tuple("skin hair top dress coat pants skirt shorts tights shoes hat belt scarf glasses bag".split())
)


@pytest.mark.parametrize(
    ("space", "titles"),
    [(CELEBAMASK_HQ, FACE_TITLES), (HUMAN_PARSING, BODY_TITLES), (FASHION, list(FASHION.names))],
    ids=["faces", "people", "fashion"],
)
def test_every_class_has_a_title_that_people_read_and_is_found_by_it(space, titles):
    assert [space.title(name) for name in space.names] == titles
    assert space.resolve(titles[1:]) == space.classes
    assert space.resolve(", ".join(titles[1:])) == space.classes


@pytest.mark.parametrize(
    ("space", "text", "name"),
    [
        (CELEBAMASK_HQ, "eyeglasses", "eye_g"), (CELEBAMASK_HQ, "Earrings", "ear_r"),
        (CELEBAMASK_HQ, "bottom_lip", "l_lip"), (CELEBAMASK_HQ, " Left-Brow ", "l_brow"),
        (CELEBAMASK_HQ, "L_EYE", "l_eye"), (HUMAN_PARSING, "trousers", "pants"), (HUMAN_PARSING, "glasses", "sunglass"),
        (HUMAN_PARSING, "left_shoe", "left-shoe"), (FASHION, "sunglasses", "glasses"), (FASHION, "jacket", "coat"),
    ],
)  # fmt: skip
def test_aliases_and_other_spellings_mean_a_class_everywhere(space, text, name, tmp_path):
    assert space.channel(text) == space.channel(name)
    assert space.decode(space.encode(text)) == space.decode(space.encode([text])) == (name,)
    (tmp_path / "sets.txt").write_text(f"hair,{text}\n")
    assert set(space.decode(read_label_sets(tmp_path / "sets.txt", space)[0])) == {"hair", name}


def test_the_name_of_a_class_goes_before_titles_and_these_before_aliases():
    space = LabelSpace(("eye_g", "glasses", "sunglass"))
    assert space.resolve("glasses, sunglasses, eye_g") == ("glasses", "sunglass", "eye_g")
    with pytest.raises(LabelError, match="unknown label 'eyeglasses'"):
        space.channel("eyeglasses")  # three classes are called so
    assert LabelSpace(("A_b", "a b")).resolve("A_b,a b") == ("A_b", "a b")
    with pytest.raises(LabelError, match="unknown label 'a-b'"):
        LabelSpace(("A_b", "a b")).channel("a-b")


def test_a_class_that_is_named_twice_in_two_ways_is_refused():
    with pytest.raises(LabelError, match="'eye_g' is named twice"):
        CELEBAMASK_HQ.encode("eye_g,glasses")


def test_own_titles_are_kept_in_json_and_known_ones_are_not():
    own = LabelSpace(("w1", "hat"), titles=(("w1", ("window", "pane")),))
    assert own.title("w1") == "window" and own.title("hat") == "hat" and own.resolve("Pane") == ("w1",)
    again = LabelSpace.from_json(own.to_json())
    assert again == own and again.resolve("pane") == ("w1",)
    assert "titles" not in json.loads(CELEBAMASK_HQ.to_json())
    assert LabelSpace.from_json(CELEBAMASK_HQ.to_json()).title("eye_g") == "glasses"


@pytest.mark.parametrize("titles", [(("roof", ("top",)),), (("wall", ()),), (("wall", ("a",)), ("wall", ("b",)))])
def test_titles_that_do_not_fit_are_refused(titles):
    with pytest.raises(LabelError, match=r"unknown label 'roof'|titles: expected one entry for a class"):
        LabelSpace(("wall", "door"), titles=titles)


@pytest.mark.parametrize("typed", ["xylophone", "", "background"])
def test_no_guess_is_made_for_a_label_far_from_all(typed):
    with pytest.raises(LabelError, match="unknown label '") as error:
        LabelSpace(("roof", "wall")).encode(["roof", typed])
    assert "did you mean" not in str(error.value)


def test_an_empty_label_set_is_refused():
    with pytest.raises(LabelError, match="no label given: choose from roof, wall"):
        LabelSpace(("roof", "wall")).encode([])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(names=st.lists(st.sampled_from(CELEBAMASK_HQ.classes), min_size=1, unique=True))
def test_encode_and_decode_are_inverse(names):
    label_set = CELEBAMASK_HQ.encode(names)
    assert label_set.shape == (19,) and label_set.dtype == bool and not label_set[0]
    assert set(CELEBAMASK_HQ.decode(label_set)) == set(names)
    assert CELEBAMASK_HQ.decode(label_set) == tuple(n for n in CELEBAMASK_HQ.classes if n in names)
    assert CELEBAMASK_HQ.decode([1.0, *label_set[1:].astype(float)]) == CELEBAMASK_HQ.decode(label_set)


@given(st.lists(st.lists(st.sampled_from(HUMAN_PARSING.classes), min_size=1, unique=True), min_size=1, max_size=4))
def test_label_sets_are_read_as_they_were_written(tmp_path_factory, label_sets):
    path = tmp_path_factory.mktemp("labels") / "label_sets.txt"
    written = np.stack([HUMAN_PARSING.encode(names) for names in label_sets])
    path.write_text(label_sets_text(written, HUMAN_PARSING))
    np.testing.assert_array_equal(read_label_sets(path, HUMAN_PARSING), written)


def test_decode_refuses_a_label_set_of_another_space():
    with pytest.raises(LabelError, match=r"a label-set of shape \(19,\): expected \(18,\)"):
        HUMAN_PARSING.decode(np.ones(19, bool))


@NAMED
def test_json_round_trip(space):
    again = LabelSpace.from_json(space.to_json())
    assert again == space and hash(again) == hash(space)
    assert json.loads(space.to_json())["classes"] == list(space.classes)


def test_json_keeps_names_of_any_script_and_is_checked_when_read():
    space = LabelSpace(("tête", "髪"), pairs=(("tête", "髪"),))
    assert LabelSpace.from_json(space.to_json()) == space
    with pytest.raises(LabelError, match="'x' is listed twice"):
        LabelSpace.from_json('{"classes": ["x", "x"]}')


def test_a_label_space_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CELEBAMASK_HQ.classes = ()


def test_the_guide_lists_all_known_titles():
    rows = re.findall(r"^\| `(.+)` \| (.+) \| (.*) \|$", (ROOT / "docs/generation.md").read_text(), re.MULTILINE)
    listed = {name: (title, *filter(None, aliases.split(", "))) for name, title, aliases in rows if name[0] != "-"}
    everything = {**dict(CELEBAMASK_HQ.titles), **dict(HUMAN_PARSING.titles), **dict(FASHION.titles)}
    assert listed == everything
