"""The requirements of `MapModel` for every model, and the characteristic properties of each baseline."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from segvae_jax import maps
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace
from segvae_jax.model.baselines.diffusion import DiffusionModel
from segvae_jax.model.baselines.layout import boxes_of, placed_in
from segvae_jax.model.baselines.masked import MaskedModel
from segvae_jax.model.baselines.pixels import PixelModel, sampled
from segvae_jax.model.losses import RowCounts, reduce_losses
from segvae_jax.model.protocol import MapModel, init_variables
from segvae_jax.model.registry import MODELS, hyperparameters, make_model
from segvae_jax.sampling import sample_between

B, C, SIZE, ORDER = 3, 5, (8, 16), (3, 1, 2, 4)
LABEL_SET = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]], np.float32)
WIDTHS = dict(image_size=SIZE, ngf=2, context_dim=6, hidden_dim=7, latent_dim=3, draw_steps=3, spectral_norm=False)
BASELINES = sorted(set(MODELS) - {"segvae"})


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape, scale=scale), jnp.float32)


class Case:
    """A small model, far from an initialisation, and its outputs for three maps, one of which is blank."""

    def __init__(self, name: str):
        arguments = {key: value for key, value in WIDTHS.items() if key in hyperparameters(name)}
        self.model = make_model(name, C, ORDER, (1, 2, 3, 4), arguments)
        leaves, structure = jax.tree.flatten(dict(jax.eval_shape(lambda: init_variables(self.model, 0))))
        self.variables = jax.tree.unflatten(
            structure, [normal(*a.shape, seed=i, scale=0.4) for i, a in enumerate(leaves)]
        )
        shapes = np.random.default_rng(1).random((B, *SIZE, C)) < 0.4
        self.class_maps = jnp.asarray(shapes * LABEL_SET[:, None, None], jnp.float32)
        self.noise = normal(B, *self.model.sample_noise_shape, seed=2)
        self.draw = jax.jit(self.model.sample)
        self.drawn = np.asarray(self.draw(self.variables, jnp.asarray(LABEL_SET), self.noise))


@pytest.fixture(scope="module", params=BASELINES)
def case(request) -> Case:
    return Case(request.param)


def test_only_what_is_asked_for_is_drawn(case):
    assert case.drawn.shape == (B, *SIZE, C)
    assert case.drawn.min() >= 0 and case.drawn.max() <= 1
    assert not case.drawn[np.broadcast_to(LABEL_SET[:, None, None] == 0, case.drawn.shape)].any()
    assert case.drawn[0].any()


def test_a_sample_depends_on_its_own_row_alone(case):
    backwards = case.draw(case.variables, jnp.asarray(LABEL_SET[::-1]), case.noise[::-1])
    np.testing.assert_allclose(backwards[::-1], case.drawn, atol=1e-5)
    noise = case.noise.at[0].set(normal(*case.noise.shape[1:], seed=9))
    other = np.asarray(case.draw(case.variables, jnp.asarray(LABEL_SET), noise))
    np.testing.assert_allclose(other[1:], case.drawn[1:], atol=1e-5)
    assert np.abs(other[0] - case.drawn[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["masked", "diffusion"])
def test_the_noise_of_pixels_stays_noise_on_the_way_between_two_maps(name, monkeypatch):
    """The noise of a whole map is one vector: those of pixels are short, and often point away from each other."""
    case, seen = Case(name), []
    sample = lambda self, variables, label_set, eps, temperature: seen.append(eps) or jnp.ones((B, *SIZE, C))
    monkeypatch.setattr(type(case.model), "sample", sample)
    space, shares = LabelSpace(("a", "b", "c", "d")), jnp.array([0.0, 0.5, 1.0])
    for pair in range(20):
        seeds = jnp.array([2 * pair, 2 * pair + 1])
        sample_between(case.model, space, {}, jnp.ones((B, C)), seeds, shares, jnp.ones(()))
    start, middle, end = (np.stack([eps[i] for eps in seen]) for i in range(3))
    assert start.shape[1:] == case.model.sample_noise_shape
    assert np.abs(middle).max() < 1.5 * max(np.abs(start).max(), np.abs(end).max())
    np.testing.assert_allclose(middle.std(), 1, atol=0.05)


def test_parts_of_a_batch_add_up_to_it(case):
    """The losses of the parts add up, and the blank map does not count."""
    eps = normal(B, *case.model.noise_shape, seed=3)
    present = jnp.asarray(LABEL_SET[:, list(ORDER)])
    rows = RowCounts.of(present)
    shapes = jnp.moveaxis(case.class_maps[..., jnp.asarray(ORDER)], -1, 1)

    @jax.jit
    def run(index: jax.Array, rows: RowCounts | None):
        label_set = jnp.asarray(LABEL_SET)[index]
        output = case.model.apply(case.variables, case.class_maps[index], label_set, eps[index])
        terms = case.model.loss_terms(output, shapes[index], "bce")
        return reduce_losses(terms, present[index], 0.1, rows)

    whole = run(jnp.arange(3), None)
    parts = [run(jnp.full(1, i), rows) for i in range(B)]
    for name, expected in whole.scalars().items():
        np.testing.assert_allclose(sum(part.scalars()[name] for part in parts), expected, rtol=1e-5)
    assert whole.total > 0 and parts[2].total == 0
    assert (whole.kl > 0) == case.model.can_reconstruct


def test_pixels_are_painted_as_in_pictures():
    space = CELEBAMASK_HQ
    model = PixelModel(space.num_channels, space.order, SIZE, stack=space.stack)
    hard = np.random.default_rng(0).random((20, *SIZE, space.num_channels)) < 0.15
    hard[..., 0] = False
    hard = maps.restore_covered(hard, space)
    painted = model.painted(jnp.asarray(hard, jnp.float32))
    np.testing.assert_array_equal(painted.sum(-1), 1)
    np.testing.assert_array_equal(painted.argmax(-1), maps.paint(hard, space))


def test_draws_follow_the_probabilities_and_never_take_what_is_impossible():
    probabilities = jnp.array([0.0, 0.2, 0.0, 0.5, 0.3, 0.0])
    eps = jnp.asarray(stats.norm.ppf((np.arange(1000) + 0.5) / 1000), jnp.float32)
    drawn = sampled(jnp.broadcast_to(probabilities, (1000, 6)), eps)
    np.testing.assert_allclose(drawn.mean(0), probabilities, atol=2e-3)
    extreme = sampled(jnp.broadcast_to(probabilities[1:], (2, 5)), jnp.array([-40.0, 40.0]))
    np.testing.assert_array_equal(extreme.argmax(-1), [0, 3])


TRUTH = jax.nn.one_hot(np.random.default_rng(4).integers(0, C, (2, *SIZE)), C)


class MaskedOracle(MaskedModel):
    def predict(self, known, hidden, label_set):
        return 40 * TRUTH


class MaskedCoin(MaskedModel):
    def predict(self, known, hidden, label_set):
        return jnp.where(jnp.arange(C).reshape(1, 1, 1, C) < 2, 0.0, -1e9) + 0 * known


class DiffusionOracle(DiffusionModel):
    def logits(self, tokens, time, label_set):
        return 40 * TRUTH


class DiffusionEcho(DiffusionModel):
    def logits(self, tokens, time, label_set):
        return 40 * tokens


def drawn_by(kind: type[MapModel], steps: int = 5) -> np.ndarray:
    model = kind(C, ORDER, SIZE, draw_steps=steps, stack=(1, 2, 3, 4))
    return np.asarray(model.sample({}, jnp.ones((2, C)), normal(2, *model.sample_noise_shape)))


@pytest.mark.parametrize("kind", [MaskedOracle, DiffusionOracle])
@pytest.mark.parametrize("steps", [1, 5])
def test_a_network_that_knows_the_map_draws_it(kind, steps):
    np.testing.assert_array_equal(drawn_by(kind, steps)[..., 1:], TRUTH[..., 1:])


def test_masked_decoding_keeps_the_shares_of_pixels_that_are_independent():
    assert abs(drawn_by(MaskedCoin)[..., 1].mean() - 0.5) < 0.1


def test_noise_of_the_diffusion_grows_with_time():
    """In the end, a pixel can have any requested class, regardless of the map."""
    model = DiffusionEcho(C, ORDER, SIZE, stack=(1, 2, 3, 4))
    class_maps = TRUTH.at[..., 0].set(0)
    loss = lambda time: model.apply({}, class_maps, jnp.ones((2, C)), normal(2, *model.noise_shape).at[:, 0].set(time))
    none, half, full = (float(loss(time).mean()) for time in (-9.0, 0.0, 9.0))
    # A pixel that has another class costs 40; at most 4 in 5 have, and half as many at time 1/2.
    assert none < 1e-6 and abs(half / 40 - 0.4) < 0.1 and abs(full / 40 - 0.8) < 0.1


def test_boxes_hold_their_shapes():
    shapes = np.zeros((1, 2, *SIZE), bool)
    shapes[0, 0, 2:5, 4:12] = shapes[0, 1, 7, 15] = True
    np.testing.assert_allclose(
        boxes_of(jnp.asarray(shapes))[0], [[2 / 8, 4 / 16, 5 / 8, 12 / 16], [7 / 8, 15 / 16, 1, 1]]
    )


def test_masks_fill_their_boxes():
    boxes = jnp.array([[[2 / 8, 4 / 16, 5 / 8, 12 / 16], [0.0, 0.0, 1.0, 1.0]]])
    masks = jnp.stack([jnp.ones((8, 16)), normal(8, 16)])[None]
    placed, inside = placed_in(boxes, masks, SIZE)
    expected = np.zeros(SIZE, bool)
    expected[2:5, 4:12] = True
    np.testing.assert_array_equal(inside[0, 0], expected)
    np.testing.assert_array_equal(placed[0, 0] > 0, expected)
    np.testing.assert_allclose(placed[0, 1], masks[0, 1], atol=1e-5)  # at its own size, itself
