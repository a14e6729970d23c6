"""The cells of finished units in; results.json, table.csv, provenance and counts out.

Rows, segmentation and comparisons are computed by `scores` from the entries of the units and the
cells. Both are written, so that `tsclr.bench.audit` can compute them again.
"""

import gzip
import json
import re
import zlib
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
from tsclr.bench.choices import choices, warn_of_ends
from tsclr.bench.comparisons import comparisons, pooled_comparisons
from tsclr.bench.segmentation import segment_scores
from tsclr.bench.suite import Suite
from tsclr.bench.unit import EMBEDDING, SEGMENTATION, Cell, Unit, fold_and_seed
from tsclr.evaluate.scores import macro_f1, summarise
from tsclr.files import replacing
from tsclr.specs import importable_name, spec_of
from tsclr.train.runs import environment

RESULTS, TABLE, COUNTS = "results.json", "table.csv", "counts.json.gz"
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
METHOD_FACTS = ("pretrains", "pretrained_before", "transductive")
PROTOCOL_FACTS = ("by_subject", "leaky", "apart")
"""Attributes that the entry of a unit has of its method and of its protocol."""
NOT_COUNTS = ("provenance", "uncertified", "smoothed", "unsmoothed")
"""What the cells of a unit share, which is kept with the unit, and what is computed from counts."""

Fold = Mapping[str, Any]
"""A cell of one fold: the entry of its unit, its head and budget, and what was measured."""


def write_results(suite: Suite, units: Sequence[Unit], out: Path) -> dict[str, Any]:
    """Write and return the results of a suite, all of them from the files of its cells."""
    results = save(collect_results(suite, units), out / RESULTS, "provenance")
    with replacing(out / TABLE) as temporary:
        temporary.write_text(table_text(results["rows"]), newline="\n")
    return results


def collect_results(suite: Suite, units: Sequence[Unit]) -> dict[str, Any]:
    """The results of a suite; its units have the rows of their provenance, its cells the counts."""
    contents = [{cell: load_cell(cell) for cell in unit.cells} for unit in units]
    entries = [
        unit_entry(unit, list(of_unit.values()))
        for unit, of_unit in zip(units, contents, strict=True)
    ]
    cells = [
        {"unit": number, "head": cell.head, "budget": cell.budget}
        | {name: value for name, value in content.items() if name not in NOT_COUNTS}
        for number, of_unit in enumerate(contents)
        for cell, content in of_unit.items()
    ]
    computed = scores(entries, cells, suite.seed)
    warn_of_ends(computed["rows"])
    return {
        "suite": suite_spec(suite),
        **computed,
        "embedding": embedding_points(with_units(entries, cells)),
        "units": entries,
        "counts": [cell for cell in cells if cell["head"] != EMBEDDING],
        "circumstances": environment(),
    }


def scores(
    units: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]], seed: int
) -> dict[str, Any]:
    """All that is computed from cells: the rows, the segmentation and the comparisons."""
    lines: dict[tuple[str, ...], list[Fold]] = {}
    segmented = []
    for fold in with_units(units, cells):
        if fold["head"] == SEGMENTATION:
            segmented.append(segmentation_row(fold, seed))
        elif fold["head"] != EMBEDDING:
            lines.setdefault(tuple(fold[name] for name in LINE), []).append(fold)
    counts = {line: pooled(folds) for line, folds in lines.items()}
    return {
        "rows": [score_row(line, folds, counts[line], seed) for line, folds in lines.items()],
        "segmentation": segmented,
        "comparisons": comparisons(counts, seed),
        "pooled_comparisons": pooled_comparisons(counts, seed),
    }


def with_units(
    units: Sequence[Mapping[str, Any]], cells: Sequence[Mapping[str, Any]]
) -> list[Fold]:
    """Cells, each with the entry of its unit."""
    return [{**units[cell["unit"]], **cell} for cell in cells]


def save(results: dict[str, Any], path: Path, folder: str) -> dict[str, Any]:
    """Write results as JSON, and in a folder next to it provenance and counts.

    The provenance of a unit is a Parquet file. The counts of all cells are one file.
    """
    units = []
    for unit in results["units"]:
        file = Path(folder, unit["provenance"]["file"])
        ledger.write(ledger.frame_of(unit["provenance"]["rows"]), path.parent / file)
        units.append(unit | {"provenance": file.as_posix()})
    counts = Path(folder, COUNTS)
    with replacing(path.parent / counts) as temporary:
        text = json.dumps(results["counts"], separators=(",", ":"))
        temporary.write_bytes(gzip.compress(text.encode(), mtime=0))  # equal counts, equal bytes
    written = results | {"units": units, "counts": counts.as_posix()}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(written, indent=1))
    return written


def read_counts(path: Path) -> list[dict[str, Any]]:
    """The cells whose counts `save` wrote; raise ``ValueError`` if the file is gone or damaged."""
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise ValueError(
            f"the counts {path} are missing or damaged: {error}; run the suite again"
        ) from error


def load_cell(cell: Cell) -> dict[str, Any]:
    """Content of a finished cell; raise ``ValueError`` if its file is gone or damaged."""
    content = read(cell.path)
    if content is None:
        raise ValueError(f"the result {cell.path} is missing or damaged: run the suite again")
    return content


