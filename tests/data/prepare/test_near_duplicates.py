import io
import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.data.prepare.near_duplicates import NEAR_MAPS, NEAR_PICTURES, map_hash, near_pairs, picture_hash


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


CHANGES = {
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "darker": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "halved": lambda picture: picture.reduce(2),
    "quartered": lambda picture: picture.reduce(4),
    "good JPEG": lambda picture: as_jpeg(picture, 90),
    "poor JPEG": lambda picture: as_jpeg(picture, 20),
}


def as_jpeg(picture, quality):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def drawn(kind, count):
    """Coloured cartoons."""
    space = CARTOON_SPACES[kind]
    class_maps = (cartoon_map(kind, 0, i, (128, 128)) for i in range(count))
    return [Image.fromarray(maps.colour(maps.paint(one, space), space)) for one in class_maps]


@pytest.mark.parametrize("kind", CARTOON_SPACES)
def test_the_bound_lies_between_copies_of_a_picture_and_other_pictures(kind):
    cartoons = drawn(kind, 25)
    hashes = [picture_hash(np.asarray(picture)) for picture in cartoons]
    for name, change in CHANGES.items():
        copies = [picture_hash(np.asarray(change(picture))) for picture in cartoons]
        # Colours of the palette that are bright already are cut off when they are brightened: 22 of these people.
        assert max(map(distance, hashes, copies)) <= NEAR_PICTURES - 2, name
    moved = [distance(hashed, picture_hash(np.roll(p, 1, axis=1))) for hashed, p in zip(hashes, cartoons, strict=True)]
    assert np.mean(np.array(moved) <= NEAR_PICTURES) > 0.7  # of 300 people 0.87, of these 25 0.76
    assert min(distance(*pair) for pair in itertools.combinations(hashes, 2)) > NEAR_PICTURES
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
