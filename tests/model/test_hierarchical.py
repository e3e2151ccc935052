"""The hierarchical model: the fast path equals the readable definition, and a sample depends on its own row alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import LABEL_SET, B, C, K, assert_close, by_name, normal, random_variables

from segvae_jax.model import hierarchical_reference as reference
from segvae_jax.model.hierarchical import Hierarchical, generate
from segvae_jax.model.losses import reduce_losses
from segvae_jax.model.packing import Budget
from segvae_jax.model.protocol import NUM_MOVES, GivenShapes
from segvae_jax.training.step import forward

CASES = {
    "wide": {"image_size": (8, 16), "order": (3, 1, 2, 4), "subpixel": True, "latent_groups": 2},
    "square": {"image_size": (16, 16), "order": (2, 4, 3, 1), "latent_channels": (2,), "widths": (2, 4)},
    "patches": {"image_size": (16, 16), "order": (1, 2, 3, 4), "patch": 2, "recurrent": False, "augment_labels": True},
    "one_vector": {
        "image_size": (8, 8),
        "order": (1, 2, 3, 4),
        "latent_channels": (),
        "skips": False,
        "augment_labels": True,
        "flip_labels": True,
    },
    "soft": {"image_size": (8, 8), "order": (1, 2, 3, 4), "hard_canvas": False},
}


class Case:
    """A small model, far from its initialisation, and its inputs."""

    def __init__(self, changes):
        arguments = {"widths": (3, 4, 6), "context_dim": 7, "hidden_dim": 5, "latent_dim": 3, "latent_channels": (2, 1)}
        self.model = Hierarchical(C, **{**arguments, **changes})
        self.variables = jax.tree.map(lambda a: 0.5 * a, random_variables(self.model))
        size = self.model.image_size
        maps = np.random.default_rng(1).random((B, *size, C)) < 0.4
        self.label_set = jnp.asarray(LABEL_SET)
        self.class_maps = jnp.asarray(maps * LABEL_SET[:, None, None], jnp.float32)
        self.eps = normal(B, *self.model.noise_shape, seed=2)
        self.moves = {"moves": normal(B, NUM_MOVES, seed=3)} if self.model.augment_labels else {}
        self.present = LABEL_SET[:, list(self.model.order)] > 0

    def gradient(self, run):
        """Compiles a training forward pass with its loss: output, loss terms and gradients."""

        def loss(params, class_maps, label_set, eps):
            output = run({"params": params}, class_maps, label_set, eps, **self.moves)
            shapes = jnp.moveaxis(class_maps[..., jnp.asarray(self.model.order)], -1, 1)
            terms = self.model.loss_terms(output, shapes, "bce_sum")
            losses = reduce_losses(terms, output.present, kl_weight=0.5, reduction="pairs")
            return losses.total, (output, losses)

        gradient = jax.jit(jax.grad(loss, has_aux=True), compiler_options={"xla_backend_optimization_level": 0})
        grads, (output, losses) = gradient(self.variables["params"], self.class_maps, self.label_set, self.eps)
        return output, losses, grads

    @functools.cached_property
    def trained(self):
        return self.gradient(self.model.apply)


_QUICK = ("wide", "patches")


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=() if n in _QUICK else pytest.mark.slow) for n in CASES], ids=str
)
def case(request) -> Case:
    return Case(CASES[request.param])


def present_rows(case, tree):
    """The arrays `[B, K, ...]` of a tree in the steps of classes that a map has; the others mean nothing."""
    return jax.tree.map(lambda a: a[case.present], tree)


def assert_gradients_close(grads, expected):
    """Relative to the largest of all: the bias before a norm with one channel per group has no gradient but noise."""
    largest = max(float(jnp.abs(a).max()) for a in jax.tree.leaves(expected))
    for (name, ours), theirs in zip(by_name(grads).items(), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-6 * largest, err_msg=name)


def test_the_training_forward_equals_the_reference(case):
    output, losses, grads = case.trained
    expected, expected_losses, expected_grads = case.gradient(functools.partial(reference.teacher_forced, case.model))
    assert_close(present_rows(case, output), present_rows(case, expected), 2e-5)
    assert_close(losses, expected_losses, 1e-5)
    assert [name for name, a in by_name(grads).items() if not a.any()] == []
    assert_gradients_close(grads, expected_grads)


def test_packing_changes_no_result(case):
    output, losses, grads = case.trained
    needed = int(case.present.sum()) + 1
    packed = case.gradient(functools.partial(case.model.apply, budget=Budget(1, needed, needed)))
    assert_close(present_rows(case, packed[0]), present_rows(case, output), 2e-5)
    assert_close(packed[1], losses, 1e-5)
    assert_gradients_close(packed[2], grads)


def test_the_kl_divergences_of_the_scales_add_up(case):
    _, losses, _ = case.trained
    assert set(losses.kl_of) == set(case.model.latent_scales)
    np.testing.assert_allclose(sum(losses.kl_of.values()), losses.kl, rtol=1e-5)
    assert all(value > 0 for value in losses.kl_of.values())


def test_samples_equal_those_of_the_reference(case):
    ours = jax.jit(lambda *inputs: generate(case.model, *inputs))(case.variables, case.label_set, case.eps, 0.9)
    theirs = jax.jit(lambda *inputs: reference.generate(case.model, *inputs))(
        case.variables, case.label_set, case.eps, 0.9
    )
    np.testing.assert_allclose(ours.class_maps, theirs.class_maps, atol=1e-5)
    np.testing.assert_allclose(ours.sampled, theirs.sampled, atol=1e-5)
    assert_close(present_rows(case, ours.prior), present_rows(case, theirs.prior), 2e-5)


def test_every_class_that_is_asked_for_is_drawn_and_no_other(case):
    class_maps = generate(case.model, case.variables, case.label_set, case.eps, 1.0).class_maps
    np.testing.assert_array_equal((class_maps >= 0.5).any((1, 2)), LABEL_SET > 0)
    np.testing.assert_array_equal((class_maps > 0).any((1, 2)), LABEL_SET > 0)


def with_output(variables, gain: float, bias: float):
    """Variables whose last layer has another gain and bias."""
    params = variables["params"]
    weights = params["decoder"]["out"]["weights"]
    out = {"weights": {"kernel": gain * weights["kernel"], "bias": weights["bias"] + bias}}
    return {"params": {**params, "decoder": {**params["decoder"], "out": out}}}


def test_a_class_that_would_be_lost_is_sampled_once_more(monkeypatch):
    case, peaks, never_lost = Case(CASES["patches"]), [], reference.never_lost

    def noted(*draws):
        of_shapes = (jax.nn.sigmoid(logits).max((1, 2)) for logits, _ in draws)
        jax.debug.callback(lambda *pair: peaks.append(np.stack(pair)), *of_shapes, ordered=True)
        return never_lost(*draws)

    monkeypatch.setattr(reference, "never_lost", noted)
    inputs = with_output(case.variables, 10, -4), case.label_set, case.eps, 0.9
    theirs = jax.block_until_ready(jax.jit(lambda *inputs: reference.generate(case.model, *inputs))(*inputs))
    first, second = np.stack(peaks, axis=-1)[:, case.present] >= 0.5
    assert first.any() and (~first & second).any() and (~first & ~second).any()
    ours = jax.jit(lambda *inputs: generate(case.model, *inputs))(*inputs)
    np.testing.assert_allclose(ours.class_maps, theirs.class_maps, atol=1e-5)
    assert_close(present_rows(case, ours.prior), present_rows(case, theirs.prior), 2e-5)


def test_a_sample_depends_on_its_own_row_alone(case):
    sample = jax.jit(lambda *inputs: generate(case.model, case.variables, *inputs).class_maps)
    together = sample(case.label_set, case.eps)
    for row in range(2):
        copies = jnp.stack([case.label_set[row]] * 5), jnp.stack([case.eps[row]] * 5)
        np.testing.assert_allclose(sample(*copies)[3], together[row], atol=1e-5)


def test_given_shapes_are_kept_and_seen(case):
    """The first class is given; the others are sampled as the reference samples them."""
    shapes = jnp.moveaxis(case.class_maps[..., jnp.asarray(case.model.order)], -1, 1)
    given = jnp.zeros(shapes.shape).at[:, :2].set(1.0)
    fixed = GivenShapes(shapes * given, given)
    ours = generate(case.model, case.variables, case.label_set, case.eps, 1.0, fixed)
    theirs = reference.generate(case.model, case.variables, case.label_set, case.eps, 1.0, fixed)
    np.testing.assert_allclose(ours.class_maps, theirs.class_maps, atol=1e-5)
    for channel in case.model.order[:2]:
        np.testing.assert_array_equal(ours.class_maps[..., channel], case.class_maps[..., channel])


def test_the_noise_of_a_posterior_reproduces_a_map(case):
    """Noise at which the priors return the means of the posteriors: generation repeats the reconstruction.

    This is what interpolation between a map and a sample begins with.
    """
    shapes = jnp.moveaxis(case.class_maps[..., jnp.asarray(case.model.order)], -1, 1)
    variables = with_output(case.variables, 1, 2)  # no shape is lost
    output = case.model.apply(variables, case.class_maps, case.label_set, jnp.zeros(case.eps.shape))
    eps = (output.posterior.mu - output.prior.mu) * jnp.exp(-output.prior.logvar / 2)
    first = int(np.argmax(case.present[0]))  # the canvas of later classes is not that of the true map
    sampled = generate(case.model, variables, case.label_set, eps, 1.0).sampled[0, first]
    expected = output.shapes[0, first]
    assert expected.max() >= 0.5 and shapes.shape == output.logits.shape
    np.testing.assert_allclose(sampled, expected, atol=2e-5)


def test_steps_can_be_chosen():
    """A loss over some steps of a map equals these steps of the loss over all of them."""
    case = Case(CASES["patches"])
    steps = jnp.array([[1, 3], [3, 0], [0, 1]])
    eps = jnp.take_along_axis(case.eps, steps[..., None], axis=1)
    some, shapes = forward(case.model, case.variables, case.class_maps, eps, steps=steps)
    every, all_shapes = forward(case.model, case.variables, case.class_maps, case.eps)
    chosen = lambda a: jnp.take_along_axis(a, steps.reshape(B, 2, *[1] * (a.ndim - 2)), axis=1)
    np.testing.assert_array_equal(shapes, chosen(all_shapes))
    expected = chosen(every.logits), chosen(every.posterior.mu), chosen(every.prior.logvar)
    assert_close((some.logits, some.posterior.mu, some.prior.logvar), expected, 2e-5)
    np.testing.assert_array_equal(some.present, jnp.take_along_axis(every.present, steps, axis=1))


def test_the_latent_has_a_part_for_each_scale():
    model = Hierarchical(C, (1, 2, 3, 4), (16, 32), latent_dim=5, latent_channels=(3, 2))
    assert model.latent_scales == {"vector": 5, "4x8": 96, "8x16": 256}
    assert model.noise_shape == (K, 357)
    twice = Hierarchical(C, (1, 2, 3, 4), (16, 32), latent_dim=5, latent_channels=(3, 2), latent_groups=2)
    assert twice.latent_scales == {"vector": 5, "4x8": 192, "8x16": 512}
    small = Hierarchical(C, (1, 2, 3, 4), (8, 8), latent_dim=5, latent_channels=(3, 2, 7))
    assert small.latent_scales == {"vector": 5, "4x4": 48, "8x8": 128}  # no networks of 16 px


def test_sizes_that_do_not_fit_are_named():
    for changes, expected in (
        ({"image_size": (12, 12)}, "image size 12 x 12"), ({"patch": 3}, "patch=3"), ({"patch": 8}, "patch=8"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=expected):
            Hierarchical(C, (1, 2), **{"image_size": (16, 16), **changes}).require_valid_sizes()


def test_the_temperature_of_a_scale_changes_no_coarser_one():
    """With no noise but at the finest scale, the prior of the first class is the same up to its first group."""
    case = Case(CASES["wide"])
    z = np.cumsum([0, *case.model.latent_scales.values()])
    finest = jnp.zeros(z[-1]).at[z[-2] :].set(1.0)
    sample = lambda temperature: generate(case.model, case.variables, case.label_set, case.eps, temperature)
    none, some, every = sample(0.0), sample(finest), sample(1.0)
    first = int(np.argmax(case.present[0]))
    alike = slice(z[1], z[-2] + (z[-1] - z[-2]) // case.model.latent_groups)
    priors = [one.prior.mu[0, first, alike] for one in (none, some, every)]
    np.testing.assert_array_equal(priors[0], priors[1])
    assert (priors[0] != priors[2]).any() and (none.sampled != some.sampled).any()
