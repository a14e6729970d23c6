"""The cells of finished units in; results.json, table.csv and provenance files out."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from tsclr.audit import ledger
from tsclr.audit.certificates import certificate
from tsclr.bench.cache import read
from tsclr.bench.choices import choices, warn_of_ends
from tsclr.bench.suite import Suite
from tsclr.bench.unit import EMBEDDING, SEGMENTATION, Cell, Unit
from tsclr.evaluate.scores import macro_f1, summarise
from tsclr.evaluate.significance import compare
from tsclr.files import replacing
from tsclr.specs import spec_of
from tsclr.train.runs import environment

RESULTS, TABLE = "results.json", "table.csv"
LINE = ("dataset", "protocol", "method", "head", "budget")
"""Columns that identify a row of the table."""
COLUMNS = (
    *LINE,
    "draws",
    "seeds",
    "test_subjects",
    "macro_f1_mean",
    "macro_f1_sd",
    "macro_f1_sd_seeds",
    "macro_f1_sd_subjects",
    "balanced_accuracy_mean",
    "balanced_accuracy_sd",
    "accuracy_mean",
    "accuracy_sd",
    "weighted_f1_mean",
    "validation_macro_f1",
    "validation_subjects",
    "validation_pretrained",
    "at_grid_end",
)
"""Columns of the table, before the 95 % interval over subjects."""
DIGITS = 6
"""Decimals in the table: scores agree to them however many processes run."""
MAX_NAME = 100
"""Characters of a unit's name in its file name; file systems allow 255 in all."""


@dataclass(frozen=True)
class Result:
    """A cell of a unit, and the content of its file."""

    unit: Unit
    cell: Cell
    content: dict[str, Any]


def write_results(suite: Suite, units: Sequence[Unit], out: Path) -> dict[str, Any]:
    """Write and return the results of a suite, all of them from the files of its cells."""
    results = save(collect_results(suite, units), out / RESULTS, "provenance")
    with replacing(out / TABLE) as temporary:
        frame = table(results["rows"])
        frame.to_csv(temporary, index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")
    return results


def collect_results(suite: Suite, units: Sequence[Unit]) -> dict[str, Any]:
    """The results of a suite; each unit has the rows of its provenance and a file name for them."""
    by_unit = [[Result(unit, cell, load_cell(cell)) for cell in unit.cells] for unit in units]
    results = [result for cells in by_unit for result in cells]
    lines: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        unit, cell = result.unit, result.cell
        if cell.head not in (SEGMENTATION, EMBEDDING):
            line = (unit.benchmark.name, unit.protocol_name, unit.label, cell.head, cell.budget)
            lines.setdefault(line, []).append(result)
    counts = {line: pooled(folds) for line, folds in lines.items()}
    rows = [score_row(line, folds, counts[line], suite.seed) for line, folds in lines.items()]
    warn_of_ends(rows)
    return {
        "suite": suite_spec(suite),
        "rows": rows,
        "segmentation": [
            segmentation_row(result) for result in results if result.cell.head == SEGMENTATION
        ],
        "embedding": embedding_points(results),
        "comparisons": comparisons(counts, suite.seed),
        "units": [unit_entry(cells) for cells in by_unit],
        "circumstances": environment(),
    }


def save(results: dict[str, Any], path: Path, folder: str) -> dict[str, Any]:
    """Write results as JSON, and the provenance of each unit as Parquet in a folder next to it."""
    units = []
    for unit in results["units"]:
        file = Path(folder, unit["provenance"]["file"])
        ledger.write(ledger.frame_of(unit["provenance"]["rows"]), path.parent / file)
        units.append(unit | {"provenance": file.as_posix()})
    written = results | {"units": units}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(written, indent=1))
    return written


def unit_label(method: str, head: str) -> str:
    """Method and head as one name; a method with a head of its own name has no second one.

    Examples
    --------
    >>> unit_label("NT-Xent", "linear"), unit_label("supervised", "supervised")
    ('NT-Xent + linear', 'supervised')
    """
    return method if method == head else f"{method} + {head}"


def load_cell(cell: Cell) -> dict[str, Any]:
    """Content of a finished cell; raise ``ValueError`` if its file is gone or damaged."""
    content = read(cell.path)
    if content is None:
        raise ValueError(f"the result {cell.path} is missing or damaged: run the suite again")
    return content


def pooled(results: Sequence[Result]) -> Int[np.ndarray, "draws subjects K K"]:
    """Confusion counts of all folds, each subject tested in one, for one seed after another."""
    seeds: dict[int | None, list[np.ndarray]] = {}
    for result in results:
        seeds.setdefault(result.unit.seed, []).append(np.array(result.content["counts"]))
    return np.concatenate([np.concatenate(folds, axis=1) for folds in seeds.values()])


