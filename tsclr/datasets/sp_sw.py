"""sp-sw HAR (phone and watch worn together): one recording of 12 channels per execution."""

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int16, Int64

from tsclr import signals
from tsclr.datasets.base import Dataset, Folder, parse_numbers, read_file
from tsclr.specs import nearest
from tsclr.types import UNLABELLED, Recording

__all__ = ["SpSw"]

DEVICES = {"phone": "sp", "watch": "sw"}
"""Name of each device, and what its files end in."""

LABELS = ("SEATED", "STANDING_UP", "WALKING", "TURNING", "SITTING_DOWN")
COLUMNS = ("x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro", "timestamp")
GRID_RATE = 100.0  # Hz; the phone samples at 102.4 Hz, the watch at 104.3 Hz
MAX_GAP = 1.0  # s


class Log(NamedTuple):
    """One file: its path and content, stamps in ns, values in g and rad/s, class of each row."""

    source: str
    content: bytes
    stamps: Int64[np.ndarray, " T"]
    values: Float32[np.ndarray, "T 6"]
    labels: Int16[np.ndarray, " T"]


class SpSw(Dataset):
    """Smartphone and smartwatch of 23 people who stand up, walk, turn, walk back and sit down.

    223 executions of 9 to 15 s, each recorded at once by a phone and a watch. Samples are handed
    over in batches (steps of 0 to 188 ms), so the stamps of a device are replaced by a fitted
    `signals.clock`: over all executions it runs at 102.38 to 102.51 Hz (phone) and at 104.26 to
    104.33 Hz (watch). 90 % of the stamps lie −5 to 23 ms (phone) and −4 to 2 ms (watch) around
    it; a delay common to all samples of a device cannot be seen.

    Both devices are interpolated linearly onto one grid of 100 Hz over the time that both cover,
    which loses up to 1.2 % of the amplitude at 5 Hz and 4.7 % at 10 Hz, and brought to 50 Hz, the
    rate of the other benchmarks, with the anti-alias filter of `signals.resample`.

    The label is that of the nearest sample of either device. Where the two disagree, at the
    borders of activities, there is none: 0.4 % of the samples.

    `Recording.repairs` counts ``batched_samples`` put on a fitted clock and ``uncovered_samples``
    of the time when only one device was on, in samples of the files, and ``disagreeing_labels`` in
    samples of the recording. `Recording.source_hash` is that of the file of the phone followed by
    that of the watch.

    The archive prescribes no windows and no split. The protocol of this package: windows of 40
    samples (0.8 s) at stride 20, and every fourth subject from number 3 on held out. Half of the
    runs of one label are shorter than 1.24 s; with 50 samples two subjects have no window of
    *seated*, with 40 everybody has windows of every class.

    Parameters
    ----------
    root : str, optional
        Folder that holds ``sp-sw-har.zip`` or the unpacked archive; see `Dataset`.

    References
    ----------
    Matey-Sanz et al., *Dataset of inertial measurements of smartphones and smartwatches for human
    activity recognition*, Data in Brief, 2023, https://doi.org/10.1016/j.dib.2023.109809

    Examples
    --------
    >>> SpSw.classes
    ('seated', 'standing up', 'walking', 'turning', 'sitting down')
    >>> SpSw.channels[5:7]
    ('phone_gyr_z', 'watch_acc_x')
    """

    name = "sp_sw"
    title = "sp-sw HAR (GeoTec)"
    url = (
        "https://github.com/GeoTecINIT/sp-sw-har-dataset/archive/"
        "673a2cc426707706c8a2578951b6b61b88777d78.zip"
    )
    licence = "CC BY 4.0"
    citation = "Matey-Sanz et al., Data in Brief, 2023, 10.1016/j.dib.2023.109809"
    archive_names = ("sp-sw-har", "sp-sw-har-dataset-673a2cc426707706c8a2578951b6b61b88777d78")
    marker = "DATA/executions_info.csv"
    classes = tuple(label.lower().replace("_", " ") for label in LABELS)
    scored_classes = classes
    channels = tuple(
        f"{device}_{sensor}_{axis}"
        for device in DEVICES
        for sensor in ("acc", "gyr")
        for axis in "xyz"
    )
    sample_rate = 50.0
    window = 40
    stride = 20
    test_subjects = ("s03", "s07", "s11", "s15", "s19", "s23")
    facts: ClassVar[dict[str, int]] = {
        "recordings": 223,
        "subjects": 23,
        "rows": 125_834,
        "labelled": 125_329,
        "bouts": 1_734,
    }
    log_rows: ClassVar[dict[str, int]] = {"phone": 259_213, "watch": 262_553}
    """Rows of all files of each device."""

    def _read(self) -> Iterator[Recording]:
        n_rows = Counter[str]()
        with self.opened() as folder:
            for name in _executions(folder):
                logs = [_log(folder, name, ending) for ending in DEVICES.values()]
                n_rows.update(
                    {device: len(log.stamps) for device, log in zip(DEVICES, logs, strict=True)}
                )
                yield self._recording(name, logs)
        if n_rows != self.log_rows:
            raise ValueError(
                f"{self.name}: the archive is not the official one: its files have "
                f"{dict(n_rows)} rows, expected {self.log_rows}"
            )

    def _recording(self, name: str, logs: list[Log]) -> Recording:
        origin = int(logs[0].stamps[0])
        clocks = [(log.stamps[0] - origin) * 1e-9 + signals.clock(log.stamps) for log in logs]
        grid = _common_grid(clocks, name)
        devices = [_on_grid(log, seconds, grid) for log, seconds in zip(logs, clocks, strict=True)]
        phone, watch = (labels for _, labels in devices)
        agreed = np.where(phone == watch, phone, np.int16(UNLABELLED))
        labels = signals.resample_labels(agreed, GRID_RATE, self.sample_rate)
        signal = np.hstack([values for values, _ in devices])
        repairs = {
            "batched_samples": sum(len(log.stamps) for log in logs),
            "uncovered_samples": sum(_n_outside(seconds, grid) for seconds in clocks),
            "disagreeing_labels": int(np.count_nonzero(labels == UNLABELLED)),
        }
        return Recording(
            signal=signals.resample(signal, GRID_RATE, self.sample_rate),
            sample_rate=self.sample_rate,
            channels=self.channels,
            subject=name.split("_")[0],
            name=name,
            labels=labels,
            classes=self.classes,
            start_time=origin + round(float(grid[0]) * 1e9),
            source=" and ".join(log.source for log in logs),
            source_hash=sha256(b"".join(log.content for log in logs)).hexdigest(),
            repairs={what: count for what, count in repairs.items() if count},
        )


