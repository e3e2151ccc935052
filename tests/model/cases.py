"""A small SegVAE in all its ways through, for the tests of the iteration and of its ablations."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from segvae_jax.losses import losses
from segvae_jax.model.layers import dense, flatten, level_widths, normalise, spectrally_normalised
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.recurrence import Prior
from segvae_jax.model.segvae import SegVAE, generate, teacher_forced_scan

B, C, K, D, Z = 3, 5, 4, 7, 3
LABEL_SET = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], np.float32)  # nobody has class 2


def normal(*shape: int, seed: int = 0, scale: float = 1.0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape, scale=scale), jnp.float32)


def random_variables(model: SegVAE):
    """Variables far from the start of training, so that every part matters; singular vectors of length one."""
    leaves, structure = jax.tree.flatten(dict(jax.eval_shape(lambda: init_variables(model, 0))))
    variables = jax.tree.unflatten(structure, [normal(*a.shape, seed=i, scale=0.4) for i, a in enumerate(leaves)])
    return {name: jax.tree.map(lambda u: u / jnp.linalg.norm(u), tree) if name == "spectral" else tree
            for name, tree in variables.items()}  # fmt: skip


class Case:
    """A small model, its inputs, and its compiled ways through."""

    def __init__(self, image_size, spectral_norm, order, **changes):
        self.model = SegVAE(C, order, image_size, 2, 6, D, Z, spectral_norm, **changes)
        self.variables = random_variables(self.model)
        maps = np.random.default_rng(1).random((B, *image_size, C)) < 0.4
        self.label_set = jnp.asarray(LABEL_SET)
        self.class_maps = jnp.asarray(maps * LABEL_SET[:, None, None], jnp.float32)
        self.eps = normal(B, K, Z, seed=2)
        self.traces = collections.Counter()
        self.train = self.compiled(self.model.apply)
        self.generate = jax.jit(self._generate)
        self.step = jax.jit(self._step)

    def present(self) -> np.ndarray:
        return LABEL_SET[:, list(self.model.order)]

    def _generate(self, variables, label_set, eps, temperature, given=None):
        self.traces["generate"] += 1
        return generate(self.model, variables, label_set, eps, temperature, given)

    def _step(self, carry, canvas, channel, eps):
        """One step of generation by definition."""
        target = jnp.eye(C)[channel][None] * self.label_set[:, channel][:, None]
        context = context_by_definition(self, canvas, self.label_set, target)
        prior = Prior(D, Z, self.model.spectral_norm)
        carry, gaussian = prior.apply(parts(self.variables, "prior"), carry, context[:, None])
        z = gaussian.sample(eps[:, None])
        logits = self.model.apply(self.variables, context[:, None], z, method="decode")
        return carry, context, gaussian, jax.nn.sigmoid(logits[:, 0])

    def compiled(self, forward):
        """Output, losses and gradients of one of the two training forwards, or of any other."""

        def loss(params, variables, class_maps, label_set, eps):
            output = forward({**variables, "params": params}, class_maps, label_set, eps)
            shapes = jnp.moveaxis(class_maps[..., jnp.asarray(self.model.order)], -1, 1)
            terms = losses(output, shapes, "bce_dice", kl_weight=0.1)
            return terms.total, (output, terms)

        gradient = jax.jit(jax.grad(loss, has_aux=True), compiler_options={"xla_backend_optimization_level": 0})

        def run(variables, class_maps, label_set, eps):
            grads, (output, terms) = gradient(variables["params"], variables, class_maps, label_set, eps)
            return output, terms, grads

        return run

    def inputs(self):
        return self.variables, self.class_maps, self.label_set, self.eps


def parts(variables, name: str):
    """The variables of one network."""
    return {collection: tree[name] for collection, tree in variables.items() if name in tree}


def context_by_definition(case: Case, canvas, label_set, target):
    """E_c of the spec: canvas, label-set and target as C + 2 input channels of plain convolutions."""
    variables = parts(case.variables, "context_encoder")

    def weights(*path):
        layer, u = variables["params"], variables.get("spectral")
        for name in path:
            layer, u = layer[name], u and u[name]
        kernel = spectrally_normalised(layer["kernel"], u["u"])[0] if u else layer["kernel"]
        return kernel, layer["bias"]

    def embedded(name, labels):
        hidden = jax.nn.relu(dense(labels, weights(name, "hidden")))
        return jax.nn.relu(dense(hidden, weights(name, "out"))).reshape(B, *case.model.image_size, 1)

    x = jnp.concatenate([canvas, embedded("embed_label_set", label_set), embedded("embed_target", target)], -1)
    for level in range(len(level_widths(case.model.image_size, 2))):
        kernel, bias = weights(*(("levels",) if level else ()), f"down_{level}")
        x = lax.conv_general_dilated(x, kernel, (2, 2), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = normalise(x + bias.reshape(1, 1, 1, -1))
    return flatten(x, weights("levels", "flatten"))


def assert_close(ours, theirs, relative: float):
    """Every array of two trees agrees relative to its largest entry."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        assert a.shape == b.shape
        scale = float(np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=0, atol=relative * scale, err_msg=jax.tree_util.keystr(path))


def rows(tree, index) -> list[jax.Array]:
    """Some rows of every array."""
    return [a[index] for a in jax.tree.leaves(tree)]


def before_norm(name: str, levels: int) -> bool:
    """Whether a tensor is a bias before InstanceNorm: no effect, and rounding noise as its gradient."""
    *_, layer, array = name.split("/")
    return array == "bias" and layer.startswith(("down_", "up_")) and layer != f"up_{levels - 1}"


def by_name(tree) -> dict[str, jax.Array]:
    return {jax.tree_util.keystr(path, simple=True, separator="/"): a
            for path, a in jax.tree_util.tree_leaves_with_path(tree)}  # fmt: skip


def assert_the_forward_equals_the_scan(case: Case):
    """In outputs, losses and gradients, none of which is zero."""
    scan = case.compiled(lambda variables, *args: teacher_forced_scan(case.model, variables, *args))
    output, terms, grads = case.train(*case.inputs())
    expected_output, expected_terms, expected_grads = scan(*case.inputs())
    assert_close(output, expected_output, 1e-5)
    assert_close(terms, expected_terms, 1e-5)
    levels = len(level_widths(case.model.image_size, case.model.ngf))
    ours, theirs = by_name(grads), by_name(expected_grads)
    noise = {name for name in ours if before_norm(name, levels)}
    largest = max(float(jnp.abs(a).max()) for a in ours.values())
    for name in noise:
        assert max(float(jnp.abs(a[name]).max()) for a in (ours, theirs)) < 1e-5 * largest
    kept = lambda tree: {name: a for name, a in tree.items() if name not in noise}
    assert [name for name, a in kept(ours).items() if not a.any()] == []
    assert_close(kept(ours), kept(theirs), 1e-5)
