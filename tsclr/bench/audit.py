"""A provenance, or a results folder with many, in; what leaked from its test side out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr import ledger
from tsclr.splits import LeakError

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
    transductive = _field(given, "transductive", bool, f"the certificate of {path}")
    stated, found = given.get("provenance"), ledger.digest(frame)
    if stated != found:
        raise ValueError(
            f"{path} is not the provenance that was certified: its rows have SHA-256 {found}, the "
            f"certificate names {stated!r}; run the benchmark again"
        )
    leaked = leaks(frame, transductive)
    if leaked:
        raise LeakError(f"{path} tells of {len(leaked)} leaks:\n" + "\n".join(map(str, leaked)))
    true = certificate(frame, transductive)
    for name in sorted({*true, *given}):
        if given.get(name) != true.get(name):
            raise ValueError(
                f"the certificate of {path} has {name} {given.get(name)!r}, the file gives "
                f"{true.get(name)!r}: one of the two was changed; run the benchmark again"
            )


def audit_results(folder: Path) -> pd.DataFrame:
    """Check every unit of a results folder against the provenance that lies beside it.

    Parameters
    ----------
    folder : Path
        Holds ``results.json`` with ``units``, a list of objects with ``dataset``, ``fold``,
        ``method``, ``transductive``, ``provenance`` (a path within the folder), ``certificate``
        and, to tell that the provenance is its own, ``split`` with the names under ``test``.

    Returns
    -------
    DataFrame
        A row for each unit: ``dataset``, ``fold``, ``method``, ``transductive``, ``subjects`` and
        ``samples`` of the test, ``roles`` that were compared with it, and ``checks`` that hold. A
        protocol that says it is ``leaky`` has none, and this is no error.

    Raises
    ------
    LeakError
        If something leaked in any unit; every leak of every unit is named.
    ValueError
        If a file is missing, damaged or not the one that was certified.
    """
    rows, leaked = [], []
    for place, unit in enumerate(_units(folder / "results.json")):
        where = f"unit {place} of {folder / 'results.json'}"
        try:
            rows.append(_check_unit(unit, folder, where))
        except LeakError as error:
            leaked.append(f"{where}: {error}")
    if leaked:
        raise LeakError("\n".join(leaked))
    return pd.DataFrame(rows)


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
    """A leak for each interval that both have."""
    pairs = seen.merge(test, on="recording", suffixes=("", "_test"))
    scale = pairs["sample_rate"] / pairs["sample_rate_test"]
    start = np.floor(np.round(pairs["start_test"] * scale, 6))
    stop = np.ceil(np.round(pairs["stop_test"] * scale, 6))
    pairs["start"] = np.maximum(pairs["start"], start).astype(int)
    pairs["stop"] = np.minimum(pairs["stop"], stop).astype(int)
    for row in pairs.loc[pairs["start"] < pairs["stop"]].itertuples():
        yield Leak(
            _kind(role, "overlap"),
            role,
            f"saw samples {row.start} to {row.stop} of recording {row.recording}, subject "
            f"{row.subject}, which are tested",
        )


def _kind(role: str, kind: str) -> str:
    """A role with a check of its own gives that check its name."""
    return role if role in CHECKS else kind


def _counts(rows: pd.DataFrame) -> dict[str, int]:
    return {
        "subjects": len(set(rows["subject"])),
        "recordings": len(set(rows["recording"])),
        "samples": int(np.sum(rows["stop"].to_numpy() - rows["start"].to_numpy())),
    }


def _units(file: Path) -> list[Any]:
    """The units of a results file."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is missing or damaged: {error}") from error
    units = _field(results, "units", list, str(file))
    if not units:
        raise ValueError(f"{file} has no units: there is nothing to audit")
    return units


def _field(values: Any, name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """One field of an object, or ``ValueError`` where it is missing or of another kind."""
    if not isinstance(values, dict) or not isinstance(values.get(name), kind):
        found = values.get(name) if isinstance(values, dict) else values
        raise ValueError(f"{where} has no valid {name!r}, it has {found!r:.80}")
    return values[name]


def _check_unit(unit: Any, folder: Path, where: str) -> dict[str, Any]:
    """Check one unit; say what was checked."""
    told = {name: _field(unit, name, str, where) for name in ("dataset", "method")}
    told["fold"] = _field(unit, "fold", (str, int), where)
    transductive = _field(unit, "transductive", bool, where)
    given = _field(unit, "certificate", dict, where)
    path = folder / _field(unit, "provenance", str, where)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{where} has its provenance at {path}, outside of the results folder")
    if given.get("transductive") != transductive:
        raise ValueError(
            f"{where} says transductive {transductive}, its certificate says "
            f"{given.get('transductive')!r}: a method is one or the other"
        )
    leaky = unit.get("leaky", False)
    if leaky:
        _check_leaky(given, path)
    else:
        check_certificate(given, path)
        if "split" in unit:
            _check_tested(unit, path, where)
    tested = given["roles"]["test"]
    return {
        **{name: told[name] for name in ("dataset", "fold", "method")},
        "transductive": transductive,
        "subjects": tested["subjects"],
        "samples": tested["samples"],
        "roles": ", ".join(role for role in given["roles"] if role != "test"),
        "checks": "none, the protocol leaks" if leaky else ", ".join(given["checks"]),
    }


def _check_leaky(given: dict[str, Any], path: Path) -> None:
    """Raise ``ValueError`` if a protocol that says it leaks does not."""
    try:
        check_certificate(given, path)
    except LeakError:
        return
    raise ValueError(f"{path} shows no leak, but its protocol says that there is one")


def _check_tested(unit: dict[str, Any], path: Path, where: str) -> None:
    """Raise ``ValueError`` if the provenance is that of a test on other subjects."""
    split = _field(unit, "split", dict, where)
    names = {
        ledger.hashed(unit["dataset"], str(name))
        for name in _field(split, "test", list, f"the split of {where}")
    }
    frame = ledger.read(path)
    others = set(frame.loc[frame["role"] == "test", "subject"]) - names
    if others:
        raise ValueError(
            f"{where} tests subjects that its split does not name: {', '.join(sorted(others))} "
            f"in {path}; it is the provenance of another unit"
        )
