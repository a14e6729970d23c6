"""WISDM (UCI 507, two logs of a watch): a recording per gap-free stretch of a bout."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from jaxtyping import Bool, Float32, Int64

from tsclr.datasets.base import Dataset, Folder, checked, read_file
from tsclr.signals import conversion, fill_missing, pieces, resample, sample_rate, sort_dedupe
from tsclr.types import Recording

__all__ = ["Wisdm"]

ACTIVITIES = {
    "A": "walking",
    "B": "jogging",
    "C": "stairs",
    "D": "sitting",
    "E": "standing",
    "F": "typing",
    "G": "brushing teeth",
    "H": "eating soup",
    "I": "eating chips",
    "J": "eating pasta",
    "K": "drinking",
    "L": "eating a sandwich",
    "M": "kicking a ball",
    "O": "playing catch",
    "P": "dribbling a ball",
    "Q": "writing",
    "R": "clapping",
    "S": "folding clothes",
}
FIELDS = {
    "subject": pa.int64(),
    "code": pa.string(),
    "stamp": pa.int64(),
    "x": pa.float64(),
    "y": pa.float64(),
    "z": pa.float64(),
}

GAP = 0.075
"""Seconds: one and a half steps at 20 Hz, so a lost sample is a gap."""

SHORTEST = 1.0
"""Seconds: the anti-alias filter reaches half a second to either side."""

FURTHEST = 0.25
"""Seconds by which the stamps of a stretch may deviate from a constant rate."""

CLOCK_TOLERANCE = 1e-3
"""Relative error of the clock: `resample` takes ratios of whole numbers up to 1000."""

MALFORMED_SHARE = 0.01
"""Share of the lines; if more are malformed, the file is something else."""

TWELVE = tuple(map(str, (1600, 1604, 1608, 1612, 1616, 1620, 1624, 1628, 1633, 1641, 1645, 1649)))
FACTS_OF_TWELVE = {
    "recordings": 285,
    "subjects": 12,
    "rows": 770_526,
    "labelled": 770_526,
    "bouts": 285,
}


class Log(NamedTuple):
    """Nanoseconds, samples and index of the activity, row by row."""

    stamps: Int64[np.ndarray, " T"]
    signal: Float32[np.ndarray, "T C"]
    labels: Int64[np.ndarray, " T"]

    def take(self, rows: Bool[np.ndarray, " T"] | slice | Int64[np.ndarray, " N"]) -> "Log":
        """These rows, as a mask, a slice or indices."""
        return Log(*(column[rows] for column in self))


class Wisdm(Dataset):
    """Eighteen activities of 51 people, three minutes each, with a watch, 20 Hz.

    The archive is the official one, or a part of it in the same layout: ``wisdm-watch-12.zip``
    holds the watch of 12 people, whose numbers stand below. The official download is a zip file
    within a zip file, which is looked into; it holds about 300 MB, so unpacked it opens faster.
    Every fourth subject of those in the archive, from the third on, is held out.

    Accelerometer and gyroscope are logged to separate files. What they hold, and what is done:

    * The two start and stop a sample or two apart, but every stamp of the gyroscope is one of the
      accelerometer. The time in which both run is taken (417 samples of one sensor left out).
      Where stamps differ, the gyroscope is interpolated linearly at those of the accelerometer;
      that never happens in the 12.
    * Person 1649 has 58 s twice, as kicking and as catching. Rows whose stamp stands under two
      activities are left out of both (4,638 rows of the two files).
    * In 16 of the 215 bouts samples were lost: 106 gaps of 0.14 to 0.31 s and 5 of 1.6 to 57 s.
      Each bout is sorted, repeated stamps are dropped (none in the 12), and it is cut wherever a
      step is longer than 75 ms. Stretches shorter than 1 s are left out (1,558 samples, 15 s).
    * Of the 285 stretches that remain 237 have 20.01 to 20.20 Hz, 8 have 25 Hz and 40 have 100 Hz:
      the watch changes its rate at a gap only. Where logging begins, the stamps drift by up to
      74 ms about a constant rate, as if an estimate settled. So a stretch gets one rate, that of
      its stamps, and is resampled from it to 20 Hz with an anti-alias filter; time is met within
      0.05 %. Linear interpolation at the stamps would lose a third of the power at 4 to 6 Hz and
      half of it at 6 to 8 Hz, this keeps both within 2 %. A stretch whose stamps wander by more
      than 0.25 s is left out (none in the 12).
    * Lines that are no six fields, have an empty one or an unknown activity, or name somebody else
      are counted and left out (none in the 12). More than 1 % of such lines are an error.

    ``repairs`` of the first recording of a person hold the counts for both files, as
    ``malformed_rows``, ``contradictory_rows``, ``backward_stamps``, ``duplicate_stamps``,
    ``one_sensor_samples``, ``interpolated_samples``, ``gaps``, ``short_samples`` and
    ``uneven_samples``; only what occurred.

    The archive prescribes windows of 10 s for its own features. Here they have 5 s at half
    overlap: long enough for a few bites, catches or claps, and twice as many from three minutes.
    Person 1616 did not jog.

    Parameters
    ----------
    root : str, optional
        Folder that holds ``wisdm.zip``, ``wisdm-dataset.zip``, ``wisdm-watch-12.zip`` or the
        unpacked archive; see `Dataset`.

    References
    ----------
    Weiss, Yoneda and Hayajneh, *Smartphone and smartwatch-based biometrics using activities of
    daily living*, IEEE Access 7, 2019, https://doi.org/10.1109/ACCESS.2019.2940729

    Examples
    --------
    >>> Wisdm.classes[:3], Wisdm.window / Wisdm.sample_rate
    (('walking', 'jogging', 'stairs'), 5.0)
    """

    name = "wisdm"
    title = "WISDM, the watch (UCI 507)"
    headcount = "51, or some of them"
    url = (
        "https://archive.ics.uci.edu/static/public/507/"
        "wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset.zip"
    )
    licence = "CC BY 4.0"
    citation = "Weiss et al., IEEE Access 7, 2019, 10.1109/ACCESS.2019.2940729"
    archive_names = (
        "wisdm-dataset",
        "wisdm+smartphone+and+smartwatch+activity+and+biometrics+dataset",
        "wisdm-watch-12",
    )
    marker = "raw/watch/accel/data_1600_accel_watch.txt"
    classes = tuple(ACTIVITIES.values())
    scored_classes = classes
    sample_rate = 20.0
    window = 100
    stride = 50

    @property
    def test_subjects(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every fourth subject of the archive from the third on."""
        with self.opened() as folder:
            return _subjects(folder)[2::4]

    def _read(self) -> Iterator[Recording]:
        with self.opened() as folder:
            subjects = _subjects(folder)
            recordings = chain.from_iterable(self._recordings(folder, name) for name in subjects)
            facts = FACTS_OF_TWELVE if subjects == TWELVE else {"subjects": len(subjects)}
            yield from checked(recordings, facts, self.name)

    def _recordings(self, folder: Folder, subject: str) -> list[Recording]:
        """All of one subject; the first holds the repairs made in both logs."""
        repairs: Counter[str] = Counter()
        file = folder / "raw" / "watch" / "accel" / f"data_{subject}_accel_watch.txt"
        gyro_file = folder / "raw" / "watch" / "gyro" / f"data_{subject}_gyro_watch.txt"
        content = read_file(file)
        acc = _parse(content, str(file), subject, repairs)
        gyro_content = read_file(gyro_file)
        gyr = _parse(gyro_content, str(gyro_file), subject, repairs)
        acc = acc._replace(signal=acc.signal * np.float32(conversion("acc", "m/s²")))
        recordings = [
            Recording(
                signal=signal,
                sample_rate=self.sample_rate,
                channels=self.channels,
                subject=subject,
                name=f"{subject}_{name}",
                labels=np.full(len(signal), label, np.int16),
                classes=self.classes,
                source=str(file),
                source_hash=sha256(content + gyro_content).hexdigest(),
            )
            for name, label, signal in self._stretches(acc, gyr, repairs)
        ]
        if not recordings:
            raise ValueError(
                f"{file} and {gyro_file.name} hold no stretch of {SHORTEST:g} s in which both "
                f"sensors run: {dict(+repairs)}"
            )
        recordings[0] = replace(recordings[0], repairs=dict(+repairs))
        return recordings

    def _stretches(
        self, acc: Log, gyr: Log, repairs: Counter[str]
    ) -> Iterator[tuple[str, int, Float32[np.ndarray, "T 6"]]]:
        """Name within the subject, label and signal of each stretch."""
        acc, gyr = _unambiguous(acc, repairs), _unambiguous(gyr, repairs)
        for label, code in enumerate(ACTIVITIES):
            both = _joined(_bout(acc, label, repairs), _bout(gyr, label, repairs), repairs)
            for number, signal in enumerate(_regular(both, self.sample_rate, repairs), 1):
                yield f"{code}_{number}", label, signal


