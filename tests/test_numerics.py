"""Samples, training and exports do not depend on the settings of JAX in the environment or in the program around."""

import contextlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.evaluation import suite
from segvae_jax.evaluation.networks.random_cnn import random_cnn
from segvae_jax.generation import Generator
from segvae_jax.interop import export
from segvae_jax.interop.export import sampling_program
from segvae_jax.labels import LabelSpace
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.protocol import init_variables
from segvae_jax.numerics import fixed_numerics
from segvae_jax.streams import seed_key
from segvae_jax.training import loop
from segvae_jax.training.step import StepConfig, _random_steps

SPACE = LabelSpace(("face", "eye"))
LABEL_SETS = np.array([[0, 1, 1], [0, 1, 0]], bool)
ARGUMENTS = {"image_size": (8, 8), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "gain": 1.0}
OTHER = {
    "jax_enable_x64": True,
    "jax_numpy_dtype_promotion": "strict",
    "jax_default_matmul_precision": "BF16_BF16_F32",
    "jax_default_prng_impl": "rbg",
    "jax_threefry_partitionable": False,
}
WITHOUT_CONTEXT = {"jax_random_seed_offset": 7, "jax_high_dynamic_range_gumbel": True}


@contextlib.contextmanager
def other_settings(*names):
    """What variables of the environment, and `jax.config.update` of the program around, do."""
    before = {name: getattr(jax.config, name) for name in names}
    try:
        for name in names:
            jax.config.update(name, (OTHER | WITHOUT_CONTEXT)[name])
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def make() -> Generator:
    card = ModelCard(SPACE, ARGUMENTS, LABEL_SETS, np.array([3, 1]))
    with fixed_numerics():
        return Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))


def results(generator: Generator) -> dict[str, np.ndarray]:
    """What every public method that computes returns."""
    index_map = np.zeros((8, 8), np.uint8)
    index_map[2:6, 2:6] = 1
    shapes = (index_map[..., None] == np.arange(3)) & (np.arange(3) > 0)
    rows, numbers = np.tile(LABEL_SETS, (4, 1)).astype(np.float32), np.arange(8)
    return {
        "generate": generator.generate(["face", "eye"], num=3, seed=5),
        "class_maps": generator.generate_class_maps(LABEL_SETS, seed=5, temperature=0.7),
        "sampler": np.asarray(generator.sampler(jax.devices()[:1])(rows, 5, numbers, 1.0)),
        "interpolate": generator.interpolate(["face", "eye"], 3, (1, 2)),
        "label_sets": generator.random_label_sets(40, seed=5),
        "posterior": generator.posterior(shapes[None]).mu_posterior,
        "edit": generator.add(index_map, "eye", num=2, seed=5).class_maps,
        "reshape": generator.reshape(index_map, "face", steps=3, seed=5).class_maps,
    }


@pytest.fixture(scope="module")
def generator() -> Generator:
    return make()


@pytest.fixture(scope="module")
def expected(generator) -> dict[str, np.ndarray]:
    return results(generator)


@pytest.mark.parametrize("names", [*((name,) for name in OTHER), tuple(OTHER)], ids=[*OTHER, "all"])
def test_samples_and_edits_are_the_same_under_other_settings(generator, expected, names):
    with other_settings(*names):
        found = results(generator)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype, name
        np.testing.assert_array_equal(found[name], value, name)


def test_a_generator_made_under_other_settings_is_the_same(expected):
    with other_settings(*OTHER):
        np.testing.assert_array_equal(make().generate(["face", "eye"], num=3, seed=5), expected["generate"])


def test_exports_and_networks_of_metrics_are_the_same(generator):
    model, folded = fold_spectral_norm(generator.card.model(), generator._loaded)
    places = re.compile(r" loc\([^)]*\)|^#loc.*$", re.MULTILINE)
    exported = lambda: places.sub("", sampling_program(model, folded, SPACE).mlir_module())
    network = fixed_numerics()(lambda: np.concatenate([np.ravel(kernel) for kernel in random_cnn(3, 2)]))
    program, kernels = exported(), network()
    with other_settings(*OTHER):
        assert exported() == program
        np.testing.assert_array_equal(network(), kernels)


def test_keys_know_no_offset_and_gumbel_noise_is_of_one_kind():
    config = StepConfig("bce", 1.0, 0.0, seed=3, classes_per_map=4)
    key, noise = jax.random.key_data(seed_key(3)), lambda: _random_steps(config, 0, jnp.ones((40, 9)))
    np.testing.assert_array_equal(key, jax.random.key_data(jax.random.key(3, impl="threefry2x32")))
    expected = noise()
    with other_settings(*WITHOUT_CONTEXT):
        np.testing.assert_array_equal(jax.random.key_data(seed_key(3)), key)
        assert (jax.random.key_data(jax.random.key(3)) != key).any()
        np.testing.assert_array_equal(noise(), expected)


def test_training_scoring_and_exporting_run_with_the_fixed_settings(monkeypatch, tmp_path):
    class Seen(Exception):
        pass

    def seen(*arguments, **options):
        raise Seen({name: getattr(jax.config, name) for name in OTHER})

    fixed = {name: getattr(jax.config, name) for name in OTHER}
    monkeypatch.setattr(loop, "check_writable", seen)
    monkeypatch.setattr(export, "load_variables", seen)
    monkeypatch.setattr(suite, "_check", seen)
    calls = (
        lambda: loop.train(ConfigDict(), tmp_path), lambda: export.export("cartoon", tmp_path),
        lambda: suite.run_suite(lambda label_sets, seed: label_sets, None, {}, SPACE),
        lambda: suite.score_anchors({}, SPACE),
    )  # fmt: skip
    for call in calls:
        with other_settings(*OTHER), pytest.raises(Seen) as caught:
            call()
        assert caught.value.args[0] == fixed


def test_the_settings_of_the_program_around_are_left_as_they_are():
    with other_settings("jax_enable_x64"):
        with fixed_numerics():
            assert jnp.zeros(2).dtype == jnp.float32
        assert jnp.zeros(2).dtype == jnp.float64
    with pytest.raises(KeyError), fixed_numerics():
        raise KeyError
    assert jnp.zeros(2).dtype == jnp.float32
