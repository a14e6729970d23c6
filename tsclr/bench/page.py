"""The results of a suite in, report.html out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr import report
from tsclr.runs import told

FEW = "5"
"""Budget at which methods are compared in detail; the smallest one where it is not there."""
UNLEARNED = ("random-init", "hand features", "MiniRocket", "catch22", "supervised")
"""How the names of methods begin that learn nothing without labels; they are drawn in grey."""

COSTS = ("seconds", "windows_per_second", "parameters", "features", "memory_mib")


def write_page(results: dict[str, Any], out: Path) -> Path:
    """Draw all that a suite found on one page.

    Parameters
    ----------
    results : dict
        As ``results.json`` holds them.
    out : Path
        HTML file.
    """
    rows = pd.DataFrame(results["rows"])
    rows["method"] = rows["method"] + " + " + rows["head"]
    budget = detailed(rows)
    at = rows.loc[rows["budget"] == budget]
    sections = [ranks(rows)] if len(set(rows["dataset"])) > 1 else []
    for dataset, mine in rows.groupby("dataset", sort=False):
        few = at.loc[at["dataset"] == dataset]
        titled = (replace(each, title=f"{dataset}: {each.title}") for each in about(mine, few))
        sections += titled
    sections += [comparisons(results, budget), certificates(results)]
    best = at.sort_values("macro_f1_mean").groupby("dataset", sort=False).last()
    report.write_report(
        out,
        "Benchmark",
        f"{rows['method'].nunique()} methods on {rows['dataset'].nunique()} datasets, tested on "
        "people that nothing was trained or chosen on.",
        sections,
        told(results["circumstances"]),
        {
            f"best on {dataset} at {budget} labels a class": f"{row['method']}: "
            f"{row['macro_f1_mean']:.3f} ± {row['macro_f1_sd']:.3f}"
            for dataset, row in best.iterrows()
        },
    )
    return out


def detailed(rows: pd.DataFrame) -> str:
    """The budget at which methods are compared in detail.

    Parameters
    ----------
    rows : DataFrame
        Of the results.
    """
    budgets = list(dict.fromkeys(rows["budget"]))
    return FEW if FEW in budgets else budgets[0]


def ranks(rows: pd.DataFrame) -> report.Section:
    """Average ranks over datasets and budgets.

    Parameters
    ----------
    rows : DataFrame
        Of the results.
    """
    at = rows.loc[rows["budget"] == detailed(rows)]
    scores = at.pivot_table("macro_f1_mean", "method", "dataset", sort=False)
    return report.critical_difference(scores, UNLEARNED)


def about(mine: pd.DataFrame, few: pd.DataFrame) -> Iterator[report.Section]:
    """Sections of a dataset.

    Parameters
    ----------
    mine : DataFrame
        Its rows.
    few : DataFrame
        Those at the budget that is looked at in detail.
    """
    named = mine.drop(columns="head")
    yield report.budget_curve(named, UNLEARNED)
    yield report.results_table(named)
    by_subject = [
        {"method": row["method"], "subject": subject, "macro_f1": score}
        for row in few.to_dict("records")
        for subject, score in row["by_subject"].items()
    ]
    yield report.subject_scores(pd.DataFrame(by_subject), UNLEARNED)
    best = few.loc[few["macro_f1_mean"].idxmax()]
    section = report.confusion(np.array(best["confusion"]), list(best["per_class_f1"]))
    yield replace(section, title=f"Confusion of {best['method']}, {best['budget']} labels a class")
    costs = pd.DataFrame(few["cost"].tolist(), index=few.index)
    costs = costs.assign(method=few["method"], macro_f1=few["macro_f1_mean"])
    yield report.cost_against_score(
        costs.reindex(columns=["method", "macro_f1", *COSTS]), UNLEARNED
    )


def comparisons(results: dict[str, Any], budget: str) -> report.Section:
    """The first method against each other one at a budget.

    Parameters
    ----------
    results : dict
        As ``results.json`` holds them.
    budget : str
        At which.
    """
    found = [row for row in results["comparisons"] if row["budget"] == budget]
    frame = pd.DataFrame(found).drop(columns="budget", errors="ignore")
    return report.Section(
        "Which differences are proven",
        f"Difference of macro F1 at {budget} labels a class over the same draws and subjects, with "
        "a 95 % interval over subjects. p is of a randomisation test that swaps two methods for a "
        "subject; p_holm allows for the number of comparisons on a dataset.",
        table=report.Table(frame, names=3),
    )


def certificates(results: dict[str, Any]) -> report.Section:
    """What was checked of the provenance of each unit.

    Parameters
    ----------
    results : dict
        As ``results.json`` holds them.
    """
    frame = pd.DataFrame(
        {
            "dataset": unit["dataset"],
            "fold": unit["fold"],
            "method": unit["method"],
            **{
                name: "holds" if ok else "LEAK"
                for name, ok in unit["certificate"]["checks"].items()
            },
        }
        for unit in results["units"]
    )
    return report.Section(
        "Leak audit",
        "No test subject and no sample of one reached training, statistics or choice. `tsclr bench "
        "audit` computes this again from the provenance files.",
        table=report.Table(frame, names=3),
    )
