"""Each fault, planted in real-like maps in growing doses, must move the metrics that should see it."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from segvae_jax.evaluation.metrics.control import label_control
from segvae_jax.evaluation.metrics.diversity import pairwise_diversity, perceptual_diversity
from segvae_jax.evaluation.metrics.frechet import frechet_distance
from segvae_jax.evaluation.metrics.geometry import QUANTITIES, part_geometry
from segvae_jax.evaluation.metrics.kernel import kernel_distances
from segvae_jax.evaluation.metrics.marginals import area_fractions, line_distances, segmentation_distance
from segvae_jax.evaluation.metrics.memorisation import copied, nearest_training
from segvae_jax.evaluation.metrics.neighbours import neighbours
from segvae_jax.evaluation.metrics.relations import (
    adjacency_distance,
    common_pairs,
    offset_distances,
    symmetry,
    touching,
)
from segvae_jax.evaluation.metrics.two_sample import layout_test
from segvae_jax.evaluation.networks.map_encoder import fit_map_encoder, held_out_iou, map_features, map_layers
from segvae_jax.evaluation.networks.random_cnn import random_cnn_features
from segvae_jax.labels import LabelSpace
from segvae_jax.maps import restore_covered

SPACE = LabelSpace(
    ("face", "l_eye", "r_eye", "hat"), covered_by=(("face", ("l_eye", "r_eye")),), pairs=(("l_eye", "r_eye"),)
)
COUNT = 60
NO_DOSE_TO_ALL = (0.0, 0.3, 0.6, 1.0)


def _draw(seed):
    """Maps of 24 x 20 with a face, two eyes that keep their place in it, and a hat on every second one."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:24, :20]
    maps = np.zeros((COUNT, 24, 20, 5), bool)
    for i, class_map in enumerate(maps):
        (top, left), radius = rng.uniform((11, 8), (15, 12)), rng.uniform(5, 8)
        ellipse = lambda dy, dx, ry, rx, t=top, s=left: ((y - t - dy) / ry) ** 2 + ((x - s - dx) / rx) ** 2 < 1
        class_map[..., 2] = ellipse(-2, -radius / 2.5, 1.6, 1.6)
        class_map[..., 3] = ellipse(-2, radius / 2.5, 1.6, 1.6)
        class_map[..., 4] = ellipse(-radius, 0, 2.5, 5) & (i % 2 == 0)
        class_map[..., 1] = ellipse(0, 0, radius, radius * 0.8) & ~class_map[..., 2:].any(axis=-1)
    return maps


@pytest.fixture(scope="module")
def real():
    return _draw(0)


@pytest.fixture(scope="module")
def clean():
    return _draw(1)


@pytest.fixture(scope="module")
def encoder():
    return fit_map_encoder(restore_covered(_draw(3), SPACE), steps=150)


def _quantity(name, maps, real):
    """Mean over the classes of the Wasserstein-1 distance of one quantity."""
    column = QUANTITIES.index(name)
    a, b = (part_geometry(x)[..., column] for x in (maps, real))
    return np.nanmean(line_distances(a, b)[1:])


def _offset(maps, real):
    a, b = part_geometry(maps), part_geometry(real)
    return offset_distances(a, b, common_pairs(b)).mean()


def _adjacency(maps, real):
    return adjacency_distance(touching(maps), touching(real))


def _symmetry(maps, real):
    return wasserstein_distance(symmetry(maps, SPACE), symmetry(real, SPACE))


def _encoded(encoder, maps):
    return map_features(encoder, restore_covered(maps, SPACE))


def _incompatibility(encoder, maps):
    return 1 - np.nanmean(held_out_iou(encoder, restore_covered(maps, SPACE)))


def _fsd(maps, real):
    return segmentation_distance(area_fractions(maps), area_fractions(real))


def _frechet(maps, real):
    return frechet_distance(random_cnn_features(maps, 0), random_cnn_features(real, 0))


def _auc(maps, real):
    return layout_test(maps, real, seed=0).auc.mean()


def _dosed(clean, faulty, share):
    """The first `share` of the maps faulty, the others clean; the hat is on even rows, so both kinds mix."""
    return np.where((np.arange(COUNT) < share * COUNT)[:, None, None, None], faulty, clean)


def _grows(figures):
    return bool((np.diff(figures) > 0).all())


