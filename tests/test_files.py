"""Files and folders that are complete as soon as they have their names."""

import errno
import fcntl
import os
import re
import subprocess
import sys
import threading

import pytest
from full_disk import small_files

from segvae_jax.errors import OutputError
from segvae_jax.files import check_writable, locked, output_errors, remove, writable_directory, write_atomically


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


def test_a_folder_is_checked_without_being_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("new/out", ".", str(tmp_path / "other")):
        check_writable(name, "--out")
    with pytest.raises(OutputError, match=r"^--out=file/out: cannot be written \(Not a directory\): give a folder"):
        check_writable("file/out", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_block_that_fails_leaves_no_folder_that_it_made_unless_there_is_a_file_in_it(tmp_path):
    def failing(directory, *written):
        with pytest.raises(RuntimeError, match="the block"), locked(directory):
            for name in written:
                (directory / name).mkdir() if name.endswith("/") else (directory / name).write_text("")
            raise RuntimeError("the block")

    failing(tmp_path / "a" / "b", "empty/")
    assert list(tmp_path.iterdir()) == []
    failing(tmp_path / "a" / "b", "file")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]
    failing(tmp_path / "a", "empty/")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b", "empty"]
    with locked(tmp_path / "c"):
        pass
    assert (tmp_path / "c").is_dir()


HOLDER = """
import pathlib, sys, time
from segvae_jax.files import locked
with locked(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process has locked, and this process."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        yield tmp_path / "out", process
        process.kill()


def test_a_folder_that_another_process_writes_to_is_refused_until_it_is_killed(held):
    directory, process = held
    message = rf"^{directory}: another process is writing to it: wait for its end, or give another folder$"
    with pytest.raises(OutputError, match=message), locked(directory):
        pass
    process.kill()
    process.wait()
    with locked(directory):
        assert [path.name for path in directory.iterdir()] == [".lock"]
    assert not list(directory.iterdir())


def test_who_waits_for_a_lock_gets_it_even_if_the_folder_is_removed_meanwhile(held):
    directory, process = held
    threading.Timer(0.3, lambda: (remove(directory), process.kill())).start()
    with locked(directory, wait=True), pytest.raises(OutputError), locked(directory):
        pass


def test_locks_of_other_names_and_file_systems_without_locks_do_not_block(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    with locked(tmp_path), locked(tmp_path, name=".lock-1"):
        monkeypatch.setattr(fcntl, "flock", no_locks)
        with locked(tmp_path):
            pass


def test_a_full_disk_leaves_neither_a_cut_file_nor_a_traceback(tmp_path):
    path = tmp_path / "new" / "a[1].bin"
    with small_files(1000), pytest.raises(OutputError, match=rf"^{re.escape(str(path))}: cannot be written \(File too"):
        write_atomically(path, lambda partial: partial.write_bytes(bytes(2000)))
    assert not list(path.parent.iterdir())


def test_an_error_of_tensorstore_is_one_of_the_system():
    text = "RESOURCE_EXHAUSTED: Failed to write 4772 bytes to file 7: No space [os_error_code='28']"
    with pytest.raises(OutputError, match=r"^run: cannot be written \(No space left on device\): make room$"):
        with output_errors("run", lambda: "make room"):
            raise ValueError(text)
    with pytest.raises(ValueError, match="another mistake"), output_errors("run"):
        raise ValueError("another mistake")
