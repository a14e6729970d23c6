"""The results of a suite in, one HTML page out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tsclr import report
from tsclr.bench.comparisons import unit_label
from tsclr.evaluate.power import least_p
from tsclr.evaluate.significance import LEVEL
from tsclr.report.budgets import in_words, ordered_budgets
from tsclr.report.section import listed
from tsclr.train.runs import facts_as_text

FEW = "5"
"""Budget at which methods are compared in detail; the smallest one where it is not there."""
COSTS = ("seconds", "windows_per_second", "parameters", "features", "memory_mib")


def write_page(results: dict[str, Any], out: Path) -> Path:
    """Write all results of a suite as one HTML page."""
    rows = pd.DataFrame(results["rows"])
    rows["method"] = [
        unit_label(*method_and_head)
        for method_and_head in zip(rows["method"], rows["head"], strict=True)
    ]
    rows["task"] = rows["dataset"] + ", " + rows["protocol"]
    budget = detailed(rows)
    at = rows.loc[rows["budget"] == budget]
    sections = list(ranks(at))
    for task, of_task in rows.groupby("task", sort=False):
        few = at.loc[at["task"] == task]
        sections += [
            replace(section, title=f"{task}: {section.title}") for section in about(of_task, few)
        ]
    sections += [embedding(points) for points in results["embedding"]]
    sections += [segmentation(results)] if results["segmentation"] else []
    sections += [comparisons(results, budget), *pooled(results, budget), certificates(results)]
    best = at.loc[at.groupby("task", sort=False)["macro_f1_mean"].idxmax()].set_index("task")
    report.write_report(
        out,
        "Benchmark",
        f"{counted(len(set(rows['method'])), 'method')} on "
        f"{counted(len(set(rows['dataset'])), 'dataset')}, tested on subjects that were used for "
        f"no training and no choice{exceptions(results['units'])}.",
        sections,
        facts_as_text(results["circumstances"]),
        {
            f"best on {task}, {in_words(budget)}": f"{row['method']}: "
            f"{row['macro_f1_mean']:.3f} ± {row['macro_f1_sd']:.3f}"
            for task, row in best.iterrows()
        },
    )
    return out


def exceptions(units: Sequence[Mapping[str, Any]]) -> str:
    """What limits the sentence that nobody was both trained on and tested.

    Examples
    --------
    >>> exceptions([{"leaky": False, "transductive": False, "apart": "days of a person"}])
    ', except by protocols that hold days of a person apart'
    """
    # Results of earlier versions have no protocol that tests people again.
    parts = {unit.get("apart", "people") for unit in units}
    present = [
        text
        for text, holds in {
            "protocols that are said to leak": any(unit["leaky"] for unit in units),
            "transductive methods": any(unit["transductive"] for unit in units),
            **{
                f"protocols that hold {part} apart": "of a person" in part for part in sorted(parts)
            },
        }.items()
        if holds
    ]
    return f", except by {' and '.join(present)}" if present else ""


def counted(n: int, what: str) -> str:
    """A number with its noun, in the plural if need be.

    Examples
    --------
    >>> counted(2, "method"), counted(1, "method")
    ('2 methods', '1 method')
    """
    return f"{n} {what}{'s' * (n != 1)}"


def detailed(rows: pd.DataFrame) -> str:
    """The budget at which methods are compared in detail: `FEW`, or the smallest one.

    Examples
    --------
    >>> detailed(pd.DataFrame({"budget": ["all", "10%", "1%"]}))
    '1%'
    """
    budgets = ordered_budgets(rows["budget"])
    return FEW if FEW in budgets else budgets[0]


def ranks(at: pd.DataFrame) -> Iterator[report.Section]:
    """Average ranks over datasets, for each protocol with several datasets and methods.

    Two protocols on one dataset do not count as two: their scores depend on each other.
    """
    for protocol, rows in at.groupby("protocol", sort=False):
        if len(set(rows["dataset"])) > 1 and len(set(rows["method"])) > 1:
            scores = rows.pivot_table("macro_f1_mean", "method", "dataset", sort=False)
            section = report.critical_difference(scores, baselines(rows))
            yield replace(section, title=f"{section.title}, {protocol}")


def about(rows: pd.DataFrame, few: pd.DataFrame) -> Iterator[report.Section]:
    """Sections of a dataset, given all its rows and those at the budget shown in detail."""
    by_method, baseline_names = rows.drop(columns="head"), baselines(rows)
    yield report.budget_curve(by_method, baseline_names)
    yield with_cost(with_subjects(report.results_table(by_method), few), rows)
    by_subject = [
        {"method": row["method"], "subject": subject, "macro_f1": score}
        for row in few.to_dict("records")
        for subject, score in row["by_subject"].items()
    ]
    yield report.subject_scores(pd.DataFrame(by_subject), baseline_names)
    section = report.confusion_of_methods(few)
    yield replace(section, title=f"{section.title}, {in_words(few['budget'].iloc[0])}")
    costs = pd.DataFrame(few["cost"].tolist(), index=few.index)
    costs = costs.assign(method=few["method"], macro_f1=few["macro_f1_mean"])
    yield report.cost_against_score(
        costs.reindex(columns=["method", "macro_f1", *COSTS]), baseline_names
    )


def baselines(rows: pd.DataFrame) -> list[str]:
    """Methods that do not pretrain, which are drawn in grey."""
    return rows.loc[~rows["pretrains"], "method"].unique().tolist()


def with_subjects(section: report.Section, few: pd.DataFrame) -> report.Section:
    """The table of results with the interval over subjects, and who they are in its text."""
    table = report.Table(pd.DataFrame()) if section.table is None else section.table
    interval = {row["method"]: row["macro_f1_ci_subjects"] for row in few.to_dict("records")}
    intervals = [
        f"{interval[method][0]:.2f} to {interval[method][1]:.2f}" if method in interval else None
        for method in table.frame["method"]
    ]
    row = few.to_dict("records")[0]
    column = f"95 %, {row['budget']}"
    about = f" {column} is the interval over subjects, {in_words(row['budget'])}."
    who = whom(row["test_subjects"], row["lacking"], row.get("untrained"), row.get("left_out"))
    frame = table.frame.assign(**{column: intervals})
    return replace(
        section, reading=section.reading + about + who, table=replace(table, frame=frame)
    )


def with_cost(section: report.Section, rows: pd.DataFrame) -> report.Section:
    """The table of results with the seconds that each row took, mean over folds and seeds."""
    table = report.Table(pd.DataFrame()) if section.table is None else section.table
    seconds = seconds_by_name(zip(rows["method"], rows["cost"], strict=True))
    costs = [seconds[name] for name in table.frame["method"]]
    frame = table.frame.assign(seconds=[f"{cost:,.{1 if cost < 10 else 0}f}" for cost in costs])
    text = " seconds: learning, and choosing and fitting at all budgets, for one fold and seed."
    return replace(section, reading=section.reading + text, table=replace(table, frame=frame))


def seconds_by_name(costs: Iterable[tuple[str, Mapping[str, float]]]) -> dict[str, float]:
    """Seconds of methods under a head: of learning, and of choosing and fitting at all budgets.

    Examples
    --------
    >>> cost = {"seconds": 100.0, "head_seconds": 1.0}
    >>> seconds_by_name([("NT-Xent", cost), ("NT-Xent", cost), ("hand", {"head_seconds": 2.0})])
    {'NT-Xent': 102.0, 'hand': 2.0}
    """
    learning: dict[str, float] = {}
    heads: dict[str, float] = {}
    for name, cost in costs:
        learning[name] = cost.get("seconds", 0.0)
        heads[name] = heads.get(name, 0.0) + cost.get("head_seconds", 0.0)
    return {name: learning[name] + heads[name] for name in heads}


def whom(
    n_subjects: int,
    lacking: Mapping[str, list[str]],
    untrained: Mapping[str, list[str]] | None = None,
    left_out: Mapping[str, int] | None = None,
) -> str:
    """Sentences on the number of test subjects, and on classes that they, or training, lack.

    Older results say neither which classes training lacks nor which were left out.

    Examples
    --------
    >>> print(whom(4, {"08": ["run"]}, {"group 1": ["fall"]}, {"swim": 1}))
     4 test subjects. 1 of them does not show every class (08: run). Nobody trained on shows fall
     in group 1, so that it scores 0 there. Too few people show these classes, which are left out:
     swim (1).
    """
    text = f" {counted(n_subjects, 'test subject')}."
    if lacking:
        some = "; ".join(f"{who}: {', '.join(lacking[who])}" for who in list(lacking)[:3])
        more = "; …" * (len(lacking) > 3)
        verb = "does" if len(lacking) == 1 else "do"
        text += f" {len(lacking)} of them {verb} not show every class ({some}{more})."
    for fold, names in (untrained or {}).items():
        text += f" Nobody trained on shows {', '.join(names)} in {fold}, so that it scores 0 there."
    if left_out:
        counts = ", ".join(f"{name} ({n})" for name, n in left_out.items())
        text += f" Too few people show these classes, which are left out: {counts}."
    return text


def comparisons(results: dict[str, Any], budget: str) -> report.Section:
    """The first method against each other one at a budget; no p_holm where none could be small."""
    compared = [row for row in results["comparisons"] if row["budget"] == budget]
    n_subjects = {_task(row): row["test_subjects"] for row in results["rows"]}
    n_comparisons = Counter(map(_task, compared))
    least = {task: least_p(n_subjects[task], n) for task, n in n_comparisons.items()}
    hopeless = {task: n_subjects[task] for task in least if least[task] > LEVEL}
    rows = [row | ({"p_holm": None} if _task(row) in hopeless else {}) for row in compared]
    return report.Section(
        "Which differences are proven",
        f"Difference of macro F1, {in_words(budget)}, over the same draws and subjects, with "
        "a 95 % interval over subjects. With few subjects the interval is too narrow: on simulated "
        "counts it held the truth in about 70 to 75 % with 3 test subjects, 86 % with 6, 88 % with "
        "9 and 90 % with 14. So p_holm decides. p is of a randomisation test that swaps two "
        "methods for a subject; p_holm is adjusted over the comparisons at one budget of a dataset "
        f"and protocol; that there are several budgets is not adjusted for.{_unproven(hopeless)}",
        table=report.Table(pd.DataFrame(rows).drop(columns="budget", errors="ignore"), names=4),
    )


def pooled(results: dict[str, Any], budget: str) -> Iterator[report.Section]:
    """The first method against each other one over the people of all datasets of a protocol."""
    rows = [row for row in results.get("pooled_comparisons", []) if row["budget"] == budget]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        of_protocol = [row for row in rows if row["protocol"] == protocol]
        people = of_protocol[0]["people"]
        who = " + ".join(f"{n} ({name})" for name, n in people.items())
        frame = pd.DataFrame(of_protocol).drop(columns=["protocol", "budget", "people"])
        yield report.Section(
            f"Which differences are proven over {len(people)} datasets, {protocol}",
            f"Difference of macro F1, {in_words(budget)}, over {who} = {sum(people.values())} "
            "people: the mean of the differences of the datasets, each weighted by its people. "
            "The randomisation test swaps two methods for a person, the 95 % interval draws people "
            "within each dataset. So it holds for people like these; other datasets are another "
            "question. p_holm is adjusted over these comparisons.",
            table=report.Table(frame, names=2),
        )


def _task(row: Mapping[str, Any]) -> str:
    """Dataset and protocol of a row as one name."""
    return f"{row['dataset']}, {row['protocol']}"


def _unproven(n_subjects: Mapping[str, int]) -> str:
    """A sentence on the tasks whose p_holm cannot be small, given the test subjects of each."""
    if not n_subjects:
        return ""
    tasks = {n: [task for task in n_subjects if n_subjects[task] == n] for n in n_subjects.values()}
    which = listed(f"{n} test subjects ({'; '.join(names)})" for n, names in tasks.items())
    return (
        f" A dash: no difference could be proven with {which}; after the adjustment p is above "
        f"{LEVEL:g} there, however large a difference."
    )


def embedding(points: dict[str, Any]) -> report.Section:
    """Windows of test subjects on the two main axes of their features."""
    section = report.embedding_scatter(
        np.array(points["points"]), np.array(points["labels"]), np.array(points["subjects"])
    )
    title = f"{points['dataset']}, {points['protocol']}: {section.title}, {points['method']}"
    return replace(section, title=title)


def segmentation(results: dict[str, Any]) -> report.Section:
    """How well every sample is labelled."""
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
    """What was checked of the provenance of each unit."""
    frame = pd.DataFrame(
        {
            "dataset": unit["dataset"],
            "protocol": unit["protocol"],
            "fold": unit["fold"],
            "seed": "" if unit["seed"] is None else str(unit["seed"]),
            "method": unit["method"],
            "apart": unit.get("apart", "people"),
            **{
                name: "holds" if ok else "LEAK"
                for name, ok in (unit["certificate"] or {"checks": {}})["checks"].items()
            },
        }
        for unit in results["units"]
    )
    return report.Section(
        "Leak audit",
        "A check holds where no test subject, and no sample of one, reached training, statistics "
        "or choice. What a subject is here says the column apart: a person, or the last trials or "
        "days of a person whose earlier ones were trained on. `tsclr bench audit` computes this "
        "again from the provenance files.",
        table=report.Table(frame, names=5),
    )
