"""Windows and what they are used for in, a table of the samples that were used for what out.

Whoever evaluates a method takes windows through a `Ledger`. Its table is the provenance of a score:
a row for each run of samples, as long as it can be, that one role has seen::

    windows    |=======|   |=======|
                    |=======|           |=======|
    rows       |-------------------|    |-------|      touching and overlapping windows are one run

Recordings and subjects are hashes, so a provenance can be published where the names may not.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

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
}
"""Columns of a provenance; `start` and `stop` are samples of the recording at `sample_rate`, Hz."""

FORMAT = 1


class Ledger:
    """Notes which samples were used for what.

    Parameters
    ----------
    dataset : str
        Name of the dataset or store the windows come from, where there are several: subjects of
        one name in two datasets are two people. `note` may name another one.

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
        """Add windows to a role; noting them again costs a search and changes nothing.

        Parameters
        ----------
        role : str
            One of `ROLES`.
        windows : Windows
            Where they come from.
        indices : (B,) int or (N,) bool, optional
            Which of them; all by default.
        dataset : str, optional
            Where `windows` come from, if not from the dataset of the ledger.

        Raises
        ------
        ValueError
            If there is no such role.
        """
        if role not in ROLES:
            raise ValueError(f"no role {role!r}: {nearest(role, ROLES)}")
        self._stores[id(windows.store)] = windows.store  # kept, so that no other gets its id
        starts = windows.starts
        if indices is not None:
            starts = starts[np.asarray(indices, None if len(indices) else int)]
        key = role, self.dataset if dataset is None else dataset, id(windows.store), windows.length
        known = self._starts.get(key, np.zeros(0, int))
        self._starts[key] = np.union1d(known, starts[~_contains(known, starts)])

    def frame(self) -> pd.DataFrame:
        """The provenance: a row for each run of used samples, in the order of `ROLES`."""
        parts = [
            _runs(self._stores[store], dataset, starts, length).assign(role=role)
            for (role, dataset, store, length), starts in self._starts.items()
            if len(starts)
        ]
        return merged(parts)