def pooled(folds: Sequence[Fold]) -> Int[np.ndarray, "draws people K K"]:
    """Confusion counts of all folds by person, the draws of one seed after those of another."""
    seeds: dict[int | None, list[Fold]] = {}
    for fold in folds:
        seeds.setdefault(fold["seed"], []).append(fold)
    return np.concatenate([by_person(of_seed) for of_seed in seeds.values()])


def by_person(folds: Sequence[Fold]) -> Int[np.ndarray, "draws people K K"]:
    """Confusion counts of all folds by person: each is tested in one, or in parts."""
    counts = np.concatenate([np.array(fold["counts"]) for fold in folds], axis=1)
    people = people_tested(folds)
    columns = [[name == person for name in people] for person in dict.fromkeys(people)]
    return np.stack([counts[:, column].sum(1) for column in columns], axis=1)


def people_tested(folds: Sequence[Fold]) -> list[str]:
    """The person behind each subject that the folds test."""
    return [fold["people"].get(name, name) for fold in folds for name in fold["subjects"]]


def score_row(
    line: tuple[str, ...],
    folds: Sequence[Fold],
    counts: Int[np.ndarray, "draws subjects K K"],
    seed: int,
) -> dict[str, Any]:
    """A row of the results: scores with their spread, for each subject, and what they cost."""
    of_one_seed = [fold for fold in folds if fold["seed"] == folds[0]["seed"]]
    classes, subjects = folds[0]["classes"], list(dict.fromkeys(people_tested(of_one_seed)))
    n_seeds = len(folds) // len(of_one_seed)
    present, by_subject = counts[0].sum(-1) > 0, np.asarray(macro_f1(counts)).mean(0)
    return {
        **dict(zip(LINE, line, strict=True)),
        "pretrains": folds[0]["pretrains"],
        **summarise(counts, tuple(classes), seed, n_seeds),
        "seeds": n_seeds * folds[0]["seeds"],
        "test_subjects": len(subjects),
        "by_subject": dict(zip(subjects, by_subject.tolist(), strict=True)),
        "left_out": folds[0]["left_out"],
        "lacking": {
            name: [label for label, has in zip(classes, shown, strict=True) if not has]
            for name, shown in zip(subjects, present, strict=True)
            if not shown.all()
        },
        "untrained": {fold["fold"]: fold["untrained"] for fold in folds if fold["untrained"]},
        **choices({fold_and_seed(fold["fold"], fold["seed"]): fold for fold in folds}),
        "cost": pd.DataFrame([fold["cost"] for fold in folds]).mean().to_dict(),
    }


def embedding_points(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """Points of the first method on the first fold of each dataset and protocol."""
    names = "dataset", "protocol", "method", "points", "labels", "subjects"
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for fold in folds:
        if fold["head"] == EMBEDDING:
            task = fold["dataset"], fold["protocol"]
            first.setdefault(task, {name: fold[name] for name in names})
    return list(first.values())


def segmentation_row(fold: Fold, seed: int) -> dict[str, Any]:
    """How well a method on a fold labels every sample, with smoothing and without."""
    return {
        **{name: fold[name] for name in ("dataset", "protocol", "method")},
        "fold": fold_and_seed(fold["fold"], fold["seed"]),
        "step": fold["budget"],
        "smoothing_seconds": fold["seconds"],
        "too_short": fold["too_short"],
        **{
            kind: segment_scores(recordings, fold["classes"], seed)
            for kind, recordings in fold["recordings"].items()
        },
    }


def unit_entry(unit: Unit, contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A unit with its split, its provenance and the certificate of it, if there can be one."""
    frame = ledger.merged([ledger.frame_of(content["provenance"]) for content in contents])
    readable = re.sub(r"[^a-z0-9]+", "-", unit.name.lower()).strip("-")
    uncertified = contents[0]["uncertified"]  # learning decides it, which cells share
    transductive = unit.method.transductive
    return {
        "dataset": unit.benchmark.name,
        "protocol": unit.protocol_name,
        "fold": unit.fold,
        "seed": unit.seed,
        "method": unit.label,
        "classes": list(unit.benchmark.classes),
        **{name: getattr(unit.method, name) for name in METHOD_FACTS},
        **{name: getattr(unit.protocol, name) for name in PROTOCOL_FACTS},
        "left_out": unit.benchmark.left_out,
        "people": {
            name: unit.protocol.person(name)
            for name in unit.split.test
            if unit.protocol.person(name) != name
        },
        "split": {side: list(names) for side, names in asdict(unit.split).items()},
        "provenance": {
            "file": f"{readable[:MAX_NAME]}-{unit.key[:8]}.parquet",
            "rows": frame.to_dict("records"),
        },
        "certificate": None if uncertified else certificate(frame, transductive),
        "uncertified": uncertified,
    }


def suite_spec(suite: Suite) -> dict[str, Any]:
    """The suite as plain data; classes that are not of tsclr have their full names."""
    settings = {field.name: getattr(suite, field.name) for field in fields(suite)}
    return settings | {
        name: spec_of(settings[name], importable_name)
        for name in ("datasets", "methods", "protocols")
    }


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The table of a suite: what is equal whenever and in however many processes it is run."""
    low, high = np.array([row["macro_f1_ci_subjects"] for row in rows]).T
    return pd.DataFrame(rows)[list(COLUMNS)].assign(macro_f1_low=low, macro_f1_high=high)


def table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The table as CSV."""
    return table(rows).to_csv(index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")
