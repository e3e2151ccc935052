import numpy as np
import pytest

from segvae_jax import maps
from segvae_jax.data.cartoon import CARTOON_SPACES, cartoon_map
from segvae_jax.specks import MOST, looks_like_noise, speck_share, speck_warning

DRAWN = """
1......
....22.
.......
33...4.
3...4..
...4...
......5
......5
"""


def drawn(text: str) -> np.ndarray:
    return np.array([[int(pixel) for pixel in line.replace(".", "0")] for line in text.split()], np.uint8)


def test_pieces_of_one_or_two_pixels_are_specks_and_oblique_lines_are_none():
    (share,) = speck_share(drawn(DRAWN)[None])
    assert share == pytest.approx(5 / 56)  # 1, 22 and 55


def test_holes_are_specks_and_pairs_may_touch_at_a_corner():
    hole = np.ones((1, 5, 5), np.uint8)
    hole[0, 2, 2] = 0
    corner = np.zeros((1, 5, 5), np.uint8)
    corner[0, 1, 1] = corner[0, 2, 2] = 3
    np.testing.assert_allclose(speck_share(np.concatenate([hole, corner])), [1 / 25, 2 / 25])


def test_ends_of_a_longer_line_are_no_specks():
    line = np.zeros((1, 3, 6), np.uint8)
    line[0, 1, 1:4] = 1
    assert speck_share(line) == 0


def faces(size: int) -> np.ndarray:
    space = CARTOON_SPACES["faces"]
    return np.stack([maps.paint(cartoon_map("faces", 0, i, (size, size)), space) for i in range(8)])


def test_drawn_faces_are_not_noise_and_faces_with_wrong_pixels_are():
    index = faces(40)
    assert speck_warning(index) == ""
    rng = np.random.default_rng(0)
    wrong = np.where(rng.random(index.shape) < 0.05, rng.integers(0, 19, index.shape), index).astype(np.uint8)
    assert "specks of one or two pixels are" in speck_warning(wrong) and "\n" not in speck_warning(wrong)
    assert speck_warning(wrong[:, :31]) == "", "parts of small maps are specks themselves"


def test_what_real_maps_have_is_no_noise():
    assert looks_like_noise(2 * MOST) and not looks_like_noise(MOST)
    assert not looks_like_noise(2 * MOST, of_real=MOST) and looks_like_noise(5 * MOST, of_real=MOST)