def score_row(
    line: tuple[str, ...],
    folds: Sequence[Result],
    counts: Int[np.ndarray, "draws subjects K K"],
    seed: int,
) -> dict[str, Any]:
    """A row of the results: scores with their spread, for each subject, and what they cost."""
    first = folds[0].unit
    classes, contents = first.benchmark.classes, [fold.content for fold in folds]
    of_one_seed = [fold for fold in folds if fold.unit.seed == first.seed]
    subjects = [name for fold in of_one_seed for name in fold.content["subjects"]]
    n_seeds = len(folds) // len(of_one_seed)
    present, by_subject = counts[0].sum(-1) > 0, np.asarray(macro_f1(counts)).mean(0)
    return {
        **dict(zip(LINE, line, strict=True)),
        "pretrains": first.method.pretrains,
        **summarise(counts, classes, seed, n_seeds),
        "seeds": n_seeds * contents[0]["seeds"],
        "test_subjects": len(subjects),
        "by_subject": dict(zip(subjects, by_subject.tolist(), strict=True)),
        "lacking": {
            name: [label for label, has in zip(classes, shown, strict=True) if not has]
            for name, shown in zip(subjects, present, strict=True)
            if not shown.all()
        },
        "untrained": {
            fold.unit.fold: fold.content["untrained"] for fold in folds if fold.content["untrained"]
        },
        **choices({fold.unit.fold_and_seed: fold.content for fold in folds}),
        "cost": pd.DataFrame([content["cost"] for content in contents]).mean().to_dict(),
    }


def embedding_points(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Points of the first method on the first fold of each dataset and protocol."""
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        if result.cell.head == EMBEDDING:
            unit = result.unit
            points = {name: result.content[name] for name in ("points", "labels", "subjects")}
            task = unit.benchmark.name, unit.protocol_name
            line = {"dataset": task[0], "protocol": task[1], "method": unit.label}
            first.setdefault(task, {**line, **points})
    return list(first.values())


def segmentation_row(result: Result) -> dict[str, Any]:
    """How well a method on a fold labels every sample, with smoothing and without."""
    unit, content = result.unit, result.content
    return {
        "dataset": unit.benchmark.name,
        "protocol": unit.protocol_name,
        "fold": unit.fold_and_seed,
        "method": unit.label,
        "step": result.cell.budget,
        "smoothing_seconds": content["seconds"],
        "too_short": content["too_short"],
        "smoothed": content["smoothed"],
        "unsmoothed": content["unsmoothed"],
    }


def comparisons(
    counts: Mapping[tuple[str, ...], Int[np.ndarray, "draws subjects K K"]], seed: int
) -> list[dict[str, Any]]:
    """Each method under each head against the first, over the same label draws and subjects.

    Comparing every two would prove nothing with so few subjects. One test subject alone gives no
    comparison. The counts of a method with fewer seeds than another are repeated, which
    changes no mean.
    """
    blocks: dict[tuple[str, str, str], dict[str, np.ndarray]] = {}
    for (dataset, protocol, method, head, budget), of_line in counts.items():
        blocks.setdefault((dataset, protocol, budget), {})[unit_label(method, head)] = of_line
    return [
        {"dataset": dataset, "protocol": protocol, "budget": budget, **row}
        for (dataset, protocol, budget), block in blocks.items()
        if len(block) > 1 and next(iter(block.values())).shape[1] > 1
        for row in compare(repeated(block), next(iter(block)), seed).to_dict("records")
    ]


def repeated(block: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Counts of several methods, repeated until all have as many draws.

    Examples
    --------
    >>> {name: len(counts) for name, counts in repeated({"a": np.ones(2), "b": np.ones(3)}).items()}
    {'a': 6, 'b': 6}
    """
    n = int(np.lcm.reduce([len(counts) for counts in block.values()]))
    return {name: np.concatenate([counts] * (n // len(counts))) for name, counts in block.items()}


def unit_entry(cells: Sequence[Result]) -> dict[str, Any]:
    """A unit with its split, its provenance and the certificate of it, if there can be one."""
    unit = cells[0].unit
    frame = ledger.merged([ledger.frame_of(result.content["provenance"]) for result in cells])
    readable = re.sub(r"[^a-z0-9]+", "-", unit.name.lower()).strip("-")
    uncertified = cells[0].content["uncertified"]  # learning decides it, which cells share
    transductive = unit.method.transductive
    return {
        "dataset": unit.benchmark.name,
        "protocol": unit.protocol_name,
        "fold": unit.fold,
        "seed": unit.seed,
        "method": unit.label,
        "transductive": transductive,
        "leaky": unit.protocol.leaky,
        "split": {side: list(names) for side, names in asdict(unit.split).items()},
        "provenance": {
            "file": f"{readable[:MAX_NAME]}-{unit.key[:8]}.parquet",
            "rows": frame.to_dict("records"),
        },
        "certificate": None if uncertified else certificate(frame, transductive),
        "uncertified": uncertified,
    }


def suite_spec(suite: Suite) -> dict[str, Any]:
    """The suite as plain data."""
    settings = {field.name: getattr(suite, field.name) for field in fields(suite)}
    specs = {name: spec_of(settings[name]) for name in ("datasets", "methods", "protocols")}
    return settings | specs


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The table of a suite: what is equal whenever and in however many processes it is run."""
    low, high = np.array([row["macro_f1_ci_subjects"] for row in rows]).T
    return pd.DataFrame(rows)[list(COLUMNS)].assign(macro_f1_low=low, macro_f1_high=high)
