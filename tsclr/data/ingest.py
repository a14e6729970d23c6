"""Log files in, a store on disk out; interrupted at any moment, it loses nothing.

Samples are only ever appended. The table that names them grows under another name and takes its
place in one step at the end, so the store shows its old state until the new one is whole. What an
interrupted run had finished is kept by the next.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tsclr.data.progress import track
from tsclr.data.store import LABELS, SIGNAL, TABLE, Store
from tsclr.data.table import StoreTable
from tsclr.files import exclusive_lock, naming_full_disk, sha256
from tsclr.readers import Reader, Tabular, find_files
from tsclr.specs import differences, spec_of
from tsclr.types import Recording

UNFINISHED = "recordings.unfinished.parquet"
OWN = (SIGNAL, LABELS, ".lock")
"""What a run that was interrupted in its first log leaves in the folder."""


def ingest(
    paths: str | Path | Iterable[str | Path],
    out: str | Path,
    *,
    rate: float | None = None,
    reader: Reader | None = None,
    **options: Any,
) -> Store:
    r"""Read logs into the store in folder `out`; run again after an interruption, it goes on.

    Parameters
    ----------
    paths : str, Path, or list of them
        Log files, or folders of them. A log that the store already holds, by path and content, is
        not read again.
    out : str or Path
        Folder of the store, made where it does not exist.
    rate : float, optional
        Hz of the store; that of the first log by default.
    reader : Reader, optional
        What turns a file into recordings; by default a `tsclr.readers.Tabular`, which reads CSV and
        Parquet.
    **options : object
        Settings of that `tsclr.readers.Tabular`, such as ``columns``, ``units``, ``time``,
        ``label``, ``pattern`` and ``log_rate``.

    Returns
    -------
    Store
        The store, open.

    Raises
    ------
    TypeError
        If both `reader` and options are given, or an option is unknown.
    ValueError
        If a log is unusable or holds nothing, does not fit the store, or has changed since it was
        ingested; if other settings read it then, another `ingest` is writing, or `out` holds other
        files and no store.
    OSError
        If the disk is full; the store stays as it was, and a rerun goes on.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = Path(folder, "walk.csv")
    ...     _ = log.write_text("acc_x,acc_y,acc_z\n" + "0,0,1\n" * 100)
    ...     store = ingest(folder, Path(folder, "store"), log_rate=50.0)
    >>> store.signal.shape, store.sample_rate
    ((100, 3), 50.0)
    """
    if reader is not None and options:
        raise TypeError(
            f"got a reader and {', '.join(options)}: these are options of the default reader; "
            "set them on the reader instead"
        )
    reader, out = reader or Tabular(**options), Path(out)
    files = find_files([paths] if isinstance(paths, str | Path) else paths, reader.suffixes)
    settings = json.dumps(spec_of(reader))
    with exclusive_lock(out):
        table = _resume(out, rate)
        done = {row["source"]: row for row in table.rows}
        contents = {row["source_hash"]: row["source"] for row in table.rows}
        with (
            naming_full_disk(out),
            _appending(out / SIGNAL, table.n_samples * 4 * len(table.channels)) as signal_file,
            _appending(out / LABELS, table.n_samples * 2) as label_file,
        ):
            for file in track(files, "ingesting"):
                if not _is_done(file, settings, done.get(str(file)), contents):
                    recordings = reader.read(file)
                    if not _append(recordings, table, signal_file, label_file, settings):
                        raise ValueError(f"{file} holds no recording: leave it out")
                    # The rows of a file agree in source, hash and reader: the last stands for all.
                    done[str(file)] = table.rows[-1]
                    contents[table.rows[-1]["source_hash"]] = str(file)
                    # After the arrays: what they hold beyond the table, the next run cuts off.
                    table.write(out / UNFINISHED)
        # For its error where nothing was ingested.
        table.header()
        table.write(out / TABLE)
        (out / UNFINISHED).unlink(missing_ok=True)
    return Store.open(out)


def _resume(out: Path, sample_rate: float | None) -> StoreTable:
    """The table as the last run left it, checked against what is asked for now."""
    # While logs are added to a finished store both exist; the unfinished table is the newer.
    file = next((out / name for name in (UNFINISHED, TABLE) if (out / name).exists()), None)
    if file is None:
        _check_free(out)
        return StoreTable(sample_rate=sample_rate)
    table = StoreTable.read(file)
    if sample_rate is not None and sample_rate != table.sample_rate:
        raise ValueError(
            f"the store in {out} has {table.sample_rate:g} Hz, not {sample_rate:g} Hz: "
            "leave the rate out, or choose another folder"
        )
    return table


def _check_free(out: Path) -> None:
    """Raise ``ValueError`` if the folder of a new store holds files that are not a store's."""
    others = [path.name for path in out.iterdir() if path.name not in OWN]
    if others:
        raise ValueError(
            f"{out} holds other files, such as {min(others)}, and no store: name a new folder"
        )


def _is_done(
    file: Path, settings: str, row: dict[str, Any] | None, contents: dict[str, str]
) -> bool:
    """Whether the store holds this very file, read in this very way; `row` is its last one."""
    content = sha256(file)
    if row is None:
        if content in contents:
            raise ValueError(
                f"{file} has the same content as {contents[content]}, which is in the store: "
                "leave it out"
            )
        return False
    if row["source_hash"] != content:
        raise ValueError(
            f"{file} has changed since it was ingested: choose another folder for the store"
        )
    if row["reader"] != settings:
        before, now = json.loads(row["reader"]), json.loads(settings)
        differ = "; ".join(differences("the store", before, now))
        raise ValueError(
            f"{file} was ingested with other settings. {differ}. Use the same ones, or choose "
            "another folder for the store"
        )
    return True


def _append(
    recordings: Iterable[Recording],
    table: StoreTable,
    signal_file: BinaryIO,
    label_file: BinaryIO,
    settings: str,
) -> int:
    """Add recordings to the table and, safely on disk, to the flat arrays; say how many."""
    n_before = len(table.rows)
    for recording in recordings:
        signal, labels = table.add(recording, settings)
        signal_file.write(np.ascontiguousarray(signal, "<f4").data)
        label_file.write(np.ascontiguousarray(labels, "<i2").data)
    # The table that is written next may name only what has reached the disk.
    for handle in (signal_file, label_file):
        handle.flush()
        os.fsync(handle.fileno())
    return len(table.rows) - n_before


@contextmanager
def _appending(path: Path, size: int) -> Iterator[BinaryIO]:
    """Open a file to append after its first `size` bytes; what an interrupted run added goes."""
    path.touch()
    if path.stat().st_size < size:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes, its table says {size}: the store is "
            "damaged; ingest the logs again into a new folder"
        )
    with path.open("r+b") as handle:
        handle.truncate(size)
        handle.seek(size)
        yield handle
