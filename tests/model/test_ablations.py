"""SegVAE with a part switched off: all code paths agree, and the part has no effect."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import LABEL_SET, B, Case, D, K, Z, assert_close, assert_the_forward_equals_the_reference, by_name, rows

ORDER = (2, 4, 3, 1)
ABSENT = [k for k, channel in enumerate(ORDER) if not LABEL_SET[0, channel]]
PRESENT = jnp.asarray([k for k, channel in enumerate(ORDER) if LABEL_SET[0, channel]])


@pytest.fixture(scope="module")
def separate() -> Case:
    """Every class by itself."""
    return Case((8, 8), False, ORDER, recurrent=False, learned_prior=False, canvas=False)


@pytest.fixture(scope="module")
def skipping() -> Case:
    return Case((8, 8), True, ORDER, skip_absent=True, hard_canvas=True)


@pytest.mark.parametrize("name", ["separate", "skipping"])
def test_the_training_forward_equals_the_reference(name, request):
    assert_the_forward_equals_the_reference(request.getfixturevalue(name))


def test_what_is_switched_off_has_no_parameters(separate):
    names = set(by_name(separate.variables["params"]))
    assert not [name for name in names if name.startswith("prior/") or "lstm" in name]
    assert separate.variables["params"]["context_encoder"]["down_0"]["kernel"].shape == (3, 3, 2, 2)
    assert separate.variables["params"]["posterior"]["feed_forward"]["layer"]["kernel"].shape == (D + 6, D)


def test_without_canvas_no_context_depends_on_the_maps(separate):
    output, *_ = separate.train(*separate.inputs())
    others = separate.class_maps[:, ::-1] * separate.label_set[:, None, None]
    other, *_ = separate.train(separate.variables, others, *separate.inputs()[2:])
    np.testing.assert_array_equal(other.context, output.context)
    assert jnp.abs(other.posterior.mu - output.posterior.mu).max() > 1e-3


def test_without_recurrence_and_canvas_a_posterior_sees_its_own_shape_alone(separate):
    output, *_ = separate.train(*separate.inputs())
    first = jnp.asarray(separate.model.order[1])  # row 0 has it
    changed = separate.class_maps.at[..., first].set(separate.class_maps[:, ::-1, :, first])
    other, *_ = separate.train(separate.variables, changed, *separate.inputs()[2:])
    moved = np.abs(other.posterior.mu - output.posterior.mu).max((0, 2)) > 1e-3
    np.testing.assert_array_equal(moved, [False, True, False, False])


def test_the_prior_that_is_not_learned_is_standard_normal(separate):
    output, *_ = separate.train(*separate.inputs())
    assert output.prior.mu.shape == (B, K, Z)
    assert not output.prior.mu.any() and not output.prior.logvar.any()
    assert output.posterior.mu.any()


def test_classes_on_their_own_are_drawn_the_same_in_any_order(separate):
    generated = separate.generate(separate.variables, separate.label_set, separate.eps, 1.0)
    backwards = separate.model.clone(order=ORDER[::-1])
    drawn = jax.jit(backwards.sample)(separate.variables, separate.label_set, separate.eps[:, ::-1])
    np.testing.assert_allclose(drawn, generated.class_maps, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(drawn).any((1, 2)), LABEL_SET.astype(bool))


def test_skipped_classes_leave_no_trace(skipping):
    """Training and generation equal those of a model whose order lacks the skipped classes."""
    output, *_ = skipping.train(*skipping.inputs())
    shorter = skipping.model.clone(order=tuple(ORDER[k] for k in PRESENT))
    inputs = skipping.label_set[:1], skipping.eps[:1, PRESENT]
    alone = jax.jit(shorter.apply)(skipping.variables, skipping.class_maps[:1], *inputs)
    assert ABSENT and ABSENT[0] < K - 1
    for part in ("prior", "posterior", "logits"):
        ours, theirs = getattr(output, part), getattr(alone, part)
        assert_close(rows(theirs, 0), [a[PRESENT] for a in rows(ours, 0)], 1e-5)
    generated = skipping.generate(skipping.variables, skipping.label_set, skipping.eps, 1.0)
    np.testing.assert_allclose(
        jax.jit(shorter.sample)(skipping.variables, *inputs)[0], generated.class_maps[0], atol=1e-5
    )


def test_a_hard_canvas_shows_thresholded_shapes_and_soft_ones_are_drawn(skipping):
    generated = skipping.generate(skipping.variables, skipping.label_set, skipping.eps, 1.0)
    soft = np.asarray(generated.class_maps)
    assert ((soft > 0.01) & (soft < 0.99)).any()
    thresholded = jnp.float32(soft >= 0.5)
    output, *_ = skipping.train(skipping.variables, thresholded, *skipping.inputs()[2:])
    np.testing.assert_allclose(generated.context, output.context, atol=1e-4)


def test_an_order_given_to_the_training_forward_is_that_of_a_model_with_it(skipping):
    order = (1, 3, 2, 4)
    inputs = skipping.class_maps, skipping.label_set, skipping.eps
    traced = jax.jit(lambda order: skipping.model.apply(skipping.variables, *inputs, order=order))(jnp.asarray(order))
    own = jax.jit(skipping.model.clone(order=order).apply)(skipping.variables, *inputs)
    assert_close(traced, own, 1e-6)
    np.testing.assert_array_equal(traced.present, LABEL_SET[:, list(order)])
