"""The projected table for several GPUs."""

from pathlib import Path

import pytest

from benchmarks import projection
from benchmarks.projection import Link, ring_seconds

DOCUMENT = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_a_ring_sends_all_bytes_nearly_twice_and_waits_for_every_message():
    link = Link("", bandwidth=100.0, latency=0.5)
    assert ring_seconds(1000, 2, link) == pytest.approx(10 + 1)
    assert ring_seconds(1000, 4, link) == pytest.approx(15 + 3)
    assert ring_seconds(1000, 1, link) == 0


def test_the_document_shows_the_table_that_is_printed():
    text = DOCUMENT.read_text()
    assert "\n".join(projection.table()) in text
    assert projection.exchange("hierarchical", "") in text.replace("\n", " ")
