"""Windows and their roles in, a table of which samples were used for what out.

Code that evaluates a method takes windows through a `Ledger`. Its table is the provenance of a
score: a row for each interval of samples that one role has seen, as long as it can be::

    windows    |=======|   |=======|
                    |=======|           |=======|
    rows       |-------------------|    |-------|      touching and overlapping windows join

Recordings and subjects are hashes, so a provenance can be published where names may not. The sketch
of a recording, by which a copy of it is recognised, is in the first of its rows; in the others, and
where it has none, the text is empty. Files keep sketches apart, so that units share them.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from tsclr.audit.intervals import intersections, union
from tsclr.data.identity import hashed, recording_hashes
from tsclr.data.landmarks import from_text, to_text
from tsclr.data.store import Store
from tsclr.data.windows import Windows
from tsclr.files import read_table, write_table
from tsclr.specs import nearest

ROLES = {
    "pretraining": "unlabelled streams that weights learn from",
    "statistics": "windows behind moments, scales and whitening",
    "fitting": "labelled windows of the final classifier",
    "choice": "labelled windows that settings or epochs are chosen on, or fitted on for the choice",
    "test": "windows that are scored",
}
"""What windows are used for."""

COLUMNS = {
    "role": str,
    "recording": str,
    "subject": str,
    "sample_rate": float,
    "start": int,
    "stop": int,
    "sketch": str,
}
"""Columns of a provenance; `start` and `stop` are samples of the recording at `sample_rate`, Hz."""

FORMAT = 1


class Ledger:
    """Records which samples were used for what.

    Parameters
    ----------
    dataset : str
        Name of the dataset or store that the windows come from. Subjects of the same name in two
        datasets are two people. `note` may name another dataset.

    Examples
    --------
    >>> from tsclr.types import Recording
    >>> walk = Recording(
    ...     signal=np.zeros((100, 1), np.float32),
    ...     sample_rate=50.0,
    ...     channels=("acc_x",),
    ...     subject="s1",
    ...     name="walk",
    ... )
    >>> windows = Windows.sliding(Store.build([walk]), length=20, stride=10)
    >>> ledger = Ledger("mine")
    >>> ledger.note("fitting", windows, [0, 1, 2, 6])
    >>> ledger.note("test", windows, [8])
    >>> ledger.frame()[["role", "start", "stop"]]
          role  start  stop
    0  fitting      0    40
    1  fitting     60    80
    2     test     80   100
    """

    def __init__(self, dataset: str = "") -> None:
        self.dataset = dataset
        self._stores: dict[int, Store] = {}
        self._starts: dict[tuple[str, str, int, int], np.ndarray] = {}

    def note(
        self,
        role: str,
        windows: Windows,
        indices: Sequence[int] | Int[np.ndarray, " B"] | Bool[np.ndarray, " N"] | None = None,
        dataset: str | None = None,
    ) -> None:
        """Add windows to a role; adding them again changes nothing.

        Parameters
        ----------
        role : str
            One of `ROLES`.
        windows : Windows
            The windows to choose from.
        indices : (B,) int or (N,) bool, optional
            Which of `windows` are used; all by default.
        dataset : str, optional
            The dataset of `windows`, by default that of the ledger.

        Raises
        ------
        ValueError
            If there is no such role.
        """
        if role not in ROLES:
            raise ValueError(f"no role {role!r}: {nearest(role, ROLES)}")
        self._stores[id(windows.store)] = windows.store  # kept alive, so that its id stays its own
        starts = windows.starts
        if indices is not None:
            starts = starts[np.asarray(indices, None if len(indices) else int)]
        key = role, self.dataset if dataset is None else dataset, id(windows.store), windows.length
        before = self._starts.get(key, np.zeros(0, int))
        self._starts[key] = np.union1d(before, starts[~_contains(before, starts)])

    def frame(self) -> pd.DataFrame:
        """The provenance: a row for each interval of used samples, in the order of `ROLES`."""
        return merged(
            [
                _intervals(self._stores[store], dataset, starts, length).assign(role=role)
                for (role, dataset, store, length), starts in self._starts.items()
                if len(starts)
            ]
        )


def merged(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join provenances, with the columns of `COLUMNS`: each sample once per role, roles in order.

    Examples
    --------
    >>> row = {"role": "test", "recording": "ab", "subject": "cd", "sample_rate": 50.0}
    >>> frames = [pd.DataFrame([{**row, "start": k, "stop": k + 9}]) for k in (9, 0, 20)]
    >>> merged(frames)[["role", "start", "stop"]]
       role  start  stop
    0  test      0    18
    1  test     20    29
    """
    frame = frame_of(pd.concat(frames) if frames else [])
    if frame.empty:
        return frame
    order = frame["role"].map(list(ROLES).index)
    key = ["order", "recording", "subject", "sample_rate"]
    frame = frame.assign(order=order).sort_values([*key, "start"], ignore_index=True)
    # One union serves all recordings: each is moved so far that intervals of two never touch.
    group = frame.groupby(key, sort=False).ngroup().to_numpy()
    offset = group * (frame["stop"].to_numpy().max() + 1)
    moved = frame["start"].to_numpy() + offset
    starts, stops = union(moved, frame["stop"].to_numpy() + offset)
    first = np.searchsorted(moved, starts)
    rows = frame.iloc[first].assign(start=starts - offset[first], stop=stops - offset[first])
    return _with_sketches(rows, sketches_of(frame)).reset_index(drop=True)


