"""A generator that answers at once, and a checkpoint of it: untrained, with larger weights so that maps differ."""

import pathlib

import jax
import numpy as np

from segvae_jax.checkpoint.card import ModelCard
from segvae_jax.checkpoint.saving import save_variables
from segvae_jax.generation import Generator
from segvae_jax.labels import LabelSpace
from segvae_jax.model.protocol import init_variables
from segvae_jax.translation import Translator
from segvae_jax.translator.networks import TRANSLATOR

SPACE = LabelSpace(("face", "eye", "hat"), drawing_order=("face", "hat", "eye"))
_LABEL_SETS = np.array([[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1]], bool)
_ARGUMENTS = {
    "image_size": (8, 16), "ngf": 2, "context_dim": 5, "hidden_dim": 4, "latent_dim": 3, "spectral_norm": False,
    "gain": 1.0,
}  # fmt: skip


def toy_card() -> ModelCard:
    return ModelCard(SPACE, _ARGUMENTS, _LABEL_SETS, np.array([3, 6, 1]))


def toy_variables(card: ModelCard) -> dict:
    return jax.tree.map(lambda a: 3 * a, dict(init_variables(card.model(), 0)))


def toy_generator() -> Generator:
    card = toy_card()
    return Generator(card, toy_variables(card))


def toy_translator() -> Translator:
    sizes = {"image_size": (8, 16), "widths": (4, 5), "discriminator_widths": (4, 5)}
    card = ModelCard(SPACE, sizes, _LABEL_SETS, np.array([3, 6, 1]), name=TRANSLATOR)
    return Translator(card, jax.tree.map(lambda a: 2 * a, card.networks().init(0)))


def save_toy(folder: pathlib.Path) -> None:
    card = toy_card()
    save_variables(folder, card, toy_variables(card))
    toy_translator().save(folder / "translator")
