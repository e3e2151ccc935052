import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.checkpoint.state import TrainState
from segvae_jax.model.segvae import SegVAE
from segvae_jax.training.state import FlatState, adam, create_state, learning_rate_schedule

SIZES = dict(image_size=(8, 8), ngf=2, context_dim=4, hidden_dim=3, latent_dim=2)


def expected_rate(step: int, peak: float, num_steps: int, warmup: int, decay_from: float) -> float:
    begin = max(round(decay_from * num_steps), warmup)
    if step < warmup:
        return peak * (step + 1) / warmup
    if step < begin:
        return peak
    return peak * max(num_steps - step, 0) / max(num_steps - begin, 1)


@pytest.mark.parametrize(
    ("num_steps", "warmup", "decay_from"),
    [(20, 0, 0.75), (20, 5, 0.5), (20, 1, 0.75), (20, 8, 0.2), (7, 0, 0.0), (10, 2, 1.0), (1, 0, 0.75)],
)
def test_schedule_rises_stays_and_falls_to_zero(num_steps, warmup, decay_from):
    schedule = learning_rate_schedule(0.3, num_steps, warmup, decay_from)
    rates = [float(schedule(step)) for step in range(num_steps)]
    expected = [expected_rate(step, 0.3, num_steps, warmup, decay_from) for step in range(num_steps)]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)
    assert min(rates) > 0, "every update moves"


@pytest.mark.parametrize("warmup", [0, 3, 40])
def test_schedule_is_exactly_zero_at_the_end_and_never_negative(warmup):
    schedule = learning_rate_schedule(0.3, 20, warmup, 0.75)
    rates = np.array([schedule(step) for step in range(200)])
    assert (rates >= 0).all()
    assert (rates[max(20, warmup + 1) :] == 0).all()


def test_adam_takes_its_place_in_the_schedule_from_its_state():
    schedule = learning_rate_schedule(0.1, 8, 2, 0.5)
    params = jnp.zeros(3)
    state = adam(schedule, (0.5, 0.999)).init(params)
    for step in range(10):
        # A fresh optimiser each time, as after a restart; under a constant gradient Adam moves by the rate.
        state = jax.tree.map(np.asarray, state)
        update, state = adam(schedule, (0.5, 0.999)).update(jnp.array([5.0, -2.0, 1.0]), state, params)
        rate = expected_rate(step, 0.1, 8, 2, 0.5)
        np.testing.assert_allclose(update, [-rate, rate, -rate], rtol=1e-4)


def test_adam_uses_both_betas():
    update_after = lambda betas: adam(lambda _: 1.0, betas)
    gradients = [jnp.array([1.0]), jnp.array([-3.0])]
    results = {}
    for betas in [(0.5, 0.999), (0.9, 0.999), (0.5, 0.9)]:
        optimizer = update_after(betas)
        state = optimizer.init(gradients[0])
        for gradient in gradients:
            update, state = optimizer.update(gradient, state)
        m = (1 - betas[0]) * (betas[0] * 1 - 3) / (1 - betas[0] ** 2)
        v = (1 - betas[1]) * (betas[1] * 1 + 9) / (1 - betas[1] ** 2)
        np.testing.assert_allclose(update, [-m / (np.sqrt(v) + 1e-8)], rtol=1e-4)
        results[betas] = float(update[0])
    assert len(set(results.values())) == 3


@pytest.mark.parametrize("spectral_norm", [True, False])
@pytest.mark.parametrize("use_ema", [True, False])
def test_create_state_holds_what_the_model_and_the_average_need(spectral_norm, use_ema):
    fields = jax.eval_shape(lambda: vars(made(0, spectral_norm, use_ema)))
    shapes = lambda tree: [leaf.shape for leaf in jax.tree.leaves(tree)]
    assert bool(fields["spectral"]) == spectral_norm
    assert shapes(fields["ema"]) == (shapes(fields["params"]) if use_ema else [])
    assert fields["step"].shape == () and fields["step"].dtype == jnp.int32


def test_create_state_follows_the_seed():
    program = lambda seed: str(jax.make_jaxpr(lambda: vars(made(seed, True, True)))())
    assert program(0) == program(0) != program(1)


def test_variables_are_averaged_where_asked_for_and_kept():
    state = TrainState(jnp.array(0), {"w": 1}, {"u": 2}, None, {"w": 3})
    assert state.variables() == {"params": {"w": 1}, "spectral": {"u": 2}}
    assert state.variables(averaged=True) == {"params": {"w": 3}, "spectral": {"u": 2}}
    assert TrainState(jnp.array(0), {"w": 1}, {}, None, None).variables(averaged=True)["params"] == {"w": 1}


def made(seed: int, spectral_norm: bool, use_ema: bool) -> TrainState:
    model = SegVAE(num_channels=4, order=(2, 1, 3), spectral_norm=spectral_norm, **SIZES)
    return create_state(model, adam(lambda _: 0.1, (0.5, 0.999)), seed, use_ema)


def test_gradients_are_clipped_and_weights_decay():
    params, gradient = jnp.array([2.0, -4.0]), jnp.array([30.0, 40.0])
    clipped = adam(lambda _: 0.1, (0.0, 0.5), clip_norm=5.0)
    plain = adam(lambda _: 0.1, (0.0, 0.5))
    moments = lambda optimizer, gradient: jax.tree.leaves(optimizer.update(gradient, optimizer.init(params), params)[1])
    for ours, theirs in zip(moments(clipped, gradient), moments(plain, gradient / 10), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    decayed = adam(lambda _: 0.1, (0.0, 0.5), weight_decay=0.5)
    step = lambda optimizer: optimizer.update(gradient, optimizer.init(params), params)[0]
    np.testing.assert_allclose(step(decayed), step(plain) - 0.1 * 0.5 * params, rtol=1e-5)


@pytest.mark.parametrize("use_ema", [True, False])
def test_a_flat_state_has_few_arrays_and_gives_the_state_back(use_ema):
    state = made(0, True, use_ema)
    flat = FlatState.of(state)
    assert len(jax.tree.leaves((flat.params, flat.opt_state, flat.ema))) == (6 if use_ema else 5)
    jax.tree.map(np.testing.assert_array_equal, vars(flat.whole()), vars(state))
