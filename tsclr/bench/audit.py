"""A results folder, or the JSON of a probe, in; whether its certificates are true out."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from tsclr import ledger
from tsclr.certificate import check_certificate, field_of
from tsclr.splits import LeakError


def audit_results(results: Path) -> pd.DataFrame:
    """Check every unit of a results file against the provenance that lies beside it.

    Parameters
    ----------
    results : Path
        A folder with ``results.json``, or the file itself. It has ``units``, a list of objects with
        ``dataset``, ``fold``, ``method``, ``transductive``, ``provenance`` (a path within the
        folder), ``certificate`` and, to tell that the provenance is its own, ``split`` with the
        names under ``test``. Or it is the JSON of ``tsclr probe``, which is one unit.

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
    file = results / "results.json" if results.is_dir() else results
    rows, leaked = [], []
    for place, unit in enumerate(_units(file)):
        where = f"unit {place} of {file}"
        try:
            rows.append(_check_unit(unit, file.parent, where))
        except LeakError as error:
            leaked.append(f"{where}: {error}")
    if leaked:
        raise LeakError("\n".join(leaked))
    return pd.DataFrame(rows)


def _units(file: Path) -> list[Any]:
    """The units of a results file."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is missing or damaged: {error}") from error
    if isinstance(results, dict) and "results" in results:
        return [_unit_of_probe(results, str(file))]
    units = field_of(results, "units", list, str(file))
    if not units:
        raise ValueError(f"{file} has no units: there is nothing to audit")
    return units


def _unit_of_probe(results: dict[str, Any], where: str) -> dict[str, Any]:
    """The JSON of a probe as a unit: all of its methods share a split and a provenance."""
    if results.get("uncertified"):
        raise ValueError(f"{where} has no certificate: {results['uncertified']}")
    rows = field_of(results, "results", list, where)
    methods = dict.fromkeys(field_of(row, "method", str, where) for row in rows)
    return {
        "dataset": results.get("source"),
        "fold": "probe",
        "method": "; ".join(methods),
        "transductive": False,
        "split": {"test": results.get("test_subjects")},
        "provenance": results.get("provenance"),
        "certificate": results.get("certificate"),
    }


def _check_unit(unit: Any, folder: Path, where: str) -> dict[str, Any]:
    """Check one unit; say what was checked."""
    told = {name: field_of(unit, name, str, where) for name in ("dataset", "method")}
    told["fold"] = field_of(unit, "fold", (str, int), where)
    transductive = field_of(unit, "transductive", bool, where)
    given = field_of(unit, "certificate", dict, where)
    path = folder / field_of(unit, "provenance", str, where)
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
    split = field_of(unit, "split", dict, where)
    names = {
        ledger.hashed(unit["dataset"], str(name))
        for name in field_of(split, "test", list, f"the split of {where}")
    }
    frame = ledger.read(path)
    others = set(frame.loc[frame["role"] == "test", "subject"]) - names
    if others:
        raise ValueError(
            f"{where} tests subjects that its split does not name: {', '.join(sorted(others))} "
            f"in {path}; it is the provenance of another unit"
        )
