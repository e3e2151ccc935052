"""Faults of outlines and of places, planted in cartoon faces: each moves the judge that should see it, and no other."""

import functools

import numpy as np
import pytest
from scipy import ndimage

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.evaluation.metrics.two_sample import JUDGES, held_out_auc
from segvae_jax.evaluation.networks.map_classifier import classify_maps
from segvae_jax.maps import index_to_class_maps, paint

SPACE = CARTOON_SPACES["faces"]
COUNT, SIDE = 120, 32


def _class_maps(seed):
    return np.stack([cartoon_map("faces", seed, i, (SIDE, SIDE)) for i in range(COUNT)])


def ragged(faces, rng):
    """Each tenth pixel takes the class of its right or lower neighbour."""
    neighbours = np.where(rng.random(faces.shape) < 0.5, np.roll(faces, -1, axis=1), np.roll(faces, -1, axis=2))
    return np.where(rng.random(faces.shape) < 0.1, neighbours, faces)


def specks(faces, rng):
    """Six pixels of each map get a class of the map at random."""
    faces = faces.copy()
    for face in faces:
        y, x = rng.integers(SIDE, size=(2, 6))
        face[y, x] = rng.choice(np.unique(face), size=6)
    return faces


def smoothed(faces, rng):
    """Each pixel shows the commonest class around it."""
    blurred = ndimage.gaussian_filter(np.eye(SPACE.num_channels)[faces], (0, 0.55, 0.55, 0))
    return blurred.argmax(axis=-1).astype(np.uint8)


def shifted(class_maps):
    """Eyes and brows lie two pixels lower."""
    moved = class_maps.copy()
    for name in ("l_eye", "r_eye", "l_brow", "r_brow"):
        channel = SPACE.channel(name)
        moved[..., channel] = np.roll(class_maps[..., channel], 2, axis=1)
    return moved


def unchanged(faces, rng):
    return faces


FAULTS = (ragged, specks, smoothed, unchanged)


@pytest.fixture(scope="module")
def sides():
    """Class maps with each fault, and real ones."""
    drawn = _class_maps(1)
    faulty = {fault.__name__: fault(paint(drawn, SPACE), np.random.default_rng(2)) for fault in FAULTS}
    faulty["shifted"] = paint(shifted(drawn), SPACE)
    in_classes = lambda index: index_to_class_maps(index, SPACE.num_channels)
    return {name: in_classes(index) for name, index in faulty.items()}, in_classes(paint(_class_maps(0), SPACE))


@pytest.fixture(scope="module")
def judged(sides):
    faulty, real = sides
    return {
        name: {judge: test(maps, real, seed=0).auc.mean() for judge, test in JUDGES.items()}
        for name, maps in faulty.items()
    }


@pytest.mark.parametrize("fault", ["ragged", "specks", "smoothed"])
def test_faults_of_outlines(judged, fault):
    clean = judged["unchanged"]
    assert judged[fault]["outline"] > 0.85 > 0.65 > clean["outline"]
    assert judged[fault]["outline"] > judged[fault]["layout"] + 0.15
