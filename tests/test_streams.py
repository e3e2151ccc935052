import jax
import jax.numpy as jnp
import numpy as np
import pytest

from segvae_jax.streams import sample_noise, slerp, stream_key

STREAMS = ("init", "data", "posterior", "prior", "generate")


def words(*arguments):
    return tuple(jax.random.key_data(stream_key(*arguments)).tolist())


def test_keys_are_the_same_on_any_machine():
    assert words(3, "prior", 5) == (953065595, 2202516113)


def test_seed_stream_and_index_each_give_another_key():
    keys = [words(seed, stream, index) for seed in (0, 1) for stream in STREAMS for index in (0, 1, 2)]
    assert len(set(keys)) == 30
    assert words(0, "init") == words(0, "init", 0)


def test_an_index_traced_by_jit_gives_the_same_key():
    traced = jax.jit(lambda index: jax.random.key_data(stream_key(7, "posterior", index)))(jnp.asarray(12))
    assert tuple(traced.tolist()) == words(7, "posterior", 12)


@pytest.mark.parametrize("indices", [[4], [9, 4, 7]])
def test_noise_of_a_sample_does_not_depend_on_its_batch(indices):
    noise = sample_noise(1, "generate", jnp.asarray(indices), (3, 5))
    assert noise.shape == (len(indices), 3, 5) and noise.dtype == jnp.float32
    for row, index in zip(noise, indices, strict=True):
        np.testing.assert_array_equal(row, jax.random.normal(stream_key(1, "generate", index), (3, 5)))


def test_noise_inside_jit_with_a_traced_seed_is_the_same():
    sample = jax.jit(lambda seed, indices: sample_noise(seed, "prior", indices, (5,)))
    indices = jnp.asarray([3, 8])
    np.testing.assert_allclose(sample(jnp.asarray(2), indices), sample_noise(2, "prior", indices, (5,)), rtol=1e-6)


def test_noise_is_standard_normal_and_independent_between_samples():
    noise = np.asarray(sample_noise(0, "prior", jnp.arange(64), (128,)))
    assert abs(noise.mean()) < 0.04 and abs(noise.std() - 1) < 0.03
    correlation = np.corrcoef(noise) - np.eye(64)
    assert np.abs(correlation).max() < 0.45
    assert not np.array_equal(noise, sample_noise(0, "generate", jnp.arange(64), (128,)))


def test_a_great_circle_turns_evenly_and_keeps_the_length():
    start, end = jnp.array([[2.0, 0.0, 0.0]]), jnp.array([[0.0, 2.0, 0.0]])
    way = slerp(start, end, jnp.array([[0.0], [1 / 3], [1.0]]))
    np.testing.assert_allclose(way, [[2, 0, 0], [3**0.5, 1, 0], [0, 2, 0]], atol=1e-6)
    longer = slerp(start, 3 * start, jnp.array([[0.5]]))
    np.testing.assert_allclose(longer, 2 * start, atol=1e-6)
