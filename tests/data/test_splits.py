import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segvae_jax.data.splits import SPLITS, content_hash, split_of

GOLDEN = {
    "0": "train",
    "2": "test",
    "a": "validation",
    "x1": "test",
    "é": "train",
    "00001": "train",
    "000000": "train",
    "person_0003": "test",
}


@pytest.mark.parametrize(("example_id", "split"), GOLDEN.items())
def test_the_split_of_an_id_never_changes(example_id, split):
    assert split_of(example_id) == split


@pytest.mark.parametrize("pattern", ["{:05d}", "{}", "person_{:04d}", "{:06d}_mask"])
def test_splits_are_near_75_5_20_whatever_the_ids_look_like(pattern):
    counts = collections.Counter(split_of(pattern.format(i)) for i in range(10_000))
    shares = np.array([counts[split] for split in ("train", "validation", "test")]) / 10_000
    np.testing.assert_allclose(shares, [0.75, 0.05, 0.20], atol=0.015)


@settings(deadline=None, derandomize=True)
@given(st.text())
def test_any_id_has_a_split(example_id):
    assert split_of(example_id) in SPLITS


def test_content_hash_tells_contents_apart():
    assert content_hash(b"a") == content_hash(bytes([97])) != content_hash(b"b")
