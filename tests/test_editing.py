"""Edits: what may change does, what stays is the same bit for bit, and the rest of the map has a say."""

import dataclasses
import pickle

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from small_face import EYE, FACE, GLASSES, HAT, SIZE, SPACE, a_map

from segvae_jax import editing, maps
from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.editing import Change, compose
from segvae_jax.errors import CheckpointError, LabelError, MapError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import GivenShapes, init_variables
from segvae_jax.model.registry import hyperparameters

ARGUMENTS = {"image_size": SIZE, "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "spectral_norm": False}


@pytest.fixture(scope="module", params=["segvae", pytest.param("hierarchical", marks=pytest.mark.slow)])
def generator(request) -> Generator:
    known = {**ARGUMENTS, "gain": 1.0, "widths": (3, 4), "latent_channels": (2, 1)}
    arguments = {name: value for name, value in known.items() if name in hyperparameters(request.param)}
    card = ModelCard(SPACE, arguments, np.zeros((0, 5), bool), np.zeros(0, int), name=request.param)
    return Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))


def assert_only_the_edit_shows(index, edits, touched, region=None):
    """Only the declared pixels changed, and background that a generated class covers."""
    was, now = np.isin(index, touched)[None], np.isin(edits.index_maps, touched)
    np.testing.assert_array_equal(edits.occluded, ~was & now & (index > 0)[None])
    np.testing.assert_array_equal(edits.uncovered, was & ~now)
    stays = ~was & ~now
    np.testing.assert_array_equal(edits.index_maps[stays], np.broadcast_to(index, now.shape)[stays])
    whole = maps.index_to_shapes(index, SPACE)
    for channel in set(range(1, 5)) - set(touched):
        for class_maps in edits.class_maps:
            np.testing.assert_array_equal(class_maps[..., channel], whole[..., channel])
    if region is not None:
        outside = np.broadcast_to(~region, now.shape)
        np.testing.assert_array_equal(edits.index_maps[outside], np.broadcast_to(index, now.shape)[outside])


def test_adding_generates_the_class_and_leaves_the_others(generator):
    edits = generator.add(a_map(), "glasses", num=5, seed=1)
    assert edits.index_maps.shape == (5, *SIZE) and edits.index_maps.dtype == np.uint8
    assert_only_the_edit_shows(a_map(), edits, [GLASSES])
    assert (edits.index_maps == GLASSES).any((1, 2)).all()
    assert len(np.unique(edits.index_maps.reshape(5, -1), axis=0)) > 1


def test_removing_takes_the_class_out_and_shows_what_is_under_it(generator):
    edits = generator.remove(a_map(), "eye")
    assert edits.index_maps.shape == (1, *SIZE)
    assert_only_the_edit_shows(a_map(), edits, [EYE])
    np.testing.assert_array_equal(edits.index_maps[0][a_map() == EYE], FACE)
    assert edits.uncovered.sum() == 2 and not edits.occluded.any()


def test_restyling_gives_the_class_a_new_shape(generator):
    edits = generator.restyle(a_map(), ["hat", "eye"], num=3)
    assert_only_the_edit_shows(a_map(), edits, [HAT, EYE])
    assert (edits.index_maps != a_map()).any()


def test_several_edits_at_once(generator):
    edits = generator.edit(a_map(), add="glasses", remove="hat", restyle=["eye"], num=2, seed=3)
    assert_only_the_edit_shows(a_map(), edits, [GLASSES, HAT, EYE])
    assert not (edits.index_maps == HAT).any()


def test_an_edit_keeps_to_its_region(generator):
    region = np.zeros(SIZE, bool)
    region[:, :8] = True
    for edits in (
        generator.restyle(a_map(), "hat", num=2, region=region),
        generator.add(a_map(), "glasses", num=2, region=region),
        generator.remove(a_map(), "eye", region=region),
    ):
        touched = [HAT, GLASSES, EYE]
        outside = np.broadcast_to(~region, edits.index_maps.shape)
        np.testing.assert_array_equal(edits.index_maps[outside], np.broadcast_to(a_map(), outside.shape)[outside])
        assert (np.isin(edits.index_maps, touched) | (edits.index_maps == a_map()) | edits.uncovered).all()
    assert (edits.index_maps == EYE).sum() == 1


