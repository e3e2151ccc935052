"""The Generator: what users call."""

import dataclasses
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.errors import CheckpointError, LabelError, OutputError
from segvae_jax.generation import Generator
from segvae_jax.index_maps import IndexMaps
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import generate

SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
LABEL_SETS = np.array([[0, 1, 1, 0], [0, 1, 0, 1]], bool)
ARGUMENTS = {
    "image_size": (8, 16),
    "ngf": 2,
    "context_dim": 5,
    "hidden_dim": 4,
    "latent_dim": 3,
    "spectral_norm": True,
    "gain": 1.0,
}


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return ModelCard(SPACE, ARGUMENTS, LABEL_SETS, np.array([3, 1]))


@pytest.fixture(scope="module")
def variables(card):
    # An untrained decoder gives grey everywhere; larger weights make maps differ from sample to sample.
    return jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0)))


@pytest.fixture(scope="module")
def generator(card, variables) -> Generator:
    return Generator(card, variables)


def test_maps_hold_only_what_was_asked_for(generator):
    index_maps = generator.generate(["face", "hat"], num=5, seed=1)
    assert index_maps.shape == (5, 8, 16) and index_maps.dtype == np.uint8
    assert set(np.unique(index_maps)) <= {0, SPACE.channel("face"), SPACE.channel("hat")}
    soft = generator.generate_class_maps(np.tile(SPACE.encode(["face", "hat"]), (5, 1)), seed=1)
    assert (soft[..., SPACE.channel("eye")] == 0).all()


def test_a_sample_depends_on_seed_and_number_alone(generator):
    label_sets = np.repeat(LABEL_SETS, 10, axis=0)
    maps = generator.generate_class_maps(label_sets, seed=4)
    alone = generator.generate_class_maps(label_sets[13:14], seed=4, first=13)
    np.testing.assert_allclose(alone[0], maps[13], atol=1e-6)
    assert np.abs(maps[0] - maps[1]).max() > 1e-3
    assert np.abs(generator.generate_class_maps(label_sets[:1], seed=5)[0] - maps[0]).max() > 1e-3
    np.testing.assert_array_equal(generator.generate_class_maps(label_sets, seed=4), maps)


def test_more_samples_than_a_batch_continue_the_numbering(generator):
    label_sets = np.tile(LABEL_SETS[:1], (19, 1))
    many = generator.generate_each(label_sets, seed=2)
    np.testing.assert_array_equal(many[:16], generator.generate_each(label_sets[:16], seed=2))
    assert len(np.unique(many.reshape(19, -1), axis=0)) > 10


def test_numbers_of_maps_share_programs(generator):
    compiled, first = generator._sample_index_maps._cache_size, generator.generate(["face", "hat"], num=21, seed=2)
    before = compiled()
    for num in (16, 5, 20):
        np.testing.assert_array_equal(generator.generate(["face", "hat"], num, seed=2), first[:num])
    assert compiled() == before
    for num in (1, 2, 4):
        np.testing.assert_array_equal(generator.generate(["face", "hat"], num, seed=2), first[:num])
    assert compiled() <= before + 1


def test_interpolation_ends_at_maps_of_their_seeds(generator):
    way = generator.interpolate(["face", "hat"], 5, (2, 7))
    assert way.shape == (5, 8, 16)
    for end, seed in ((way[0], 2), (way[-1], 7)):
        np.testing.assert_array_equal(end, generator.generate(["face", "hat"], seed=seed)[0])
    assert len(np.unique(way.reshape(5, -1), axis=0)) > 2
    nowhere = generator.interpolate(["face", "hat"], 3, (2, 2))
    np.testing.assert_array_equal(nowhere, way[[0, 0, 0]])


def test_the_background_in_a_label_set_is_ignored(generator):
    marked = LABEL_SETS | np.array([True, False, False, False])
    np.testing.assert_array_equal(generator.generate_each(marked, seed=1), generator.generate_each(LABEL_SETS, seed=1))
    assert marked[:, 0].all() and not LABEL_SETS[:, 0].any()


