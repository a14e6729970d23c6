"""Results of ``small`` and of the suites about it in, tables of README and docs out.

The results of a suite go into the folder of its name by::

    tsclr bench benchmarks/suites/small.yaml --out DIR --jobs 2
    cp -r DIR/{results.json,table.csv,report.html,provenance} benchmarks/results/small
"""

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from benchmarks.markdown import NOTHING, markdown, score
from benchmarks.results_folder import RESULTS
from tsclr.bench.comparisons import unit_label
from tsclr.bench.page import seconds_by_name
from tsclr.evaluate.power import least_p
from tsclr.evaluate.significance import LEVEL

NAMES = {
    "hapt": "HAPT",
    "motionsense": "MotionSense",
    "wisdm": "WISDM watch (12 of 51 people)",
    "sp_sw": "sp-sw",
}
TITLES = NAMES | {"hapt": "HAPT-6"}
"""Datasets as their windows are labelled: those of HAPT with six of its classes."""
PRETRAINED = ("NT-Xent", "MoCo", "VICReg")
FEW = "5"
DASH = "\N{EN DASH}"


def results(suite: str = "small") -> dict[str, Any] | None:
    """What ``results.json`` of a suite holds, None where it was not run yet."""
    path = RESULTS / suite / "results.json"
    return json.loads(path.read_text()) if path.exists() else None


def name_of(row: dict[str, Any]) -> str:
    """Method and head as one name."""
    return unit_label(row["method"], row["head"])


def strong(rows: list[dict[str, Any]]) -> list[str]:
    """The scores of a column, the best in bold, and whatever is as good to three digits."""
    best = round(max(row["macro_f1_mean"] for row in rows), 3)
    return [
        f"**{score(row)}**" if round(row["macro_f1_mean"], 3) == best else score(row)
        for row in rows
    ]


def overview() -> str:
    """NT-Xent on every dataset at a few labels, and the baselines it has to beat."""
    found = results()
    if found is None:
        return NOTHING
    rows = [row for row in found["rows"] if row["budget"] == FEW]
    table = [
        overview_line(title, [row for row in rows if row["dataset"] == dataset])
        for dataset, title in TITLES.items()
    ]
    head = ["dataset", "best baseline", "test subjects", "NT-Xent", "that baseline", "untrained"]
    return markdown(head, table, n_texts=2)


def overview_line(title: str, rows: list[dict[str, Any]]) -> list[str]:
    """One dataset: the best of all baselines by name, NT-Xent, and the same encoder untrained."""
    one = {row["method"]: row for row in rows}
    best = max(
        (row for row in rows if row["method"] not in PRETRAINED), key=itemgetter("macro_f1_mean")
    )
    scores = strong([one["NT-Xent"], best, one["random-init"]])
    return [title, name_of(best), str(best["test_subjects"]), *scores]


def by_budget() -> str:
    """A table of all budgets for each dataset, with the interval over subjects at a few labels."""
    found = results()
    if found is None:
        return NOTHING
    parts = [budget_table(found, dataset) for dataset in TITLES]
    facts = found["circumstances"]
    told = f"Commit {facts['commit']}, {facts['date']}, {facts['processor']}, one thread a process."
    return "\n\n".join([*parts, told])


def budget_table(found: dict[str, Any], dataset: str) -> str:
    """Scores of one dataset, and whether the first method differs from each other one."""
    rows = [row for row in found["rows"] if row["dataset"] == dataset]
    budgets = list(dict.fromkeys(row["budget"] for row in rows))
    methods = list(dict.fromkeys(map(name_of, rows)))
    columns = [strong([row for row in rows if row["budget"] == budget]) for budget in budgets]
    few = {name_of(row): row for row in rows if row["budget"] == FEW}
    low_high = [
        f"{few[name]['macro_f1_ci_subjects'][0]:.2f} to {few[name]['macro_f1_ci_subjects'][1]:.2f}"
        for name in methods
    ]
    n_subjects = rows[0]["test_subjects"]
    p, remark = proof(found, dataset, n_subjects)
    against = [p.get(name, "") for name in methods]
    costs = seconds_by_name((name_of(row), row.get("cost", {})) for row in rows)
    seconds = [f"{costs[name]:,.0f}" for name in methods]
    few_columns = f"95 % over subjects, {FEW}", f"p against first, {FEW}"
    head = ["labels per class", *budgets, *few_columns, "seconds"]
    cells = zip(methods, *columns, low_high, against, seconds, strict=True)
    table = list(map(list, cells))
    return f"**{TITLES[dataset]}**, {n_subjects} test subjects{remark}\n\n{markdown(head, table)}"


