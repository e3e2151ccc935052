"""Faults of outlines and of places, planted in cartoon faces: each moves the judge that should see it, and no other."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.evaluation.metrics.two_sample import JUDGES
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
    """The outlines of the large parts are blurred; small ones would change in size as well."""
    large = [0, *(SPACE.channel(name) for name in ("hair", "skin", "neck", "cloth"))]
    blurred = ndimage.gaussian_filter(np.eye(SPACE.num_channels)[faces], (0, 1.4, 1.4, 0)).argmax(axis=-1)
    return np.where(np.isin(faces, large) & np.isin(blurred, large), blurred, faces).astype(np.uint8)


def shifted(class_maps):
    """The mouth lies two pixels to the side; nothing covers it there, so that its outline stays."""
    moved = class_maps.copy()
    for name in ("u_lip", "mouth", "l_lip"):
        channel = SPACE.channel(name)
        moved[..., channel] = np.roll(class_maps[..., channel], 2, axis=2)
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
    return {name: in_classes(index) for name, index in faulty.items()}, in_classes(paint(_class_maps(2), SPACE))


@pytest.fixture(scope="module")
def judged(sides):
    faulty, real = sides
    return {
        name: {judge: test(maps, real, seed=0).auc.mean() for judge, test in JUDGES.items()}
        for name, maps in faulty.items()
    }


def test_real_maps_pass_for_real(judged):
    assert all(abs(auc - 0.5) < 0.1 for auc in judged["unchanged"].values())


@pytest.mark.parametrize("fault", ["ragged", "specks", "smoothed"])
def test_the_outline_judge_alone_sees_faults_of_outlines(judged, fault):
    seen, clean = judged[fault], judged["unchanged"]
    assert seen["outline"] > clean["outline"] + 0.15 and abs(seen["layout"] - clean["layout"]) < 0.1


def test_the_layout_judge_alone_sees_shifted_parts(judged):
    seen, clean = judged["shifted"], judged["unchanged"]
    assert seen["layout"] > 0.9 and abs(seen["outline"] - clean["outline"]) < 0.1


def test_the_map_classifier_sees_faults_of_both_kinds(sides):
    faulty, real = sides
    fit, held = slice(0, 80), slice(80, COUNT)

    def auc(maps):
        both = lambda rows: np.concatenate([maps[rows], real[rows]])
        return roc_auc_score(np.repeat([1, 0], 40), classify_maps(both(fit), np.repeat([1, 0], 80), both(held), seed=0))

    assert abs(auc(faulty["unchanged"]) - 0.5) < 0.15
    assert min(auc(faulty[fault]) for fault in ("ragged", "specks", "shifted")) > 0.75
