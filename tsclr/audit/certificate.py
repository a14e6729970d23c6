"""A provenance in; what leaked from its test side, and a certificate that nothing did, out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from tsclr.audit import ledger
from tsclr.data.splits import LeakError

TRANSDUCTIVE = ("pretraining", "statistics")
"""Roles that take no label: a transductive method may let them see the test side."""

CHECKS = {
    "subject": "no subject of the test in pretraining or fitting",
    "overlap": "no sample of the test in pretraining or fitting",
    "statistics": "no subject or sample of the test behind moments, scales or whitening",
    "choice": "no subject or sample of the test where settings or epochs are chosen",
}
"""What is looked for, and the kinds of `Leak`."""


@dataclass(frozen=True)
class Leak:
    """Something of the test side that another role has seen.

    Parameters
    ----------
    kind : str
        One of `CHECKS`.
    role : str
        Who saw it.
    detail : str
        Subject, recording and samples.
    """

    kind: str
    role: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.role} {self.detail}"


def leaks(frame: pd.DataFrame, transductive: bool = False) -> list[Leak]:
    """What the roles have seen of the subjects and the samples of the test.

    Intervals are compared in seconds, so a recording is the same at two rates.

    Parameters
    ----------
    frame : DataFrame
        A provenance, as `Ledger.frame` or `ledger.read` gives it.
    transductive : bool
        Let pretraining and statistics see the test side, and nothing else.

    Examples
    --------
    >>> row = {"recording": "ab", "subject": "cd", "sample_rate": 50.0}
    >>> frame = pd.DataFrame(
    ...     [
    ...         {"role": "fitting", **row, "start": 0, "stop": 128},
    ...         {"role": "test", **row, "start": 64, "stop": 192},
    ...     ]
    ... )
    >>> for leak in leaks(frame):
    ...     print(leak)
    subject: fitting saw subject cd of the test, in recording ab, samples 0 to 128
    overlap: fitting saw samples 64 to 128 of recording ab, subject cd, which are tested
    """
    test = frame.loc[frame["role"] == "test"]
    found = []
    for role, seen in frame.groupby("role", sort=False):
        if role != "test" and not (transductive and role in TRANSDUCTIVE):
            found += [*_shared_subjects(str(role), seen, test), *_overlaps(str(role), seen, test)]
    return found


def certificate(frame: pd.DataFrame, transductive: bool = False) -> dict[str, Any]:
    """What a result file says of its provenance; `check_certificate` tells whether it is true.

    Parameters
    ----------
    frame : DataFrame
        A provenance.
    transductive : bool
        As in `leaks`.

    Returns
    -------
    dict
        ``transductive``, ``roles`` (subjects, recordings and samples of each), ``provenance``
        (SHA-256 of its rows) and ``checks`` (whether each of `CHECKS` holds). Transductive, there
        is no check of ``statistics``, and the others are not made of pretraining.

    Raises
    ------
    ValueError
        If nothing was tested: then there is nothing to certify.

    Examples
    --------
    >>> row = {"recording": "ab", "subject": "cd", "sample_rate": 50.0, "start": 0, "stop": 9}
    >>> given = certificate(pd.DataFrame([{"role": "test", **row}]))
    >>> given["roles"]["test"], given["checks"]["overlap"]
    ({'subjects': 1, 'recordings': 1, 'samples': 9}, True)
    """
    if "test" not in frame["role"].tolist():
        raise ValueError("the provenance has no test windows: note them in the ledger as 'test'")
    kinds = {leak.kind for leak in leaks(frame, transductive)}
    made = [name for name in CHECKS if not (transductive and name in TRANSDUCTIVE)]
    return {
        "transductive": transductive,
        "roles": {str(role): _counts(rows) for role, rows in frame.groupby("role", sort=False)},
        "provenance": ledger.digest(frame),
        "checks": {name: name not in kinds for name in made},
    }


def check_certificate(given: dict[str, Any], path: Path) -> None:
    """Recompute a certificate from the provenance, and raise unless it is true and nothing leaked.

    Parameters
    ----------
    given : dict
        As `certificate` gave it.
    path : Path
        The provenance.

    Raises
    ------
    LeakError
        If something leaked; every leak is named with role, subject, recording and samples.
    ValueError
        If the file is missing or damaged, or it is not the one that was certified, or the
        certificate says something else than the file.
    """
    frame = ledger.read(path)
    transductive = field_of(given, "transductive", bool, f"the certificate of {path}")
    stated, found = given.get("provenance"), ledger.digest(frame)
    if stated != found:
        raise ValueError(
            f"{path} is not the provenance that was certified: its rows have SHA-256 {found}, the "
            f"certificate names {stated!r}; run the evaluation again"
        )
    leaked = leaks(frame, transductive)
    if leaked:
        raise LeakError(f"{path} tells of {len(leaked)} leaks:\n" + "\n".join(map(str, leaked)))
    true = certificate(frame, transductive)
    for name in sorted({*true, *given}):
        if given.get(name) != true.get(name):
            raise ValueError(
                f"the certificate of {path} has {name} {given.get(name)!r}, the file gives "
                f"{true.get(name)!r}: one of the two was changed; run the evaluation again"
            )


def field_of(values: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """One field of an object that a JSON file holds.

    Parameters
    ----------
    values : dict
        The object; it may be anything.
    name : str
        Of the field.
    kind : type or tuple of type
        What it must be.
    where : str
        Named in the error.

    Raises
    ------
    ValueError
        If it is missing or of another kind.

    Examples
    --------
    >>> field_of({"fold": 3}, "fold", int, "unit 0")
    3
    """
    if not isinstance(values, dict) or not isinstance(values.get(name), kind):
        found = values.get(name) if isinstance(values, dict) else values
        raise ValueError(f"{where} has no valid {name!r}, it has {found!r:.80}")
    return values[name]


def _shared_subjects(role: str, seen: pd.DataFrame, test: pd.DataFrame) -> Iterator[Leak]:
    """A leak for each subject of the test among those seen, with the first place it was seen."""
    shared = seen.loc[seen["subject"].isin(test["subject"])]
    for row in shared.drop_duplicates("subject").itertuples():
        yield Leak(
            _kind(role, "subject"),
            role,
            f"saw subject {row.subject} of the test, in recording {row.recording}, samples "
            f"{row.start} to {row.stop}",
        )


def _overlaps(role: str, seen: pd.DataFrame, test: pd.DataFrame) -> Iterator[Leak]:
    """A leak for each interval that both have, in the order of those seen."""
    seen = seen.reset_index(drop=True)
    mine = _parts(seen.loc[seen["recording"].isin(test["recording"])])
    tested = _parts(test.loc[test["recording"].isin(seen["recording"])])
    cuts = [
        _cut(rows, others)
        for recording, parts in mine.items()
        for rows in parts
        for others in tested[recording]
    ]
    for row in pd.concat([seen.iloc[:0], *cuts]).sort_index(kind="stable").to_dict("records"):
        yield Leak(
            _kind(role, "overlap"),
            role,
            f"saw samples {row['start']} to {row['stop']} of recording {row['recording']}, subject "
            f"{row['subject']}, which are tested",
        )


def _parts(frame: pd.DataFrame) -> dict[str, list[pd.DataFrame]]:
    """Rows of each recording, those of each rate apart."""
    return {
        str(recording): [part for _, part in rows.groupby("sample_rate", sort=False)]
        for recording, rows in frame.groupby("recording", sort=False)
    }


def _cut(seen: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Rows of `seen` cut to the samples that rows of `test` hold, once for each row that meets one.

    All are of one recording, those of each side at one rate.
    """
    scale = seen["sample_rate"].iloc[0] / test["sample_rate"].iloc[0]
    test = test.sort_values("start")
    starts = np.floor(np.round(test["start"].to_numpy() * scale, 6)).astype(int)
    stops = np.ceil(np.round(test["stop"].to_numpy() * scale, 6)).astype(int)
    row, met = _neighbours(seen["start"].to_numpy(), seen["stop"].to_numpy(), starts, stops)
    cut = seen.iloc[row]
    cut = cut.assign(
        start=np.maximum(cut["start"], starts[met]), stop=np.minimum(cut["stop"], stops[met])
    )
    return cut.loc[cut["start"] < cut["stop"]]


def _neighbours(
    seen_starts: Int[np.ndarray, " N"],
    seen_stops: Int[np.ndarray, " N"],
    starts: Int[np.ndarray, " M"],
    stops: Int[np.ndarray, " M"],
) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Pairs of a span that was seen and one of the sorted others, with all that meet.

    Which can meet is drawn::

        seen                |-----------|
        others    |----|  |---|  |--|  |----|  |---|
                          low               high      the others from low to before high

    Others that lie in one another add pairs that do not meet; those of one ledger never do.
    """
    low = np.searchsorted(np.maximum.accumulate(stops), seen_starts, "right")
    high = np.searchsorted(starts, seen_stops, "left")
    n_met = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(n_met)), n_met)
    return row, np.arange(len(row)) + np.repeat(low - np.cumsum(n_met) + n_met, n_met)


def _kind(role: str, kind: str) -> str:
    """A role with a check of its own gives that check its name."""
    return role if role in CHECKS else kind


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {
        "subjects": len(set(rows["subject"])),
        "recordings": len(set(rows["recording"])),
        "samples": int(np.sum(rows["stop"].to_numpy() - rows["start"].to_numpy())),
    }
