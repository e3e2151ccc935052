"""JSON objects and their own digests."""

import json

import pytest

from segvae_jax.json_objects import json_object, opened, sealed

ENTRIES = {"name": "ä", "sizes": (3, 4), "share": 0.1, "inner": {"b": None, "a": [True]}}


@pytest.mark.parametrize("text", ["", "[]", "3", "{", b"\xff", "[" * 100_000, '{"a":' * 100_000])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError):
        json_object(text)


def test_what_was_sealed_is_opened_however_it_is_laid_out():
    for text in (json.dumps(sealed(ENTRIES)), json.dumps(sealed(ENTRIES), indent=3, ensure_ascii=False)):
        assert opened(json_object(text), ENTRIES) == json.loads(json.dumps(ENTRIES))
    assert opened(ENTRIES, ENTRIES) == ENTRIES, "an earlier version had no digest"


@pytest.mark.parametrize("change", [{"share": 0.2}, {"sha256": None}, {"sha256": ""}, {"extra": 1}])
def test_a_change_is_noticed(change):
    with pytest.raises(ValueError):
        opened(sealed(ENTRIES) | change, ENTRIES)


def test_a_damaged_name_of_the_digest_is_noticed():
    text = json.dumps(sealed(ENTRIES)).replace("sha256", "shb256")
    with pytest.raises(ValueError, match="unknown entry 'shb256'"):
        opened(json_object(text), ENTRIES)
