"""Paths in, whole files out: nothing is ever half written."""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well.

    A reader sees the old file or the new one, whatever happens in between.

    Parameters
    ----------
    path : Path
        File to write.

    Raises
    ------
    OSError
        If the file cannot be written; a full disk is named as such, and the old file stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with naming_full_disk(path):
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


_locks: set[IO[str]] = set()
# A forked child, such as one that reads ahead, would hold the folder when this process was killed.
os.register_at_fork(after_in_child=lambda: [lock.close() for lock in _locks])


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Hold a folder against a second writer; remove what a killed one left half written.

    Parameters
    ----------
    folder : Path
        Made where it does not exist.

    Raises
    ------
    ValueError
        If another process writes to it.
    """
    with _locked(folder / ".lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
        for half in list(_left_behind(folder)):
            half.unlink(missing_ok=True)
        yield


def _left_behind(folder: Path) -> Iterator[Path]:
    """What `replacing` has not finished: all in the folder, and below it what nobody writes now."""
    for half in (each for depth in ("", "*/", "*/*/") for each in folder.glob(f"{depth}.*.part")):
        number = half.name.removesuffix(".part").rpartition(".")[2]
        if number.isdecimal() and (half.parent == folder or not _is_another(int(number))):
            yield half


def _is_another(number: int) -> bool:
    """Whether another process of that number is there."""
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return number != os.getpid()


@contextmanager
def lock(lock: Path) -> Iterator[None]:
    """Wait until no other process is in a block under the same lock.

    Parameters
    ----------
    lock : Path
        File that stands for the block; it is made and stays, empty.
    """
    with _locked(lock, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    """Hold a lock file, which no forked child holds along."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, kind)
        except BlockingIOError as error:
            raise ValueError(
                f"another process is writing to {path.parent}: wait until it ends"
            ) from error
        _locks.add(handle)
        try:
            yield
        finally:
            _locks.discard(handle)


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Say which file did not fit when the disk is full.

    Parameters
    ----------
    path : Path
        File being written.

    Raises
    ------
    OSError
        Whatever the block raises; where it is a full disk or quota, with a message that says so.

    Examples
    --------
    >>> with naming_full_disk(Path("log.csv")):
    ...     raise OSError(errno.ENOSPC, "short")
    Traceback (most recent call last):
    OSError: [Errno 28] no space left while writing log.csv: free some and run the command again
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno, f"no space left while writing {path}: free some and run the command again"
        ) from error


def sha256(path: Path) -> str:
    """SHA-256 of a file, read in chunks.

    Parameters
    ----------
    path : Path
        File to read.

    Examples
    --------
    >>> sha256(Path(os.devnull))[:16]
    'e3b0c44298fc1c14'
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_table(path: Path, rows: list[dict[str, Any]], header: dict[str, Any]) -> None:
    """Write rows as Parquet, with a header and a digest of both in its metadata, in one step.

    Parameters
    ----------
    path : Path
        File to replace.
    rows : list of dict
        All with the same keys; values that JSON can hold.
    header : dict
        What JSON can hold.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Path(folder, "a.parquet"), [{"start": 0}, {"start": 5}], {"rate": 50.0})
    ...     read_table(Path(folder, "a.parquet"))
    ([{'start': 0}, {'start': 5}], {'rate': 50.0})
    """
    text = json.dumps(header)
    table = pa.Table.from_pylist(rows)
    with replacing(path) as temporary:
        metadata = {"tsclr": text, "sha256": _digest(text, rows)}
        pq.write_table(table.replace_schema_metadata(metadata), temporary)


def read_table(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read rows and header that `write_table` wrote.

    Parameters
    ----------
    path : Path
        Parquet file.

    Raises
    ------
    ValueError
        If a single bit of rows or header has changed, or something else wrote the file.
    """
    try:
        table = pq.read_table(path)
        rows, metadata = table.to_pylist(), table.schema.metadata or {}
        text = metadata[b"tsclr"].decode()
        if metadata[b"sha256"].decode() != _digest(text, rows):
            raise ValueError("its content does not match its digest")
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or not of tsclr: {error}") from error
    return rows, json.loads(text)


def _digest(text: str, rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([text, rows]).encode()).hexdigest()