def merged(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Several provenances as one, with each sample once a role and the roles in their order.

    Parameters
    ----------
    frames : sequence of DataFrame
        Any number, with the columns of `COLUMNS`.

    Examples
    --------
    >>> row = {"role": "test", "recording": "ab", "subject": "cd", "sample_rate": 50.0}
    >>> frames = [pd.DataFrame([{**row, "start": k, "stop": k + 9}]) for k in (9, 0, 20)]
    >>> merged(frames)[["role", "start", "stop"]]
       role  start  stop
    0  test      0    18
    1  test     20    29
    """
    frame = frame_of([]) if not frames else pd.concat(frames)
    if frame.empty:
        return frame_of([])
    place = frame["role"].map(list(ROLES).index)
    key = ["place", "recording", "subject", "sample_rate"]
    frame = frame.assign(place=place).sort_values([*key, "start"], ignore_index=True)
    # One line for all recordings, far enough apart that the runs of two never touch.
    group = frame.groupby(key, sort=False).ngroup().to_numpy()
    offset = group * (frame["stop"].to_numpy().max() + 1)
    line = frame["start"].to_numpy() + offset
    starts, stops = _union(line, frame["stop"].to_numpy() + offset)
    first = np.searchsorted(line, starts)
    return frame_of(
        frame.iloc[first].assign(start=starts - offset[first], stop=stops - offset[first])
    ).reset_index(drop=True)


def hashed(*words: str) -> str:
    """What a provenance calls that which some words name: a subject by dataset and name.

    Parameters
    ----------
    *words : str
        In their order.

    Returns
    -------
    str
        The first 16 hex digits of a SHA-256.

    Examples
    --------
    >>> len(hashed("hapt", "2")), hashed("hapt", "2") == hashed("hap", "t2")
    (16, False)
    """
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def frame_of(rows: pd.DataFrame | list[dict[str, Any]]) -> pd.DataFrame:
    """Rows with the columns of a provenance, of their kinds also where there is no row.

    Parameters
    ----------
    rows : DataFrame or list of dict
        As ``frame.to_dict("records")`` gives them.

    Examples
    --------
    >>> list(frame_of([]))
    ['role', 'recording', 'subject', 'sample_rate', 'start', 'stop']
    """
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def write(frame: pd.DataFrame, path: Path) -> None:
    """Write a provenance as Parquet, in one step; equal rows give equal bytes.

    Parameters
    ----------
    frame : DataFrame
        As `Ledger.frame` or `merged` gives it.
    path : Path
        File to replace.
    """
    write_table(path, frame_of(frame).to_dict("records"), {"format": FORMAT})


def read(path: Path) -> pd.DataFrame:
    """The provenance that `write` wrote.

    Parameters
    ----------
    path : Path
        Parquet file.

    Raises
    ------
    ValueError
        If there is none, it is damaged, or it holds what no ledger writes.
    """
    if not path.is_file():
        raise ValueError(f"there is no provenance file {path}: run the evaluation again")
    rows, header = read_table(path)
    if header != {"format": FORMAT}:
        raise ValueError(f"{path} has header {header!r}, a provenance has {{'format': {FORMAT}}}")
    for number, row in enumerate(rows):
        _check_row(row, f"{path}, row {number}")
    return frame_of(rows)


def digest(frame: pd.DataFrame) -> str:
    """SHA-256 of the rows of a provenance, whatever file they lie in.

    Parameters
    ----------
    frame : DataFrame
        As `Ledger.frame` gives it.

    Examples
    --------
    >>> digest(Ledger("mine").frame())[:16]
    '4f53cda18c2baa0c'
    """
    rows = frame[list(COLUMNS)].to_numpy(object).tolist()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _check_row(row: dict[str, Any], where: str) -> None:
    """Raise ``ValueError`` unless a ledger could have written the row."""
    kinds = {name: type(value) for name, value in row.items()}
    if kinds != COLUMNS:
        told = ", ".join(f"{name} ({kind.__name__})" for name, kind in COLUMNS.items())
        raise ValueError(f"{where} is {row!r}, a provenance has {told}")
    if row["role"] not in ROLES:
        raise ValueError(f"{where} has the role {row['role']!r}: allowed are {', '.join(ROLES)}")
    if not 0 <= row["start"] < row["stop"]:
        raise ValueError(
            f"{where} has samples {row['start']} to {row['stop']}: the first must be at least 0 "
            "and come before the last"
        )
    if not 0 < row["sample_rate"] < np.inf:
        raise ValueError(f"{where} has a rate of {row['sample_rate']} Hz, it must be above 0")


def _contains(known: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Which of `starts` the sorted array `known` holds."""
    if not len(known):
        return np.zeros(len(starts), bool)
    place = np.minimum(np.searchsorted(known, starts), len(known) - 1)
    return known[place] == starts


def _recording_hashes(store: Store, dataset: str) -> np.ndarray:
    """What a provenance calls each recording: the same in any store, if it came from a file.

    One without a file is known by its dataset and subject. Namesakes of one subject are stretches,
    known by their place among them; a namesake from the same file under another subject is a copy.
    """
    columns = store.recordings[["source_hash", "subject", "name"]].astype(str)
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for source, subject, name in columns.to_numpy():
        words = (source, name) if source else (dataset, subject, name)
        place = seen[source, subject, name]
        seen[source, subject, name] += 1
        found.append(hashed(*words, *[str(place)] * (place > 0)))
    return np.array(found, object)


def _runs(store: Store, dataset: str, starts: np.ndarray, length: int) -> pd.DataFrame:
    """Windows over the flat array as runs within recordings, cut where one crosses an edge."""
    starts, stops = _union(starts, starts + length)
    table = store.recordings
    first = table["start"].to_numpy()
    last = first + table["length"].to_numpy()
    low, high = np.searchsorted(first, starts, "right") - 1, np.searchsorted(first, stops, "left")
    n_rows = high - low
    run = np.repeat(np.arange(len(starts)), n_rows)
    row = low[run] + np.arange(len(run)) - np.repeat(np.cumsum(n_rows) - n_rows, n_rows)
    subjects = [hashed(dataset, str(subject)) for subject in table["subject"]]
    return pd.DataFrame(
        {
            "recording": _recording_hashes(store, dataset)[row],
            "subject": np.array(subjects, object)[row],
            "sample_rate": float(store.sample_rate),
            "start": np.maximum(starts[run], first[row]) - first[row],
            "stop": np.minimum(stops[run], last[row]) - first[row],
        }
    )


def _union(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Union of one or more spans sorted by their start, as spans that do not touch."""
    reach = np.maximum.accumulate(stops)
    first = np.flatnonzero(np.append(True, starts[1:] > reach[:-1]))
    return starts[first], reach[np.append(first[1:], len(starts)) - 1]
