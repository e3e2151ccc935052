import pytest

from segvae_jax.data.prepare.splits import official_partition
from segvae_jax.data.sources.exclusions import read_exclusions
from segvae_jax.errors import DataError, LabelError, MapError
from segvae_jax.labels import HUMAN_PARSING, read_label_sets
from segvae_jax.text_files import read_lines, read_text

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom")


def write(path, text: str, encoding: str):
    path.write_bytes(("\ufeff" + text).encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_is_the_same_however_an_editor_saves_it(tmp_path, encoding):
    for text in ("été\n\nhat\n", "été\r\n\r\nhat\r\n", "été\r\rhat\r"):
        file = write(tmp_path / "file", text, encoding)
        assert read_text(file, "a list", DataError) == "été\n\nhat\n"
        assert read_lines(file, "a list", DataError) == [(f"{file}:1", "été"), (f"{file}:3", "hat")]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_list_of_users_is_read_so(tmp_path, encoding):
    file = lambda text: write(tmp_path / "file", text, encoding)
    assert HUMAN_PARSING.decode(read_label_sets(file("hat, hair\n"), HUMAN_PARSING)[0]) == ("hat", "hair")
    assert read_exclusions(file("7 blank\r\n")) == {"7": "blank"}
    assert read_exclusions(file('"my map 7"  has no hair # yet\n"8" blank\n')) == {
        "my map 7": "has no hair",
        "8": "blank",
    }
    partition = write(tmp_path / "partition", "a.jpg 1\n", encoding)
    assert official_partition(file("0 5 a.jpg\n"), partition) == {"0": "validation"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"hat\nh\xe9\n", "line 2 is not UTF-8: save it as UTF-8"),
        (b"\xff\xfeh\x00a", "line 1 is not UTF-16: save it as UTF-8"),
        ("hat".encode("utf-16-le"), "it holds zero bytes: save it as UTF-8"),
        ("hat".encode("utf-32"), "it holds zero bytes: save it as UTF-8"),
        (b"PK\x03\x04\x00\x00", "it holds zero bytes: save it as UTF-8"),
        (b"x" * 64_000_001, "it has more than 64,000,000 bytes"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, reason):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(LabelError) as caught:
        read_text(tmp_path / "file", "a list", LabelError)
    assert str(caught.value) == f"{tmp_path / 'file'}: cannot be read ({reason}): give a list"


@pytest.mark.parametrize("path", ["absent.txt", ".", "~nobody-here/x.txt", "x" * 5000, "a\0b"])
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MapError, match=r": cannot be read \(.*\): give a list$"):
        read_text(path, "a list", MapError)
