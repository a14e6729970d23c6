"""Scores by method, head and label budget in; the budget curve and the table of results out."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tsclr.report.budgets import in_words, measure, ordered_budgets
from tsclr.report.curve import Score, budget_figure, is_baseline, method_styles
from tsclr.report.section import Section, Table, require_columns, to_floats

AT_END = "\N{DAGGER}"
"""Marks a score whose settings lie at an end of what was tried."""
COLUMNS = ("method", "budget", "macro_f1_mean", "macro_f1_sd", "draws")


def budget_curve(results: pd.DataFrame, baselines: Sequence[str] = ()) -> Section:
    """Macro F1 against the label budget: a line per method, a band of ± one SD over draws.

    Parameters
    ----------
    results : DataFrame
        One row per method, head and budget: columns method, budget (labels per class, a share as
        "10%", or "all"), macro_f1_mean, macro_f1_sd (over draws of labels and seeds), draws, and
        optionally head, and at_grid_end, above 0 where a setting was chosen at an end of its grid.
        Several heads become several panels. Rows without a finite score are left out, and the text
        says how many.
    baselines : sequence of str
        A method whose name starts with one of these is grey. The first of the others is
        highlighted.

    Raises
    ------
    ValueError
        If a column is missing, or a method has two rows for one head and budget.

    Examples
    --------
    >>> results = pd.DataFrame(
    ...     {"method": "SimCLR", "budget": ["1", "all"], "macro_f1_mean": [0.7, 0.9],
    ...      "macro_f1_sd": [0.04, 0.0], "draws": [5, 1]}
    ... )
    >>> print(budget_curve(results).reading)
    Macro F1 on the test subjects ... With 1 label per class: SimCLR 0.700.
    """
    scores, note = _scores(results)
    if not scores:
        return Section("Score by label budget", f"There is no score to plot.{note}")
    methods = list(dict.fromkeys(score.method for score in scores))
    reading = (
        "Macro F1 on the test subjects against the label budget "
        f"({measure(score.budget for score in scores)}); higher is better. Each line is a method, "
        "its band is ± one standard deviation over draws of labels and seeds. The left end shows "
        "how well a method does when few windows are labelled. "
    )
    return Section(
        "Score by label budget",
        f"{reading}{_finding(scores, baselines)}{note}",
        budget_figure(scores, method_styles(methods, baselines)),
        f"Line chart of macro F1 by label budget for {len(methods)} methods; "
        "the table below has the numbers.",
        _long_table(scores),
    )


def results_table(results: pd.DataFrame) -> Section:
    """Macro F1, mean ± SD, of each method at each budget; the best of each budget in bold.

    Parameters
    ----------
    results : DataFrame
        As for `budget_curve`.

    Raises
    ------
    ValueError
        If a column is missing, or a method has two rows for one head and budget.

    Examples
    --------
    >>> results = pd.DataFrame(
    ...     {"method": ["SimCLR"], "budget": ["5"], "macro_f1_mean": [0.887],
    ...      "macro_f1_sd": [0.013], "draws": [5]}
    ... )
    >>> results_table(results).table.frame.loc[0, "5"]
    '0.887 ± 0.013'
    """
    scores, note = _scores(results)
    budgets = ordered_budgets(score.budget for score in scores)
    best = {budget: max(s.mean for s in scores if s.budget == budget) for budget in budgets}
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    strong = set()
    names = _names(scores)
    for score in scores:
        key = (score.method, score.head)[: len(names)]
        rows.setdefault(key, dict(zip(names, key, strict=True)))[score.budget] = _cell(score)
        if score.mean == best[score.budget]:
            strong.add((list(rows).index(key), len(names) + budgets.index(score.budget)))
    frame = pd.DataFrame(list(rows.values()), columns=[*names, *budgets])
    reading = (
        "Macro F1 on the test subjects, mean ± standard deviation over draws of labels and "
        f"seeds. Columns are label budgets: {measure(budgets)}. The best mean of each column is "
        "bold."
    )
    if any(score.at_end for score in scores):
        reading += f" {AT_END} A setting was chosen at an end of what was tried."
    return Section(
        "Results", reading + note, table=Table(frame, names=len(names), strong=frozenset(strong))
    )


def _scores(results: pd.DataFrame) -> tuple[list[Score], str]:
    """Rows with a finite score, and a sentence on the rows left out."""
    require_columns(results, COLUMNS, "results")
    heads = results["head"] if "head" in results else [""] * len(results)
    at_end = results["at_grid_end"] > 0 if "at_grid_end" in results else [False] * len(results)
    texts = zip(results["method"], heads, results["budget"], strict=True)
    mean, sd, draws = (to_floats(results[name]) for name in COLUMNS[2:])
    columns = mean.tolist(), sd.tolist(), np.nan_to_num(draws).astype(int).tolist()
    scores = [
        Score(str(method), str(head), str(budget), *numbers)
        for (method, head, budget), *numbers in zip(texts, *columns, at_end, strict=True)
    ]
    for key, n_rows in Counter((s.method, s.head, s.budget) for s in scores).items():
        if n_rows > 1:
            raise ValueError(
                f"results has {n_rows} rows for method, head and budget {key}, one is allowed: "
                "average over label draws first"
            )
    finite = [score for score in scores if np.isfinite(score.mean)]
    n_lost = len(scores) - len(finite)
    return finite, f" Rows without a score, left out: {n_lost}." if n_lost else ""


def _names(scores: Sequence[Score]) -> list[str]:
    """Columns that name a row: the head only if there are several."""
    return ["method", "head"] if len({score.head for score in scores}) > 1 else ["method"]


def _cell(score: Score) -> str:
    """Mean, the SD if there are several draws, and a mark if a grid was too narrow."""
    has_sd = score.draws > 1 and np.isfinite(score.sd)
    text = f"{score.mean:.3f} ± {score.sd:.3f}" if has_sd else f"{score.mean:.3f}"
    return f"{text} {AT_END}" if score.at_end else text


def _long_table(scores: Sequence[Score]) -> Table:
    """One row per point of the curve."""
    frame = pd.DataFrame([vars(score) for score in scores]).drop(columns="at_end")
    labels = measure(score.budget for score in scores)
    frame.columns = ["method", "head", labels, "macro F1, mean", "SD", "draws"]
    with_head = len(_names(scores)) > 1
    return Table(frame if with_head else frame.drop(columns="head"), names=2 + with_head)


def _finding(scores: Sequence[Score], baselines: Sequence[str]) -> str:
    """The best learned method and the best baseline at the smallest budget, in words."""
    budget = ordered_budgets(score.budget for score in scores)[0]
    at = sorted((s for s in scores if s.budget == budget), key=lambda score: -score.mean)
    learned = [score for score in at if not is_baseline(score.method, baselines)]
    grey = [score for score in at if is_baseline(score.method, baselines)]
    best = ", ".join(f"{s.method} {s.mean:.3f}" for s in (*learned[:1], *grey[:1]))
    return f"With {in_words(budget)}: {best}."
