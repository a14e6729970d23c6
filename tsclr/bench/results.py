"""Units whose cells are done in, results.json, table.csv and the provenance out."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from tsclr.audit import ledger
from tsclr.audit.certificates import certificate
from tsclr.bench.cache import read
from tsclr.bench.suite import EMBEDDING, SEGMENTATION, Cell, Suite, Unit
from tsclr.evaluate.scores import macro_f1, summarise
from tsclr.evaluate.significance import compare
from tsclr.files import replacing
from tsclr.specs import spec_of
from tsclr.train.runs import environment

RESULTS, TABLE = "results.json", "table.csv"
LINE = ("dataset", "protocol", "method", "head", "budget")
"""What names a row of the table."""
COLUMNS = (
    *LINE,
    "draws",
    "test_subjects",
    "macro_f1_mean",
    "macro_f1_sd",
    "macro_f1_sd_subjects",
    "balanced_accuracy_mean",
    "balanced_accuracy_sd",
    "accuracy_mean",
    "accuracy_sd",
    "weighted_f1_mean",
    "validation_macro_f1",
)
"""Of the table, before the 95 % interval over subjects."""
DIGITS = 6
READABLE = 100
"""Characters of a unit's name in that of its file: file systems allow 255 with the rest."""


Found = tuple[Unit, Cell, dict[str, Any]]


