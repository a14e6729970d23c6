"""What methods cost and what they score in, one against the other out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from scipy.optimize import isotonic_regression

from tsclr.report.curve import is_baseline
from tsclr.report.look import ACCENT, BASELINE, INK, STYLE, WIDTH, short
from tsclr.report.section import Section, Table, require_columns

TOLD = {
    "method": "method",
    "macro_f1": "macro F1",
    "seconds": "learning, s",
    "windows_per_second": "windows/s",
    "parameters": "parameters",
    "features": "features",
    "memory_mib": "peak memory, MiB",
}
"""Columns of the table, and how it names them."""


def cost_against_score(costs: pd.DataFrame, baselines: Sequence[str] = ()) -> Section:
    """Macro F1 against the seconds of learning without labels, a dot for each method.

    Parameters
    ----------
    costs : DataFrame
        One row per method: columns method, macro_f1, seconds (of learning without labels),
        windows_per_second (of embedding), parameters, features and memory_mib, where missing
        numbers are NaN.
    baselines : sequence of str
        A method whose name starts with one of these is drawn in grey.

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
    require_columns(costs, TOLD, "costs")
    frame = costs.reindex(columns=list(TOLD)).set_axis(list(TOLD.values()), axis=1)
    return Section(
        "Cost and score",
        "Macro F1 against the time of learning without labels on one thread; up and to the left is "
        "better. Windows per second are those of embedding, memory is that of the whole process.",
        _figure(costs, baselines),
        f"Scatter of macro F1 against seconds for {len(costs)} methods; the numbers are in the "
        "table below.",
        Table(frame),
    )


@rc_context(STYLE)
def _figure(costs: pd.DataFrame, baselines: Sequence[str]) -> Figure:
    """Dots with their names in a column beside them, in the order of the scores."""
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots(gridspec_kw={"right": 0.72})
    seconds = costs["seconds"].astype(float).clip(lower=0.1).to_numpy()
    scores = costs["macro_f1"].astype(float).to_numpy()
    colours = [BASELINE if is_baseline(name, baselines) else ACCENT for name in costs["method"]]
    axes.scatter(seconds, scores, c=colours, s=26, zorder=3)
    reach = max(float(np.ptp(scores)), 0.02)
    places = spread(scores, 0.08 * reach)
    for x, y, place, name in zip(seconds, scores, places, costs["method"], strict=True):
        axes.annotate(
            short(name),
            (x, y),
            (1.03, place),
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
    axes.set_ylim(min(scores.min(), min(places)) - 0.1 * reach, max(places) + 0.1 * reach)
    axes.set_xlabel("seconds of learning without labels")
    axes.set_ylabel("macro F1 on test subjects")
    return figure


def spread(values: np.ndarray, gap: float) -> np.ndarray:
    """Places for names beside values, at least `gap` apart and near to them.

    Parameters
    ----------
    values : (N,) float
        Where the names would best stand.
    gap : float
        Least distance.

    Examples
    --------
    >>> spread(np.array([0.5, 0.5, 0.9]), 0.1).round(2)
    array([0.45, 0.55, 0.9 ])
    """
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    places = np.empty(len(values))
    places[order] = isotonic_regression(values[order] - steps).x + steps
    return places
