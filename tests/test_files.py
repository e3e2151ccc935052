"""Files and folders that are complete as soon as they have their names."""

import os

import pytest

from segvae_jax.errors import OutputError
from segvae_jax.files import output_errors, writable_directory, write_atomically


def test_a_failed_write_keeps_the_former_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "scores.json"
    write_atomically(path, lambda partial: partial.write_text("first"))

    def fail(partial):
        partial.write_text("second, unfinished")
        raise ValueError

    with pytest.raises(ValueError):
        write_atomically(path, fail)
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_renamed_as_a_whole(tmp_path):
    def write(partial):
        partial.mkdir()
        assert not (tmp_path / "maps").exists()
        (partial / "0.png").write_text("")

    write_atomically(tmp_path / "maps", write)
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["0.png"]


@pytest.mark.parametrize("shared", [False, True])
def test_temporary_files_of_other_processes_stay_only_where_these_may_be_alive(shared, tmp_path):
    other = tmp_path / ".card.json.elsewhere-12.partial"
    other.write_text("")
    write_atomically(tmp_path / "card.json", lambda partial: partial.write_text("mine"), shared=shared)
    assert other.exists() == shared and (tmp_path / "card.json").read_text() == "mine"


def test_errors_of_the_system_become_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"^maps: cannot be written \(No space left on device\): give a folder"):
        with output_errors("maps"):
            raise OSError(28, os.strerror(28))


def test_a_writable_directory_is_made_and_left_empty(tmp_path):
    made = writable_directory(tmp_path / "new" / "out", "--out")
    assert made == tmp_path / "new" / "out" and made.is_dir() and not list(made.iterdir())


def test_a_directory_that_cannot_be_made_is_named_with_its_flag(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^--out=.*file: cannot be written \(File exists\): give a folder"):
        writable_directory(tmp_path / "file", "--out")