def write_results(suite: Suite, units: Sequence[Unit], out: Path) -> dict[str, Any]:
    """Write the results of a suite, all from the files of its cells, and give them.

    Parameters
    ----------
    suite : Suite
        Which.
    units : sequence of Unit
        All of it.
    out : Path
        Folder of the results.
    """
    by_unit = [[(unit, cell, load_cell(cell)) for cell in unit.cells] for unit in units]
    found = [each for cells in by_unit for each in cells]
    lines: dict[tuple[str, ...], list[Found]] = {}
    for unit, cell, content in found:
        if cell.head not in (SEGMENTATION, EMBEDDING):
            line = (unit.benchmark.name, unit.protocol_name, unit.label, cell.head, cell.budget)
            lines.setdefault(line, []).append((unit, cell, content))
    counts = {line: pooled(cells) for line, cells in lines.items()}
    rows = [score_row(line, cells, counts[line], suite.seed) for line, cells in lines.items()]
    results = {
        "suite": suite_spec(suite),
        "rows": rows,
        "segmentation": [segmentation_row(*each) for each in found if each[1].head == SEGMENTATION],
        "embedding": embedding_points(found),
        "comparisons": comparisons(counts, suite.seed),
        "units": [provenance_entry(cells, out) for cells in by_unit],
        "circumstances": environment(),
    }
    with replacing(out / RESULTS) as temporary:
        temporary.write_text(json.dumps(results, indent=1))
    with replacing(out / TABLE) as temporary:
        table(rows).to_csv(temporary, index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")
    return results


def unit_label(method: str, head: str) -> str:
    """Method and head as one name; a method with a head of its own name has no second one.

    Parameters
    ----------
    method, head : str
        As a row has them.

    Examples
    --------
    >>> named("NT-Xent", "linear"), named("supervised", "supervised")
    ('NT-Xent + linear', 'supervised')
    """
    return method if method == head else f"{method} + {head}"


def load_cell(cell: Cell) -> dict[str, Any]:
    """Result of a cell that has been computed.

    Parameters
    ----------
    cell : Cell
        Which.

    Raises
    ------
    ValueError
        If its file has been lost or damaged meanwhile.
    """
    content = read(cell.path)
    if content is None:
        raise ValueError(f"the result {cell.path} is gone or damaged: run the suite again")
    return content


def pooled(cells: Sequence[Found]) -> Int[np.ndarray, "draws subjects K K"]:
    """Confusion counts of all folds: each subject is tested in one of them.

    Parameters
    ----------
    cells : sequence
        One for each fold.
    """
    return np.concatenate([np.array(content["counts"]) for _, _, content in cells], axis=1)


def score_row(
    line: tuple[str, ...],
    cells: Sequence[Found],
    counts: Int[np.ndarray, "draws subjects K K"],
    seed: int,
) -> dict[str, Any]:
    """A row of the results: scores with their spread, for each subject, and what they cost.

    Parameters
    ----------
    line : tuple of str
        As `LINE` names it.
    cells : sequence
        One for each fold.
    counts : (draws, subjects, K, K) int
        Of all folds.
    seed : int
        Of the bootstrap.
    """
    classes = cells[0][0].benchmark.classes
    subjects = [name for _, _, content in cells for name in content["subjects"]]
    there, by_subject = counts[0].sum(-1) > 0, np.asarray(macro_f1(counts)).mean(0)
    chosen = [content["validation_macro_f1"] for _, _, content in cells]
    costs = pd.DataFrame([content["cost"] for _, _, content in cells])
    return {
        **dict(zip(LINE, line, strict=True)),
        **summarise(counts, classes, seed),
        "test_subjects": len(subjects),
        "by_subject": dict(zip(subjects, by_subject.tolist(), strict=True)),
        "lacking": {
            name: [each for each, has in zip(classes, mine, strict=True) if not has]
            for name, mine in zip(subjects, there, strict=True)
            if not mine.all()
        },
        "untrained": {
            unit.fold: content["untrained"] for unit, _, content in cells if content["untrained"]
        },
        "validation_macro_f1": None if None in chosen else float(np.mean(chosen)),
        "chosen": {unit.fold: content["chosen"] for unit, _, content in cells},
        "cost": costs.mean().to_dict(),
    }


def embedding_points(found: Sequence[Found]) -> list[dict[str, Any]]:
    """Points of the first method on the first fold of each dataset and protocol.

    Parameters
    ----------
    found : sequence
        All cells.
    """
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for unit, cell, content in found:
        if cell.head == EMBEDDING:
            points = {name: content[name] for name in ("points", "labels", "subjects")}
            task = unit.benchmark.name, unit.protocol_name
            line = {"dataset": task[0], "protocol": task[1], "method": unit.label}
            first.setdefault(task, {**line, **points})
    return list(first.values())


def segmentation_row(unit: Unit, cell: Cell, content: dict[str, Any]) -> dict[str, Any]:
    """How well a method on a fold labels every sample, with smoothing and without.

    Parameters
    ----------
    unit : Unit
        Which.
    cell : Cell
        That of the segmentation.
    content : dict
        Its result.
    """
    return {
        "dataset": unit.benchmark.name,
        "protocol": unit.protocol_name,
        "fold": unit.fold,
        "method": unit.label,
        "step": cell.budget,
        "smoothing_seconds": content["seconds"],
        "too_short": content["too_short"],
        "smoothed": content["smoothed"],
        "unsmoothed": content["unsmoothed"],
    }


def comparisons(
    counts: Mapping[tuple[str, ...], Int[np.ndarray, "draws subjects K K"]], seed: int
) -> list[dict[str, Any]]:
    """Each method under each head against the first, over the same draws and subjects.

    With so few subjects as there are, comparing every two would prove nothing. One test subject
    alone gives no comparison.

    Parameters
    ----------
    counts : mapping
        Confusion counts of each line.
    seed : int
        Of the bootstrap and the swaps.
    """
    blocks: dict[tuple[str, str, str], dict[str, np.ndarray]] = {}
    for (dataset, protocol, method, head, budget), mine in counts.items():
        blocks.setdefault((dataset, protocol, budget), {})[unit_label(method, head)] = mine
    return [
        {"dataset": dataset, "protocol": protocol, "budget": budget, **row}
        for (dataset, protocol, budget), block in blocks.items()
        if len(block) > 1 and next(iter(block.values())).shape[1] > 1
        for row in compare(block, next(iter(block)), seed).to_dict("records")
    ]


def provenance_entry(cells: Sequence[Found], out: Path) -> dict[str, Any]:
    """What was used for what in a unit: written, and certified.

    Parameters
    ----------
    cells : sequence
        All of the unit.
    out : Path
        Folder of the results.
    """
    unit = cells[0][0]
    frame = ledger.merged([ledger.frame_of(content["provenance"]) for _, _, content in cells])
    name = re.sub(r"[^a-z0-9]+", "-", unit.name.lower()).strip("-")
    path = Path("provenance", f"{name[:READABLE]}-{unit.key[:8]}.parquet")
    ledger.write(frame, out / path)
    return {
        "dataset": unit.benchmark.name,
        "protocol": unit.protocol_name,
        "fold": unit.fold,
        "method": unit.label,
        "transductive": unit.transductive,
        "leaky": unit.protocol.leaky,
        "split": asdict(unit.split),
        "provenance": path.as_posix(),
        "certificate": certificate(frame, unit.transductive),
    }


def suite_spec(suite: Suite) -> dict[str, Any]:
    """The suite as JSON has it.

    Parameters
    ----------
    suite : Suite
        Which.
    """
    said = {each.name: getattr(suite, each.name) for each in fields(suite)}
    specs = {name: spec_of(said[name]) for name in ("datasets", "methods", "protocols")}
    return said | specs


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The table of a suite: what is equal however often and in how many processes it is run.

    Parameters
    ----------
    rows : sequence of dict
        As `row_of` gives them.
    """
    low, high = np.array([row["macro_f1_ci_subjects"] for row in rows]).T
    return pd.DataFrame(rows)[list(COLUMNS)].assign(macro_f1_low=low, macro_f1_high=high)
