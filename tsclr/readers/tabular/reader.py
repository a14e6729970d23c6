"""A CSV or Parquet log and what its columns mean in, recordings out."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float32, Int16, Int64

from tsclr import signals
from tsclr.files import sha256
from tsclr.readers.base import Reader
from tsclr.readers.tabular.batches import Table, Texts
from tsclr.readers.tabular.columns import match_channels, match_column
from tsclr.readers.tabular.tables import File
from tsclr.specs import nearest
from tsclr.types import UNITS, UNLABELLED, Recording, sensor_kind

TIME_UNITS = ("auto", "iso", "s", "ms", "us", "ns")
GROUPS = ("subject", "label", "device")
GRAVITY_ROWS = 100_000
"""Rows, evenly spread, that tell whether a log holds gravity."""


class Tabular(Reader):
    r"""CSV and Parquet logs, one row per sample.

    Parameters
    ----------
    columns : dict of str to str, optional
        Column of each channel, such as ``{acc_x: ax, acc_y: ay, acc_z: az}``. Channels are
        called ``acc_x … mag_z``, with the name of a device before them where there are several
        (``wrist_acc_x``), and come in whole triads. Without it every column that is called like a
        channel is read; case does not count.
    units : dict of str to str, optional
        Unit of each sensor that is not in g (acc), rad/s (gyr) or µT (mag), such as
        ``{acc: m/s²}``; `signals.conversion` has all units.
    time : str, optional
        Column of the time stamps. Without one, rows are `log_rate` Hz apart.
    time_unit : str
        Unit of the time stamps, UNIX or relative: ``iso``, ``s``, ``ms``, ``us``, ``ns``, or
        ``auto`` to recognise it. With ``auto``, dates are ``iso``; for numbers see
        `signals.time_unit`, which uses `log_rate` if given. Dates without an offset
        are UTC. Numbers between the years 1990 and 2100 give the recording its start time.
    log_rate : float, optional
        Sample rate of the logs, Hz. With a time column it is checked against the stamps.
    label : str, optional
        Column of the labels; an empty cell is unlabelled.
    classes : list of str, optional
        Labels that may occur. Without it, those of the file, sorted.
    subject : str, optional
        Column of the subject. The log is split where it changes.
    pattern : str, optional
        Regular expression that finds ``subject``, ``label`` or ``device`` in the path of a log,
        such as ``(?P<subject>s\d+)/(?P<label>\w+)``. The path is written with forward slashes.
        Without any subject the recordings have the empty one.
    max_gap : float
        Longest gap within a recording, s. Longer gaps and longer runs of missing samples
        cut the log.
    delimiter : str
        Character between the columns of a CSV row; a tab (``\\t``) in files that end in ``.tsv``.

    Notes
    -----
    The rate of a recording is `log_rate`, or the measured one rounded by `signals.snap_rate`. How
    stamps become regular and what is counted as repair: `signals.regularise`. Besides that,
    ``malformed_rows`` with a wrong number of columns (up to 1 %) and rows without a time
    (``missing_stamps``) are left out, and ``unusual_gravity`` counts accelerometers whose median
    magnitude is outside 0.5 to 2 g. The first recording of a file holds the repairs of the file.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> log = Path(folder.name, "s7_walk.csv")
    >>> rows = "".join(f"{20 * i},0,0,9.81\n" for i in range(100))
    >>> _ = log.write_text("ms,acc_x,acc_y,acc_z\n" + rows)
    >>> reader = Tabular(units={"acc": "m/s2"}, time="ms", pattern=r"(?P<subject>s\d+)_walk")
    >>> [recording] = reader.read(log)
    >>> recording.subject, recording.sample_rate, recording.signal.shape
    ('s7', 50.0, (100, 3))
    >>> folder.cleanup()
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", ".tsv", ".parquet")

    def __init__(
        self,
        columns: dict[str, str] | None = None,
        units: dict[str, str] | None = None,
        time: str | None = None,
        time_unit: str = "auto",
        log_rate: float | None = None,
        label: str | None = None,
        classes: list[str] | None = None,
        subject: str | None = None,
        pattern: str | None = None,
        max_gap: float = 1.0,
        delimiter: str = ",",
    ) -> None:
        self.columns = columns
        self.units = units
        self.time = time
        self.time_unit = time_unit
        self.log_rate = log_rate
        self.label = label
        self.classes = classes
        self.subject = subject
        self.pattern = pattern
        self.max_gap = max_gap
        self.delimiter = delimiter
        self._check()

    def _check(self) -> None:
        """Raise for settings that no file could satisfy."""
        for sensor, unit in (self.units or {}).items():
            signals.conversion(sensor, unit)
        if self.columns:
            match_channels(self.columns, list(set(self.columns.values())))
        if self.time_unit not in TIME_UNITS:
            raise ValueError(
                f"unknown time_unit {self.time_unit!r}: {nearest(self.time_unit, TIME_UNITS)}"
            )
        if self.time is None and self.log_rate is None:
            raise ValueError(
                "neither time nor log_rate is set: name the time column, or give log_rate in Hz"
            )
        for name, value in {"log_rate": self.log_rate, "max_gap": self.max_gap}.items():
            if value is not None and not 0 < value < np.inf:
                raise ValueError(f"{name} is {value:g}, must be positive")
        if len(self.delimiter) != 1 and self.delimiter != "\\t":
            raise ValueError(f"delimiter is {self.delimiter!r}, must be one character")
        self._check_pattern()

    def _check_pattern(self) -> None:
        try:
            groups = re.compile(self.pattern or "").groupindex
        except re.error as error:
            raise ValueError(
                f"pattern '{self.pattern}' is not a regular expression: {error}"
            ) from None
        for group in groups:
            if group not in GROUPS:
                raise ValueError(f"unknown group {group!r} in pattern: {nearest(group, GROUPS)}")
            if getattr(self, group, None) is not None:
                raise ValueError(f"{group} comes from a column and from pattern: choose one")
        if self.pattern and not groups:
            raise ValueError(f"pattern '{self.pattern}' names no group: use (?P<subject>…)")

    def read(self, path: Path) -> Iterator[Recording]:  # noqa: D102 - inherited
        try:
            recordings = self._recordings(path)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        yield from recordings

    def _recordings(self, path: Path) -> list[Recording]:
        """All recordings of a file; messages do not name it yet."""
        if not path.is_file():
            raise ValueError("no such file")
        channels, table = self._table(path)
        groups = self._groups(path)
        labels, classes = self._labels(table, groups)
        subjects = _subjects(table, groups)
        repairs = Counter(malformed_rows=table.n_malformed)
        repairs["unusual_gravity"] = self._convert(table.numbers, channels)
        log = Recording(
            signal=table.numbers,
            sample_rate=1.0,
            channels=channels,
            subject="",
            name=path.name.split(".")[0],
            device=groups.get("device", ""),
            labels=labels,
            classes=classes,
            source=str(path),
            source_hash=sha256(path),
        )
        if table.timed is not None and not table.timed.all():
            repairs["missing_stamps"] = int(np.count_nonzero(~table.timed))
            log = _rows(log, table.timed)
            subjects = replace(subjects, codes=subjects.codes[table.timed])
        recordings = self._stretches(log, self._stamps(table), subjects, repairs)
        if not recordings:
            raise ValueError(f"no two consecutive samples can be used: {dict(+repairs)}")
        recordings[0] = replace(recordings[0], repairs=dict(+repairs))
        if len(recordings) == 1:
            return recordings
        return [replace(r, name=f"{r.name}#{number}") for number, r in enumerate(recordings, 1)]

    def _table(self, path: Path) -> tuple[tuple[str, ...], Table]:
        """Channels, and the columns that the settings ask for."""
        tabbed = self.delimiter == "\\t" or (self.delimiter == "," and path.suffix == ".tsv")
        file = File(path, "\t" if tabbed else self.delimiter)
        names = file.schema.names
        channels = match_channels(self.columns, names)
        time = None if self.time is None else match_column(self.time, names)
        columns = {"label": self.label, "subject": self.subject}
        texts = {role: match_column(name, names) for role, name in columns.items() if name}
        return tuple(channels), file.read(list(channels.values()), time, texts)

    def _groups(self, path: Path) -> dict[str, str]:
        """What the pattern finds in the path."""
        match = re.search(self.pattern or "", path.as_posix())
        if match is None:
            raise ValueError(f"pattern {self.pattern!r} does not match the path")
        return {group: text for group, text in match.groupdict().items() if text is not None}

    def _labels(
        self, table: Table, groups: dict[str, str]
    ) -> tuple[Int16[np.ndarray, " T"] | None, tuple[str, ...]]:
        """Labels as indices into the classes."""
        texts = table.texts.get("label")
        if "label" in groups:
            texts = Texts(np.zeros(len(table.numbers), np.int32), [groups["label"]])
        if texts is None:
            return None, tuple(self.classes or ())
        classes = tuple(sorted(texts.names) if self.classes is None else self.classes)
        if len(classes) > np.iinfo(np.int16).max:
            raise ValueError(
                f"{len(classes)} different labels: is {self.label!r} the label column?"
            )
        for code, name in enumerate(texts.names):
            if name not in classes:
                row = int(np.argmax(texts.codes == code)) + 1
                raise ValueError(
                    f"label {name!r} in data row {row} is not in classes: {nearest(name, classes)}"
                )
        index = [classes.index(name) for name in texts.names]
        return np.array([*index, UNLABELLED], np.int16)[texts.codes], classes

    def _convert(self, signal: Float32[np.ndarray, "T C"], channels: tuple[str, ...]) -> int:
        """Bring `signal` into tsclr's units in place; count accelerometers without 1 g."""
        units = UNITS | (self.units or {})
        sensors = [sensor_kind(channel) for channel in channels]
        signal *= np.array([signals.conversion(s, units[s]) for s in sensors], np.float32)
        spread = signal[:: 1 + len(signal) // GRAVITY_ROWS]
        triads = [first for first in range(0, len(sensors), 3) if sensors[first] == "acc"]
        usual = [signals.check_gravity(spread[:, i : i + 3], units["acc"]) for i in triads]
        return usual.count(False)

    def _stamps(self, table: Table) -> Int64[np.ndarray, " T"]:
        """Nanoseconds of the rows that have a time, or of all at the given rate."""
        if table.time is None or table.timed is None:
            step = 1e9 / float(self.log_rate or 0)  # the constructor asked for a rate
            return np.rint(np.arange(len(table.numbers)) * step).astype(np.int64)
        values, unit = table.time[table.timed], self.time_unit
        if not len(values):
            raise ValueError(f"time column {self.time!r} is empty")
        if unit != "auto" and table.is_date != (unit == "iso"):
            kind = "dates" if table.is_date else "numbers"
            raise ValueError(f"time column {self.time!r} holds {kind}, but time_unit is {unit!r}")
        if unit == "auto" and not table.is_date:
            unit = signals.time_unit(values, self.log_rate)
        elif not table.is_date:
            signals.check_time_unit(values, unit)
        return signals.to_nanoseconds(values, "ns" if table.is_date else unit)

    def _stretches(
        self,
        log: Recording,
        stamps: Int64[np.ndarray, " T"],
        subjects: Texts,
        repairs: Counter[str],
    ) -> list[Recording]:
        """Regular stretches of one subject each; repairs are added up in `repairs`."""
        recordings = []
        for start, stop, subject in signals.runs(subjects.codes).tolist():
            if stop - start < 2:
                repairs["dropped_samples"] += stop - start
                continue
            block = _rows(log, slice(start, stop))
            regular = signals.regularise(
                stamps[start:stop],
                block.signal,
                block.labels,
                rate=self.log_rate,
                max_gap=self.max_gap,
            )
            repairs.update(regular.repairs)
            log = replace(log, sample_rate=regular.rate, subject=subjects.names[subject])
            recordings += [_cut(log, segment) for segment in regular.segments]
        return recordings


def _subjects(table: Table, groups: dict[str, str]) -> Texts:
    """Subject of each row."""
    n_rows = len(table.numbers)
    texts = table.texts.get("subject")
    if texts is None:
        return Texts(np.zeros(n_rows, np.int32), [groups.get("subject", "")])
    if (texts.codes < 0).any():
        raise ValueError(f"subject is empty in data row {int(np.argmax(texts.codes < 0)) + 1}")
    return texts


def _rows(recording: Recording, rows: slice | Bool[np.ndarray, " T"]) -> Recording:
    """The recording with these rows only."""
    labels = None if recording.labels is None else recording.labels[rows]
    return replace(recording, signal=recording.signal[rows], labels=labels)


def _cut(recording: Recording, segment: signals.Segment) -> Recording:
    """The recording with the samples and the start of one segment."""
    start = segment.start if signals.is_unix(segment.start) else 0
    return replace(recording, signal=segment.values, labels=segment.labels, start_time=start)
