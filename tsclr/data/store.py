"""Recordings in, one flat array and a table of recordings out, on disk or in memory.

A store on disk is a folder of three files::

    signal.f32           (total_T, C) float32, little-endian, time first
    labels.i16           (total_T,) int16, index into the classes, -1 where there is no label
    recordings.parquet   a row for each gap-free stretch; its metadata holds channels, rate, classes

The table is the commit point: samples beyond the rows it names do not exist.
"""

import json
import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int16

from tsclr import signals
from tsclr.files import read_table, replacing, write_table
from tsclr.specs import nearest
from tsclr.types import UNITS, UNLABELLED, Recording

FORMAT = 1
TABLE, SIGNAL, LABELS = "recordings.parquet", "signal.f32", "labels.i16"


@dataclass(frozen=True)
class Store:
    """Regular signals of many recordings over one flat array.

    Parameters
    ----------
    signal : (total_T, C) float32
        All samples, recording after recording; memory-mapped where the store lies on disk.
    labels : (total_T,) int16
        Index into `classes`, -1 where there is no label.
    recordings : DataFrame
        A row for each gap-free stretch: name, subject, device, start, length (samples),
        start_time (ns), labels (JSON: samples per class), source, source_hash, reader (JSON: its
        settings), repairs (JSON).
    channels : tuple of str
        C names.
    sample_rate : float
        Hz.
    classes : tuple of str
        Class names.
    maps : tuple of mmap, optional
        What `signal` and `labels` map, where the store lies on disk.
    source : str, optional
        Folder or public dataset that it was opened from.

    Examples
    --------
    >>> signal = np.ones((100, 1), np.float32)
    >>> walk = Recording(
    ...     signal=signal, sample_rate=100.0, channels=("acc_x",), subject="s1", name="walk"
    ... )
    >>> Store.build([walk, walk], sample_rate=50.0).recordings[["start", "length"]]
       start  length
    0      0      50
    1     50      50
    """

    signal: Float32[np.ndarray, "total_T C"]
    labels: Int16[np.ndarray, " total_T"]
    recordings: pd.DataFrame
    channels: tuple[str, ...]
    sample_rate: float
    classes: tuple[str, ...]
    maps: tuple[mmap.mmap, ...] = field(default=(), repr=False)
    source: str | None = None

    @classmethod
    def load(cls, source: str | Path, root: str | Path | None = None) -> "Store":
        """Open the store in folder `source`, or read the public dataset of that name into memory.

        Parameters
        ----------
        source : str or Path
            Folder that `ingest` wrote, or a dataset name (see ``tsclr data list``).
        root : str or Path, optional
            Folder with the archive of the dataset.
        """
        if Path(source).is_dir():
            return cls.open(Path(source))
        from tsclr import datasets  # imports pooch, which a store of one's logs does without

        dataset = datasets.find(str(source))
        recordings = dataset(None if root is None else str(root)).recordings()
        return replace(cls.build(recordings), source=str(source))

    @classmethod
    def build(cls, recordings: Iterable[Recording], sample_rate: float | None = None) -> "Store":
        """Keep `recordings` in memory, resampled to one rate.

        Parameters
        ----------
        recordings : iterable of Recording
            All with the same channels.
        sample_rate : float, optional
            Hz; that of the first recording by default.

        Raises
        ------
        ValueError
            If there is no recording, or one does not fit: see `StoreTable.add`.
        """
        table = StoreTable(sample_rate=sample_rate)
        added = [table.add(recording) for recording in recordings]
        if not added:
            raise ValueError("there are no recordings to build a store from")
        signal = np.concatenate([signal for signal, _ in added])
        labels = np.concatenate([labels for _, labels in added])
        return cls(signal, labels, pd.DataFrame(table.rows), *table.header())

    @classmethod
    def open(cls, path: str | Path) -> "Store":
        """Map the store in folder `path` without reading it.

        Parameters
        ----------
        path : str or Path
            Folder that `ingest` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no finished store.
        ValueError
            If its files are damaged, or another version of tsclr wrote them.
        """
        path = Path(path)
        table = StoreTable.read(path / TABLE)
        total, n_channels = table.n_samples, len(table.channels)
        maps = _map(path / SIGNAL, total * n_channels * 4), _map(path / LABELS, total * 2)
        return cls(
            np.frombuffer(maps[0], "<f4", total * n_channels).reshape(total, n_channels),
            np.frombuffer(maps[1], "<i2", total),
            pd.DataFrame(table.rows),
            *table.header(),
            maps,
            str(path),
        )

    def write(self, path: str | Path) -> None:
        """Write the store to a folder; there is none until it is whole.

        Parameters
        ----------
        path : str or Path
            Folder, made where it does not exist.

        Raises
        ------
        OSError
            If the disk is full.

        Examples
        --------
        >>> import tempfile
        >>> signal = np.ones((100, 1), np.float32)
        >>> walk = Recording(
        ...     signal=signal, sample_rate=50.0, channels=("acc_x",), subject="s1", name="walk"
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Store.build([walk]).write(Path(folder, "store"))
        ...     Store.open(Path(folder, "store")).signal.shape
        (100, 1)
        """
        path, rows = Path(path), self.recordings.to_dict("records")
        for name, array in ((SIGNAL, self.signal), (LABELS, self.labels)):
            little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            with replacing(path / name) as temporary:
                temporary.write_bytes(little.data)
        StoreTable(rows, self.channels, self.sample_rate, self.classes).write(path / TABLE)

    def with_channels(self, names: Sequence[str]) -> "Store":
        """The same recordings with some of the channels, in memory.

        Parameters
        ----------
        names : sequence of str
            Which, in their new order.

        Raises
        ------
        ValueError
            If there is no channel of a name.

        Examples
        --------
        >>> signal = np.ones((100, 2), np.float32)
        >>> walk = Recording(
        ...     signal=signal, sample_rate=50.0, channels=("acc_x", "acc_y"), subject="s1", name="a"
        ... )
        >>> Store.build([walk]).with_channels(["acc_y"]).signal.shape
        (100, 1)
        """
        for name in names:
            if name not in self.channels:
                raise ValueError(f"no channel {name!r}: {nearest(name, self.channels)}")
        columns = [self.channels.index(name) for name in names]
        signal = np.ascontiguousarray(self.signal[:, columns])
        return replace(self, signal=signal, channels=tuple(names), maps=(), source=None)

    def release(self) -> None:
        """Let the operating system take back the pages read so far; they stay in its cache."""
        if hasattr(mmap, "MADV_DONTNEED"):  # Windows takes pages back by itself
            for mapped in self.maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, in order of first appearance."""
        return tuple(self.recordings["subject"].unique())


@dataclass
class StoreTable:
    """The table of a store while it grows: what the recordings seen so far agree on.

    Parameters
    ----------
    rows : list of dict
        Rows of the table of recordings.
    channels : tuple of str
        Empty until the first recording.
    sample_rate : float, optional
        Hz; that of the first recording if not given.
    classes : tuple of str
        Class names in order of first appearance.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    sample_rate: float | None = None
    classes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> "StoreTable":
        """Read a table that `write` wrote.

        Parameters
        ----------
        path : Path
            Parquet file.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If it is damaged, or another version of tsclr wrote it.
        """
        if not path.exists():
            raise FileNotFoundError(
                f"no store in {path.parent}: write one with `tsclr ingest LOGS --out {path.parent}`"
            )
        rows, header = read_table(path)
        if header.get("format") != FORMAT:
            raise ValueError(
                f"{path} has store format {header.get('format')!r}, this tsclr reads {FORMAT}: "
                "ingest the logs again, or use the version of tsclr that wrote it"
            )
        return cls(rows, tuple(header["channels"]), header["sample_rate"], tuple(header["classes"]))

    def write(self, path: Path) -> None:
        """Write the table in one step.

        Parameters
        ----------
        path : Path
            Parquet file to replace.
        """
        header = {
            "format": FORMAT,
            "channels": self.channels,
            "units": UNITS,
            "sample_rate": self.sample_rate,
            "classes": self.classes,
        }
        write_table(path, self.rows, header)

    def header(self) -> tuple[tuple[str, ...], float, tuple[str, ...]]:
        """Channels, rate and classes, once there is a recording."""
        if self.sample_rate is None or not self.channels:
            raise ValueError("there are no recordings: channels and rate are not known")
        return self.channels, self.sample_rate, self.classes

    @property
    def n_samples(self) -> int:
        """Samples that the rows name."""
        return self.rows[-1]["start"] + self.rows[-1]["length"] if self.rows else 0

    def add(
        self, recording: Recording, reader: str = ""
    ) -> tuple[Float32[np.ndarray, "T C"], Int16[np.ndarray, " T"]]:
        """Append a row for `recording`; give its samples and labels as the store keeps them.

        Parameters
        ----------
        recording : Recording
            At any rate; it is resampled to that of the store.
        reader : str
            Settings it was read with (JSON), empty where no reader was at work.

        Raises
        ------
        ValueError
            If it has other channels than the store, or no store can hold it: `Recording.check`.
        """
        recording.check()
        self.channels = self.channels or recording.channels
        if recording.channels != self.channels:
            raise ValueError(
                f"{recording.source or recording.name} has channels "
                f"{', '.join(recording.channels)}, the store has {', '.join(self.channels)}: "
                "a store holds one set of channels; map the same ones in every file"
            )
        if self.sample_rate is None:
            self.sample_rate = recording.sample_rate
        rates = recording.sample_rate, self.sample_rate
        signal = signals.resample(recording.signal, *rates)
        labels = self._relabel(recording, *rates, len(signal))
        counts = np.bincount(labels[labels != UNLABELLED], minlength=len(self.classes))
        self.rows.append(
            {
                "name": recording.name,
                "subject": recording.subject,
                "device": recording.device,
                "start": self.n_samples,
                "length": len(signal),
                "start_time": recording.start_time,
                "labels": json.dumps({self.classes[k]: int(n) for k, n in enumerate(counts) if n}),
                "source": recording.source,
                "source_hash": recording.source_hash,
                "reader": reader,
                "repairs": json.dumps(recording.repairs),
            }
        )
        return signal, labels

    def _relabel(
        self, recording: Recording, rate: float, target: float, length: int
    ) -> Int16[np.ndarray, " T"]:
        """Labels of one recording at the rate of the store, as indices into its classes."""
        self.classes = tuple(dict.fromkeys(self.classes + recording.classes))
        if recording.labels is None:
            return np.full(length, UNLABELLED, np.int16)
        index = [self.classes.index(name) for name in recording.classes] + [UNLABELLED]
        labels = signals.resample_labels(recording.labels, rate, target)
        return np.array(index, np.int16)[labels]


def _map(path: Path, size: int) -> mmap.mmap:
    """Map the first `size` bytes of a file, read-only."""
    found = path.stat().st_size if path.exists() else 0
    if found < size:
        raise ValueError(
            f"{path} has {found} bytes, its table names {size}: the store is damaged; "
            "ingest the logs again into a new folder"
        )
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), size, access=mmap.ACCESS_READ)
