"""The iteration: three ways through the same modules, and what absent classes may and may not do."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from segvae_jax.losses import losses
from segvae_jax.model.encoders import ContextEncoder
from segvae_jax.model.layers import dense, flatten, level_widths, normalise, spectrally_normalised
from segvae_jax.model.recurrence import Posterior, Prior, initial_carry
from segvae_jax.model.segvae import SegVAE, generate, teacher_forced_scan
from segvae_jax.training.state import init_variables

B, C, K, D, Z = 3, 5, 4, 7, 3
LABEL_SET = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], np.float32)  # nobody has class 2
CASES = [((8, 16), True, (3, 1, 2, 4)), ((16, 16), False, (2, 4, 3, 1))]


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

    def __init__(self, image_size, spectral_norm, order):
        self.model = SegVAE(C, order, image_size, 2, 6, D, Z, spectral_norm)
        self.variables = random_variables(self.model)
        maps = np.random.default_rng(1).random((B, *image_size, C)) < 0.4
        self.label_set = jnp.asarray(LABEL_SET)
        self.class_maps = jnp.asarray(maps * LABEL_SET[:, None, None], jnp.float32)
        self.eps = normal(B, K, Z, seed=2)
        self.traces = collections.Counter()
        self.train = self._compiled(self.model.apply)
        self.generate = jax.jit(self._generate)
        self.step = jax.jit(self._step)

    def present(self) -> np.ndarray:
        return LABEL_SET[:, list(self.model.order)]

    def _generate(self, variables, label_set, eps, temperature):
        self.traces["generate"] += 1
        return generate(self.model, variables, label_set, eps, temperature)

    def _step(self, carry, canvas, channel, eps):
        """One step of generation by definition."""
        target = jnp.eye(C)[channel][None] * self.label_set[:, channel][:, None]
        context = context_by_definition(self, canvas, self.label_set, target)
        prior = Prior(D, Z, self.model.spectral_norm)
        carry, gaussian = prior.apply(parts(self.variables, "prior"), carry, context[:, None])
        z = gaussian.sample(eps[:, None])
        logits = self.model.apply(self.variables, context[:, None], z, method="decode")
        return carry, context, gaussian, jax.nn.sigmoid(logits[:, 0])

    def _compiled(self, forward):
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


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "x".join(map(str, case[0])))
def case(request) -> Case:
    return Case(*request.param)


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


def test_the_training_forward_equals_the_scan_over_the_classes(case):
    """In outputs, losses and gradients."""
    scan = case._compiled(lambda variables, *args: teacher_forced_scan(case.model, variables, *args))
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


def test_absent_classes_are_blank(case):
    output, *_ = case.train(*case.inputs())
    np.testing.assert_array_equal(output.present, case.present())
    drawn = np.asarray(output.shapes).reshape(B, K, -1)
    assert not drawn[case.present() == 0].any()
    assert (drawn[case.present() == 1] > 0).all()
    assert (drawn[case.present() == 1] < 1).all()


def test_absent_classes_have_no_part_in_losses_and_gradients(case):
    _, terms, grads = case.train(*case.inputs())
    noise = 1e3 * (1 - case.present())[..., None]
    other_output, other_terms, other_grads = case.train(*case.inputs()[:3], case.eps + noise)
    assert jnp.isfinite(other_output.logits).all()
    assert_close(other_terms, terms, 1e-7)
    assert_close(other_grads, grads, 1e-6)


def test_a_row_of_a_training_batch_sees_no_other(case):
    """The output of a row is the one it has among copies of itself."""
    output, *_ = case.train(*case.inputs())
    for row in range(2):
        copies = (jnp.stack([a[row]] * B) for a in case.inputs()[1:])
        alone, *_ = case.train(case.variables, *copies)
        assert_close(rows(alone, 1), rows(output, row), 1e-5)


def test_the_batch_loss_is_the_mean_over_the_rows_that_have_the_class(case):
    """Rows 0 and 1 share class 3; row 2 has none and counts for nothing."""
    model, (variables, maps, labels, eps) = case.model, case.inputs()
    output, terms, _ = case.train(*case.inputs())
    gaps = jnp.exp(output.posterior.logvar - output.prior.logvar)
    squares = jnp.square(output.posterior.mu - output.prior.mu) * jnp.exp(-output.prior.logvar)
    kl = np.asarray(0.5 * (gaps + squares - 1 - jnp.log(gaps)).sum(-1))
    shared = model.order.index(3)
    own = [k for k in range(K) if case.present()[0, k] and k != shared]
    expected = kl[0, own].sum() + (kl[0, shared] + kl[1, shared]) / 2
    np.testing.assert_allclose(terms.kl, expected, rtol=1e-4)
    without, *_ = case.train(variables, maps, labels.at[1].set(0), eps)
    np.testing.assert_array_equal(without.present.sum(0), labels[0, jnp.asarray(model.order)])


def parts(variables, name: str):
    """The variables of one network."""
    return {collection: tree[name] for collection, tree in variables.items() if name in tree}


def test_the_lstms_advance_in_steps_of_absent_classes(case):
    """Every row takes all K contexts; leaving an absent class out changes what follows."""
    model, output = case.model, case.train(*case.inputs())[0]
    row, absent = 0, model.order.index(2)
    later = slice(absent + 1, None)
    kept = jnp.asarray([k for k in range(K) if k != absent])
    prior, start = Prior(D, Z, model.spectral_norm), initial_carry(B, D)
    run = jax.jit(lambda context: prior.apply(parts(case.variables, "prior"), start, context)[1].mu)
    np.testing.assert_allclose(run(output.context)[row], output.prior.mu[row], atol=1e-5)
    skipped = run(output.context[:, kept])
    np.testing.assert_allclose(skipped[row, :absent], output.prior.mu[row, :absent], atol=1e-5)
    assert absent == K - 1 or jnp.abs(skipped[row, absent:] - output.prior.mu[row, later]).max() > 1e-3

    posterior = Posterior(model.image_size, model.ngf, D, Z, model.spectral_norm)
    variables, order = parts(case.variables, "posterior"), jnp.asarray(model.order)[kept]
    shapes, target = jnp.moveaxis(case.class_maps[..., order], -1, 1), jnp.eye(C)[order]
    run = jax.jit(lambda *args: posterior.apply(variables, start, *args)[1].mu)
    skipped = run(shapes, target, case.label_set[:, order], output.context[:, kept])
    np.testing.assert_allclose(skipped[row, :absent], output.posterior.mu[row, :absent], atol=1e-5)
    assert absent == K - 1 or jnp.abs(skipped[row, absent:] - output.posterior.mu[row, later]).max() > 1e-3


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


def test_the_context_is_the_encoding_of_canvas_label_set_and_target(case):
    """The canvas holds the true shapes of earlier classes; the target is all zeros where the class is absent."""
    output, *_ = case.train(*case.inputs())
    encode = jax.jit(lambda *args: context_by_definition(case, *args))
    canvas = jnp.zeros_like(case.class_maps)
    for k, channel in enumerate(case.model.order):
        target = jnp.eye(C)[channel][None] * case.label_set[:, channel][:, None]
        np.testing.assert_allclose(output.context[:, k], encode(canvas, case.label_set, target), atol=2e-5)
        canvas = canvas.at[..., channel].set(case.class_maps[..., channel])


def test_the_context_encoder_takes_soft_canvases(case):
    """As generation gives them, one step at a time."""
    model, canvas = case.model, jax.nn.sigmoid(normal(B, *case.model.image_size, C))
    encoder = ContextEncoder(C, model.image_size, 2, 6, D, model.spectral_norm)
    target, present = jnp.eye(C)[jnp.array([1])], case.label_set[:, 1:2]
    run = jax.jit(lambda *args: encoder.apply(parts(case.variables, "context_encoder"), *args))
    ours = run(canvas, jnp.ones((1, C)), case.label_set, target, present)[:, 0]
    theirs = jax.jit(lambda *args: context_by_definition(case, *args))(canvas, case.label_set, target * present)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_generation_equals_a_plain_loop_over_the_classes(case):
    """Every step of every row looks at the whole canvas and decodes; what was not asked for stays blank."""
    generated = case.generate(case.variables, case.label_set, case.eps, 1.0)
    carry, canvas = initial_carry(B, D), jnp.zeros((B, *case.model.image_size, C))
    for k, channel in enumerate(case.model.order):
        before = carry
        carry, context, prior, shape = case.step(carry, canvas, channel, case.eps[:, k])
        np.testing.assert_allclose(generated.context[:, k], context, atol=2e-5)
        np.testing.assert_allclose(generated.prior.mu[:, k], prior.mu[:, 0], atol=2e-5)
        np.testing.assert_allclose(generated.prior.logvar[:, k], prior.logvar[:, 0], atol=2e-5)
        canvas = canvas.at[..., channel].set(shape * case.label_set[:, channel][:, None, None])
        assert all(np.abs(new - old).max() > 0 for new, old in zip(carry, before, strict=True))
    np.testing.assert_allclose(generated.class_maps, canvas, atol=2e-5)


def test_generated_shapes_are_decoded_from_the_prior(case):
    generated = case.generate(case.variables, case.label_set, case.eps, 1.0)
    decode = jax.jit(lambda *args: case.model.apply(case.variables, *args, method="decode"))
    z = generated.prior.mu + jnp.exp(generated.prior.logvar / 2) * case.eps
    shapes = jax.nn.sigmoid(decode(generated.context, z))
    for k, channel in enumerate(case.model.order):
        expected = shapes[:, k] * case.label_set[:, channel][:, None, None]
        np.testing.assert_allclose(generated.class_maps[..., channel], expected, atol=1e-5)
    drawn = np.asarray(generated.class_maps).any((1, 2))
    np.testing.assert_array_equal(drawn, LABEL_SET.astype(bool))


def test_generation_is_deterministic_and_compiled_once_per_shape(case):
    first = case.generate(case.variables, case.label_set, case.eps, 1.0)
    again = case.generate(case.variables, case.label_set, case.eps, 1.0)
    assert_close(first, again, 0)
    case.generate(case.variables, jnp.ones((B, C)), -case.eps, 0.3)
    assert case.traces["generate"] == 1


def test_temperature_scales_the_noise(case):
    run = lambda eps, temperature: case.generate(case.variables, case.label_set, eps, temperature).class_maps
    mean = run(case.eps, 0.0)
    np.testing.assert_array_equal(run(-3 * case.eps, 0.0), mean)
    np.testing.assert_array_equal(run(jnp.zeros_like(case.eps), 1.0), mean)
    assert jnp.abs(run(case.eps, 1.0) - mean).max() > 1e-3
    np.testing.assert_allclose(run(case.eps, 0.5), run(0.5 * case.eps, 1.0), atol=1e-6)


@pytest.fixture(scope="module")
def small() -> Case:
    return Case((8, 8), False, (2, 4, 3, 1))


def test_a_generated_sample_depends_on_its_own_row_alone(small):
    batch = small.generate(small.variables, small.label_set, small.eps, 1.0)
    backwards = small.generate(small.variables, small.label_set[::-1], small.eps[::-1], 1.0)
    assert_close(rows(backwards, slice(None, None, -1)), rows(batch, slice(None)), 1e-6)
    for row in range(2):
        alone = small.generate(small.variables, small.label_set[row : row + 1], small.eps[row : row + 1], 1.0)
        assert_close(rows(alone, 0), rows(batch, row), 1e-5)
    assert small.traces["generate"] == 2


def test_the_generation_program_does_not_grow_with_the_classes():
    def convolutions(num_channels: int) -> int:
        model = SegVAE(num_channels, tuple(range(1, num_channels)), (8, 8), 2, 6, D, Z)
        variables = jax.eval_shape(lambda: init_variables(model, 0))
        shapes = jnp.zeros((1, num_channels)), jnp.zeros((1, num_channels - 1, Z))
        return str(jax.make_jaxpr(lambda *args: generate(model, *args))(variables, *shapes)).count(
            "conv_general_dilated["
        )

    assert convolutions(3) == convolutions(9) > 0


def test_parameters_at_the_defaults():
    model = SegVAE(num_channels=19, order=tuple(range(1, 19)))
    variables = jax.eval_shape(lambda: init_variables(model, 0))
    count = lambda tree: sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))
    assert {name: count(tree) for name, tree in variables["params"].items()} == {
        "context_encoder": 16_547_584, "prior": 855_040, "posterior": 11_471_424, "decoder": 11_249_665,
    }  # fmt: skip


def test_spectral_norm_is_where_the_release_has_it():
    """On every kernel of the encoders, the prior and the heads, but not the posterior's label embedding."""
    model = SegVAE(num_channels=3, order=(1, 2), image_size=(16, 16), ngf=2, context_dim=5, hidden_dim=3, latent_dim=4)
    variables = jax.eval_shape(lambda: init_variables(model, 0))
    kernels = {name.removesuffix("/kernel") for name in by_name(variables["params"]) if name.endswith("/kernel")}
    plain = {"posterior/shape_encoder/embed_target/hidden", "posterior/shape_encoder/embed_target/out"}
    normed = {name for name in kernels - plain if not name.startswith("decoder/")}
    assert {name.removesuffix("/u") for name in by_name(variables["spectral"])} == normed
