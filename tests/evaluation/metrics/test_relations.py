import numpy as np
from scipy.ndimage import binary_dilation

from segvae_jax.evaluation.metrics import relations
from segvae_jax.evaluation.metrics.geometry import part_geometry
from segvae_jax.evaluation.metrics.relations import (
    adjacency_distance,
    common_pairs,
    offset_distances,
    symmetry,
    touching,
)
from segvae_jax.labels import LabelSpace

SPACE = LabelSpace(("face", "l_eye", "r_eye"), pairs=(("l_eye", "r_eye"),))


def _noise(seed, count=6, density=0.1):
    return np.random.default_rng(seed).random((count, 9, 7, 4)) < density


def test_offsets_see_a_moved_class_and_not_a_moved_map():
    maps = np.zeros((6, 16, 12, 4), bool)
    for i in range(6):
        maps[i, 2 + i : 5 + i, 2:4, 1] = maps[i, 3 + i, 7, 2] = maps[i, 1, i, 3] = True
    moved = np.roll(maps, 2, axis=1)
    moved[..., 2] = np.roll(maps[..., 2], (4, 3), axis=(1, 2))
    pairs = np.array([[1, 2], [1, 3]])
    distances = offset_distances(part_geometry(maps), part_geometry(moved), pairs)
    # the second part moves 2 rows of 16 and 3 columns of 12 from the first, the third not at all
    np.testing.assert_allclose(distances, [(2 / 16 + 3 / 12) / 2, 0], atol=1e-12)


def test_pairs_are_common_from_half_of_the_maps_on():
    held = np.array([[0, 1, 1, 1], [0, 1, 1, 0], [0, 1, 0, 1], [0, 1, 0, 0]], bool)
    geometry = np.where(held[..., None], 1.0, np.nan) * np.ones(6)
    np.testing.assert_array_equal(common_pairs(geometry), [[1, 2], [1, 3]])
    assert np.isnan(offset_distances(geometry, geometry, np.array([[1, 2]]))).all()


def test_touching_against_dilation(monkeypatch):
    maps = _noise(0)
    around = lambda mask: binary_dilation(mask, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])  # the centre left out
    expected = [[[(around(x[..., c]) & x[..., d]).any() for d in range(4)] for c in range(4)] for x in maps]
    assert 0 < np.mean(expected) < 1
    np.testing.assert_array_equal(touching(maps), expected)
    monkeypatch.setattr(relations, "CHUNK", 4)
    np.testing.assert_array_equal(touching(maps), expected)


def test_adjacency_by_hand():
    a, b = np.zeros((4, 4, 4), bool), np.zeros((2, 4, 4), bool)
    a[:, 1, 2] = True
    b[0, 1, 2] = b[0, 2, 3] = b[:, 0, 1] = True  # the background does not count
    np.testing.assert_allclose(adjacency_distance(a, b), (1 / 2 + 1 / 2 + 0) / 3)


def test_symmetry_exchanges_left_and_right():
    maps = np.zeros((2, 4, 8, 4), bool)
    maps[:, 1:, 1:7, 1] = True
    maps[:, 0, 1, 2] = maps[0, 0, 6, 3] = maps[1, 0, 5, 3] = True
    np.testing.assert_allclose(symmetry(maps, SPACE), [1, 1 / 3])