def _subjects(folder: Folder) -> tuple[str, ...]:
    """Whoever has a log of either sensor, sorted."""
    directories = [(sensor, folder / "raw" / "watch" / sensor) for sensor in ("accel", "gyro")]
    names = {
        match[1]
        for sensor, directory in directories
        if directory.is_dir()
        for file in directory.iterdir()
        if (match := re.fullmatch(rf"data_(\d+)_{sensor}_watch\.txt", file.name))
    }
    return tuple(sorted(names))


def _parse(content: bytes, source: str, subject: str, repairs: Counter[str]) -> Log:
    """Rows of one log; lines that cannot be used are counted."""
    table, n_lines = _table(content, source)
    values = np.column_stack([table[axis].to_numpy() for axis in "xyz"])
    labels = pd.Index(ACTIVITIES).get_indexer(table["code"].to_pandas())
    stamps = table["stamp"].fill_null(-1).to_numpy()
    is_subject = table["subject"].fill_null(-1).to_numpy() == int(subject)
    log = Log(stamps, values.astype(np.float32), labels)
    log = log.take(is_subject & np.isfinite(values).all(axis=1) & (log.labels >= 0) & (stamps >= 0))
    n_malformed = n_lines - len(log.stamps)
    if n_malformed > MALFORMED_SHARE * n_lines:
        raise ValueError(
            f"{source}: {n_malformed} of {n_lines} lines are not {subject},code,timestamp,x,y,z; "
            f"with a code in {''.join(ACTIVITIES)}: it is not the official file"
        )
    repairs["malformed_rows"] += n_malformed
    return log


