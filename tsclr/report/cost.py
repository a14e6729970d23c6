"""Scores and costs of methods in, a scatter plot of macro F1 against training time out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tsclr.report.curve import is_baseline, spread
from tsclr.report.look import ACCENT, BASELINE, INK, STYLE, WIDTH, short
from tsclr.report.section import Section, Table, require_columns

LABELS = {
    "method": "method",
    "macro_f1": "macro F1",
    "seconds": "pretraining, s",
    "windows_per_second": "windows/s",
    "parameters": "parameters",
    "features": "features",
    "memory_mib": "peak memory, MiB",
}
"""Columns of the results and their labels in the table."""


def cost_against_score(costs: pd.DataFrame, baselines: Sequence[str] = ()) -> Section:
    """Macro F1 against the seconds of pretraining, a dot for each method.

    Parameters
    ----------
    costs : DataFrame
        One row per method: columns method, macro_f1, seconds (of pretraining, or of fitting without
        labels), windows_per_second (of computing features), parameters, features and memory_mib,
        where missing numbers are NaN.
    baselines : sequence of str
        A method whose name starts with one of these is grey.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> costs = pd.DataFrame(
    ...     {"method": ["SimCLR"], "macro_f1": [0.9], "seconds": [190.0], "memory_mib": [900.0],
    ...      "windows_per_second": [9e3], "parameters": [2e5], "features": [768.0]}
    ... )
    >>> cost_against_score(costs).title
    'Cost and score'
    """
    require_columns(costs, LABELS, "costs")
    frame = costs.reindex(columns=list(LABELS)).set_axis(list(LABELS.values()), axis=1)
    return Section(
        "Cost and score",
        "Macro F1 on the test subjects against the time of training without labels on one thread; "
        "up and to the left is better. In the table, windows/s is the speed of computing features, "
        "and peak memory is that of the whole process.",
        _figure(costs, baselines),
        f"Scatter of macro F1 against seconds for {len(costs)} methods; the table below has "
        "the numbers.",
        Table(frame),
    )


@rc_context(STYLE)
def _figure(costs: pd.DataFrame, baselines: Sequence[str]) -> Figure:
    """Dots, and their names in a column at the right in the order of the scores."""
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots(gridspec_kw={"right": 0.72})
    seconds = costs["seconds"].astype(float).clip(lower=0.1).to_numpy()
    scores = costs["macro_f1"].astype(float).to_numpy()
    colours = [BASELINE if is_baseline(name, baselines) else ACCENT for name in costs["method"]]
    axes.scatter(seconds, scores, c=colours, s=26, zorder=3)
    reach = max(float(np.ptp(scores)), 0.02)
    heights = spread(scores.tolist(), 0.08 * reach)
    for x, y, height, name in zip(seconds, scores, heights, costs["method"], strict=True):
        axes.annotate(
            short(name),
            (x, y),
            (1.03, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=8.5,
            color=INK,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": BASELINE, "shrinkA": 0},
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(seconds.min() / 1.5, max(seconds.max(), 1.0) * 1.5)
    axes.set_ylim(min(scores.min(), min(heights)) - 0.1 * reach, max(heights) + 0.1 * reach)
    axes.set_xlabel("seconds of training without labels")
    axes.set_ylabel("macro F1 on test subjects")
    return figure