def test_temperature_zero_generates_one_map(generator):
    maps = generator.generate_class_maps(np.tile(LABEL_SETS[:1], (3, 1)), seed=0, temperature=0.0)
    np.testing.assert_allclose(maps[1], maps[0], atol=1e-6)


def test_folding_spectral_norm_changes_nothing(card, variables):
    model = card.model()
    folded_model, folded = fold_spectral_norm(model, variables)
    eps = jax.random.normal(jax.random.key(1), (2, 3, 3))
    label_sets = jnp.asarray(LABEL_SETS, jnp.float32)
    before = generate(model, variables, label_sets, eps).class_maps
    after = generate(folded_model, folded, label_sets, eps).class_maps
    assert not folded_model.spectral_norm and set(folded) == {"params"}
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_unknown_label_names_the_nearest(generator):
    with pytest.raises(LabelError, match=r"'hatt' .did you mean 'hat'.*face, eye, hat"):
        generator.generate(["face", "hatt"])


def test_random_label_sets_follow_the_training_data(generator):
    rows = generator.random_label_sets(400, seed=3)
    assert abs((rows == LABEL_SETS[0]).all(1).mean() - 0.75) < 0.07
    np.testing.assert_array_equal(rows, generator.random_label_sets(400, seed=3))


def test_an_import_has_no_label_sets_to_sample(card, variables):
    bare = dataclasses.replace(card, label_sets=np.zeros((0, 4), bool), counts=np.zeros(0, int))
    with pytest.raises(CheckpointError, match="name the labels"):
        Generator(bare, variables).random_label_sets(2)


def test_reconstruction_is_blank_where_a_class_is_absent(generator):
    maps = np.zeros((3, 8, 16, 4), bool)
    maps[:, 2:6, 3:9, 1] = True
    soft = generator.reconstruct(maps)
    assert soft.shape == maps.shape and (soft[..., 2:] == 0).all() and (soft[..., 1] > 0).all()


