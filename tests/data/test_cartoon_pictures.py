import numpy as np
import pytest

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map, cartoon_picture
from segvae_jax.data.cartoon.colouring import MATERIALS, draw_colours
from segvae_jax.data.prepare.builder import build, open_prepared
from segvae_jax.data.prepare.recipe import Recipe
from segvae_jax.data.sources.cartoon import cartoon
from segvae_jax.errors import DataError
from segvae_jax.maps import paint

SIZES = {"faces": (64, 64), "people": (64, 32)}


def index_map(kind, number):
    return paint(cartoon_map(kind, 3, number, SIZES[kind]).astype(np.float32), CARTOON_SPACES[kind])


@pytest.mark.parametrize("kind", CARTOON_SPACES)
def test_a_picture_depends_on_kind_seed_and_number_alone(kind):
    first = cartoon_picture(kind, 3, 4, (23, 17))
    assert first.shape == (23, 17, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(cartoon_picture(kind, 3, 4, (23, 17)), first)
    for other in ((kind, 3, 5), (kind, 4, 4)):
        assert np.abs(cartoon_picture(*other, (23, 17)).astype(int) - first).mean() > 5


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 70)])
def test_any_size_has_a_picture(size):
    assert cartoon_picture("faces", 0, 0, size).shape == (*size, 3)


@pytest.mark.parametrize("kind", CARTOON_SPACES)
def test_edges_of_the_picture_lie_where_those_of_the_map_do(kind):
    """Steps of brightness between neighbours are larger where the class changes; not if the picture is shifted."""

    def contrast(shift):
        ratios = []
        for number in range(5):
            index = index_map(kind, number)
            picture = np.roll(cartoon_picture(kind, 3, number, SIZES[kind]), shift, axis=1).astype(float)
            steps, edge = np.abs(np.diff(picture, axis=1)).sum(-1), index[:, 1:] != index[:, :-1]
            ratios.append(steps[edge].mean() / steps[~edge].mean())
        return np.mean(ratios)

    assert contrast(0) > 3
    assert contrast(4) < 0.7 * contrast(0)


def test_parts_of_one_material_have_one_colour_and_people_differ():
    space, tones = CARTOON_SPACES["faces"], []
    for number in range(12):
        index, picture = index_map("faces", number), cartoon_picture("faces", 3, number, SIZES["faces"]).astype(float)
        colour = lambda name: np.median(picture[index == space.channel(name)], axis=0)  # noqa: B023
        assert np.abs(colour("skin") - colour("nose")).max() < 45
        tones.append(colour("skin"))
    assert np.std(tones, axis=0).min() > 15


def test_every_class_of_the_drawings_has_a_material_with_a_colour():
    colours = draw_colours(np.random.default_rng(0))
    for space in CARTOON_SPACES.values():
        assert {MATERIALS[name] for name in space.names} <= colours.keys()


def test_a_picture_of_no_drawing_is_refused():
    with pytest.raises(DataError, match="unknown cartoon kind 'cats'"):
        cartoon_picture("cats", 0, 0, (8, 8))
    with pytest.raises(DataError, match="identify no drawing"):
        cartoon_picture("faces", 0, -1, (8, 8))


def test_prepared_cartoons_have_their_pictures_beside_them(tmp_path):
    prepared = build(cartoon("people", 20, 1), Recipe((16, 8), image_size=(24, 12)), tmp_path)
    example = open_prepared(prepared.directory).split("train")[0]
    expected = cartoon_picture("people", 1, int(example["id"]), (24, 12))
    np.testing.assert_array_equal(example["image"], expected)
