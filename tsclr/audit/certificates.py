"""A provenance in; the leaks in it, or a certificate that there are none, out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr.audit import ledger
from tsclr.audit.intervals import intersections
from tsclr.data.landmarks import from_text, same_pairs
from tsclr.data.splits import LeakError

TRANSDUCTIVE = ("pretraining", "statistics")
"""Roles that take no label: a transductive method may let them see the test side."""

CHECKS = {
    "subject": "no subject of the test in pretraining or fitting",
    "overlap": "no sample of the test in pretraining or fitting",
    "copy": "no recording of the test, saved again under any name, in pretraining or fitting",
    "statistics": "no subject, sample or copy of the test behind moments, scales or whitening",
    "choice": "no subject, sample or copy of the test where settings or epochs are chosen",
}
"""What is checked, and the kinds of `Leak`."""


@dataclass(frozen=True)
class Leak:
    """A part of the test data that another role has seen.

    Parameters
    ----------
    kind : str
        One of `CHECKS`.
    role : str
        The role that saw it, one of `tsclr.audit.ledger.ROLES`.
    detail : str
        Subject, recording and samples.
    """

    kind: str
    role: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.role} {self.detail}"


def leaks(frame: pd.DataFrame, transductive: bool = False) -> list[Leak]:
    """Find test subjects, test samples and copies of test recordings that other roles have seen.

    Intervals are compared in seconds, so a recording at two rates is the same recording. A copy is
    a recording of another file or name whose sketch is that of a tested one.

    Parameters
    ----------
    frame : DataFrame
        A provenance, from `Ledger.frame` or `ledger.read`.
    transductive : bool
        Whether pretraining and statistics may see the test data.

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
    frame = ledger.frame_of(frame)
    test, copied = frame.loc[frame["role"] == "test"], _copied(frame)
    leaked = []
    for role, used in frame.groupby("role", sort=False):
        if role != "test" and not (transductive and role in TRANSDUCTIVE):
            leaked += _shared_subjects(str(role), used, test)
            leaked += _overlaps(str(role), used, test)
            leaked += _copies(str(role), used, copied)
    return leaked


def certificate(frame: pd.DataFrame, transductive: bool = False) -> dict[str, Any]:
    """Sum up a provenance for a results file; `check_certificate` verifies it later.

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
        (SHA-256 of its rows) and ``checks`` (whether each of `CHECKS` holds). If transductive,
        there is no check of ``statistics``, and the others leave pretraining out. If no tested
        recording has a sketch, there is no check of ``copy``.

    Raises
    ------
    ValueError
        If nothing was tested, so that there is nothing to certify.

    Examples
    --------
    >>> row = {"recording": "ab", "subject": "cd", "sample_rate": 50.0, "start": 0, "stop": 9}
    >>> result = certificate(pd.DataFrame([{"role": "test", **row}]))
    >>> result["roles"]["test"], result["checks"]["overlap"]
    ({'subjects': 1, 'recordings': 1, 'samples': 9}, True)
    """
    if "test" not in frame["role"].tolist():
        raise ValueError("the provenance has no test windows: note them in the ledger as 'test'")
    frame = ledger.frame_of(frame)
    kinds = {leak.kind for leak in leaks(frame, transductive)}
    tested = frame.loc[frame["role"] == "test", "recording"]
    omitted = {*TRANSDUCTIVE} if transductive else set()
    if not tested.isin(list(ledger.sketches_of(frame))).any():
        omitted.add("copy")
    return {
        "transductive": transductive,
        "roles": {str(role): _counts(rows) for role, rows in frame.groupby("role", sort=False)},
        "provenance": ledger.digest(frame),
        "checks": {name: name not in kinds for name in CHECKS if name not in omitted},
    }


def check_certificate(stated: dict[str, Any], path: Path, leaky: bool = False) -> pd.DataFrame:
    """Recompute a certificate from the provenance, and raise unless it is true and nothing leaked.

    Parameters
    ----------
    stated : dict
        A certificate, from `certificate`.
    path : Path
        The provenance file.
    leaky : bool
        Whether the protocol leaks on purpose. Then it is no error that something leaked, but that
        nothing did.

    Returns
    -------
    DataFrame
        The provenance.

    Raises
    ------
    LeakError
        If something leaked; every leak is named with role, subject, recording and samples.
    ValueError
        If the file is missing or damaged, it is not the one that was certified, or the certificate
        does not agree with it.
    """
    frame = ledger.read(path)
    transductive = field_of(stated, "transductive", bool, f"the certificate of {path}")
    certified, digest = stated.get("provenance"), ledger.digest(frame)
    if certified != digest:
        raise ValueError(
            f"{path} is not the provenance that was certified: its rows have SHA-256 {digest}, the "
            f"certificate names {certified!r}; run the evaluation again"
        )
    leaked = leaks(frame, transductive)
    if leaked and not leaky:
        raise LeakError(f"{path} shows {len(leaked)} leaks:\n" + "\n".join(map(str, leaked)))
    if leaky and not leaked:
        raise ValueError(f"{path} shows no leak, but its protocol says that there is one")
    expected = certificate(frame, transductive)
    for name in sorted({*expected, *stated}):
        if stated.get(name) != expected.get(name):
            raise ValueError(
                f"the certificate of {path} states {name} {stated.get(name)!r}, the file gives "
                f"{expected.get(name)!r}: one of the two was changed; run the evaluation again"
            )
    return frame


