"""Checks results: certificates against their provenance, and every number against the counts.

All that can be is computed again, by the functions that wrote it, and compared::

    suite of results.json ──> units, and the heads and budgets of each
    provenance/*.parquet ───> certificates, and whom each role has seen
    counts.json.gz ─────────> rows, segmentation, comparisons ──> table.csv

Nothing is signed: whoever edits provenance, counts and results alike can make them agree, so there
are no checks against that.
"""

import csv
import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import pandas as pd

from tsclr.audit.certificates import check_certificate
from tsclr.bench.expected import SIDES, expected_units
from tsclr.bench.results import (
    METHOD_FACTS,
    PROTOCOL_FACTS,
    RESULTS,
    TABLE,
    read_counts,
    scores,
    table_text,
)
from tsclr.bench.unit import SEGMENTATION
from tsclr.data.identity import hashed
from tsclr.data.splits import LeakError, Split

FACTS = ("dataset", "protocol", "fold", "seed", "method", "split", *METHOD_FACTS, *PROTOCOL_FACTS)
"""What the entry of a unit states of it, besides certificate and provenance."""
TOLERANCE = 1e-9
"""Relative difference of two equal numbers: other versions and processors round differently.

With the same versions, results are equal to the last digit.
"""
N_SHOWN = 10
"""Differences that an error lists."""
MISSING = object()

Entry = Mapping[str, Any]
log = logging.getLogger(__name__)


def audit_results(results: Path) -> pd.DataFrame:
    """Compute results again from what lies next to them, and raise where they differ.

    The units must be those of the suite: its datasets, folds and methods, each under its heads at
    every budget. Each certificate is computed from the provenance of its unit, in which every role
    must lie within the split: fitting and choice saw training and validation subjects, statistics
    and pretraining saw training subjects, unless the method is transductive or comes from a run.
    Rows, intervals, comparisons and ``table.csv`` are computed from the confusion counts of each
    label draw and subject; numbers may differ by 1e-9 of their size.

    What the cells state without a count is not computed again: settings that were chosen, scores on
    validation subjects, seconds, and the points of the plot. Of methods and protocols that are not
    tsclr's own, what they declare is believed.

    Parameters
    ----------
    results : Path
        A folder with ``results.json`` from ``tsclr bench``, or the JSON of ``tsclr probe``.

    Returns
    -------
    DataFrame
        A row for each unit: ``dataset``, ``protocol``, ``method``, ``fold``, ``transductive``, what
        its subjects are (``apart``), ``subjects`` and ``samples`` of the test, the ``roles`` that
        were compared with it, the checks that it ``holds`` (none if its protocol leaks, which is no
        error), and how many of its ``scores`` were computed again: none of older results, which
        have no counts.

    Raises
    ------
    LeakError
        If something leaked in any unit; every leak of every unit is named.
    ValueError
        If a file is missing or damaged, or results differ from what they are computed from. The
        message lists where, what is stated and what was computed.
    """
    file = results / RESULTS if results.is_dir() else results
    try:
        stated = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} is missing or damaged: {error}") from error
    try:
        return _audit(stated, file)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(
            f"{file} lacks something that results have, or has something else in its place "
            f"({type(error).__name__}: {error}): run the suite again"
        ) from error


def _audit(stated: dict[str, Any], file: Path) -> pd.DataFrame:
    """Raise unless results are what they are computed from; what was checked, by unit."""
    units = _units(stated, file)
    is_older = "classes" not in units[0]
    cells = [] if is_older else read_counts(file.parent / stated["counts"])
    if is_older:
        log.warning(
            "%s is older than the counts that results ship now: its certificates are checked, its "
            "scores cannot be computed again; to renew it, run `tsclr bench SUITE.yaml --out DIR` "
            "or `tsclr probe RUN --json FILE` again",
            file,
        )
    else:
        _check_suite(stated["suite"], units, cells, file)
    frames = _certified(units, file)
    if not is_older:
        for number, (unit, frame) in enumerate(zip(units, frames, strict=True)):
            of_unit = [cell for cell in cells if cell["unit"] == number]
            _check_subjects(of_unit, unit, frame, _name(unit, number, file))
        computed = scores(units, cells, stated["suite"]["seed"])
        _require_equal({name: stated[name] for name in computed}, computed, file, "the counts give")
        if file.name == RESULTS:
            _check_table(file.with_name(TABLE), stated["rows"])
    n_scores = [sum(cell["unit"] == number for cell in cells) for number in range(len(units))]
    return pd.DataFrame(map(_summary, units, n_scores))


