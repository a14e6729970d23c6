"""Scores of test subjects in, a plot with a row of dots for each method out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure

from tsclr.report.curve import is_baseline
from tsclr.report.look import ACCENT, BASELINE, INK, STYLE, WIDTH, short
from tsclr.report.section import Section, Table, require_columns

COLUMNS = ("method", "subject", "macro_f1")


def subject_scores(scores: pd.DataFrame, baselines: Sequence[str] = ()) -> Section:
    """Macro F1 of each test subject, a row of dots for each method, the median marked.

    Parameters
    ----------
    scores : DataFrame
        One row per method and subject: columns method, subject, macro_f1 (mean over label
        draws).
    baselines : sequence of str
        A method whose name starts with one of these is grey.

    Raises
    ------
    ValueError
        If a column is missing, or there is no score.

    Examples
    --------
    >>> scores = pd.DataFrame(
    ...     {"method": ["SimCLR"] * 3, "subject": ["1", "2", "3"], "macro_f1": [0.7, 0.9, 0.8]}
    ... )
    >>> print(subject_scores(scores).reading)
    Each dot is ... some people. SimCLR: from 0.700 (subject 1) to 0.900 (subject 2).
    """
    require_columns(scores, COLUMNS, "scores")
    if scores.empty:
        raise ValueError("scores has no rows: pass one for each method and test subject")
    table = scores.pivot_table("macro_f1", "method", "subject", sort=False)
    order = table.median(axis=1).sort_values(ascending=False).index
    table = table.loc[order]
    best = table.iloc[0]
    return Section(
        "Scores by subject",
        "Each dot is the macro F1 of a test subject, mean over label draws; the line marks the "
        "median. A method whose worst subject is far below the median fails some people. "
        f"{order[0]}: from {best.min():.3f} (subject {best.idxmin()}) to {best.max():.3f} "
        f"(subject {best.idxmax()}).",
        _figure(table, baselines),
        f"Dots of macro F1 of {table.shape[1]} test subjects for each of {len(table)} methods; the "
        "table below has the numbers.",
        Table(table.T.rename_axis(None, axis=1).reset_index()),
    )


@rc_context(STYLE)
def _figure(table: pd.DataFrame, baselines: Sequence[str]) -> Figure:
    """A row of dots per method, the best at the top."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.34 * len(table)))
    axes = figure.subplots()
    for row, (method, scores) in enumerate(table.iterrows()):
        colour = BASELINE if is_baseline(str(method), baselines) else ACCENT
        values = scores.to_numpy(float)
        axes.plot(values, np.full(len(values), row), "o", color=colour, alpha=0.6, mew=0)
        axes.plot([np.nanmedian(values)] * 2, [row - 0.32, row + 0.32], color=INK, lw=1.6)
    axes.set_yticks(range(len(table)), [short(method) for method in table.index])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set_xlabel("macro F1 of a test subject, mean over label draws")
    axes.grid(visible=False, axis="y")
    return figure
