"""Temperatures: one number, or numbers for scales of the latent, in Python and on the command line."""

import jax
import numpy as np
import pytest
from absl import flags

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.cli.script import define_temperature_flag, temperature_of
from segvae_jax.errors import CheckpointError, SegVAEError
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables

SPACE = LabelSpace(("face", "eye"))
ARGUMENTS = {"image_size": (8, 8), "widths": (3, 4), "context_dim": 5, "hidden_dim": 4, "latent_dim": 3,
             "latent_channels": (2, 1)}  # fmt: skip


@pytest.fixture(scope="module")
def generator() -> Generator:
    card = ModelCard(SPACE, ARGUMENTS, np.ones((1, 3), bool), np.ones(1, int), name="hierarchical")
    return Generator(card, jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0))))


def test_the_same_temperature_at_every_scale_is_that_temperature(generator):
    assert generator.latent_scales == ("vector", "4x4", "8x8")
    everywhere = dict.fromkeys(generator.latent_scales, 0.7)
    ours, one = (generator.generate(["face", "eye"], num=4, temperature=t) for t in (everywhere, 0.7))
    np.testing.assert_array_equal(ours, one)
    some = generator.generate(["face", "eye"], num=4, temperature={"8x8": 0.0, "4x4": 2.0})
    assert (some != generator.generate(["face", "eye"], num=4)).any()


def test_edits_take_temperatures_of_scales(generator):
    index_map = np.zeros((8, 8), np.uint8)
    index_map[2:6, 2:6] = 1
    cold = generator.add(index_map, "eye", num=2, temperature=dict.fromkeys(generator.latent_scales, 0.0))
    np.testing.assert_array_equal(cold.index_maps, generator.add(index_map, "eye", num=2, temperature=0.0).index_maps)


def test_an_unknown_scale_is_named(generator):
    with pytest.raises(CheckpointError, match="temperature of '2x2': no such scale of the latent: expected one of vec"):
        generator.generate(["face"], temperature={"2x2": 1.0})
    card = ModelCard(SPACE, {"image_size": (8, 8), "ngf": 2}, np.ones((1, 3), bool), np.ones(1, int))
    with pytest.raises(CheckpointError, match="this model has a single temperature"):
        Generator(card, dict(init_variables(card.model(), 0))).generate(["face"], temperature={"4x4": 1.0})


def flag(text: str) -> float | dict[str, float]:
    own = flags.FlagValues()
    define_temperature_flag(own)
    own(["command", f"--temperature={text}"])
    return temperature_of(own)


def test_the_flag_takes_a_number_or_numbers_of_scales():
    assert flag("0.8") == 0.8 and flag("0") == 0
    assert flag("4x4=0.5") == {"4x4": 0.5}
    assert flag("vector=1,16x16=0.25") == {"vector": 1.0, "16x16": 0.25}


@pytest.mark.parametrize("text", ["", "warm", "1,2", "4x4=", "=1,4x4=2", "4x4=1,2", "4x4=1,4x4=2"])
def test_other_words_are_refused_in_one_line(text):
    with pytest.raises(SegVAEError, match=f"^--temperature={text}: expected a number, or SCALE=NUMBER"):
        flag(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "-inf", "1e38", "10.1", "4x4=-1", "4x4=nan", "vector=1,4x4=1e38"])
def test_numbers_out_of_range_are_refused_in_one_line(text):
    with pytest.raises(SegVAEError, match=r"^temperature( of '4x4')?=.*: expected a number from 0 to 10$"):
        flag(text)
