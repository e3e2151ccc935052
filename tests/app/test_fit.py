"""Whether a map fits a model."""

import numpy as np
import pytest
from toy import SPACE, toy_generator

from segvae_jax import pictures
from segvae_jax.app import views
from segvae_jax.app.fit import Fit
from segvae_jax.app.session import Session, loading


def reproducing(can_reconstruct=True):
    """A generator that reproduces its own maps, all face with some eyes, and nothing of hats."""
    generator = toy_generator()
    index_map = np.full((8, 16), SPACE.channel("face"), np.uint8)
    index_map[3:6] = SPACE.channel("eye")
    generator.generate_each = lambda label_sets: np.stack([index_map] * len(label_sets))
    generator.reconstruct = lambda class_maps: class_maps * np.array([1, 1, 1, 0], np.float32)
    generator.can_reconstruct = can_reconstruct
    return generator, index_map


def test_a_map_that_is_not_reproduced_is_told_in_one_line():
    generator, good = reproducing()
    fit = Fit(generator)
    bad = good.copy()
    bad[:2] = SPACE.channel("hat")
    assert fit.lowest == 1 and fit.note(good) == fit.note(np.kron(good, np.ones((3, 3), np.uint8))) == ""
    said = fit.note(bad)
    assert said.startswith("This map fits the model badly") and "100%" in said and "\n" not in said
    assert Fit(reproducing(can_reconstruct=False)[0]).note(bad) == ""


@pytest.mark.parametrize("shape", [(8, 16), (5, 7)])
def test_a_real_model_is_asked(shape):
    fit = Fit(toy_generator())
    assert 0 <= fit.lowest <= 1
    assert isinstance(fit.note(np.ones(shape, np.uint8)), str)


def test_the_page_says_it_of_an_upload_alone():
    generator = toy_generator()
    note = lambda index_map: "badly"
    uploaded = Session().apply(generator, loading(pictures.index_png_bytes(np.ones((8, 16), np.uint8), SPACE), SPACE))
    assert views.canvas(uploaded, SPACE, note=note)["note"] == "badly"
    assert views.canvas(uploaded.apply(generator, {"call": "blank"}), SPACE, note=note)["note"] == ""
    assert views.canvas(uploaded, SPACE)["note"] == ""
