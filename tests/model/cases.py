"""A small SegVAE and its reference, for the tests of the iteration and of its ablations."""

import collections

import jax
import jax.numpy as jnp
import numpy as np

from segvae_jax.model import reference
from segvae_jax.model.layers import level_widths
from segvae_jax.model.losses import reduce_losses
from segvae_jax.model.protocol import init_variables
from segvae_jax.model.segvae import SegVAE, generate

B, C, K, D, Z = 3, 5, 4, 7, 3
LABEL_SET = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], np.float32)  # nobody has class 2


def normal(*shape: int, seed: int = 0, scale: float = 1.0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape, scale=scale), jnp.float32)


def random_variables(model: SegVAE):
    """Variables that are far from an initialisation, so that every part matters. Singular vectors have length one."""
    leaves, structure = jax.tree.flatten(dict(jax.eval_shape(lambda: init_variables(model, 0))))
    variables = jax.tree.unflatten(structure, [normal(*a.shape, seed=i, scale=0.4) for i, a in enumerate(leaves)])
    return {name: jax.tree.map(lambda u: u / jnp.linalg.norm(u), tree) if name == "spectral" else tree
            for name, tree in variables.items()}  # fmt: skip


class Case:
    """A small model, its inputs, and its compiled functions."""

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
        self.reference = jax.jit(lambda *inputs: reference.generate(self.model, *inputs))

    def present(self) -> np.ndarray:
        return LABEL_SET[:, list(self.model.order)]

    def _generate(self, variables, label_set, eps, temperature, given=None):
        self.traces["generate"] += 1
        return generate(self.model, variables, label_set, eps, temperature, given)

    def compiled(self, forward):
        """Compiles a forward pass for training, which returns output, losses and gradients."""

        def loss(params, variables, class_maps, label_set, eps):
            output = forward({**variables, "params": params}, class_maps, label_set, eps)
            shapes = jnp.moveaxis(class_maps[..., jnp.asarray(self.model.order)], -1, 1)
            terms = reduce_losses(self.model.loss_terms(output, shapes, "bce_dice"), output.present, kl_weight=0.1)
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


def assert_close(ours, theirs, relative: float):
    """Every array of two trees agrees relative to its largest entry."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(ours), jax.tree.leaves(theirs), strict=True):
        assert a.shape == b.shape
        scale = float(np.abs(b).max(initial=0))
        np.testing.assert_allclose(a, b, rtol=0, atol=relative * scale, err_msg=jax.tree_util.keystr(path))


def rows(tree, index) -> list[jax.Array]:
    """The given rows of every array."""
    return [a[index] for a in jax.tree.leaves(tree)]


def before_norm(name: str, levels: int) -> bool:
    """Whether a tensor is a bias before InstanceNorm. It has no effect, and its gradient is rounding noise."""
    *_, layer, array = name.split("/")
    return array == "bias" and layer.startswith(("down_", "up_")) and layer != f"up_{levels - 1}"


def by_name(tree) -> dict[str, jax.Array]:
    return {jax.tree_util.keystr(path, simple=True, separator="/"): a
            for path, a in jax.tree_util.tree_leaves_with_path(tree)}  # fmt: skip


def assert_the_forward_equals_the_reference(case: Case):
    """Compares outputs, losses and gradients, none of which may be zero."""
    scan = case.compiled(lambda variables, *args: reference.teacher_forced(case.model, variables, *args))
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
