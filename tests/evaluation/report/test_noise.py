"""Warnings of maps that look like noise, from the scores alone."""

import pytest

from segvae_jax.evaluation.report.noise import noise_warnings


def result(fsd: float = 10.0, low: float = 5.0, specks: float = 0.001, specks_of_real: float = 0.001) -> dict:
    row = lambda fsd, low, specks: {"fsd": {"value": fsd, "low": low, "high": 2 * fsd}, "specks": {"value": specks}}
    real, parts = row(3.0, 1.0, specks_of_real), row(50.0, 30.0, 0.02)
    return {"rows": {"generated": row(fsd, low, specks), "real_vs_real": real, "independent_parts": parts}}


def test_whole_maps_give_no_warning_and_neither_do_pictures_alone():
    assert noise_warnings(result()) == noise_warnings({"pictures": {}}) == []


@pytest.mark.parametrize(("low", "warned"), [(99, False), (101, True)])
def test_an_fsd_surely_far_beyond_independent_parts_is_told(low, warned):
    found = noise_warnings(result(fsd=150.0, low=low))
    assert bool(found) == warned
    assert not found or "FSD 150 is far beyond the 50 of independent parts" in found[0]


@pytest.mark.parametrize(
    ("share", "of_real", "warned"), [(0.019, 0.0, False), (0.046, 0.005, True), (0.046, 0.03, False)]
)
def test_many_specks_are_told_unless_real_maps_have_them_too(share, of_real, warned):
    found = noise_warnings(result(specks=share, specks_of_real=of_real))
    assert bool(found) == warned
    assert not found or "specks of one or two pixels are 4.6% of all pixels, 0.5% in real maps" in found[0]