def _units(stated: dict[str, Any], file: Path) -> list[dict[str, Any]]:
    """The units of results, of which all must have a certificate."""
    if "results" in stated:
        raise ValueError(
            f"{file} is from an older `tsclr probe`: run `tsclr probe RUN --json {file}` again"
        )
    units = stated["units"]
    if not units:
        raise ValueError(f"{file} has no units: there is nothing to audit")
    for unit in units:
        if unit.get("uncertified"):
            raise ValueError(f"{file} has no certificate: {unit['uncertified']}")
    return units


# What the suite gives


def _check_suite(suite: Entry, units: Sequence[Entry], cells: Sequence[Entry], file: Path) -> None:
    """Raise ``ValueError`` unless units, heads, budgets and draws are those of the suite."""
    stated = [
        {name: unit[name] for name in FACTS}
        | {
            "cells": [
                [cell["head"], cell["budget"], len(cell.get("counts", [0]))]
                for cell in cells
                if cell["unit"] == number
            ]
        }
        for number, unit in enumerate(units)
    ]
    expected = list(expected_units(suite, stated))
    _require_equal({"units": stated}, {"units": expected}, file, "the suite gives")


# What the provenance gives


def _certified(units: Sequence[Entry], file: Path) -> list[pd.DataFrame]:
    """The provenance of each unit; raise ``LeakError`` with the leaks of all."""
    frames, leaked = [], []
    for number, unit in enumerate(units):
        where = _name(unit, number, file)
        try:
            frames.append(_check_unit(unit, file.parent, where))
        except LeakError as error:
            leaked.append(f"{where}: {error}")
    if leaked:
        raise LeakError("\n".join(leaked))
    return frames


def _name(unit: Entry, number: int, file: Path) -> str:
    """A unit as errors name it."""
    return f"unit {number} of {file} ({unit['dataset']}, {unit['fold']}, {unit['method']})"


def _check_unit(unit: Entry, folder: Path, where: str) -> pd.DataFrame:
    """Raise unless a unit is what its provenance says; the provenance."""
    stated, leaky = unit["certificate"], unit.get("leaky", False)
    if stated.get("transductive") != unit["transductive"]:
        raise ValueError(
            f"{where} says transductive {unit['transductive']}, its certificate says "
            f"{stated.get('transductive')!r}: a method is one or the other"
        )
    frame = check_certificate(stated, folder / unit["provenance"], leaky)
    for role in ("fitting", *["pretraining"] * unit.get("pretrains", False)):
        if role not in set(frame["role"]):
            raise ValueError(
                f"{where} has scores, but nothing in {unit['provenance']} has the role {role}: a "
                "part of its provenance is missing; run the evaluation again"
            )
    Split(**{side: tuple(unit["split"][side]) for side in SIDES})  # raises if two sides share one
    if not leaky:  # a leaky protocol splits blocks of windows, not subjects
        _check_roles(unit, frame, where)
    return frame


def _check_roles(unit: Entry, frame: pd.DataFrame, where: str) -> None:
    """Raise ``ValueError`` unless each role has seen subjects of its sides of the split alone."""
    unlabelled = ("train", "test") if unit["transductive"] else ("train",)
    allowed = {"test": ("test",)}
    if unit.get("by_subject"):  # older results do not say
        allowed |= dict.fromkeys(("fitting", "choice"), ("train", "validation"))
        allowed |= dict.fromkeys(("pretraining", "statistics"), unlabelled)
    if unit.get("pretrained_before"):  # perhaps on another dataset; not on the test, as was checked
        allowed = {role: allowed[role] for role in allowed if role not in ("pretraining", "choice")}
    names = {hashed(unit["dataset"], name): name for side in SIDES for name in unit["split"][side]}
    for role, sides in allowed.items():
        inside = {name for side in sides for name in unit["split"][side]}
        seen = set(frame.loc[frame["role"] == role, "subject"])
        outside = sorted(names.get(sha, sha) for sha in seen if names.get(sha) not in inside)
        if outside:
            raise ValueError(
                f"{where}: {role} has used the subjects {', '.join(outside)}, it may use those of "
                f"{' and '.join(sides)} in the split: {', '.join(sorted(inside))}"
            )


# What the counts give


