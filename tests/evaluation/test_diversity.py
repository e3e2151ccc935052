import numpy as np
import pytest

from segvae_jax.errors import DataError
from segvae_jax.evaluation.diversity import pairwise_diversity, real_diversity


def _maps(*rows):
    """Class maps of one-row index maps, two classes and a background."""
    return np.array(rows)[:, None, :, None] == np.arange(3)


def _label_sets(maps):
    return maps.any(axis=(1, 2)) & (np.arange(3) > 0)


def test_by_hand():
    samples = np.stack([_maps([1, 1, 0], [1, 1, 0], [1, 0, 0]), _maps([1, 0, 0], [0, 1, 0], [0, 0, 1])])
    # of the first three pairs one is the same and two overlap by half; of the last three none overlaps
    np.testing.assert_allclose(pairwise_diversity(samples), [1 / 3, 1])


def test_real_pairs_share_the_label_set():
    maps = _maps([1, 1, 0], [1, 0, 0], [1, 2, 0], [2, 0, 0])
    wanted = np.array([[0, 1, 0], [0, 1, 1]], bool)
    values, same = real_diversity(wanted, maps, _label_sets(maps), np.random.default_rng(0))
    np.testing.assert_allclose(values, [1 / 2])
    assert same


def test_random_pairs_where_no_label_set_repeats():
    maps = _maps([1, 0, 0], [1, 2, 0], [0, 2, 0])
    values, same = real_diversity(_label_sets(maps), maps, _label_sets(maps), np.random.default_rng(0))
    assert not same and len(values) == 3 and np.isin(values, [1 / 2, 1]).all()


def test_too_few_maps():
    with pytest.raises(DataError, match="at least 2"):
        pairwise_diversity(_maps([1, 0, 0])[None])
    with pytest.raises(DataError, match="at least 2"):
        real_diversity(np.ones((1, 3), bool), _maps([1, 0, 0]), np.ones((1, 3), bool), np.random.default_rng(0))
