"""Lists of digests: files that are not as they were written are named."""

import subprocess

import pytest

from segvae_jax.digests import SUMS, compare, is_whole, sums_of, write_sums
from segvae_jax.errors import DamagedFile


@pytest.fixture
def folder(tmp_path):
    """A file and a folder of two files, listed."""
    (tmp_path / "maps").mkdir()
    for name in ("card.json", "maps/0 a.png", "maps/1.png"):
        (tmp_path / name).write_text(name)
    write_sums(tmp_path / SUMS, *(sums_of(tmp_path / name, name) for name in ("card.json", "maps")))
    return tmp_path


def test_a_list_is_that_of_sha256sum(folder):
    done = subprocess.run(["sha256sum", "--check", SUMS], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "card.json: OK\nmaps/0 a.png: OK\nmaps/1.png: OK\n" and not done.stderr
    compare(folder / SUMS, ["card.json", "maps", "maps/1.png"])


def test_files_without_a_list_are_of_an_earlier_version(folder):
    (folder / SUMS).unlink()
    assert is_whole(folder / SUMS, ["card.json", "nothing"])


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda f: (f / "maps/1.png").write_text("other"), "maps/1.png: not the file that SHA256SUMS lists"),
        (lambda f: (f / "maps/1.png").unlink(), "maps/1.png: missing"),
        (lambda f: [path.unlink() for path in (f / "maps").iterdir()], "maps/0 a.png: missing"),
        (lambda f: (f / SUMS).write_text(""), "SHA256SUMS: not a list of digests"),
        (lambda f: (f / SUMS).write_bytes((f / SUMS).read_bytes()[:-3]), "SHA256SUMS: not a list"),
        (lambda f: (f / SUMS).write_bytes(b"\xff"), "SHA256SUMS: 'utf-8'"),
        (lambda f: (f / SUMS).write_text((f / SUMS).read_text().replace("1.png", "l.png")), "maps/l.png: missing"),
        (lambda f: (f / SUMS).write_text((f / SUMS).read_text().split("\n")[0] + "\n"), "maps: not the file"),
    ],
)
def test_damage_is_named_where_it_is_read(folder, damage, named):
    damage(folder)
    with pytest.raises(DamagedFile, match=named):
        compare(folder / SUMS, ["maps"])
    assert not is_whole(folder / SUMS, ["maps"])
    assert is_whole(folder / SUMS, ["card.json"]) == (not named.startswith(SUMS))


def test_files_that_were_added_do_not_count(folder):
    (folder / "maps" / "2.png").touch()
    assert is_whole(folder / SUMS, ["maps"])


def test_what_was_never_there_is_missing(folder):
    with pytest.raises(DamagedFile, match="other: missing"):
        compare(folder / SUMS, ["other"])