def _table(content: bytes, source: str) -> tuple[pa.Table, int]:
    """Lines of six fields, empty ones null, and the number of all lines."""
    others = 0

    def skip(_: pyarrow.csv.InvalidRow) -> str:
        nonlocal others
        others += 1
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            BytesIO(content.replace(b";", b"\n")),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=list(FIELDS)),
            pyarrow.csv.ParseOptions(quote_char=False, invalid_row_handler=skip),
            pyarrow.csv.ConvertOptions(
                column_types=FIELDS, null_values=[""], strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        expected = "expected lines subject,code,timestamp,x,y,z;"
        raise ValueError(f"{source}: {error.args[0]}; {expected}") from error
    return table, others + table.num_rows


def _unambiguous(log: Log, repairs: Counter[str]) -> Log:
    """Without the rows whose stamp stands under two activities: either may be the true one."""
    order = np.lexsort((log.labels, log.stamps))
    stamps, labels = log.stamps[order], log.labels[order]
    differ = (np.diff(stamps) == 0) & (np.diff(labels) != 0)
    doubtful = np.isin(log.stamps, stamps[1:][differ])
    repairs["contradictory_rows"] += int(np.count_nonzero(doubtful))
    return log.take(~doubtful)


def _bout(log: Log, label: int, repairs: Counter[str]) -> Log:
    """Rows of one activity in order of time, each stamp once."""
    rows = log.take(log.labels == label)
    in_order = sort_dedupe(rows.stamps)
    repairs["backward_stamps"] += in_order.n_backward
    repairs["duplicate_stamps"] += in_order.n_duplicate
    return rows.take(in_order.rows)


def _joined(acc: Log, gyr: Log, repairs: Counter[str]) -> Log:
    """Both sensors, six values a row, at the stamps of the accelerometer at which both run."""
    stamps = np.union1d(acc.stamps, gyr.stamps)
    at_acc, at_gyr = (np.searchsorted(stamps, log.stamps) for log in (acc, gyr))
    measured = np.full((len(stamps), 6), np.nan, np.float32)
    measured[at_acc, :3], measured[at_gyr, 3:] = acc.signal, gyr.signal
    values, _ = fill_missing(measured, (stamps - stamps[:1]) * 1e-9, GAP)
    both = np.asarray(np.isfinite(values).all(axis=1))
    rows = at_acc[both[at_acc]]
    repairs["one_sensor_samples"] += int(np.count_nonzero(~both))
    repairs["interpolated_samples"] += int(np.count_nonzero(np.isnan(measured[rows]).any(axis=1)))
    return Log(stamps[rows], values[rows], acc.labels[both[at_acc]])


def _regular(bout: Log, rate: float, repairs: Counter[str]) -> Iterator[Float32[np.ndarray, "T 6"]]:
    """Signals of the gap-free stretches at `rate`."""
    cuts = pieces(bout.stamps, GAP) if len(bout.stamps) else []
    repairs["gaps"] += max(0, len(cuts) - 1)
    for stamps, values, _ in map(bout.take, cuts):
        seconds = (stamps - stamps[0]) * 1e-9
        if seconds[-1] < SHORTEST:
            repairs["short_samples"] += len(stamps)
            continue
        measured = sample_rate(stamps, GAP)
        if np.ptp(seconds - np.arange(len(stamps)) / measured) > FURTHEST:
            repairs["uneven_samples"] += len(stamps)
            continue
        yield resample(values, measured, rate, CLOCK_TOLERANCE)