def proof(found: dict[str, Any], dataset: str, n_subjects: int) -> tuple[dict[str, str], str]:
    """The p of each other method against the first, at a few labels, and what to know of it."""
    rows = [
        row for row in found["comparisons"] if (row["dataset"], row["budget"]) == (dataset, FEW)
    ]
    if least_p(n_subjects, len(rows)) <= LEVEL:
        return {row["method"]: f"{row['p_holm']:.3f}" for row in rows}, ""
    remark = (
        f". No difference could be proven with {n_subjects} test subjects: after Holm p is above "
        f"{LEVEL:g} in {len(rows)} comparisons, however large a difference."
    )
    return {row["method"]: DASH for row in rows}, remark


def pairing() -> str:
    """Validation and test score of two pairings on short activities."""
    return by_method("pairing", "validation → test", name_of, both)


def kernels() -> str:
    """MiniRocket with two numbers of kernels."""
    return by_method("kernels", "HAPT-6", itemgetter("method"), score)


def by_method(
    suite: str,
    corner: str,
    name: Callable[[dict[str, Any]], str],
    cell: Callable[[dict[str, Any]], str],
) -> str:
    """A line for each name, a column for each budget, of a suite with one dataset."""
    found = results(suite)
    if found is None:
        return NOTHING
    budgets = list(dict.fromkeys(row["budget"] for row in found["rows"]))
    lines: dict[str, list[str]] = {}
    for row in found["rows"]:
        lines.setdefault(name(row), []).append(cell(row))
    return markdown([corner, *budgets], [[line, *cells] for line, cells in lines.items()])


def seeds() -> str:
    """Mean score over seeds of an encoder, and the lowest and the highest of them."""
    found = results("seeds")
    if found is None:
        return NOTHING
    budgets = list(dict.fromkeys(row["budget"] for row in found["rows"]))
    scores: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in found["rows"]:
        method = row["method"].partition(",")[0]  # the seed follows
        line = scores.setdefault((TITLES[row["dataset"]], method), {})
        line.setdefault(row["budget"], []).append(row["macro_f1_mean"])
    table = [
        [f"{dataset}, {method}, {len(line[budgets[0]])} seeds", *map(spread, line.values())]
        for (dataset, method), line in scores.items()
    ]
    return markdown(["mean (lowest to highest)", *budgets], table)


def spread(values: list[float]) -> str:
    """Mean of scores, the lowest and the highest."""
    return f"{sum(values) / len(values):.3f} ({min(values):.2f} to {max(values):.2f})"


def both(row: dict[str, Any]) -> str:
    """Macro F1 on validation, and on the test."""
    return f"{row['validation_macro_f1']:.3f} → {row['macro_f1_mean']:.3f}"


def segmentation() -> str:
    """How well every sample is labelled, with smoothing."""
    found = results("segmentation")
    if found is None:
        return NOTHING
    measures = ("macro_f1_mean", "f1@10", "f1@25", "f1@50", "edit")
    table = [
        [
            f"{NAMES[row['dataset']]}, {len(row['smoothed']['per_class_f1'])} classes: "
            f"{row['method']}",
            f"{row['smoothing_seconds']:g} s",
            *(f"{row['smoothed'][name]:.3f}" for name in measures),
            f"{row['unsmoothed']['f1@50']:.3f}",
        ]
        for row in found["segmentation"]
    ]
    head = ["all labels", "smoothing", "macro F1", *measures[1:], "f1@50 without smoothing"]
    return markdown(head, table)


def costs() -> str:
    """What each method costs, mean over datasets."""
    found = results()
    if found is None:
        return NOTHING
    units: dict[str, list[dict[str, float]]] = {}
    for row in found["rows"]:
        if row["budget"] == FEW:
            units.setdefault(row["method"], []).append(row["cost"])
    names = ("seconds", "windows_per_second", "features", "parameters")
    table = [
        [method, *(mean([cost.get(name) for cost in each]) for name in names)]
        for method, each in units.items()
    ]
    return markdown(["method", "learning, s", "windows/s", "features", "parameters"], table)


def mean(values: list[float | None]) -> str:
    """Mean of what is known, a dash where nothing is."""
    known = [value for value in values if value is not None and value == value]
    return f"{sum(known) / len(known):,.0f}" if known else DASH
