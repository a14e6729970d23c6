"""The results of a suite in, report.html out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr import report
from tsclr.bench.results import named
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
    rows["method"] = [named(*each) for each in zip(rows["method"], rows["head"], strict=True)]
    rows["task"] = rows["dataset"] + ", " + rows["protocol"]
    budget = detailed(rows)
    at = rows.loc[rows["budget"] == budget]
    sections = list(ranks(at))
    for task, mine in rows.groupby("task", sort=False):
        few = at.loc[at["task"] == task]
        sections += [replace(each, title=f"{task}: {each.title}") for each in about(mine, few)]
    sections += [embedding(each) for each in results["embedding"]]
    sections += [segmentation(results)] if results["segmentation"] else []
    sections += [comparisons(results, budget), certificates(results)]
    exceptions = {
        "leaky": "protocols that are said to leak",
        "transductive": "transductive methods",
    }
    there = [
        told for kind, told in exceptions.items() if any(unit[kind] for unit in results["units"])
    ]
    exception = f", but for {' and '.join(there)}" if there else ""
    best = at.loc[at.groupby("task", sort=False)["macro_f1_mean"].idxmax()].set_index("task")
    report.write_report(
        out,
        "Benchmark",
        f"{len(set(rows['method']))} methods on {len(set(rows['dataset']))} datasets, tested on "
        f"people that nothing was trained or chosen on{exception}.",
        sections,
        told(results["circumstances"]),
        {
            f"best on {task}, {labels(budget)}": f"{row['method']}: "
            f"{row['macro_f1_mean']:.3f} ± {row['macro_f1_sd']:.3f}"
            for task, row in best.iterrows()
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


def labels(budget: str) -> str:
    """A budget in words.

    Parameters
    ----------
    budget : str
        As the suite names it.

    Examples
    --------
    >>> labels("5"), labels("10%"), labels("all")
    ('5 labels a class', '10% of the labels', 'all labels')
    """
    if budget.isdecimal():
        return f"{budget} label{'s' * (budget != '1')} a class"
    return f"{budget} of the labels" if budget.endswith("%") else f"{budget} labels"


def ranks(at: pd.DataFrame) -> Iterator[report.Section]:
    """Average ranks over datasets, of each protocol that has several of them and of methods.

    Two protocols on one dataset are not two datasets: what is better on one is so on the other.

    Parameters
    ----------
    at : DataFrame
        Rows at one budget.
    """
    for protocol, mine in at.groupby("protocol", sort=False):
        if len(set(mine["dataset"])) > 1 and len(set(mine["method"])) > 1:
            scores = mine.pivot_table("macro_f1_mean", "method", "dataset", sort=False)
            section = report.critical_difference(scores, UNLEARNED)
            yield replace(section, title=f"{section.title}, {protocol}")


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
    section = report.confusion_of_methods(few)
    yield replace(section, title=f"{section.title}, {labels(few['budget'].iloc[0])}")
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
        f"Difference of macro F1, {labels(budget)}, over the same draws and subjects, with "
        "a 95 % interval over subjects. p is of a randomisation test that swaps two methods for a "
        "subject; p_holm allows for the number of comparisons on a dataset.",
        table=report.Table(frame, names=4),
    )


def embedding(drawn: dict[str, Any]) -> report.Section:
    """Windows of test subjects on the two main axes of their features.

    Parameters
    ----------
    drawn : dict
        Of a dataset and protocol.
    """
    section = report.embedding_scatter(
        np.array(drawn["points"]), np.array(drawn["labels"]), np.array(drawn["subjects"])
    )
    title = f"{drawn['dataset']}, {drawn['protocol']}: {section.title}, {drawn['method']}"
    return replace(section, title=title)


def segmentation(results: dict[str, Any]) -> report.Section:
    """How well every sample is labelled.

    Parameters
    ----------
    results : dict
        As ``results.json`` holds them.
    """
    rows = [
        {
            **{name: row[name] for name in ("dataset", "protocol", "fold", "method")},
            "smoothing": f"{row['smoothing_seconds']:g} s" if kind == "smoothed" else "none",
            "macro F1": row[kind]["macro_f1_mean"],
            **{name: row[kind][name] for name in ("f1@10", "f1@25", "f1@50", "edit")},
        }
        for row in results["segmentation"]
        for kind in ("smoothed", "unsmoothed")
    ]
    left_out = sum(row["too_short"] for row in results["segmentation"])
    remark = f" {left_out} recordings without a window in them are left out." if left_out else ""
    return report.Section(
        "Segmentation",
        "A label for every sample of the test subjects, all classes, transitions too. Macro F1 "
        "is by sample, F1@k by segment with at least k % overlap, edit compares the order of "
        f"segments. The smoothing was chosen on validation subjects.{remark}",
        table=report.Table(pd.DataFrame(rows), names=5),
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
            "protocol": unit["protocol"],
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
        "A check holds where no test subject, and no sample of one, reached training, statistics "
        "or choice. `tsclr bench audit` computes this again from the provenance files.",
        table=report.Table(frame, names=4),
    )
