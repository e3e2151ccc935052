"""Sheets of pictures: nearly square, few blank cells, pixels that stay squares."""

import math

import numpy as np
import pytest

from segvae_jax.sheets import enlarged, grid


def shape_of(count, height, width):
    """Rows and columns of a sheet of black pictures, and its blank cells."""
    sheet = grid(np.zeros((count, height, width, 3), np.uint8))
    rows, columns = (sheet.shape[0] - 2) // (height + 2), (sheet.shape[1] - 2) // (width + 2)
    black = (sheet[2 :: height + 2, 2 :: width + 2] == 0).all(-1).sum()
    assert black == count
    return rows, columns, rows * columns - count


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (16, (4, 4), (4, 4, 0)),
        (16, (6, 4), (4, 4, 0)),
        (24, (4, 4), (4, 6, 0)),
        (42, (4, 4), (6, 7, 0)),
        (3, (4, 4), (1, 3, 0)),
        (5, (4, 4), (2, 3, 1)),
        (14, (4, 4), (3, 5, 1)),
        (8, (8, 2), (1, 8, 0)),
        (1, (1, 9), (1, 1, 0)),
        (3, (1, 9), (3, 1, 0)),
    ],
)
def test_a_sheet_is_nearly_square_and_full_where_both_are_possible(count, size, expected):
    assert shape_of(count, *size) == expected


def test_no_sheet_is_a_strip_and_few_cells_are_blank():
    """Up to 64 square or upright maps: at most 3 times as long as wide, and blank cells that no other shape avoids."""
    for width in (4, 6):
        for count in range(2, 65):
            rows, columns, blank = shape_of(count, 6, width)
            assert 1 / 3 <= columns * width / (rows * 6) <= 3
            assert blank <= max(2, math.ceil(0.1 * count))
            if any(count % n == 0 and 1 / 2 <= n * n * width / (count * 6) <= 2 for n in range(1, count + 1)):
                assert blank == 0


def test_enlarged_pixels_are_squares():
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 3)).astype(np.uint8)
    large = enlarged(rgb, 4)
    assert large.shape == (2, 12, 20, 3)
    for i in range(4):
        for j in range(4):
            np.testing.assert_array_equal(large[:, i::4, j::4], rgb)


@pytest.mark.parametrize(("height", "scale"), [(64, 3), (96, 2), (100, 1), (300, 1)])
def test_small_pictures_are_magnified_if_no_scale_is_given(height, scale):
    assert enlarged(np.zeros((height, 7, 3), np.uint8), None).shape == (scale * height, scale * 7, 3)