def field_of(values: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """A field of an object from a JSON file, or a ``ValueError`` if it is missing or mistyped.

    Examples
    --------
    >>> field_of({"fold": 3}, "fold", int, "unit 0")
    3
    """
    if not isinstance(values, dict) or not isinstance(values.get(name), kind):
        value = values.get(name) if isinstance(values, dict) else values
        raise ValueError(f"{where} has no valid {name!r}, it has {value!r:.80}")
    return values[name]


def _shared_subjects(role: str, used: pd.DataFrame, test: pd.DataFrame) -> Iterator[Leak]:
    """A leak for each test subject that a role has seen, with the first interval it saw."""
    shared = used.loc[used["subject"].isin(test["subject"])]
    for row in shared.drop_duplicates("subject").itertuples():
        yield Leak(
            _kind(role, "subject"),
            role,
            f"saw subject {row.subject} of the test, in recording {row.recording}, samples "
            f"{row.start} to {row.stop}",
        )


def _overlaps(role: str, used: pd.DataFrame, test: pd.DataFrame) -> Iterator[Leak]:
    """A leak for each test interval that a role has seen, in the order in which it saw them."""
    used = used.reset_index(drop=True)
    tested = dict(iter(test.groupby("recording")))
    shared = [
        _shared_samples(rows, test_rows)
        for recording, used_rows in used.groupby("recording", sort=False)
        if recording in tested
        for _, rows in used_rows.groupby("sample_rate", sort=False)
        for _, test_rows in tested[recording].groupby("sample_rate", sort=False)
    ]
    rows = pd.concat([used.iloc[:0], *shared]).sort_index(kind="stable")  # of none, no rows
    for row in rows.to_dict("records"):
        yield Leak(
            _kind(role, "overlap"),
            role,
            f"saw samples {row['start']} to {row['stop']} of recording {row['recording']}, subject "
            f"{row['subject']}, which are tested",
        )


def _shared_samples(used: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Rows of `used` cut to the samples that are tested; both are of one recording, at one rate."""
    # The test in samples of the rate of `used`. A sample that is touched counts as shared, so the
    # edges are rounded outwards, after errors of rounding are gone.
    scale = used["sample_rate"].iloc[0] / test["sample_rate"].iloc[0]
    test = test.sort_values("start")
    test_starts = np.floor(np.round(test["start"].to_numpy() * scale, 6)).astype(int)
    test_stops = np.ceil(np.round(test["stop"].to_numpy() * scale, 6)).astype(int)
    row, _, start, stop = intersections(
        used["start"].to_numpy(), used["stop"].to_numpy(), test_starts, test_stops
    )
    return used.iloc[row].assign(start=start, stop=stop)


def _copied(frame: pd.DataFrame) -> dict[str, str]:
    """The copies of tested recordings that other roles have seen, each with a tested one."""
    sketches = {name: from_text(text) for name, text in ledger.sketches_of(frame).items()}
    tested = set(frame.loc[frame["role"] == "test", "recording"])
    used = set(frame.loc[frame["role"] != "test", "recording"])
    ones, others = (sorted(names & sketches.keys()) for names in (used, tested))
    pairs = same_pairs([sketches[name] for name in ones], [sketches[name] for name in others])
    return {ones[one]: others[other] for one, other in pairs if ones[one] != others[other]}


def _copies(role: str, used: pd.DataFrame, copied: dict[str, str]) -> Iterator[Leak]:
    """A leak for each copy of a tested recording that a role has seen."""
    shared = used.loc[used["recording"].isin(list(copied))]
    for row in shared.drop_duplicates("recording").itertuples():
        yield Leak(
            _kind(role, "copy"),
            role,
            f"saw recording {row.recording}, subject {row.subject}, whose samples are those of "
            f"recording {copied[str(row.recording)]} of the test",
        )


def _kind(role: str, kind: str) -> str:
    """The kind of a leak: a role with a check of its own has the name of that check."""
    return role if role in CHECKS else kind


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    """How many subjects, recordings and samples the rows of a role have."""
    return {
        "subjects": len(set(rows["subject"])),
        "recordings": len(set(rows["recording"])),
        "samples": int(np.sum(rows["stop"].to_numpy() - rows["start"].to_numpy())),
    }