def test_an_alternative_depends_on_the_seed_and_its_number_alone(generator):
    many = generator.add(a_map(), "glasses", num=5, seed=1).index_maps
    np.testing.assert_array_equal(generator.add(a_map(), "glasses", num=2, seed=1).index_maps, many[:2])
    assert (generator.add(a_map(), "glasses", num=5, seed=2).index_maps != many).any()


def test_a_notebook_shows_the_edited_maps(generator):
    edits = generator.restyle(a_map(), "face", num=2)
    assert edits._repr_png_() == edits.index_maps._repr_png_() != edits.first(1)._repr_png_()
    assert edits.index_maps.space == SPACE


def test_each_of_several_maps_is_edited_as_it_is_alone(generator):
    other = np.where(a_map() == HAT, 0, a_map())
    several = np.stack([a_map(), other])
    for edit in (
        lambda index: generator.restyle(index, iter(["face"]), num=2, seed=1),
        lambda index: generator.edit(index, add="glasses", remove="eye", candidates=2, seed=4),
        lambda index: generator.complete(index, "face,hat,glasses", num=2),
        lambda index: generator.reshape(index, "face", 2),
    ):
        together, alone = edit(several), [edit(index) for index in several]
        assert together.index_maps.space == SPACE
        for field in ("index_maps", "class_maps", "occluded", "uncovered"):
            parts = np.concatenate([getattr(edits, field) for edits in alone])
            np.testing.assert_array_equal(getattr(together, field), parts)
    assert generator.remove(several[:1], "hat").index_maps.shape == (1, *SIZE)
    with pytest.raises(LabelError, match="'hat' is not in the map"):
        generator.remove(several, "hat")


def test_edits_have_a_short_repr_and_are_pickled(generator):
    edits = generator.restyle(a_map(), "face", num=2)
    assert repr(edits) == "<Edits: 2 alternatives, 8 x 16 pixels>"
    again = pickle.loads(pickle.dumps(edits))
    np.testing.assert_array_equal(again.class_maps, edits.class_maps)
    assert again._repr_png_() == edits._repr_png_()


def test_completing_a_blank_map_generates(generator):
    edits = generator.complete(np.zeros(SIZE, np.uint8), ["face", "hat", "eye"], num=3, seed=5)
    np.testing.assert_array_equal(edits.index_maps, generator.generate(["face", "hat", "eye"], num=3, seed=5))


def test_numbers_of_alternatives_share_a_program(generator):
    many = generator.add(a_map(), "glasses", num=3, seed=4).index_maps
    before = generator._sample_shapes._cache_size()
    for num in (1, 2):
        np.testing.assert_array_equal(generator.add(a_map(), "glasses", num, seed=4).index_maps, many[:num])
    assert generator._sample_shapes._cache_size() == before


def test_completing_adds_what_is_missing(generator):
    edits = generator.complete(a_map(), ["face", "glasses"], num=2)
    np.testing.assert_array_equal(edits.index_maps, generator.add(a_map(), "glasses", num=2).index_maps)


def test_a_complete_map_is_not_completed(generator):
    with pytest.raises(LabelError, match="nothing to complete"):
        generator.complete(a_map(), ["face", "eye"])


def test_maps_of_any_size_keep_it(generator):
    index = a_map((24, 48))
    edits = generator.add(index, "glasses", num=2, seed=1)
    assert_only_the_edit_shows(index, edits, [GLASSES])
    small = generator.add(a_map(), "glasses", num=2, seed=1)
    agreement = (edits.index_maps[:, 1::3, 1::3] == small.index_maps).mean()
    assert agreement > 0.85


def test_reshaping_goes_from_the_shape_of_the_map_to_that_of_the_seed(generator):
    edits = generator.reshape(a_map(), "hat", steps=4, seed=6)
    assert edits.index_maps.shape == (4, *SIZE)
    assert_only_the_edit_shows(a_map(), edits, [HAT])
    last = generator.edit(a_map(), restyle="hat", seed=6, candidates=1)
    np.testing.assert_array_equal(edits.index_maps[-1], last.index_maps[0])
    soft = generator.reconstruct(maps.index_to_shapes(a_map(), SPACE)[None])[0]
    hat = np.zeros_like(soft)
    hat[..., HAT] = soft[..., HAT]
    reconstructed, first = maps.paint(maps.raise_faint(hat), SPACE) == HAT, edits.class_maps[0][..., HAT]
    np.testing.assert_array_equal(first | (a_map() == HAT), reconstructed | (a_map() == HAT))  # but for filled holes
    assert first[reconstructed].all() and not reconstructed.all()