def sketches_of(frame: pd.DataFrame) -> dict[str, str]:
    """The sketch of each recording in a provenance that has one."""
    rows = frame.loc[frame["sketch"] != ""]
    return dict(sorted(zip(rows["recording"], rows["sketch"], strict=True)))


def frame_of(rows: pd.DataFrame | list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a provenance, with the columns and types of `COLUMNS` even if there is no row.

    Examples
    --------
    >>> list(frame_of([]))
    ['role', 'recording', 'subject', 'sample_rate', 'start', 'stop', 'sketch']
    """
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.fillna({"sketch": ""}).astype(COLUMNS)


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a provenance as Parquet, atomically; equal rows give equal bytes.

    The sketches go to a file next to it that is named by its content.
    """
    frame, header = frame_of(frame), {"format": FORMAT}
    if sketches := sketches_of(frame):
        file = f"sketches-{hashed(*sketches, *sketches.values())}.parquet"
        rows = [{"recording": name, "sketch": text} for name, text in sketches.items()]
        write_table(path.with_name(file), rows, header)
        header = header | {"sketches": file}
    write_table(path, frame.drop(columns="sketch").to_dict("records"), header)


def read(path: Path) -> pd.DataFrame:
    """Read a provenance that `write` wrote.

    Raises
    ------
    ValueError
        If a file is missing or damaged, or it holds what no ledger writes.
    """
    rows, header = _read(path)
    for number, row in enumerate(rows):
        _check_row(row, f"{path}, row {number}")
    if "sketches" not in header:  # none had one, or it was written before there were any
        return frame_of(rows)
    file = path.with_name(Path(str(header["sketches"])).name)
    sketches = {str(row.get("recording")): _sketch_text(row, file) for row in _read(file)[0]}
    return _with_sketches(frame_of(rows), sketches)


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 of the rows of a provenance, independent of the file that holds them.

    Examples
    --------
    >>> digest(Ledger("mine").frame())[:16]
    '4f53cda18c2baa0c'
    """
    columns = frame_of(frame).drop(columns="sketch").to_numpy(object).tolist()
    sketches = sketches_of(frame_of(frame))
    rows = [*columns, sketches] if sketches else columns  # a file without any keeps its digest
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _read(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and header of a file that `write` wrote."""
    if not path.is_file():
        raise ValueError(f"there is no provenance file {path}: run the evaluation again")
    rows, header = read_table(path)
    if header.get("format") != FORMAT:
        raise ValueError(f"{path} has header {header!r}, a provenance has {{'format': {FORMAT}}}")
    return rows, header


def _sketch_text(row: dict[str, Any], file: Path) -> str:
    """The sketch in a row of a file of sketches."""
    text = str(row.get("sketch"))
    try:
        from_text(text)
    except ValueError as error:
        raise ValueError(f"{file} has a sketch that cannot be read: {error}") from error
    return text


def _with_sketches(frame: pd.DataFrame, sketches: dict[str, str]) -> pd.DataFrame:
    """A provenance with the sketch of each recording in the first of its rows."""
    texts = frame["recording"].map(sketches.get)
    return frame_of(frame.assign(sketch=texts.mask(frame["recording"].duplicated())))


def _check_row(row: dict[str, Any], where: str) -> None:
    """Raise ``ValueError`` unless a ledger could have written the row."""
    kinds = {name: type(value) for name, value in row.items()}
    expected = {name: kind for name, kind in COLUMNS.items() if name != "sketch"}
    if kinds != expected:
        columns = ", ".join(f"{name} ({kind.__name__})" for name, kind in expected.items())
        raise ValueError(f"{where} is {row!r}, a provenance has {columns}")
    if row["role"] not in ROLES:
        raise ValueError(f"{where} has the role {row['role']!r}: allowed are {', '.join(ROLES)}")
    if not 0 <= row["start"] < row["stop"]:
        raise ValueError(
            f"{where} has samples {row['start']} to {row['stop']}: the first must be at least 0 "
            "and come before the last"
        )
    if not 0 < row["sample_rate"] < np.inf:
        raise ValueError(f"{where} has a rate of {row['sample_rate']} Hz, it must be above 0")


def _contains(known_starts: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Which of `starts` the sorted array `known_starts` holds."""
    # Most calls add windows that are all there already; a search is cheaper than the union then.
    if not len(known_starts):
        return np.zeros(len(starts), bool)
    index = np.minimum(np.searchsorted(known_starts, starts), len(known_starts) - 1)
    return known_starts[index] == starts


def _intervals(store: Store, dataset: str, starts: np.ndarray, length: int) -> pd.DataFrame:
    """Intervals of recordings that windows cover, from their starts in the store's flat array.

    Recordings lie one behind the other there, so windows of two may touch: their union is cut at
    the edges of the recordings.
    """
    table = store.recordings
    first = table["start"].to_numpy()
    covered = union(starts, starts + length)
    _, row, start, stop = intersections(*covered, first, first + table["length"].to_numpy())
    subjects = [hashed(dataset, str(subject)) for subject in table["subject"]]
    return pd.DataFrame(
        {
            "recording": recording_hashes(store, dataset)[row],
            "subject": np.array(subjects, object)[row],
            "sample_rate": float(store.sample_rate),
            "start": start - first[row],
            "stop": stop - first[row],
            "sketch": np.array(list(map(to_text, store.sketches)), object)[row],
        }
    )
