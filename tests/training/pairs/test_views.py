import jax
import jax.numpy as jnp
import numpy as np

from segvae_jax.training.pairs.views import view


def pair(count=5, height=16, width=24):
    """Maps of two classes, and pictures that are 1 where the map has class 1."""
    index = np.random.default_rng(0).integers(0, 2, (count, height, width))
    return jax.nn.one_hot(index, 2), jnp.repeat(jnp.asarray(index, jnp.float32)[..., None], 3, axis=-1)


def test_pictures_stay_on_their_maps_and_holes_have_no_class():
    class_maps, picture = pair()
    seen, shown, other = view(jax.random.key(3), class_maps, picture, 2 * picture)
    has_class = np.asarray(seen.sum(-1))
    assert set(np.unique(has_class)) == {0.0, 1.0} and 0.5 < has_class.mean() < 0.95
    for row in range(len(seen)):  # after the change of colours there are two values, one for each class
        values = [np.asarray(shown)[row][np.asarray(seen)[row, ..., channel] > 0] for channel in (0, 1)]
        assert all(np.ptp(part, axis=0).max() < 1e-5 for part in values)
        assert np.abs(values[0][0] - values[1][0]).max() > 1e-3
    assert (np.asarray(shown)[has_class == 0] == 0).all() and shown.shape == other.shape == picture.shape


def test_views_differ_by_key_and_row_and_have_a_gradient():
    class_maps, picture = pair(count=2)
    same = jnp.stack([class_maps[0]] * 2), jnp.stack([picture[0]] * 2)
    first, second = (view(jax.random.key(seed), *same)[1] for seed in (0, 1))
    assert (first != second).any() and (first[0] != first[1]).any()
    gradient = jax.grad(lambda picture: view(jax.random.key(0), class_maps, picture)[1].sum())(picture)
    assert np.isfinite(gradient).all() and (gradient != 0).any()