def test_later_classes_choose_among_candidates(generator):
    """The chosen candidate is the one with the highest evidence, computed one by one."""
    change = Change(SPACE, a_map(), restyle=("face",))
    assert editing.can_rank_candidates(change)
    assert not editing.can_rank_candidates(Change(SPACE, np.zeros(SIZE, np.uint8), add=("glasses",)))
    canvas = change.canvas(SIZE)
    eps = np.asarray(generator._noise(0, np.arange(3), 4))
    run = lambda noise: generator._sample_shapes(generator._variables, *canvas, noise, 1.0)
    chosen, _ = run(eps)
    single = np.stack([np.stack([run(eps[n : n + 1, m : m + 1])[0][0] for m in range(4)]) for n in range(3)])
    scores = np.array([[likelihood_of_the_rest(generator, canvas, single[n, m]) for m in range(4)] for n in range(3)])
    assert (scores.max(1) - scores.min(1) > 1e-2).all()
    np.testing.assert_allclose(chosen, single[np.arange(3), scores.argmax(1)], atol=1e-5)


def test_a_generated_class_is_on_top_of_those_that_it_saw():
    """And of those below it in the paint order, but for accessories and what lies on it."""
    names = "face mouth lip hair rim glasses".split()
    space = LabelSpace(
        tuple(names),
        drawing_order=("face", "lip", "hair", "mouth", "glasses", "rim"),
        paint_order=("mouth", "face", "lip", "hair", "rim", "glasses"),
        covered_by=(("face", ("lip", "mouth")),),
        accessories=("glasses", "rim"),
    )
    above = editing.lies_above(space)
    expected = {
        "face": "",  # comes first; what is below it in the paint order lies on it
        "mouth": "face lip hair",
        "lip": "face mouth",
        "hair": "face mouth lip",
        "rim": "face mouth lip hair glasses",
        "glasses": "face mouth lip hair rim",
    }
    for name in names:
        assert set(space.decode(above[space.channel(name)])) == {name, *expected[name].split()}, name
    assert above[:, 0].all()


def test_a_candidate_that_is_not_seen_loses(generator):
    """Of two equal candidates, by more than any likelihood; a class that stays may be hidden."""
    step = SPACE.drawing_order.index
    mask = np.ones((2, 4, *SIZE), np.float32)
    mask[:, step("glasses")] = 0
    given = GivenShapes(jnp.asarray(mask * (np.arange(SIZE[1]) > 6)), jnp.asarray(mask))
    model, variables = generator._model, generator._variables
    label_set, eps = jnp.ones((2, 5)), jnp.zeros((2, *model.noise_shape))
    generated = model.sample_among(variables, label_set, eps, 1.0, given)
    output = model.apply(variables, generated.class_maps, label_set, eps)
    seen = np.ones((2, 4), np.float32)
    seen[1, step("hat")] = 0
    first, second = np.asarray(editing._evidence(generated, output, given, jnp.asarray(seen))).tolist()
    assert first == pytest.approx(second, abs=0.1) and -1e5 < first < 0
    seen[1, step("glasses")] = 0.4
    first, second = np.asarray(editing._evidence(generated, output, given, jnp.asarray(seen))).tolist()
    assert first > second + 1e5


def test_a_restyled_class_need_not_show_in_the_region(generator):
    """Where it is seen beside it, nothing faint is raised for its sake."""
    region = np.zeros(SIZE, bool)
    region[0, 0] = True
    edits = generator.restyle(a_map(), "face", num=4, region=region)
    soft = generator.generate_class_maps(SPACE.encode(["face", "eye", "hat"])[None])
    assert soft[..., FACE].max() > 0 and set(np.unique(edits.index_maps[:, 0, 0])) <= {0, FACE}
    np.testing.assert_array_equal(edits.index_maps[:, 1:], np.stack([a_map()[1:]] * 4))


