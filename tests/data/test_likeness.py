import numpy as np
import pytest

from segvae_jax.data.cartoon import cartoon_map
from segvae_jax.data.likeness import NEAR_MAPS, NEAR_PICTURES, map_hash, near_pairs, picture_hash


def face(number, size=128):
    return cartoon_map("faces", 0, number, (size, size))


def distance(one, other):
    return int(np.bitwise_count(one ^ other).sum())


def test_a_map_that_is_hardly_changed_is_near_and_another_is_not():
    hashed = map_hash(face(0))
    without_nose = face(0) & (np.arange(19) != 2)
    recoloured = face(0)[..., np.r_[0, np.random.default_rng(0).permutation(18) + 1]]
    assert distance(hashed, map_hash(recoloured)) == 0
    for changed in (np.roll(face(0), 1, axis=0), face(0, 256), without_nose):
        assert 0 < distance(hashed, map_hash(changed)) <= NEAR_MAPS
    assert min(distance(hashed, map_hash(face(i))) for i in range(1, 40)) > NEAR_MAPS


def test_a_picture_that_is_hardly_changed_is_near_and_another_is_not():
    smooth = lambda seed: np.kron(np.random.default_rng(seed).integers(0, 250, (9, 7, 3)), np.ones((12, 14, 1)))
    noisy = smooth(0) + np.random.default_rng(5).integers(0, 6, smooth(0).shape)
    hashed = picture_hash(smooth(0).astype(np.uint8))
    assert distance(hashed, picture_hash(noisy.astype(np.uint8))) <= NEAR_PICTURES
    assert distance(hashed, picture_hash(smooth(1).astype(np.uint8))) > NEAR_PICTURES
    assert picture_hash(np.zeros((5, 7, 3), np.uint8)).shape == (4,)


@pytest.mark.parametrize("count", [0, 1, 5, 700])
def test_near_pairs_are_those_of_all_pairs(count):
    rng = np.random.default_rng(count)
    hashes = rng.integers(0, 2**63, (count, 4)).astype(np.uint64)
    if count > 4:
        hashes[4] = hashes[1]
        hashes[4, 0] ^= np.uint64(0b1011)
        hashes[count - 1] = hashes[0]
    expected = [(i, j) for i in range(count) for j in range(i + 1, count) if distance(hashes[i], hashes[j]) <= 3]
    np.testing.assert_array_equal(near_pairs(hashes, 3), np.reshape(expected, (-1, 2)))
    assert len(expected) == {0: 0, 1: 0, 5: 1}.get(count, 2)
