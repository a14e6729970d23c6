"""Results of the suites of other people's protocols in, tables of ``docs/results.md`` out.

Each suite ``benchmarks/suites/NAME.yaml`` has its results in ``benchmarks/results/NAME``.
"""

from benchmarks.markdown import NOTHING, markdown
from benchmarks.suite_page import TITLES, both, name_of, results

SHORT = {
    "random windows (leaky)": "random windows",
    "random validation windows": "random validation",
    "random validation windows, test on 1 6 14 19 23": "random validation",
    "official": "by subject",
    "test on 1 6 14 19 23": "by subject",
    "3 folds of subjects": "all 24 in turn",
}
"""Protocols as the heads of columns name them."""
PUBLISHED = ["SelfHAR, as published", "random validation", "0.703", "0.883", "0.924", "0.938"]
"""Weighted F1 of the paper at 2, 10, 50 and 100 labels a class."""


def flattery(name: str, budgets: tuple[str, ...]) -> str:
    """Test score of each method under each protocol of a suite, and the validation score of it."""
    found = results(name)
    if found is None:
        return NOTHING
    cells = {
        (row["dataset"], name_of(row), row["budget"], row["protocol"]): both(row)
        for row in found["rows"]
        if row["budget"] in budgets
    }
    lines = dict.fromkeys((dataset, method) for dataset, method, _, _ in cells)
    protocols = dict.fromkeys(protocol for *_, protocol in cells)
    columns = [(budget, protocol) for budget in budgets for protocol in protocols]
    table = [
        [f"{title(dataset)}, {method}", *(cells[dataset, method, *column] for column in columns)]
        for dataset, method in lines
    ]
    heads = [f"{budget}, {SHORT[protocol]}" for budget, protocol in columns]
    return markdown(["validation → test", *heads], table)


def title(dataset: str) -> str:
    """Of a dataset, however it is cut."""
    return TITLES[dataset.partition(" (")[0]]


def clhar() -> str:
    """Overlapping windows divided at random, beside the same by subject."""
    return flattery("clhar", ("5", "all"))


def tstcc() -> str:
    """Validation windows drawn at random, beside the choice by subject."""
    return flattery("tstcc", ("1%", "all"))


def selfhar() -> str:
    """Weighted F1 on five given users by labels a class, beside that of everybody."""
    found = results("selfhar")
    if found is None:
        return NOTHING
    budgets = list(dict.fromkeys(row["budget"] for row in found["rows"]))
    lines: dict[tuple[str, str], list[str]] = {}
    for row in found["rows"]:
        line = name_of(row), SHORT[row["protocol"]]
        lines.setdefault(line, []).append(f"{row['weighted_f1_mean']:.3f}")
    table = [[*line, *cells] for line, cells in lines.items()]
    return markdown(["weighted F1", "protocol", *budgets], [PUBLISHED, *table], n_texts=2)
