"""Results of a suite or a probe in; whether their certificates are true out."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from tsclr.audit import ledger
from tsclr.audit.certificate import check_certificate, field_of
from tsclr.data.splits import LeakError, Split

LINE = ("dataset", "protocol", "method")
"""What the rows of a suite have in common with the units that they are scores of."""


def audit_results(results: Path) -> pd.DataFrame:
    """Check every unit of a results file against the provenance that lies beside it.

    Every unit has fitted something, its split has nobody in two places, it tests nobody whom the
    split does not test, and its provenance is no other unit's. Whom a row scores, its units have
    tested, and nobody else.

    Parameters
    ----------
    results : Path
        A folder with ``results.json``, or the file itself, as `tsclr.bench.results.write` makes it.
        It has ``units``, a list of objects with ``dataset``, ``protocol``, ``fold``, ``method``,
        ``transductive``, ``split``, ``provenance`` (a path within the folder) and ``certificate``;
        ``rows`` with ``dataset``, ``protocol``, ``method`` and ``by_subject``; and
        ``segmentation``. The JSON of ``tsclr probe`` has the same form.

    Returns
    -------
    DataFrame
        A row for each unit: ``dataset``, ``protocol``, ``method``, ``fold``, ``transductive``,
        ``subjects`` and ``samples`` of the test, ``roles`` that were compared with it, and what
        ``holds``. Of a protocol that says it is ``leaky`` nothing does, and this is no error.

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
    for place, unit in enumerate(units):
        where = f"unit {place} of {file}"
        try:
            tested.append(_check_unit(unit, file.parent, where))
        except LeakError as error:
            leaked.append(f"{where}: {error}")
    if leaked:
        raise LeakError("\n".join(leaked))
    _check_files(units, file)
    _check_rows(content, tested, str(file))
    return pd.DataFrame([_told(unit) for unit in units])


def _content(file: Path) -> Any:
    """What a results file holds."""
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
    """Check one unit; hashes of the subjects that it has tested."""
    given, path = _certified(unit, folder, where)
    leaky = unit.get("leaky", False)
    if leaky:
        _check_leaky(given, path)
    else:
        check_certificate(given, path)
    frame = ledger.read(path)
    if "fitting" not in set(frame["role"]):
        raise ValueError(
            f"{where} has scores, but in {path} nothing has the role fitting: a part of its "
            "provenance is missing; run the evaluation again"
        )
    tested, split = set(frame.loc[frame["role"] == "test", "subject"]), _split(unit, where)
    if not leaky:  # the split of a protocol that leaks names parts of the windows
        named = {ledger.hashed(unit["dataset"], name) for name in split["test"]}
        _check_tested(tested - named, path, where)
    Split(**split)
    return tested


def _certified(unit: Any, folder: Path, where: str) -> tuple[dict[str, Any], Path]:
    """The certificate of a unit, and where the provenance that it is of should lie."""
    for name in ("dataset", "method"):
        field_of(unit, name, str, where)
    field_of(unit, "fold", (str, int), where)
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
    return given, path


def _split(unit: dict[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """What the split of a unit names on each side."""
    split = field_of(unit, "split", dict, where)
    return {
        side: tuple(map(str, field_of(split, side, list, f"the split of {where}")))
        for side in ("train", "validation", "test")
    }


def _check_leaky(given: dict[str, Any], path: Path) -> None:
    """Raise ``ValueError`` if a protocol that says it leaks does not."""
    try:
        check_certificate(given, path)
    except LeakError:
        return
    raise ValueError(f"{path} shows no leak, but its protocol says that there is one")


def _check_tested(others: set[str], path: Path, where: str) -> None:
    """Raise ``ValueError`` if the provenance is that of a test on other subjects."""
    if others:
        raise ValueError(
            f"{where} tests subjects that its split does not name: {', '.join(sorted(others))} "
            f"in {path}; it is the provenance of another unit"
        )


def _check_files(units: list[dict[str, Any]], file: Path) -> None:
    """Raise ``ValueError`` if two units have the same provenance."""
    owner: dict[Path, int] = {}
    for place, unit in enumerate(units):
        path = (file.parent / unit["provenance"]).resolve()
        if owner.setdefault(path, place) != place:
            raise ValueError(
                f"units {owner[path]} and {place} of {file} both have the provenance {path}: each "
                "has its own; run the evaluation again"
            )


def _check_rows(results: dict[str, Any], tested: list[set[str]], where: str) -> None:
    """Raise ``ValueError`` unless units have tested whom the rows of a suite score, nobody else."""
    units: dict[tuple[str, ...], list[int]] = {}
    for place, line in enumerate(_lines(results, "units", where)):
        units.setdefault(line, []).append(place)
    lines, segmented = _lines(results, "rows", where), _lines(results, "segmentation", where)
    for line, places in units.items():
        if line not in lines:
            raise ValueError(
                f"unit {places[0]} of {where} ({', '.join(line)}) has no row: run the suite again"
            )
    for number, (line, row) in enumerate(zip(lines, results["rows"], strict=True)):
        places = units.get(line, [])
        named = f"units {', '.join(map(str, places)) or 'none'}"
        seen = {subject for place in places for subject in tested[place]}
        told = f"row {number} of {where} ({', '.join(line)}; {named})"
        _check_row(row, seen, line in segmented, told)


def _lines(results: dict[str, Any], kind: str, where: str) -> list[tuple[str, ...]]:
    """What `LINE` names of each object in a list of the results."""
    return [
        tuple(field_of(each, name, str, f"{kind}, {place} of {where}") for name in LINE)
        for place, each in enumerate(field_of(results, kind, list, where))
    ]


def _check_row(row: dict[str, Any], tested: set[str], segmented: bool, where: str) -> None:
    """Raise ``ValueError`` unless a row scores whom its units have tested.

    Where there is a segmentation, they have also tested streams of subjects without a label.
    """
    scored = field_of(row, "by_subject", dict, where)
    names = {ledger.hashed(row["dataset"], name): name for name in scored}
    missing = [name for subject, name in names.items() if subject not in tested]
    if missing:
        raise ValueError(
            f"{where} scores the subjects {', '.join(missing)}, whom its units have not tested: a "
            "unit or a part of its provenance is missing; run the suite again"
        )
    others = tested - names.keys()
    if others and not segmented:
        raise ValueError(
            f"{where} does not score {', '.join(sorted(others))}, whom its units have tested: a "
            "part of the row is missing; run the suite again"
        )


def _told(unit: dict[str, Any]) -> dict[str, Any]:
    """What was checked of a unit."""
    given, leaky = unit["certificate"], unit.get("leaky", False)
    roles = given["roles"]
    return {
        **{name: unit[name] for name in (*LINE, "fold", "transductive")},
        "subjects": roles["test"]["subjects"],
        "samples": roles["test"]["samples"],
        "roles": ", ".join(role for role in roles if role != "test"),
        "holds": "nothing, the protocol leaks" if leaky else ", ".join(given["checks"]),
    }
