import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map, draw_face, draw_person
from segvae_jax.errors import DataError
from segvae_jax.evaluation.metrics.diversity import pairwise_diversity

KINDS = tuple(CARTOON_SPACES)
SIZES = {"faces": (64, 64), "people": (64, 32)}


@functools.cache
def drawings(kind):
    return np.stack([cartoon_map(kind, 3, i, SIZES[kind]) for i in range(500)])


def part(kind, *names):
    channels = [CARTOON_SPACES[kind].channel(name) for name in names]
    return drawings(kind)[..., channels].any(axis=-1)


def present(mask):
    return mask.any(axis=(1, 2))


def middles(mask, axis):
    """The mean pixel coordinate of a part along `axis` (1 is down, 2 is across) per map; NaN if it lacks the part."""
    weight = mask.sum(axis=3 - axis)
    total = np.where(present(mask), weight.sum(axis=1), 1)
    middle = (weight * np.arange(weight.shape[1])).sum(axis=1) / total
    return np.where(present(mask), middle, np.nan)


def tops(mask):
    return np.where(present(mask), mask.any(axis=2).argmax(axis=1), np.nan)


def frequencies(kind):
    shares = maps.label_set_of(drawings(kind)).mean(axis=0)
    return dict(zip(CARTOON_SPACES[kind].names, shares, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_depends_on_kind_seed_and_index_alone(kind):
    first = cartoon_map(kind, 1, 7, (16, 12))
    assert np.array_equal(first, cartoon_map(kind, 1, 7, (16, 12)))
    for other in (cartoon_map(kind, 1, 8, (16, 12)), cartoon_map(kind, 2, 7, (16, 12))):
        assert not np.array_equal(first, other)


@pytest.mark.parametrize(("draw", "channels"), [(draw_face, 19), (draw_person, 18)])
def test_drawing_leaves_the_generator_in_the_same_state_at_every_size(draw, channels):
    small, large = np.random.default_rng(5), np.random.default_rng(5)
    assert draw(small, (9, 5)).shape == (9, 5, channels)
    assert draw(large, (40, 33)).shape == (40, 33, channels)
    assert small.random() == large.random()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**70),
    index=st.integers(0, 2**40),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_every_size_and_seed_gives_class_maps_with_a_blank_background(kind, seed, index, size):
    class_maps = cartoon_map(kind, seed, index, size)
    assert class_maps.dtype == bool
    assert class_maps.shape == (*size, CARTOON_SPACES[kind].num_channels)
    assert not class_maps[..., 0].any()


@pytest.mark.parametrize("kind", KINDS)
def test_500_drawings_at_32_px_are_distinct(kind):
    assert len({cartoon_map(kind, 0, i, (32, 32)).tobytes() for i in range(500)}) == 500


@pytest.mark.parametrize(
    ("kind", "small", "large"), [("faces", (64, 64), (128, 128)), ("people", (128, 64), (256, 128))]
)
def test_the_drawing_is_the_same_at_twice_the_size(kind, small, large):
    for i in range(15):
        drawn = cartoon_map(kind, 4, i, small)
        reduced = maps.resize(cartoon_map(kind, 4, i, large), small)
        shown = (drawn.any(axis=(0, 1)) & reduced.any(axis=(0, 1))).nonzero()[0]  # a small drawing omits tiny parts
        overlap = (drawn & reduced)[..., shown].sum(axis=(0, 1)) / (drawn | reduced)[..., shown].sum(axis=(0, 1))
        assert len(shown) >= 5 and overlap.mean() > 0.7


def test_thin_parts_of_a_face_survive_at_small_sizes():
    """What hair or a collar leaves of an eye or a neck may be too small to be seen at 32 px."""
    label_sets = {
        n: np.stack([maps.label_set_of(cartoon_map("faces", 6, i, (n, n))) for i in range(60)]) for n in (32, 64, 128)
    }
    for size, least in ((32, 0.92), (64, 0.95)):
        assert (label_sets[size] == label_sets[128]).all(axis=1).mean() >= least
    thin = [
        CARTOON_SPACES["faces"].channel(name)
        for name in ("u_lip", "l_lip", "mouth", "nose", "eye_g", "ear_r", "neck_l")
    ]
    assert np.array_equal(label_sets[32][:, thin], label_sets[128][:, thin])


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_is_what_its_index_map_shows(kind):
    space = CARTOON_SPACES[kind]
    index = np.asarray(maps.paint(drawings(kind)[:50], space))
    again = maps.restore_covered(maps.index_to_class_maps(index, space.num_channels), space)
    assert np.array_equal(again, drawings(kind)[:50])


def test_people_parts_are_disjoint():
    assert drawings("people").sum(axis=-1).max() == 1


def test_skin_alone_lies_under_other_parts_of_a_face():
    skin = CARTOON_SPACES["faces"].channel("skin")
    assert np.delete(drawings("faces"), skin, axis=-1).sum(axis=-1).max() == 1
    assert not (part("faces", "l_eye", "nose", "mouth", "eye_g") & ~part("faces", "skin")).any()


@pytest.mark.parametrize("kind", KINDS)
def test_left_parts_lie_at_the_right_of_the_picture(kind):
    for left, right in CARTOON_SPACES[kind].pairs:
        gap = middles(part(kind, left), 2) - middles(part(kind, right), 2)
        assert np.mean(gap[~np.isnan(gap)] > 0) > 0.95


def test_a_face_is_in_order_from_top_to_bottom():
    order = ["l_brow", "l_eye", "nose", "u_lip", "l_lip", "neck"]
    heights = np.stack([middles(part("faces", name), 1) for name in order])
    gaps = np.diff(heights, axis=0)
    assert np.mean(gaps[~np.isnan(gaps)] > 0) > 0.99


def test_eyes_are_level_and_near_the_middle():
    eyes = middles(part("faces", "l_eye", "r_eye"), 1)
    assert 0.45 < np.nanmean(eyes) / 64 < 0.5
    assert np.nanstd(eyes) / 64 < 0.02


@pytest.mark.parametrize(("kind", "below"), [("faces", "l_eye"), ("people", "upper-clothes")])
def test_hats_are_on_top(kind, below):
    hat, lower = part(kind, "hat"), middles(part(kind, below), 1)
    both = present(hat) & ~np.isnan(lower)
    assert both.sum() > 10
    assert (middles(hat, 1)[both] < lower[both]).all()
    assert (tops(hat)[both] <= tops(part(kind, "hair", "skin" if kind == "faces" else "face"))[both] + 2).mean() > 0.9


def test_shoes_are_under_the_head():
    gap = middles(part("people", "left-shoe", "right-shoe"), 1) - middles(part("people", "face"), 1)
    assert np.nanmin(gap) > 30


def test_face_label_frequencies_are_those_of_real_portraits():
    share = frequencies("faces")
    rare = {
        "eye_g": 0.06,
        "hat": 0.06,
        "neck_l": 0.05,
        "ear_r": 0.23,
        "cloth": 0.6,
        "mouth": 0.57,
        "l_ear": 0.5,
    }
    for name, expected in rare.items():
        assert abs(share[name] - expected) < 0.04 + 0.1 * expected, name
    assert min(share[name] for name in ("skin", "nose", "u_lip", "l_lip", "hair", "neck", "l_brow")) > 0.95
    assert 11.9 < sum(share.values()) < 13.2


def test_people_label_frequencies():
    share = frequencies("people")
    assert share["face"] == 1
    assert present(part("people", "upper-clothes", "dress")).mean() > 0.99
    assert present(part("people", "pants", "skirt", "dress")).mean() > 0.97
    ranges = {"upper-clothes": (0.65, 0.85), "pants": (0.5, 0.75), "skirt": (0.08, 0.25), "dress": (0.18, 0.38),
              "hat": (0.08, 0.2), "sunglass": (0.06, 0.18), "belt": (0.08, 0.25), "bag": (0.18, 0.38),
              "scarf": (0.05, 0.16)}  # fmt: skip
    for name, (low, high) in ranges.items():
        assert low < share[name] < high, name
    assert min(share["left-arm"], share["right-shoe"], share["hair"]) > 0.7
    assert 7.5 < sum(share.values()) < 9.5


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_occurs(kind):
    share = frequencies(kind)
    assert min(share[name] for name in CARTOON_SPACES[kind].classes) > 0


def test_a_portrait_is_cut_like_a_real_one():
    area = {name: part("faces", name).mean() for name in ("skin", "hair", "nose")}
    assert 0.2 < area["skin"] < 0.35
    assert 0.15 < area["hair"] < 0.35
    assert 0.012 < area["nose"] < 0.026


def narrow_gaps(index):
    """Background pixels in runs of one or two between parts, along a row or a column."""
    gaps = np.zeros(index.shape, bool)
    for blank, found in ((index == 0, gaps), ((index == 0).T, gaps.T)):
        for run in (1, 2):
            last = blank.shape[1] - run
            inside = np.logical_and.reduce([blank[:, 1 + i : last + i] for i in range(run)])
            enclosed = inside & ~blank[:, : last - 1] & ~blank[:, run + 1 :]
            for i in range(run):
                found[:, 1 + i : last + i] |= enclosed
    return gaps


def test_narrow_gaps_are_seen():
    index = np.array([[1, 0, 2, 0, 0, 0, 1], [1, 1, 2, 0, 0, 0, 1], [1, 0, 0, 1, 1, 1, 1]])
    assert narrow_gaps(index).tolist() == [[0, 1, 0, 0, 0, 0, 0], [0] * 7, [0, 1, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize("kind", KINDS)
def test_touching_parts_leave_no_narrow_gap(kind):
    index = np.asarray(maps.paint(drawings(kind), CARTOON_SPACES[kind]))
    assert np.mean([narrow_gaps(one).any() for one in index]) < 0.02


def pieces(kind, count):
    """For each class and each of the first maps: the areas of its connected pieces, the largest first."""
    index = np.asarray(maps.paint(drawings(kind)[:count], CARTOON_SPACES[kind]))
    for one in index:
        for channel in np.unique(one[one > 0]):
            parts, _ = ndimage.label(one == channel, np.ones((3, 3)))
            yield CARTOON_SPACES[kind].names[channel], np.sort(np.bincount(parts.ravel())[1:])[::-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_has_few_pieces_and_no_specks(kind):
    areas = list(pieces(kind, 200))
    assert np.mean([(area[1:] <= 2).any() for _, area in areas]) < 0.01
    number = {name: [len(area) for other, area in areas if other == name] for name, _ in areas}
    assert max(np.mean(numbers) for numbers in number.values()) < 2
    assert max(max(numbers) for numbers in number.values()) <= 7
    single = ("nose", "u_lip", "l_lip", "mouth", "hat") if kind == "faces" else ("hat", "left-shoe", "right-shoe")
    assert max(np.mean(number[name]) for name in single) < 1.1


@pytest.mark.parametrize(("kind", "least", "label_sets"), [("faces", 0.71, 90), ("people", 0.89, 130)])
def test_drawings_are_as_diverse_as_photographed_people(kind, least, label_sets):
    """The bounds lie above the diversity of drawings with one outline per class; CelebAMask-HQ has 0.73."""
    assert pairwise_diversity(drawings(kind)[:120], [60, 60]).mean() > least
    assert len(np.unique(maps.label_set_of(drawings(kind)), axis=0)) > label_sets


@pytest.mark.parametrize(("name", "least"), [("hair", 0.08), ("cloth", 0.02), ("skin", 0.03)])
def test_large_parts_of_a_face_differ_in_size(name, least):
    assert part("faces", name).mean(axis=(1, 2)).std() > least


def test_hair_is_under_the_rim_of_a_hat():
    hat, hair = part("faces", "hat"), part("faces", "hair")
    both = present(hat) & present(hair)
    above = (hair & (np.arange(64)[:, None] < tops(hat)[:, None, None])).sum(axis=(1, 2))
    assert both.sum() > 10 and (above[both] == 0).all()


def test_hair_covers_none_one_or_both_ears():
    ears = present(part("faces", "l_ear")) + 2 * present(part("faces", "r_ear"))
    assert np.bincount(ears, minlength=4).min() > 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dogs", 0, 0, (8, 6)), "unknown cartoon kind 'dogs': choose from faces, people"),
        (("faces", -1, 0, (8, 6)), "seed -1"),
        (("people", 0, -2, (8, 6)), "index -2"),
        (("faces", 0, 0, (0, 6)), "0 x 6 pixels"),
        (("people", 0, 0, (8, 0)), "8 x 0 pixels"),
    ],
)
def test_mistakes_are_named_in_one_line(arguments, message):
    with pytest.raises(DataError, match=message) as error:
        cartoon_map(*arguments)
    assert "\n" not in str(error.value)