def test_the_posterior_is_that_of_the_training_forward(card, variables, generator):
    maps = np.random.default_rng(0).random((19, 8, 16, 4)) < 0.3  # more than a batch
    maps[..., 0], maps[::2, ..., 2] = False, False
    latents = generator.posterior(maps)
    label_set = maps.any(axis=(1, 2)).astype(np.float32)
    inputs = [jnp.asarray(x, jnp.float32) for x in (maps, label_set, np.ones((19, 3, 3)))]
    output, _ = card.model().apply(variables, *inputs, mutable=["spectral"])
    for name in ("posterior", "prior"):
        for part in ("mu", "logvar"):
            expected = getattr(getattr(output, name), part)
            np.testing.assert_allclose(getattr(latents, f"{part}_{name}"), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(latents.present, label_set[:, list(SPACE.order)])


def test_loaded_from_disk_it_generates_the_same(card, variables, generator, tmp_path):
    save_variables(tmp_path, card, variables)
    loaded = Generator.load(tmp_path)
    np.testing.assert_array_equal(loaded.generate_each(LABEL_SETS, seed=6), generator.generate_each(LABEL_SETS, seed=6))
    with pytest.raises(CheckpointError, match="step 7 is not saved: saved steps are 0"):
        Generator.load(tmp_path, step=7)


OTHER = [
    {"arguments": ARGUMENTS | changes} for changes in ({"ngf": 3}, {"latent_dim": 4}, {"image_size": (16, 32)})
] + [{"space": LabelSpace(("face", "eye"))}]


@pytest.mark.parametrize("changes", OTHER, ids=["width", "latent", "size", "classes"])
def test_a_card_of_another_model_is_noticed_in_one_line(card, variables, tmp_path, changes):
    other = dataclasses.replace(card, **changes, label_sets=np.zeros((0, 4), bool), counts=np.zeros(0, int))
    save_variables(tmp_path, card, variables)
    other.write(tmp_path)
    loaded = Generator.load(tmp_path)
    blank = np.zeros((1, *other.model().image_size, other.space.num_channels), bool)
    for use in (
        lambda: loaded.generate("face"), lambda: loaded.interpolate("face", 2, (0, 1)),
        lambda: loaded.generate_class_maps(blank[:, 0, 0]), lambda: loaded.reconstruct(blank),
        lambda: loaded.posterior(blank), lambda: loaded.add(blank[0, ..., 0].astype(np.uint8), "face"),
    ):  # fmt: skip
        with pytest.raises(
            CheckpointError, match=r"its weights are not those of the model in model\.json: restore both"
        ):
            use()


def test_a_card_whose_label_sets_never_occurred_is_damaged(card, tmp_path):
    dataclasses.replace(card, counts=np.zeros(2, int)).write(tmp_path)
    with pytest.raises(CheckpointError, match=r"model\.json: damaged .*counts: all are 0"):
        ModelCard.read(tmp_path)


def test_a_saved_checkpoint_generates_the_same(generator, tmp_path):
    files = generator.save(tmp_path / "saved")
    assert [path.name for path in files] == ["model.json", "weights.npz"]
    loaded = Generator.from_pretrained(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.generate_each(LABEL_SETS, seed=6), generator.generate_each(LABEL_SETS, seed=6))
    assert loaded.step == generator.step and not loaded.card.model().spectral_norm
    again = loaded.save(tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]


def test_a_training_run_is_not_saved_over(card, variables, generator, tmp_path):
    save_variables(tmp_path, card, variables)
    with pytest.raises(OutputError, match=f"^{tmp_path}: holds the saved steps of a training run: give another folder"):
        generator.save(tmp_path)
    assert Generator.load(tmp_path).fingerprint() == generator.fingerprint()


def test_its_repr_tells_classes_size_and_training(card, variables):
    about = "<Generator: segvae, 3 classes, 8 x 16 pixels, trained for 1,200 steps on"
    assert repr(Generator(card, variables, 1200)) == f"{about} 4 maps with 2 label-sets>"
    bare = dataclasses.replace(card, label_sets=np.zeros((0, 4), bool), counts=np.zeros(0, int))
    assert repr(Generator(bare, variables, 1200)) == f"{about} unknown maps>"


def test_names_may_be_one_text_with_commas_titles_or_a_list(generator):
    maps = generator.generate(["face", "hat"], num=2, seed=3)
    for names in ("face,hat", "Face, cap", ("face", "cap"), iter(["hat", "face"])):
        np.testing.assert_array_equal(generator.generate(names, num=2, seed=3), maps)


def test_a_generator_is_pickled_with_its_weights_and_step(card, variables):
    generator = Generator(card, variables, 1200)
    again = pickle.loads(pickle.dumps(generator))
    assert repr(again) == repr(generator) and again.fingerprint() == generator.fingerprint()
    np.testing.assert_array_equal(again.generate("face,eye", seed=2), generator.generate("face,eye", seed=2))


def test_generated_maps_show_themselves_in_their_label_space(generator):
    for maps in (generator.generate(["face"], num=2), generator.interpolate(["face"], 3, (0, 1))):
        assert type(maps) is IndexMaps and maps.space == SPACE and maps._repr_png_()


def test_picture_magnifies_small_maps_and_names_the_classes_shown(generator):
    index_maps = generator.generate(["face"], num=4)
    picture = generator.picture(index_maps, columns=2)
    assert picture.shape[1] == 2 * (16 * 24 + 2) + 2 and picture.shape[0] > 2 * (8 * 24 + 2) + 2
    assert generator.picture(index_maps, columns=4, scale=3).shape[1] == 4 * (16 * 3 + 2) + 2
    one = generator.picture(index_maps[0], scale=5)
    assert one.shape[1] == 16 * 5 + 4
    np.testing.assert_array_equal(one, generator.picture(index_maps[:1], scale=5))