def test_jitter_of_the_parts(real, clean, encoder):
    rng = np.random.default_rng(2)
    offsets = rng.integers(-2, 3, (COUNT, 5, 2))

    def jittered(scale):
        moved = clean.copy()
        for i in range(COUNT):
            for c in (2, 3, 4):
                moved[i, ..., c] = np.roll(clean[i, ..., c], scale * offsets[i, c], axis=(0, 1))
        return moved

    doses = [jittered(scale) for scale in (0, 1, 2)]
    for metric in (_auc, _frechet, _offset, _symmetry):
        assert _grows([metric(maps, real) for maps in doses]), metric.__name__
    truth = _encoded(encoder, real)
    assert _grows([frechet_distance(_encoded(encoder, maps), truth) for maps in doses])
    assert _grows([_incompatibility(encoder, maps) for maps in doses])


def test_a_dropped_class(real, clean, encoder):
    dropped = clean.copy()
    dropped[..., 2] = False
    requested = clean.any(axis=(1, 2))
    doses = [_dosed(clean, dropped, share) for share in NO_DOSE_TO_ALL]
    controls = [label_control(requested, maps) for maps in doses]
    np.testing.assert_allclose([c.miss_rate[2] for c in controls], NO_DOSE_TO_ALL)
    np.testing.assert_allclose([c.exact.mean() for c in controls], [1, 0.7, 0.4, 0])
    assert _grows([1 - c.recall.mean() for c in controls])
    assert all(c.precision.mean() == 1 for c in controls)
    assert _grows([_adjacency(maps, real) for maps in doses])
    assert _grows([frechet_distance(_encoded(encoder, maps), _encoded(encoder, real)) for maps in doses])
    assert _grows([_frechet(maps, real) for maps in doses])
    assert _grows([_auc(maps, real) for maps in doses])


def test_mode_collapse(real, clean, encoder):
    doses = [clean[np.arange(COUNT) % modes] for modes in (COUNT, 6, 1)]
    diversity = [pairwise_diversity(maps, [COUNT])[0] for maps in doses]
    assert _grows([1 - value for value in diversity]) and diversity[-1] == 0
    diversity = [perceptual_diversity(map_layers(encoder, maps), [COUNT])[0] for maps in doses]
    assert _grows([-value for value in diversity]) and diversity[-1] == 0
    features, truth = [_encoded(encoder, maps) for maps in doses], _encoded(encoder, real)
    found = [neighbours(x, truth) for x in features]
    assert _grows([-one.coverage.mean() for one in found])
    # modes that repeat are their own nearest neighbours, however many there are
    assert found[0].recall.mean() > 0.5 and not any(one.recall.any() for one in found[1:])
    assert _grows([kernel_distances(x, truth, seed=0).mean() for x in features])
    assert _grows([_fsd(maps, real) for maps in doses])
    assert _grows([_frechet(maps, real) for maps in doses])
    # repeats of true maps lie among the real ones: the test sees them, but not how many modes are left
    assert _auc(doses[0], real) < 0.6 < 0.7 < min(_auc(maps, real) for maps in doses[1:])


def test_copied_training_maps(real, clean):
    train = _draw(3)
    held_out = nearest_training(real, train).overlap
    overlaps = [nearest_training(_dosed(clean, train, share), train).overlap for share in NO_DOSE_TO_ALL]
    assert _grows([overlap.mean() for overlap in overlaps]) and overlaps[-1].min() == 1
    shares = [copied(overlap, held_out).mean() for overlap in overlaps]
    assert shares[0] < 0.1 and _grows(shares) and shares[-1] == 1


def test_swapped_classes(real, clean):
    swapped = clean[..., [0, 1, 4, 3, 2]]  # left eye and hat
    doses = [_dosed(clean, swapped, share) for share in NO_DOSE_TO_ALL]
    for metric in (_fsd, _frechet, _auc):
        assert _grows([metric(maps, real) for maps in doses]), metric.__name__


def test_swapped_eyes_have_equal_areas_so_only_the_joint_tests_see_them(real, clean, encoder):
    swapped = clean[..., [0, 1, 3, 2, 4]]
    doses = [_dosed(clean, swapped, share) for share in NO_DOSE_TO_ALL]
    assert _grows([_offset(maps, real) for maps in doses])
    assert _grows([_quantity("centroid_x", maps, real) for maps in doses])
    assert _grows([_incompatibility(encoder, maps) for maps in doses])
    assert _quantity("log_area", swapped, real) < 1.5 * _quantity("log_area", clean, real)
    assert _symmetry(swapped, real) == pytest.approx(_symmetry(clean, real))
    assert _auc(swapped, real) > 0.95 > 0.65 > _auc(clean, real)
    assert _fsd(swapped, real) < 1.5 * _fsd(clean, real)