def likelihood_of_the_rest(generator, canvas, shapes) -> float:
    """The evidence lower bound of the classes that stay, from the Generator's posterior and the model's decoder."""
    kept, _, label_set = canvas
    class_maps = ((kept + shapes) >= 0.5)[None]
    latents = generator.posterior(class_maps)
    p = np.clip(generator.reconstruct(class_maps)[0], 1e-12, 1 - 1e-7)
    total = 0.0
    for step, channel in enumerate(SPACE.order):
        if label_set[channel] and channel != FACE:
            shape = class_maps[0, ..., channel]
            total += np.where(shape, np.log(p[..., channel]), np.log1p(-p[..., channel])).sum()
            variances = np.exp(latents.logvar_posterior[0, step]), np.exp(latents.logvar_prior[0, step])
            squares = (latents.mu_posterior - latents.mu_prior)[0, step] ** 2
            total -= 0.5 * (np.log(variances[1] / variances[0]) + (variances[0] + squares) / variances[1] - 1).sum()
    return total


@hypothesis.given(seed=st.integers(0, 10_000), scale=st.integers(1, 3), regional=st.booleans())
@hypothesis.settings(max_examples=60)
def test_composition_changes_nothing_that_it_does_not_declare(seed, scale, regional):
    """Whatever the map, the region and the generated shapes."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 5, (6, 10)).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    index[index == HAT] = 0
    present = set(np.unique(index))
    hypothesis.assume({FACE, EYE} <= present)
    region = rng.random(index.shape) < 0.6 if regional else None
    change = Change(SPACE, index, add=("hat",), remove=("eye",), restyle=("face",), region=region)
    generated = rng.random((2, 6, 10, 5), np.float32) * change.generated
    edits = compose(change, generated, rng.random((2, 6, 10, 5), np.float32) * (np.arange(5) > 0))
    assert_only_the_edit_shows(index, edits, [HAT, EYE, FACE], region)


def test_a_hole_gets_what_is_next_to_it_and_open_ground_stays_background():
    index = a_map()
    index[4, 6] = GLASSES
    index[index == EYE] = FACE
    space = dataclasses.replace(SPACE, covered_by=())
    nothing = np.zeros((1, *SIZE, 5), np.float32)
    edits = compose(Change(space, index, remove=("glasses", "hat")), nothing, nothing)
    assert edits.index_maps[0, 4, 6] == FACE
    assert (edits.index_maps[0][index == HAT] == 0).all()


@pytest.mark.parametrize(
    "asked, error, message",
    [
        ({"add": "eye"}, LabelError, "cannot add 'eye'"),
        ({"remove": "glasses"}, LabelError, "'glasses' is not in the map, which has face, eye, hat"),
        ({"restyle": ["glasses"]}, LabelError, "'glasses' is not in the map"),
        ({"add": "glases"}, LabelError, "did you mean 'glasses'"),
        ({"add": "background"}, LabelError, "unknown label 'background'"),
        ({"remove": "eye", "restyle": "eye"}, LabelError, "named twice"),
        ({}, LabelError, "nothing to edit"),
        ({"add": "glasses", "region": np.ones((3, 3), bool)}, MapError, "a region of"),
        ({"add": "glasses", "region": np.zeros(SIZE, bool)}, MapError, "the region is empty"),
    ],
)
def test_what_cannot_be_done_is_refused(generator, asked, error, message):
    with pytest.raises(error, match=message):
        generator.edit(a_map(), **asked)


def test_maps_of_other_classes_are_refused(generator):
    with pytest.raises(MapError, match="index 9"):
        generator.remove(np.full(SIZE, 9, np.uint8), "face")
    with pytest.raises(MapError, match="one class index per pixel"):
        Change(SPACE, np.zeros((8, 8, 3), np.uint8), remove=("face",))


def test_models_that_sample_all_classes_at_once_edit_none():
    card = ModelCard(SPACE, {"image_size": (8, 8), "ngf": 2}, np.zeros((0, 5), bool), np.zeros(0, int), name="masked")
    masked = Generator(card, dict(init_variables(card.model(), 0)))
    assert not masked.can_edit
    with pytest.raises(CheckpointError, match="a masked model"):
        masked.add(a_map(), "glasses")