def _check_subjects(cells: Sequence[Entry], unit: Entry, frame: pd.DataFrame, where: str) -> None:
    """Raise ``ValueError`` unless a unit scores the subjects that its provenance tests."""
    tested = set(frame.loc[frame["role"] == "test", "subject"])
    # A segmentation also tests streams of subjects without a label, whom nothing else scores.
    may_lack = any(cell["head"] == SEGMENTATION for cell in cells)
    for cell in cells:
        if cell["head"] == SEGMENTATION:
            continue
        scored = {hashed(unit["dataset"], subject): subject for subject in cell["subjects"]}
        lacking = {"provenance": scored.keys() - tested, "counts": tested - scored.keys()}
        for kind, hashes in lacking.items():
            if hashes and not (kind == "counts" and may_lack):
                names = ", ".join(sorted(scored.get(sha, sha) for sha in hashes))
                raise ValueError(
                    f"{where}, {cell['head']}, {cell['budget']}: the {kind} lack the subjects "
                    f"{names}: a part of the results is missing; run the suite again"
                )


def _check_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Raise ``ValueError`` unless ``table.csv`` is the table of the rows."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is missing or damaged: {error}") from error
    stated, computed = (
        list(csv.DictReader(table.splitlines())) for table in (text, table_text(rows))
    )
    _require_equal({"rows": stated}, {"rows": computed}, path, f"{RESULTS} gives")


# Differences


def _require_equal(stated: Entry, computed: Entry, where: Path, source: str) -> None:
    """Raise ``ValueError`` with the first differences of what is stated and what is computed."""
    computed = json.loads(json.dumps(computed))  # as it would have been read from a file
    lines = [
        f"{path}: {_shown(one)} is stated, {source} {_shown(other)}"
        for path, one, other in islice(differences(stated, computed), N_SHOWN + 1)
    ]
    if lines:
        lines[N_SHOWN:] = ["…"] * (len(lines) > N_SHOWN)
        raise ValueError("\n".join([f"{where} was changed, or is of another run:", *lines]))


def differences(stated: Any, computed: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where plain data differ: the path, and the value of each.

    Examples
    --------
    >>> stated = {"rows": [{"head": "knn", "f1": 7.5}, {"head": "linear", "f1": 0.5}]}
    >>> computed = {"rows": [{"head": "knn", "f1": 0.75}, {"head": "linear", "f1": 0.5}]}
    >>> list(differences(stated, computed))
    [('rows[0] (knn).f1', 7.5, 0.75)]
    """
    if isinstance(stated, dict) and isinstance(computed, dict):
        for name in {**computed, **stated}:
            inner = f"{path}.{name}" if path else str(name)
            yield from differences(stated.get(name, MISSING), computed.get(name, MISSING), inner)
    elif isinstance(stated, list) and isinstance(computed, list):
        for index, pair in enumerate(zip_longest(stated, computed, fillvalue=MISSING)):
            yield from differences(*pair, f"{path}[{index}]{_described(pair[1])}")
    elif not _equal(stated, computed):
        yield path, stated, computed


def _described(entry: Any) -> str:
    """Which row or unit an entry of a list is, in brackets."""
    names = ("dataset", "protocol", "fold", "method", "against", "head", "budget")
    present = (
        [str(entry[name]) for name in names if name in entry] if isinstance(entry, dict) else []
    )
    return f" ({', '.join(present)})" if present else ""


def _equal(stated: Any, computed: Any) -> bool:
    """Whether two values are the same, apart from how a number was rounded."""
    if {type(stated), type(computed)} <= {int, float}:
        return math.isclose(stated, computed, rel_tol=TOLERANCE, abs_tol=TOLERANCE**2)
    return type(stated) is type(computed) and stated == computed


def _shown(value: Any) -> str:
    """A value in a message, cut to a line."""
    return "nothing" if value is MISSING else f"{value!r:.100}"


def _summary(unit: Entry, n_scores: int) -> dict[str, Any]:
    """The row of a unit in the table of what was checked."""
    roles, checks = unit["certificate"]["roles"], unit["certificate"]["checks"]
    return {
        **{name: unit[name] for name in ("dataset", "protocol", "method", "fold", "transductive")},
        "apart": unit.get("apart", "people"),
        "subjects": roles["test"]["subjects"],
        "samples": roles["test"]["samples"],
        "roles": ", ".join(role for role in roles if role != "test"),
        "holds": "nothing, the protocol leaks" if unit.get("leaky") else ", ".join(checks),
        "scores": n_scores,
    }