def _executions(folder: Folder) -> list[str]:
    """Names of all executions, such as ``s01_01``."""
    lines = read_file(folder / "DATA" / "executions_info.csv").decode().split()
    return [line.split(",")[0] for line in lines[1:]]


def _log(folder: Folder, name: str, ending: str) -> Log:
    """What one device wrote in one execution, in tsclr's units."""
    file = folder / "DATA" / name.split("_")[0] / f"{name}_{ending}.csv"
    content = read_file(file)
    values = parse_numbers(content, str(file), COLUMNS)
    stamps = signals.to_nanoseconds(values[:, -1], "ms")
    _check_stamps(stamps, str(file))
    values[:, :3] *= signals.conversion("acc", "m/s²")
    labels = _labels(content, str(file))
    return Log(str(file), content, stamps, values[:, :-1].astype(np.float32), labels)


def _check_stamps(stamps: Int64[np.ndarray, " T"], source: str) -> None:
    n_stretches = len(signals.pieces(stamps, MAX_GAP))
    if n_stretches != 1 or stamps[0] == stamps[-1]:
        raise ValueError(
            f"{source}: {len(stamps)} stamps in {n_stretches} stretches between steps back and "
            f"gaps over {MAX_GAP:g} s; the official file is one stretch that advances"
        )


def _labels(content: bytes, source: str) -> Int16[np.ndarray, " T"]:
    """Class of each row, named in the last column."""
    lines = content.decode(errors="replace").splitlines()
    column, *names = (line.rpartition(",")[2] for line in lines if line)
    if column != "label":
        raise ValueError(f"{source}: the last column is {column!r}, expected 'label'")
    for label in dict.fromkeys(names):
        if label not in LABELS:
            row = names.index(label)
            raise ValueError(
                f"{source}: row {row} after the header has the label {label!r}: "
                f"{nearest(label, LABELS)}"
            )
    return np.array([LABELS.index(label) for label in names], np.int16)


def _common_grid(clocks: list[Float64[np.ndarray, " _"]], name: str) -> Float64[np.ndarray, " N"]:
    """Times at `GRID_RATE` in the interval that both devices cover."""
    first, last = max(seconds[0] for seconds in clocks), min(seconds[-1] for seconds in clocks)
    if last < first:
        spans = " and ".join(f"{seconds[0]:.1f} to {seconds[-1]:.1f} s" for seconds in clocks)
        raise ValueError(
            f"{name}: phone and watch never record at the same time ({spans} after the first "
            "stamp of the phone): one of the clocks is wrong; the official logs overlap"
        )
    return first + np.arange(int((last - first) * GRID_RATE) + 1) / GRID_RATE


def _on_grid(
    log: Log, seconds: Float64[np.ndarray, " T"], grid: Float64[np.ndarray, " N"]
) -> tuple[Float32[np.ndarray, "N 6"], Int16[np.ndarray, " N"]]:
    """Samples by linear interpolation and labels by nearest sample."""
    values = [np.interp(grid, seconds, channel) for channel in log.values.T]
    middles = (seconds[1:] + seconds[:-1]) / 2
    return np.column_stack(values).astype(np.float32), log.labels[np.searchsorted(middles, grid)]


def _n_outside(seconds: Float64[np.ndarray, " T"], grid: Float64[np.ndarray, " N"]) -> int:
    """Samples before the first or after the last point of the grid."""
    return int(np.count_nonzero((seconds < grid[0]) | (seconds > grid[-1])))
