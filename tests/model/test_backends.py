"""The forms that are fast on a GPU give the results of those for a CPU; both are computed here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import LABEL_SET, B, C, normal, random_variables

from segvae_jax.model.hierarchical import Hierarchical
from segvae_jax.model.packing import Budget
from segvae_jax.model.segvae import SegVAE

MODELS = {
    "hierarchical": Hierarchical(
        C, (3, 1, 2, 4), (8, 16), widths=(3, 4), context_dim=7, hidden_dim=5, latent_dim=3, latent_channels=(2, 1)
    ),
    "segvae": SegVAE(C, (3, 1, 2, 4), (8, 16), ngf=2, context_dim=5, hidden_dim=4, latent_dim=3),
}


@pytest.mark.parametrize("name", MODELS)
def test_losses_and_gradients_do_not_depend_on_the_backend(name, monkeypatch):
    model = MODELS[name]
    variables = jax.tree.map(lambda a: 0.5 * a, random_variables(model))
    class_maps = (np.random.default_rng(1).random((B, 8, 16, C)) < 0.4) * LABEL_SET[:, None, None]
    inputs = jnp.asarray(class_maps, jnp.float32), jnp.asarray(LABEL_SET), normal(B, *model.noise_shape, seed=2)

    def loss(params):
        output = model.apply({**variables, "params": params}, *inputs, Budget(1, B * 4, B * 4))
        return jnp.square(output.shapes).sum() + output.prior.mu.sum(), output.shapes

    programs, results = [], []
    for backend in ("cpu", "gpu"):
        monkeypatch.setattr(jax, "default_backend", lambda backend=backend: backend)
        traced = jax.jit(jax.grad(lambda params: loss(params), has_aux=True)).trace(variables["params"])
        programs.append(str(traced.jaxpr))
        results.append(traced.lower().compile()(variables["params"]))
    assert programs[0] != programs[1]
    for ours, expected in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(ours, expected, atol=2e-5 * max(1.0, float(jnp.abs(expected).max())))
