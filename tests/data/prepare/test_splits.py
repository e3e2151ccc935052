import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segvae_jax.data.prepare.splits import (
    SPLITS,
    assign,
    by_number,
    content_hash,
    duplicates_of,
    groups_of,
    official_partition,
    shuffled,
    split_of,
)
from segvae_jax.errors import DataError

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


def test_of_equal_contents_the_first_is_kept():
    assert duplicates_of(["a", "b", "c", "d", "e"], ["x", "y", "x", "x", "y"]) == {"c": "a", "d": "a", "e": "b"}


def test_pairs_join_to_groups():
    pairs = np.array([[0, 3], [3, 5], [2, 4]])
    assert groups_of(list("abcdef"), pairs) == (("a", "d", "f"), ("c", "e"))
    assert groups_of(list("ab"), pairs[:0]) == groups_of([], pairs[:0]) == ()


def test_a_group_goes_to_the_split_of_its_first():
    assignment = assign(["0", "2", "a", "x1"], {}, (("0", "2", "x1"),))
    assert assignment.split == {"0": "train", "2": "train", "a": "validation", "x1": "train"}
    assert assignment.moved == 2
    ruled = assign(["0", "2"], {}, (("0", "2"),), {"0": "test", "2": "train"}.__getitem__)
    assert ruled.split == {"0": "test", "2": "test"} and ruled.moved == 1


def test_shuffling_depends_on_no_other_id():
    ids = [str(i) for i in range(100)]
    order = shuffled(ids)
    assert sorted(order) == sorted(ids) != order
    assert shuffled(reversed(ids[:50])) == [i for i in order if int(i) < 50]


MAPPING = "idx     orig_idx    orig_file\n0  119612  119613.jpg\n1  10  000011.jpg\n 7 3 000004.jpg\n"
PARTITION = "000004.jpg 2\n000011.jpg 1\n119613.jpg 0\n"


def write(tmp_path, mapping=MAPPING, partition=PARTITION):
    (tmp_path / "mapping.txt").write_text(mapping)
    (tmp_path / "partition.txt").write_text(partition)
    return tmp_path / "mapping.txt", tmp_path / "partition.txt"


def test_the_official_partition_goes_by_number(tmp_path):
    official = official_partition(*write(tmp_path))
    assert official == {"0": "train", "1": "validation", "7": "test"}
    assert by_number(official, ["00007", "0", "1"]) == {"00007": "test", "0": "train", "1": "validation"}
    with pytest.raises(DataError, match="map '00003' has no official split"):
        by_number(official, ["1", "00003"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"partition": "000004.jpg 3\n"}, r"partition.txt:1: partition '3': expected 0, 1 or 2"),
        ({"partition": "000004.jpg\n"}, r"partition.txt:1: expected 2 columns"),
        ({"mapping": MAPPING + "\n8 5 000006.jpg"}, r"mapping.txt:6: 000006.jpg is not in .*partition.txt"),
    ],
)
def test_malformed_partitions_name_the_line(tmp_path, files, message):
    with pytest.raises(DataError, match=message):
        official_partition(*write(tmp_path, **files))
    with pytest.raises(DataError, match=r"absent.txt: cannot be read"):
        official_partition(tmp_path / "absent.txt", tmp_path / "absent.txt")


NUMBERED = [f"img{i}" for i in range(46)]  # of which the rule gives none to validation


def test_from_twenty_maps_on_no_split_is_empty_and_no_other_map_moves():
    by_rule = {example_id: split_of(example_id) for example_id in NUMBERED}
    assert "validation" not in by_rule.values()
    assignment = assign(NUMBERED, {}, ())
    counts = collections.Counter(assignment.split.values())
    assert assignment.filled == {"validation": 2} and counts["validation"] == 2
    changed = [i for i in NUMBERED if assignment.split[i] != by_rule[i]]
    assert len(changed) == 2 and {by_rule[i] for i in changed} == {"train"}
    assert assign(reversed(NUMBERED), {}, ()).split == assignment.split


@pytest.mark.parametrize("only", SPLITS)
@pytest.mark.parametrize("count", [20, 21, 57])
def test_sets_whose_names_all_fall_into_one_split_get_all_three(only, count):
    ids = [i for i in map(str, range(3000)) if split_of(i) == only][:count]
    assignment = assign(ids, {}, ())
    counts = collections.Counter(assignment.split.values())
    shares = {name: max(1, round(share * count)) for name, share in zip(SPLITS, (0.75, 0.05, 0.2), strict=True)}
    assert all(counts[name] == shares[name] for name in SPLITS if name != only) and counts[only] > 0


@pytest.mark.parametrize("ids", [NUMBERED[:19], [str(i) for i in range(46)]], ids=["few", "none is empty"])
def test_smaller_sets_and_sets_whose_splits_are_filled_keep_theirs(ids):
    assert assign(ids, {}, ()).split == {i: split_of(i) for i in ids} and not assign(ids, {}, ()).filled


def test_splits_are_filled_with_whole_groups_of_near_duplicates():
    groups = (tuple(sorted(NUMBERED)[:23]), tuple(sorted(NUMBERED)[23:45]))
    assignment = assign(NUMBERED, {}, groups)
    assert set(assignment.split.values()) == set(SPLITS)
    for group in groups:
        assert len({assignment.split[i] for i in group}) == 1
    two = assign(sorted(NUMBERED)[:45], {}, groups)
    assert set(two.split.values()) == set(SPLITS), "two groups cannot fill three splits"


def test_a_given_partition_is_not_touched():
    assert set(assign(NUMBERED, {}, (), lambda _: "train").split.values()) == {"train"}
