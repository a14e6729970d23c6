"""A file is the old one or the new one, whatever fails; a changed bit in a table is noticed."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tsclr.files import (
    exclusive_lock,
    lock,
    naming_full_disk,
    read_table,
    replacing,
    sha256,
    write_table,
)

ROWS = [{"name": "a", "start": 0, "repairs": "{}"}, {"name": "bö", "start": 7, "repairs": "{}"}]
HEADER = {"format": 1, "channels": ["acc_x"], "sample_rate": 31.25}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_new_content_takes_the_place_of_the_old_only_at_the_end(file):
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
        assert temporary.parent == file.parent
    assert file.read_text() == "new"
    assert names(file.parent) == ["a.txt"]


def test_missing_folders_are_made(tmp_path):
    with replacing(tmp_path / "b" / "c" / "d.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "b" / "c" / "d.txt").read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_error_keeps_the_old_file_and_removes_the_temporary_one(file, error):
    def fail(path):
        path.write_text("half")
        raise error

    with pytest.raises(error), replacing(file) as temporary:
        fail(temporary)
    assert file.read_text() == "old"
    assert names(file.parent) == ["a.txt"]


def test_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(file):
    with pytest.raises(FileNotFoundError), replacing(file):
        pass
    assert file.read_text() == "old"


def test_content_is_on_disk_before_it_takes_the_place(file, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(Path, "replace", lambda p, q: (order.append("replace"), replace(p, q)))
    with replacing(file) as temporary:
        temporary.write_text("new")
    assert order == ["fsync", "replace"]


def test_full_disk_keeps_the_old_file_and_names_it(file, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    named = pytest.raises(OSError, match=r"no space left while writing .*a\.txt: free some")
    with named as caught, replacing(file) as temporary:
        temporary.write_text("new")
    assert caught.value.errno == errno.ENOSPC
    assert file.read_text() == "old"
    assert names(file.parent) == ["a.txt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the Linux device /dev/full")
def test_full_disk_is_recognised_from_python_and_from_arrow():
    table = pa.table({"a": range(100_000)})
    # Through an open handle: Arrow deletes the file at a path that it could not write.
    with Path("/dev/full").open("wb", buffering=0) as full:
        for write in (lambda: full.write(b"x"), lambda: pq.write_table(table, full)):
            named = pytest.raises(OSError, match="no space left while writing store")
            with named, naming_full_disk(Path("store")):
                write()


def test_full_quota_counts_as_full_disk():
    with pytest.raises(OSError, match="no space left while writing"), naming_full_disk(Path("a")):
        raise OSError(errno.EDQUOT, "quota")


def test_other_errors_pass_unchanged():
    with pytest.raises(PermissionError, match="mine"), naming_full_disk(Path("a")):
        raise PermissionError(errno.EACCES, "mine")


def test_sha256_is_that_of_the_standard(file):
    # FIPS 180-2, appendix B.1
    file.write_bytes(b"abc")
    assert sha256(file).startswith("ba7816bf8f01cfea414140de5dae2223")


def test_table_comes_back_as_it_was_written(tmp_path):
    write_table(tmp_path / "t.parquet", ROWS, HEADER)
    assert read_table(tmp_path / "t.parquet") == (ROWS, HEADER)


def test_table_without_rows_comes_back(tmp_path):
    write_table(tmp_path / "t.parquet", [], HEADER)
    assert read_table(tmp_path / "t.parquet") == ([], HEADER)


def test_any_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, HEADER)
    whole = path.read_bytes()
    n_noticed = 0
    for place in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        try:
            assert read_table(path) == (ROWS, HEADER)
        except ValueError as error:
            n_noticed += "t.parquet is damaged" in str(error)
    assert n_noticed > len(whole) / 28


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_truncated_table_is_noticed(tmp_path, share):
    path = tmp_path / "t.parquet"
    write_table(path, ROWS, HEADER)
    os.truncate(path, int(share * path.stat().st_size))
    with pytest.raises(ValueError, match="is damaged"):
        read_table(path)


def test_parquet_file_of_somebody_else_is_refused(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match="or not written by tsclr"):
        read_table(tmp_path / "t.parquet")


def test_a_forked_child_does_not_hold_a_folder_for_its_parent(tmp_path):
    """As readers that outlive a killed run by seconds would."""
    heard, told = os.pipe()
    with exclusive_lock(tmp_path):
        child = os.fork()
        if not child:
            os.write(told, b"!")
            signal.pause()
            os._exit(0)
    os.read(heard, 1)
    try:
        with exclusive_lock(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_folder_is_held_by_one(tmp_path):
    with (
        exclusive_lock(tmp_path),
        pytest.raises(ValueError, match="another process"),
        exclusive_lock(tmp_path),
    ):
        pass


def test_blocks_under_one_lock_take_turns(tmp_path: Path) -> None:
    path, order = tmp_path / "sub" / "run.lock", []

    def later() -> None:
        with lock(path):
            order.append("second")

    with lock(path):
        thread = threading.Thread(target=later)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    cells = tmp_path / "cells"
    cells.mkdir()
    ours, theirs = cells / f".a.json.{process.pid}.part", cells / f".a.json.{os.getppid()}.part"
    foreign = tmp_path / ".download.zip.part"
    for half in (ours, theirs, foreign):
        half.write_text("{")
    with exclusive_lock(tmp_path):
        assert [half.exists() for half in (ours, theirs, foreign)] == [False, True, True]


def test_an_error_of_the_block_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="busy"), exclusive_lock(tmp_path):
        raise BlockingIOError(errno.EAGAIN, "busy")
