"""Whether a map fits a model."""

import numpy as np
import pytest
from toy import SPACE, toy_generator

from segvae_jax import maps, pictures
from segvae_jax.app import views
from segvae_jax.app.fit import Fit
from segvae_jax.app.session import Session, loading
from segvae_jax.given_maps import Meaning
from segvae_jax.sampling import Latents

FACE = np.ones((8, 16), np.uint8)


def surprised_by_hats():
    """A generator of faces, whose prior is off by 1 for a face, and by 9 for a hat."""
    generator = toy_generator()

    def posterior(class_maps):
        present = maps.label_set_of(class_maps)[:, list(SPACE.order)]
        zeros = np.zeros((*present.shape, 2), np.float32)
        off = np.where(np.array(SPACE.order) == SPACE.channel("hat"), 9, 1)
        return Latents(zeros + off[:, None].astype(np.float32), zeros, zeros, zeros, present)

    generator.generate_each = lambda label_sets: np.stack([FACE] * len(label_sets))
    generator.posterior = posterior
    return generator


def test_a_map_that_surprises_the_model_is_told_in_one_line():
    fit = Fit(surprised_by_hats())
    bad = FACE.copy()
    bad[:2] = SPACE.channel("hat")
    assert fit.highest == 1  # half the square of 1, twice
    assert fit.note(FACE) == fit.note(np.kron(FACE, np.ones((3, 3), np.uint8))) == fit.note(0 * FACE) == ""
    said = fit.note(bad)
    assert said.startswith("This map fits the model badly") and "41 nats" in said and "\n" not in said


def test_nothing_is_said_without_a_posterior_for_each_class(monkeypatch):
    generator = surprised_by_hats()
    monkeypatch.setattr(type(generator), "can_infer", False)
    assert Fit(generator).note(FACE * np.uint8(SPACE.channel("hat"))) == ""


@pytest.mark.parametrize("shape", [(8, 16), (5, 7)])
def test_a_real_model_is_asked(shape):
    fit = Fit(toy_generator())
    assert fit.highest > 0
    assert isinstance(fit.note(np.ones(shape, np.uint8)), str)


def test_the_page_says_it_of_an_upload_alone():
    generator = toy_generator()
    note = lambda index_map: "badly"
    uploaded = Session().apply(generator, loading(pictures.index_png_bytes(FACE, SPACE), Meaning(SPACE))[0])
    assert views.canvas(uploaded, SPACE, note=note)["note"] == "badly"
    assert views.canvas(uploaded.apply(generator, {"call": "blank"}), SPACE, note=note)["note"] == ""
    assert views.canvas(uploaded, SPACE)["note"] == ""
