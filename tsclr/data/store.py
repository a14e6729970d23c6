"""Recordings in, one flat array and a table of recordings out, on disk or in memory.

A store on disk is a folder of three files::

    signal.f32           (total_T, C) float32, little-endian, time first
    labels.i16           (total_T,) int16, index into the classes, -1 where there is no label
    recordings.parquet   a row for each gap-free stretch; its metadata holds channels, rate, classes

The table is the commit point: samples beyond the rows it names do not exist.
"""

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int, Int16

from tsclr.data.landmarks import Sketch, sketch
from tsclr.data.table import StoreTable
from tsclr.files import replacing
from tsclr.specs import nearest
from tsclr.types import UNLABELLED, Recording

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
    left_out : tuple of str
        Subjects of that source whose recordings are not here.

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
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        hours = len(self.signal) / self.sample_rate / 3600
        return (
            f"Store({len(self.subjects)} subjects, {len(self.recordings)} recordings, "
            f"{hours:.2f} h at {self.sample_rate:g} Hz, channels {', '.join(self.channels)})"
        )

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
        from tsclr import datasets  # imports pooch, which only downloads need

        # A generator: the folders are looked through only for the message of a misspelt name.
        near = (str(table.parent) for table in Path(source).parent.glob(f"*/{TABLE}"))
        dataset = datasets.find(str(source), near)
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
        # Rows must be contiguous: windows are strided views, and hashes read the bytes.
        signal = np.ascontiguousarray(np.concatenate([signal for signal, _ in added]))
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
            # On the maps themselves, which `release` advises; np.memmap keeps its own to itself.
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
        # The table comes last, since a folder without one is no store.
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

    def with_subjects(self, names: Sequence[str]) -> "Store":
        """The recordings of some of the subjects; samples of all others are not in its arrays.

        Where these recordings lie one behind the other, `signal` is a view; otherwise a copy.

        Parameters
        ----------
        names : sequence of str
            Whose recordings; their order in the store stays.

        Raises
        ------
        ValueError
            If there is no subject of a name, or no name.

        Examples
        --------
        >>> signal = np.ones((100, 1), np.float32)
        >>> both = [
        ...     Recording(
        ...         signal=signal, sample_rate=50.0, channels=("acc_x",), subject=name, name="walk"
        ...     )
        ...     for name in ("s1", "s2")
        ... ]
        >>> one = Store.build(both).with_subjects(["s2"])
        >>> one.signal.shape, one.subjects, one.left_out
        ((100, 1), ('s2',), ('s1',))
        """
        for name in names:
            if name not in self.subjects:
                raise ValueError(f"no subject {name!r}: {nearest(name, self.subjects)}")
        if not len(names):
            raise ValueError("no subject is named: name at least one")
        is_kept = self.recordings["subject"].isin(list(names))
        rows = self.recordings.loc[is_kept].reset_index(drop=True)
        blocks = _blocks(rows["start"].to_numpy(), rows["length"].to_numpy())
        signal, labels = (
            array[blocks[0]] if len(blocks) == 1 else np.concatenate([array[b] for b in blocks])
            for array in (self.signal, self.labels)
        )
        return replace(
            self,
            signal=signal,
            labels=labels,
            recordings=rows.assign(start=rows["length"].cumsum() - rows["length"]),
            maps=self.maps if len(blocks) == 1 else (),
            left_out=tuple(name for name in self.subjects if name not in names) + self.left_out,
        )

    def without_labels(self, kept: Bool[np.ndarray, " total_T"] | None = None) -> "Store":
        """The same samples with nothing that tells what they show, and no way to where it is told.

        Names and files of recordings go too, since many datasets write the activity into them; a
        recording is named by its row. So does `source`, from which the labels could be read.

        Parameters
        ----------
        kept : (total_T,) bool, optional
            Samples that keep their label; none by default.

        Examples
        --------
        >>> walk = Recording(
        ...     signal=np.ones((100, 1), np.float32), sample_rate=50.0, channels=("acc_x",),
        ...     subject="s1", name="walk", labels=np.zeros(100, int), classes=("walking",),
        ... )
        >>> blank = Store.build([walk]).without_labels()
        >>> int(blank.labels.max()), blank.classes, blank.recordings["name"].tolist()
        (-1, (), ['0'])
        """
        # One value for all samples takes no memory.
        labels = np.broadcast_to(np.int16(UNLABELLED), len(self.signal))
        if kept is not None:
            labels = np.where(kept, self.labels, np.int16(UNLABELLED))
        rows = [str(row) for row in range(len(self.recordings))]
        return replace(
            self,
            labels=labels,
            recordings=self.recordings.assign(name=rows, labels="{}", source="", reader=""),
            classes=() if kept is None else self.classes,
            maps=self.maps[:1],  # the other one maps the labels
            source=None,
        )

    def release(self) -> None:
        """Let the operating system take back the pages read so far; they stay in its cache."""
        if hasattr(mmap, "MADV_DONTNEED"):  # Windows takes pages back by itself
            for mapped in self.maps:
                mapped.madvise(mmap.MADV_DONTNEED)

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, in order of first appearance."""
        return tuple(self.recordings["subject"].unique())

    @cached_property
    def sketches(self) -> tuple[Sketch, ...]:
        """What each recording is recognised by, however it is saved; see `tsclr.data.landmarks`."""
        sketches = []
        for start, length in self.recordings[["start", "length"]].to_numpy().tolist():
            sketches.append(sketch(self.signal[start : start + length], self.sample_rate))
            self.release()
        return tuple(sketches)


def _blocks(first: Int[np.ndarray, " R"], lengths: Int[np.ndarray, " R"]) -> list[slice]:
    """Stretches of the flat array that some of its recordings fill, as few as possible."""
    stops = first + lengths
    opens, closes = first[1:] != stops[:-1], np.append(first[1:] != stops[:-1], True)
    starts = first[np.append(True, opens)]
    return [slice(*edges) for edges in zip(starts.tolist(), stops[closes].tolist(), strict=True)]


def _map(path: Path, size: int) -> mmap.mmap:
    """Map the first `size` bytes of a file, read-only."""
    n_bytes = path.stat().st_size if path.exists() else 0
    if n_bytes < size:
        raise ValueError(
            f"{path} has {n_bytes} bytes, its table says {size}: the store is damaged; "
            "ingest the logs again into a new folder"
        )
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), size, access=mmap.ACCESS_READ)
