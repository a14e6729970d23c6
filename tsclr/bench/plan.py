"""A suite in, what it would compute and what it could prove out: before anything is run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr.bench.comparisons import base_name, unit_label
from tsclr.bench.results import RESULTS
from tsclr.bench.suite import Suite
from tsclr.bench.unit import EMBEDDING, SEGMENTATION, Unit
from tsclr.evaluate.power import POWER, least_difference
from tsclr.evaluate.significance import LEVEL

ASSUMED_SD = 0.042
"""From person to person, of the difference of two methods in macro F1, where nothing is known.

It is the median of the 508 comparisons of the published suites; their quartiles are .027 and .064.
"""
CAPTION = (
    f"What could be proven: the smallest difference of macro F1 that a randomisation test over "
    f"people finds with probability {POWER:g}, at p_holm of {LEVEL:g} or less, if the difference "
    "of two methods varies from person to person with this SD. None means however large."
)


@dataclass(frozen=True)
class Plan:
    """What a suite would compute, and what it could prove.

    Parameters
    ----------
    n_units, n_cells, n_finished : int
        Units, their cells, and how many of these are there already.
    provable : DataFrame
        A row for each dataset and protocol, and one for all datasets of a protocol together:
        ``dataset``, ``protocol``, ``people`` that are tested, ``comparisons`` at one budget, ``sd``
        with its ``origin``, and the least ``difference`` that can be proven, or NaN.
    """

    n_units: int
    n_cells: int
    n_finished: int
    provable: pd.DataFrame

    @property
    def summary(self) -> str:
        """How much there is to compute."""
        return f"{self.n_cells} cells in {self.n_units} units, {self.n_finished} of them finished"

    @property
    def caption(self) -> str:
        """What the table says, and where its standard deviations are from."""
        assumed = f" The SD of {ASSUMED_SD:g} is assumed, it is the median of published suites."
        origins = sorted({name for name in self.provable["origin"] if name})
        measured = f" The SD is measured in {' and '.join(origins)}." if origins else ""
        has_assumed = (self.provable["sd"] == ASSUMED_SD).any()
        return CAPTION + measured + (assumed if has_assumed else "")


@dataclass(frozen=True)
class Cohort:
    """The people of a dataset who are tested under a protocol, and the methods compared on them."""

    dataset: str
    protocol: str
    n_people: int
    methods: frozenset[str]
    sd: float
    origin: str


def plan(suite: Suite, out: Path, earlier: Sequence[Path] = ()) -> Plan:
    """Say what a suite would compute and which differences it could prove.

    The datasets are read, since only they say who is in them; no method learns.

    Parameters
    ----------
    suite : Suite
        Methods, datasets and protocols.
    out : Path
        Folder for the results.
    earlier : sequence of Path
        Folders or files with results of an earlier run, from which the spread between people is
        taken; the first one that has a dataset and protocol counts.

    Returns
    -------
    Plan
        The numbers of units and cells, and the differences.
    """
    units = list(suite.units(out))
    cells = [cell for unit in units for cell in unit.cells]
    spreads = {path: spread_between_people(path) for path in earlier}

    def task(unit: Unit) -> tuple[str, str]:
        return unit.benchmark.name, unit.protocol_name

    tests = [
        _test(list(of_task), spreads) for _, of_task in groupby(sorted(units, key=task), key=task)
    ]
    order = list(dict.fromkeys(map(task, units)))
    tests.sort(key=lambda test: order.index((test.dataset, test.protocol)))
    rows = [_row(test) for test in [*tests, *_pooled(tests)]]
    n_finished = sum(cell.path.exists() for cell in cells)
    return Plan(len(units), len(cells), n_finished, pd.DataFrame(rows))


def spread_between_people(results: Path) -> dict[tuple[str, str], float]:
    """SD from person to person of the difference of two methods, by dataset and protocol.

    It is the median over the comparisons of results, at whatever budget and head.
    """
    file = results / RESULTS if results.is_dir() else results
    if not file.exists():
        return {}
    rows = json.loads(file.read_text("utf-8"))["rows"]
    by_task: dict[tuple[str, str], list[float]] = {}
    blocks: dict[tuple[str, ...], list[Mapping[str, float]]] = {}
    for row in rows:
        block = row["dataset"], row["protocol"], row["budget"]
        blocks.setdefault(block, []).append(row["by_subject"])
    for (dataset, protocol, _), (first, *others) in blocks.items():
        for other in others:
            differences = [first[person] - other[person] for person in first]
            if len(differences) > 1:
                by_task.setdefault((dataset, protocol), []).append(
                    float(np.std(differences, ddof=1))
                )
    return {task: float(np.median(spreads)) for task, spreads in by_task.items()}


def _test(units: Sequence[Unit], spreads: Mapping[Path, Mapping[tuple[str, str], float]]) -> Cohort:
    """The test of the units of one dataset and protocol."""
    first = units[0]
    splits = {unit.fold: unit for unit in units}.values()
    people = {
        unit.protocol.person(name)
        for unit in splits
        for name in unit.task().side(unit.split.test).subjects.tolist()
    }
    methods = frozenset(
        unit_label(unit.label, cell.head)
        for unit in units
        for cell in unit.cells
        if cell.head not in (SEGMENTATION, EMBEDDING)
    )
    name, protocol = first.benchmark.name, first.protocol_name
    measured = [
        (spread[name, protocol], str(path))
        for path, spread in spreads.items()
        if (name, protocol) in spread
    ]
    sd, path = next(iter(measured), (ASSUMED_SD, ""))
    return Cohort(name, protocol, len(people), methods, sd, path)


def _pooled(tests: Sequence[Cohort]) -> Iterator[Cohort]:
    """The tests over the people of all datasets of a protocol."""
    for protocol in dict.fromkeys(test.protocol for test in tests):
        of_name: dict[str, Cohort] = {}
        for test in tests:
            if test.protocol == protocol and test.n_people > 1:
                of_name.setdefault(base_name(test.dataset), test)
        strata = list(of_name.values())
        if len(strata) > 1:
            n_people = sum(test.n_people for test in strata)
            # The variance of the weighted mean is Σ S_d σ_d² / (Σ S_d)².
            variance = sum(test.n_people * test.sd**2 for test in strata) / n_people
            yield Cohort(
                f"{len(strata)} datasets together",
                protocol,
                n_people,
                frozenset.intersection(*(test.methods for test in strata)),
                variance**0.5,
                "",
            )


def _row(test: Cohort) -> dict[str, Any]:
    """A test and the least difference that it can prove."""
    n_comparisons = len(test.methods) - 1
    difference = None
    if n_comparisons > 0 and test.n_people > 1:
        difference = least_difference(test.n_people, test.sd, n_comparisons)
    return {
        "dataset": test.dataset,
        "protocol": test.protocol,
        "people": test.n_people,
        "comparisons": n_comparisons,
        "sd": test.sd,
        "origin": test.origin,
        "difference": float("nan") if difference is None else difference,
    }
