"""Damaged text never gets through: every reader of users' text files returns a right value or the project's error."""

import itertools
import json
import random
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.study_votes import read_votes
from segvae_jax.data.prepare.splits import SPLITS, official_partition
from segvae_jax.data.sources.exclusions import read_exclusions
from segvae_jax.data.sources.label_list import merged, read_labels
from segvae_jax.errors import SegVAEError
from segvae_jax.labels import CELEBAMASK_HQ, LabelSpace, pairs_by_name, read_label_sets

TRIES, SECONDS = 400, 3.0  # of each reader, whichever ends first
NAMES = ["background", "hat", "left shoe", "right shoe"]
TABLE = "\n".join(f"{i},{name},{i},{9 * i},0" for i, name in enumerate(NAMES))
LISTS = {
    ".txt": ["\n".join(NAMES), "# ours\n1 hat\n2 shoe\n", "0: void 0 0 0\n1: hat #ff8000", "0 0 0\tvoid\n9 9 9\that",
             "background:0,0,0::\nhat:1,2,3:a:b", "__ignore__\n_background_\nhat\n"],
    ".json": [json.dumps(NAMES), json.dumps({"id2label": dict(enumerate(NAMES))}),
              '{"void": "#000000", "hat": [1, 2, 3]}',
              '[{"id": 0, "name": "void", "color": [0, 0, 0]}, {"id": 1, "name": "hat", "color": [1, 2, 3]}]'],
    ".yaml": ["names:\n  0: background\n  1: hat\n", "- background\n- hat\n", "{void: '#000000', hat: [1, 2, 3]}"],
    ".csv": [TABLE, "index;name;red;green;blue\n" + TABLE.replace(",", ";"), "name,rgb\nvoid,#000000\nhat,\"1,2,3\""],
}  # fmt: skip
VOTES = json.dumps(
    {"format": 1, "study": "s", "seed": 0, "pairs": 2, "voter": "v", "votes": [{"pair": 0, "side": "left"}]}
)
ODD = [
    b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\xff", b"\r", b"\n\n", b'"', b"'", b"[" * 3000, b'{"a":' * 1500, b"9" * 5000,
    b"-1", b"1e999", b"NaN", b"null", b"true", b"{}", b"[]", b": ", b"- ", b"&a ", b"*a", b"!!python/object:os.system ",
    b"#", b"#ff8000", b",,", b";", b"\t", b"0", b"255", b"256", b"\xc2\x85", b"\xe2\x80\xa8", "🎩".encode(),
]  # fmt: skip


def damaged(good: bytes, source: random.Random) -> bytes:
    """A copy of some text with one to four bytes or parts changed, removed, repeated or added."""
    data = bytearray(good)
    for _ in range(source.randint(1, 4)):
        start = source.randrange(len(data) + 1)
        end = min(len(data), start + source.randint(0, 12))
        part = source.choice([b"", bytes([source.randrange(256)]), source.choice(ODD), bytes(data[start:end]) * 3])
        data[start:end] = part
    return bytes(data)


def check_label_list(path: Path) -> None:
    listed = read_labels(path)
    names = set(listed.names)
    assert names <= set(range(256)) and names > listed.background and listed.background
    assert set(listed.colours) in (set(), names, names - {0})
    classes = tuple(dict.fromkeys(name for name in merged(listed, "").values() if name != "background"))
    assert LabelSpace(classes, pairs=pairs_by_name(classes)).classes == classes


def check_label_sets(path: Path) -> None:
    rows = read_label_sets(path, CELEBAMASK_HQ)
    assert rows.shape[1:] == (19,) and rows.any(-1).all() and not rows[:, 0].any()


def check_exclusions(path: Path) -> None:
    assert all(key and value and "#" not in key + value for key, value in read_exclusions(path).items())


def check_partition(path: Path) -> None:
    good = path.with_name("good")
    good.write_text("a.jpg 1\nb.jpg 2\n" if path.suffix == ".map" else "0 5 a.jpg\n")
    files = (path, good) if path.suffix == ".map" else (good, path)
    assert set(official_partition(*files).values()) <= set(SPLITS)


def check_votes(path: Path) -> None:
    assert set(read_votes(path).sides.values()) <= {"left", "right"}


READERS: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    **{f"labels{suffix}": (check_label_list, suffix, texts) for suffix, texts in LISTS.items()},
    "label-sets": (check_label_sets, ".txt", ["skin,hair,nose\n\nskin, hat\n"]),
    "exclusions": (check_exclusions, ".txt", ["# list\n000001 blank # note\n7 odd hair\n"]),
    "mapping": (check_partition, ".map", ["idx orig_idx orig_file\n0 5 a.jpg\n1 6 b.jpg\n"]),
    "partition": (check_partition, ".txt", ["a.jpg 0\nb.jpg 2\n"]),
    "votes": (check_votes, ".json", [VOTES]),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_text_is_read_right_or_refused_in_one_line(tmp_path, name):
    check, suffix, texts = READERS[name]
    source, end, outcomes = random.Random(name), time.monotonic() + SECONDS, []
    for number, text in zip(range(TRIES), itertools.cycle(texts), strict=False):
        if time.monotonic() > end and number > 50:
            break
        encoding = source.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(damaged(text.encode(encoding), source) if number >= len(texts) else text.encode(encoding))
        try:
            with warnings.catch_warnings(action="error"):
                check(path)
            outcomes.append("read")
        except SegVAEError as error:
            assert number >= len(texts), f"{name}: {text!r} is not damaged: {error}"
            assert str(path.parent) in str(error) and "\n" not in str(error), error
            outcomes.append("refused")
    assert {"read", "refused"} == set(outcomes)
