"""The iteration over classes: the fast path equals the reference, and the effects of absent classes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import (
    LABEL_SET,
    B,
    C,
    Case,
    D,
    K,
    Z,
    assert_close,
    assert_the_forward_equals_the_reference,
    by_name,
    normal,
    parts,
    rows,
)

from segvae_jax.model import reference
from segvae_jax.model.encoders import ContextEncoder
from segvae_jax.model.layers import fold_spectral_norm
from segvae_jax.model.protocol import Generated, GivenShapes, init_variables
from segvae_jax.model.recurrence import Posterior, Prior, initial_carry
from segvae_jax.model.segvae import SegVAE, generate

CASES = [((8, 16), True, (3, 1, 2, 4)), ((16, 16), False, (2, 4, 3, 1))]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "x".join(map(str, case[0])))
def case(request) -> Case:
    return Case(*request.param)


def test_the_training_forward_equals_the_reference(case):
    """Outputs, losses and gradients are equal."""
    assert_the_forward_equals_the_reference(case)


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
    """The output of a row is the same in a batch of copies of this row."""
    output, *_ = case.train(*case.inputs())
    for row in range(2):
        copies = (jnp.stack([a[row]] * B) for a in case.inputs()[1:])
        alone, *_ = case.train(case.variables, *copies)
        assert_close(rows(alone, 1), rows(output, row), 1e-5)


def test_the_batch_loss_is_the_mean_over_the_rows_that_have_the_class(case):
    """Rows 0 and 1 share class 3. Row 2 has no class and does not count."""
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


def test_the_lstms_advance_in_steps_of_absent_classes(case):
    """Every row processes all K contexts, so leaving out an absent class changes the following steps."""
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


def test_the_context_is_the_encoding_of_canvas_label_set_and_target(case):
    """The canvas holds the true shapes of earlier classes; the target is all zeros where the class is absent."""
    output, *_ = case.train(*case.inputs())
    encode = jax.jit(encoder_of(case))
    canvas = jnp.zeros_like(case.class_maps)
    for k, channel in enumerate(case.model.order):
        target = jnp.eye(C)[channel][None] * case.label_set[:, channel][:, None]
        np.testing.assert_allclose(output.context[:, k], encode(canvas, case.label_set, target), atol=2e-5)
        canvas = canvas.at[..., channel].set(case.class_maps[..., channel])


def test_the_context_encoder_takes_soft_canvases(case):
    """Generation passes soft canvases, one step at a time."""
    model, canvas = case.model, jax.nn.sigmoid(normal(B, *case.model.image_size, C))
    encoder = ContextEncoder(C, model.image_size, 2, 6, D, model.spectral_norm)
    target, present = jnp.eye(C)[jnp.array([1])], case.label_set[:, 1:2]
    run = jax.jit(lambda *args: encoder.apply(parts(case.variables, "context_encoder"), *args))
    ours = run(canvas, jnp.ones((1, C)), case.label_set, target, present)[:, 0]
    theirs = jax.jit(encoder_of(case))(canvas, case.label_set, target * present)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def encoder_of(case: Case):
    """E_c of the reference."""
    folded, variables = fold_spectral_norm(case.model, case.variables)
    params = variables["params"]["context_encoder"]
    return lambda *inputs: reference.context_encoder(folded, params, *inputs)


def test_generation_equals_the_reference(case):
    """The reference encodes the whole canvas and decodes in every step; unrequested classes stay blank."""
    generated = case.generate(case.variables, case.label_set, case.eps, 1.0)
    expected = case.reference(case.variables, case.label_set, case.eps)
    assert_generated(generated, expected)
    np.testing.assert_allclose(generated.sampled, expected.sampled, atol=2e-5)


@pytest.mark.parametrize("changes", [{}, {"hard_canvas": True, "skip_absent": True}], ids=str)
def test_generation_around_given_shapes_equals_the_reference(changes):
    """Some classes are given, one in part, the others not. Absent classes are blank, even if given."""
    case = Case((8, 8), False, (2, 4, 3, 1), **changes)
    order = list(case.model.order)
    shapes = jnp.moveaxis(case.class_maps[..., jnp.array(order)], -1, 1)
    mask = np.zeros(shapes.shape, np.float32)
    mask[:, order.index(4)], mask[1, order.index(3)], mask[0, order.index(1), :4] = 1, 1, 1
    given = GivenShapes(shapes * mask, jnp.asarray(mask))
    generated = case.generate(case.variables, case.label_set, case.eps, 0.7, given)
    expected = case.reference(case.variables, case.label_set, case.eps, 0.7, given)
    assert_generated(generated, expected)
    free = (1 - mask) * case.present()[..., None, None]
    np.testing.assert_allclose(generated.sampled * free, expected.sampled * free, atol=2e-5)


def assert_generated(ours: Generated, theirs: Generated):
    """Checks that maps, contexts and priors agree."""
    for name in ("class_maps", "context", "prior"):
        for a, b in zip(*(jax.tree.leaves(getattr(one, name)) for one in (ours, theirs)), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5, err_msg=name)
    assert theirs.class_maps.any()


def test_generation_around_nothing_is_generation(case):
    nothing = jnp.zeros((B, K, *case.model.image_size))
    around = case.generate(case.variables, case.label_set, case.eps, 1.0, GivenShapes(nothing, nothing))
    assert_close(around, case.generate(case.variables, case.label_set, case.eps, 1.0), 1e-6)


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
    traces = case.traces["generate"]
    case.generate(case.variables, jnp.ones((B, C)), -case.eps, 0.3)
    assert case.traces["generate"] == traces


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
    """All kernels of the encoders, the prior and the heads have it, except the posterior's label embedding."""
    model = SegVAE(num_channels=3, order=(1, 2), image_size=(16, 16), ngf=2, context_dim=5, hidden_dim=3, latent_dim=4)
    variables = jax.eval_shape(lambda: init_variables(model, 0))
    kernels = {name.removesuffix("/kernel") for name in by_name(variables["params"]) if name.endswith("/kernel")}
    plain = {"posterior/shape_encoder/embed_target/hidden", "posterior/shape_encoder/embed_target/out"}
    normed = {name for name in kernels - plain if not name.startswith("decoder/")}
    assert {name.removesuffix("/u") for name in by_name(variables["spectral"])} == normed
