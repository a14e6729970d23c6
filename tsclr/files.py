"""Files that are never half written, and locks on folders; alike on Linux, macOS and Windows."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, and move it to `path` when the block ends well.

    A reader sees the old file or the new one, whatever happens in between.

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
            with temporary.open("r+b") as handle:  # Windows flushes only what may be written
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Hold a folder against a second writer; remove what a killed one left half written.

    The lock is one of `filelock`, which torch depends on as well. The operating system frees it
    when the process ends, however it ends, and a forked child does not inherit it.

    Raises
    ------
    ValueError
        If another process writes to it.
    """
    with _locked(folder / ".lock", timeout=0):
        for path in list(_left_behind(folder)):
            path.unlink(missing_ok=True)
        yield


def _left_behind(folder: Path) -> Iterator[Path]:
    """What `replacing` has not finished: all in the folder, and below it what nobody writes now."""
    for path in (path for depth in ("", "*/", "*/*/") for path in folder.glob(f"{depth}.*.part")):
        number = path.name.removesuffix(".part").rpartition(".")[2]
        if number.isdecimal() and (path.parent == folder or not _is_another(int(number))):
            yield path


def _is_another(number: int) -> bool:
    """Whether another process of that number may be running."""
    if os.name == "nt":  # there signal 0 would interrupt the process in place of asking for it
        return number != os.getpid()
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return number != os.getpid()


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process is in a block under the same lock."""
    with _locked(path, timeout=-1):
        yield


@contextmanager
def _locked(path: Path, timeout: float) -> Iterator[None]:
    """Hold a lock file; wait up to `timeout` seconds for it, for ever if that is negative."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path)
    try:
        held.acquire(timeout)
    except Timeout as error:
        raise ValueError(
            f"another process is writing to {path.parent}: wait until it ends"
        ) from error
    try:
        yield
    finally:
        held.release()


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Say which file did not fit when the disk is full.

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

    Examples
    --------
    >>> sha256(Path(os.devnull))[:16]
    'e3b0c44298fc1c14'
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def write_table(path: Path, rows: list[dict[str, Any]], header: dict[str, Any]) -> None:
    """Write rows as Parquet, with a header and a digest of both in its metadata, in one step.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_table(Path(folder, "a.parquet"), [{"start": 0}, {"start": 5}], {"rate": 50.0})
    ...     read_table(Path(folder, "a.parquet"))
    ([{'start': 0}, {'start': 5}], {'rate': 50.0})
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = json.dumps(header)
    table = pa.Table.from_pylist(rows)
    with replacing(path) as temporary:
        metadata = {"tsclr": text, "sha256": _digest(text, rows)}
        pq.write_table(table.replace_schema_metadata(metadata), temporary)


def read_table(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read rows and header that `write_table` wrote.

    Raises
    ------
    ValueError
        If a single bit of rows or header has changed, or something else wrote the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        rows, metadata = table.to_pylist(), table.schema.metadata or {}
        text = metadata[b"tsclr"].decode()
        if metadata[b"sha256"].decode() != _digest(text, rows):
            raise ValueError("its content does not match its digest")
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged, or not written by tsclr: {error}") from error
    return rows, json.loads(text)


def _digest(text: str, rows: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps([text, rows]).encode()).hexdigest()


def digest(*values: Any) -> str:
    """Hash of values that JSON can hold; the order of values counts, that of dict keys does not.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
