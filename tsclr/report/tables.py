"""Stores, datasets and scores in, text and tables for people out."""

import json
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tsclr.data.store import Store
from tsclr.datasets import Dataset
from tsclr.specs import comma_list, subclasses

WIDTH = 98
"""Columns of a line of text."""


def about_store(store: Store) -> str:
    """What is in a store, and what had to be repaired."""
    repairs = Counter()
    for row in store.recordings["repairs"]:
        repairs.update(json.loads(row))
    odd = repairs.pop("unusual_gravity", 0)
    mended = ", ".join(f"{count:,} {name}" for name, count in repairs.items()) or "none"
    doubt = (
        f"\nlook at the units and columns of acc: in {odd} of the logs it does not show gravity"
        if odd
        else ""
    )
    hours = len(store.signal) / store.sample_rate / 3600
    unnamed = _lacking(store.recordings["subject"] == "", "without a subject")
    unlabelled = _lacking(store.recordings["labels"] == "{}", "without a label")
    return (
        f"{len(set(store.subjects) - {''}) or 'no'} subjects, {len(store.recordings)} stretches"
        f"{unnamed}, {len(store.signal):,} samples of {', '.join(store.channels)} "
        f"at {store.sample_rate:g} Hz ({hours:.2f} h)\n"
        f"classes: {comma_list(store.classes) or 'none'}{unlabelled}\nrepairs: {mended}{doubt}"
    )


def _lacking(lacks: pd.Series, what: str) -> str:
    """How many stretches lack what others have; logs of two kinds in a store are often a slip."""
    some = 0 < lacks.sum() < len(lacks)
    return f" ({lacks.sum()} of {len(lacks)} stretches {what})" if some else ""


def about_datasets() -> pd.DataFrame:
    """A row for each dataset that can be read by name.

    Examples
    --------
    >>> "hapt" in about_datasets()["name"].tolist()
    True
    """
    return pd.DataFrame(
        {
            "name": kind.name,
            "subjects": kind.facts.get("subjects", kind.headcount),
            "classes": len(kind.classes),
            "Hz": f"{kind.sample_rate:g}",
            "what": kind.title,
            "licence": kind.licence,
        }
        for kind in subclasses(Dataset).values()
    )


def by_budget(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Macro F1 by label budget, a row for each method and head."""
    table: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        spread = f" ± {row['macro_f1_sd']:.3f}" if row["draws"] > 1 else ""
        cells = table.setdefault((row["method"], row["head"]), {})
        cells[row["budget"]] = f"{row['macro_f1_mean']:.3f}{spread}"
    return pd.DataFrame(
        {"method": method, "head": head} | cells for (method, head), cells in table.items()
    )


def about_scores(
    rows: list[dict[str, Any]], n_subjects: int, n_windows: int, classes: Sequence[str]
) -> str:
    """Caption of `by_budget`: the metric, on whom it was measured, and what the spread is of.

    Examples
    --------
    >>> print(about_scores([{"draws": 5}], 2, 1200, ["walk", "run"]))
    Macro F1 by labels per class, on 2 test subjects (1,200 windows, 2 classes: walk, run). ± is the
    SD over 5 label draws.
    """
    n_draws = max(row["draws"] for row in rows)
    spread = f" ± is the SD over {n_draws} label draws." if n_draws > 1 else ""
    people = f"{n_subjects} test subject{'s' * (n_subjects != 1)}"
    return textwrap.fill(
        f"Macro F1 by labels per class, on {people} ({n_windows:,} windows, "
        f"{len(classes)} classes: {comma_list(classes)}).{spread}",
        WIDTH,
    )


def about_views(ranking: pd.DataFrame) -> pd.DataFrame:
    """A ranking of views with its numbers as text, and the rank before them.

    Examples
    --------
    >>> about_views(pd.DataFrame({"views": ["Crop"], "effective_rank": [12.3], "seconds": [4.0]}))
      rank views effective rank seconds
    0    1  Crop         12.300   4.000
    """
    shown = ranking.rename(columns=lambda name: name.replace("_", " "))
    for name in shown.columns.drop("views"):
        shown[name] = [f"{value:.3f}" for value in shown[name]]
    shown.insert(0, "rank", [str(rank) for rank in range(1, len(shown) + 1)])
    return shown


def about_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Runs with their numbers as text, but for what the page of `runs --plot` has room for.

    Examples
    --------
    >>> about_runs(pd.DataFrame({"run": ["a"], "epochs": [20], "loss": [1.25], "rank": [None]}))
      run epochs  loss rank
    0   a     20 1.250    –
    """
    from tsclr.report.section import number  # with matplotlib, which other commands do without

    shown = table.drop(columns=["encoder", "uniformity", "windows_per_second"], errors="ignore")
    return shown.rename(columns=lambda name: name.replace("_", " ")).map(number)
