"""The model against golden values of the authors' release, at 128 px; `tests/golden/make.py` made the files."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from segvae_jax.interop.torch_checkpoint import NETWORKS, model_arguments, to_params, to_spectral
from segvae_jax.labels import HUMAN_PARSING
from segvae_jax.maps import with_background
from segvae_jax.model.layers import level_widths
from segvae_jax.model.losses import reduce_losses
from segvae_jax.model.segvae import SegVAE, generate

QUICK = {"xla_backend_optimization_level": 0}  # each program runs once, so compilation dominates
FOLDER = Path(__file__).parent.parent / "golden"
SPACES = {"humanparsing_small": HUMAN_PARSING}


class Golden:
    """A file of golden values, and the model with their weights."""

    def __init__(self, name: str):
        with np.load(FOLDER / f"{name}.npz") as archive:
            self.values = dict(archive)
        self.space = SPACES[name]
        self.meta = json.loads(str(self.values["meta"]))
        self.state = self._networks("state/", lambda _, value: value)
        self.arguments = model_arguments(self.state, name)
        self.levels = len(level_widths(self.arguments["image_size"], self.arguments["ngf"]))
        self.model = SegVAE(order=tuple(self["input/order"].tolist()), **self.arguments)
        params, spectral = to_params(self.state, self.levels), to_spectral(self.state, self.levels)
        self.variables = {"params": params, "spectral": spectral}
        shape = self["input/maps_shape"]
        maps = np.unpackbits(self["input/maps"])[: np.prod(shape)].reshape(shape)
        self.class_maps = jnp.asarray(maps.transpose(0, 2, 3, 1), jnp.float32)

    def __getitem__(self, key: str) -> np.ndarray:
        return self.values[key]

    def steps(self, key: str) -> jax.Array:
        """The values of all steps with the batch as the leading dimension."""
        return jnp.swapaxes(self[key], 0, 1)

    def params(self, prefix: str):
        """The tensors under `prefix` as a tree of params. Entries that the file leaves out are NaN."""
        return to_params(self._networks(prefix, self._uncut), self.levels)

    def largest(self):
        """The largest entry of every gradient, as a tree of params."""
        fill = lambda key, _: np.full(self._shape(key), self.meta["largest"][key])
        return to_params(self._networks("grad/", fill), self.levels)

    def cut_maps(self, class_maps) -> np.ndarray:
        """Class maps in the form of the file: with background, at some pixels."""
        stride = self.meta["map_stride"]
        return np.asarray(with_background(class_maps))[:, ::stride, ::stride].transpose(0, 3, 1, 2)

    def _shape(self, key: str) -> tuple[int, ...]:
        _, network, name = key.split("/")
        return self.state[network][name].shape

    def _uncut(self, key: str, value: np.ndarray) -> np.ndarray:
        shape = self._shape(key)
        if value.shape == shape:
            return value
        full = np.full(np.prod(shape), np.nan, np.float32)
        full[:: self.meta["tensor_stride"]] = value
        return full.reshape(shape)

    def _networks(self, prefix: str, convert):
        networks = {name: {} for name in NETWORKS}
        for key, value in self.values.items():
            if key.startswith(prefix):
                _, network, name = key.split("/")
                networks[network][name] = convert(key, value)
        return networks


def on_channels(model: SegVAE, shapes):
    """Converts shapes in drawing order to class maps."""
    blank = jnp.zeros((shapes.shape[0], *model.image_size, model.num_channels))
    return blank.at[..., jnp.asarray(model.order)].set(jnp.moveaxis(shapes, 1, -1))


def one_update(golden: Golden):
    """A training step on the golden inputs: output, losses, maps decoded from the prior, gradients, weights."""
    model, meta = golden.model, golden.meta
    adam = optax.adam(meta["lr"], *meta["betas"])
    shapes = jnp.moveaxis(golden.class_maps[..., jnp.asarray(model.order)], -1, 1)
    label_set, eps = jnp.asarray(golden["input/label_set"]), golden.steps("input/eps_posterior")

    def loss(params, variables):
        variables = {**variables, "params": params}
        output = model.apply(variables, golden.class_maps, label_set, eps)
        terms = reduce_losses(golden.model.loss_terms(output, shapes, "l1"), output.present, meta["lambda_kl"])
        return terms.total, (output, terms)

    def update(variables):
        params = variables["params"]
        grads, (output, terms) = jax.grad(loss, has_aux=True)(params, variables)
        z = output.prior.sample(golden.steps("input/eps_prior"))
        from_prior = output.replace(logits=model.apply(variables, output.context, z, method="decode"))
        updates, _ = adam.update(grads, adam.init(params), params)
        return output, terms, from_prior.shapes, grads, optax.apply_updates(params, updates)

    return jax.jit(update, compiler_options=QUICK)(golden.variables)


@pytest.fixture(scope="module", params=SPACES)
def golden(request) -> Golden:
    return Golden(request.param)


@pytest.fixture(scope="module")
def update(golden):
    return one_update(golden)


def test_the_files_are_of_the_known_label_spaces(golden):
    meta, arguments = golden.meta, golden.arguments
    assert golden.space.order == golden.model.order
    assert golden.space.num_channels == arguments["num_channels"] == meta["classes"]
    assert arguments["image_size"] == (meta["size"], meta["size"])
    sizes = [arguments[name] for name in ("ngf", "context_dim", "hidden_dim", "latent_dim")]
    assert sizes == [meta[name] for name in ("ngf", "shape_dim", "hidden_dim", "z_dim")]
    assert meta["lambda_shape"] == 1
    assert arguments["spectral_norm"]
    np.testing.assert_array_equal(golden["input/label_set"], golden.class_maps.any((1, 2)))


def test_features_and_gaussians_of_the_training_forward(golden, update):
    output, *_ = update
    np.testing.assert_allclose(output.context, golden.steps("teacher/context/feature"), rtol=0, atol=1e-4)
    for name, gaussian in (("prior", output.prior), ("posterior", output.posterior)):
        np.testing.assert_allclose(gaussian.mu, golden.steps(f"teacher/{name}/mu"), rtol=0, atol=1e-4)
        np.testing.assert_allclose(gaussian.logvar, golden.steps(f"teacher/{name}/logvar"), rtol=0, atol=1e-4)


def test_maps_decoded_from_posterior_and_prior(golden, update):
    output, _, from_prior, *_ = update
    for name, shapes in (("recon", output.shapes), ("from_prior", from_prior)):
        maps = golden.cut_maps(on_channels(golden.model, shapes))
        np.testing.assert_allclose(maps, golden[f"teacher/{name}_u16"] / 65535, rtol=0, atol=1e-4)


def test_both_losses(golden, update):
    _, terms, *_ = update
    weighted = golden.meta["lambda_kl"] * terms.kl
    np.testing.assert_allclose(weighted, golden["teacher/loss_kl_weighted"], rtol=1e-4)
    np.testing.assert_allclose(terms.reconstruction, golden["teacher/loss_recon"], rtol=1e-4)


def leaves(tree):
    return [("/".join(key.key for key in path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def before_norm(name: str, levels: int) -> bool:
    """Whether a tensor is a bias before InstanceNorm. It has no effect, and its gradient is rounding noise."""
    *_, layer, array = name.split("/")
    return array == "bias" and layer.startswith(("down_", "up_")) and layer != f"up_{levels - 1}"


def test_every_gradient(golden, update):
    *_, grads, _ = update
    assert jax.tree.structure(grads) == jax.tree.structure(golden.params("grad/"))
    for (name, ours), (_, theirs), (_, largest) in zip(
        leaves(grads), leaves(golden.params("grad/")), leaves(golden.largest()), strict=True
    ):
        tolerance = 1e-6 if before_norm(name, golden.levels) else 1e-3 * largest.max()
        kept = ~np.isnan(theirs)
        assert kept.any()
        np.testing.assert_allclose(np.asarray(ours)[kept], theirs[kept], rtol=0, atol=tolerance, err_msg=name)


def test_one_adam_step(golden, update):
    *_, updated = update
    updated, grads, largest = map(dict, map(leaves, (updated, golden.params("grad/"), golden.largest())))
    expected = {name: a for name, a in leaves(golden.params("adam1/")) if not before_norm(name, golden.levels)}
    assert len(expected) == 11
    for name, theirs in expected.items():
        # The first step is about lr * sign(gradient): entries whose sign is rounding noise are left out.
        sure = np.abs(grads[name]) > 1e-2 * largest[name].max()
        assert sure.any()
        rate = golden.meta["lr"]
        np.testing.assert_allclose(
            np.asarray(updated[name])[sure], theirs[sure], rtol=0, atol=1e-2 * rate, err_msg=name
        )


def test_free_running_generation(golden):
    label_set, eps = jnp.asarray(golden["input/label_set"]), golden.steps("input/eps_prior")
    run = lambda variables: generate(golden.model, variables, label_set, eps)
    generated = jax.jit(run, compiler_options=QUICK)(golden.variables)
    np.testing.assert_allclose(generated.context, golden.steps("generate/context/feature"), rtol=0, atol=1e-4)
    np.testing.assert_allclose(generated.prior.mu, golden.steps("generate/prior/mu"), rtol=0, atol=1e-4)
    np.testing.assert_allclose(generated.prior.logvar, golden.steps("generate/prior/logvar"), rtol=0, atol=1e-4)
    maps = golden.cut_maps(generated.class_maps)
    np.testing.assert_allclose(maps, golden["generate/maps_u16"] / 65535, rtol=0, atol=1e-4)
