"""Checks the certificates in the results of a suite or a probe.

A certificate is recomputed from its provenance and compared. Nothing is signed: whoever edits both
the provenance and the results can make them agree, so there are no checks against that.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from tsclr.audit.certificates import check_certificate, field_of
from tsclr.data.identity import hashed
from tsclr.data.splits import LeakError, Split

LINE = ("dataset", "protocol", "method")
"""What the rows of a suite have in common with the units that they score."""

UNIT = dict.fromkeys(LINE, str) | {
    "fold": (str, int),
    "transductive": bool,
    "split": dict,
    "provenance": str,
    "certificate": dict,
}
"""Fields of a unit and their types."""


def audit_results(results: Path) -> pd.DataFrame:
    """Check every unit of a results file against the provenance that lies beside it.

    For each unit the certificate is recomputed from the provenance. The unit must have fitted
    something, its split must not have a subject on two sides, and it must have tested only test
    subjects of its split. A row must score exactly the subjects that its units have tested.

    Parameters
    ----------
    results : Path
        A folder with ``results.json``, or the file itself, from `tsclr.bench.results.write`.
        It has ``units``, a list of objects with ``dataset``, ``protocol``, ``fold``, ``method``,
        ``transductive``, ``split``, ``provenance`` (a path within the folder) and ``certificate``;
        ``rows`` with ``dataset``, ``protocol``, ``method`` and ``by_subject``; and
        ``segmentation``. The JSON of ``tsclr probe`` has the same form.

    Returns
    -------
    DataFrame
        A row for each unit: ``dataset``, ``protocol``, ``method``, ``fold``, ``transductive``, what
        its subjects are (``apart``), ``subjects`` and ``samples`` of the test, the ``roles`` that
        were compared with it, and the checks that it ``holds``: none if its protocol is declared
        ``leaky``, which is no error.

    Raises
    ------
    LeakError
        If something leaked in any unit; every leak of every unit is named.
    ValueError
        If a file is missing, damaged or not the one that was certified, or something is missing
        in the results.
    """
    file = results / "results.json" if results.is_dir() else results
    content = _content(file)
    units = _units(content, str(file))
    tested, leaked = [], []
    for number, unit in enumerate(units):
        where = f"unit {number} of {file}"
        try:
            tested.append(_check_unit(unit, file.parent, where))
        except LeakError as error:
            leaked.append(f"{where}: {error}")
    if leaked:
        raise LeakError("\n".join(leaked))
    _check_rows(content, tested, str(file))
    return pd.DataFrame([_summary(unit) for unit in units])


def _content(file: Path) -> Any:
    """The content of a results file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is missing or damaged: {error}") from error


def _units(results: Any, where: str) -> list[Any]:
    """The units of a suite, of which all must have a certificate."""
    if isinstance(results, dict) and "results" in results:
        raise ValueError(
            f"{where} is from an older `tsclr probe`: run `tsclr probe RUN --json {where}` again"
        )
    units = field_of(results, "units", list, where)
    if not units:
        raise ValueError(f"{where} has no units: there is nothing to audit")
    for unit in units:
        if isinstance(unit, dict) and unit.get("uncertified"):
            raise ValueError(f"{where} has no certificate: {unit['uncertified']}")
    return units


def _check_unit(unit: Any, folder: Path, where: str) -> set[str]:
    """Raise unless a unit is what its provenance says; the hashes of its test subjects."""
    for name, kind in UNIT.items():
        field_of(unit, name, kind, where)
    stated, path, leaky = unit["certificate"], folder / unit["provenance"], unit.get("leaky", False)
    if stated.get("transductive") != unit["transductive"]:
        raise ValueError(
            f"{where} says transductive {unit['transductive']}, its certificate says "
            f"{stated.get('transductive')!r}: a method is one or the other"
        )
    frame = check_certificate(stated, path, leaky)
    if "fitting" not in set(frame["role"]):
        raise ValueError(
            f"{where} has scores, but nothing in {path} has the role fitting: a part of its "
            "provenance is missing; run the evaluation again"
        )
    tested, split = set(frame.loc[frame["role"] == "test", "subject"]), _split(unit, where)
    others = tested - {hashed(unit["dataset"], name) for name in split["test"]}
    if others and not leaky:  # a leaky protocol splits blocks of windows, not subjects
        raise ValueError(
            f"{where} tests subjects that its split does not name: {', '.join(sorted(others))} "
            f"in {path}; it is the provenance of another unit"
        )
    Split(**split)  # raises a LeakError if a subject is on two sides
    # Where the subjects are parts of people, people are scored.
    people = {hashed(unit["dataset"], name): who for name, who in unit.get("people", {}).items()}
    return {hashed(unit["dataset"], people[sha]) if sha in people else sha for sha in tested}


def _split(unit: dict[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """The names on each side of the split of a unit."""
    return {
        side: tuple(map(str, field_of(unit["split"], side, list, f"the split of {where}")))
        for side in ("train", "validation", "test")
    }


def _check_rows(results: dict[str, Any], tested: list[set[str]], where: str) -> None:
    """Raise ``ValueError`` unless each row scores the subjects that its units have tested."""
    units: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, unit in enumerate(results["units"]):
        units[_line(unit)].append(number)
    rows = field_of(results, "rows", list, where)
    segmented = set(map(_line, field_of(results, "segmentation", list, where)))
    for number, row in enumerate(rows):
        line = _line(row)
        subjects = set().union(*(tested[unit] for unit in units[line]))
        names = ", ".join(map(str, units[line])) or "none"
        row_name = f"row {number} of {where} ({', '.join(line)}; units {names})"
        _check_row(row, subjects, line in segmented, row_name)


def _line(entry: dict[str, Any]) -> tuple[str, ...]:
    """What `LINE` names of a unit or a row."""
    return tuple(entry[name] for name in LINE)


def _check_row(row: dict[str, Any], tested: set[str], segmented: bool, where: str) -> None:
    """Raise ``ValueError`` unless a row scores the tested subjects.

    A segmentation has also tested streams of subjects without a label, which have no score.
    """
    scored = field_of(row, "by_subject", dict, where)
    names = {hashed(row["dataset"], name): name for name in scored}
    untested = [name for subject, name in names.items() if subject not in tested]
    if untested:
        raise ValueError(
            f"{where} scores the subjects {', '.join(untested)}, which its units do not test: a "
            "unit or a part of its provenance is missing; run the suite again"
        )
    unscored = tested - names.keys()
    if unscored and not segmented:
        raise ValueError(
            f"{where} does not score {', '.join(sorted(unscored))}, which its units test: a "
            "part of the row is missing; run the suite again"
        )


def _summary(unit: dict[str, Any]) -> dict[str, Any]:
    """The row of a unit in the table of what was checked."""
    roles, checks = unit["certificate"]["roles"], unit["certificate"]["checks"]
    return {
        **{name: unit[name] for name in (*LINE, "fold", "transductive")},
        "apart": unit.get("apart", "people"),
        "subjects": roles["test"]["subjects"],
        "samples": roles["test"]["samples"],
        "roles": ", ".join(role for role in roles if role != "test"),
        "holds": "nothing, the protocol leaks" if unit.get("leaky") else ", ".join(checks),
    }
