"""Scores by label budget in, lines with bands and names at their ends out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import isotonic_regression

from tsclr.report.budgets import measure, ordered_budgets
from tsclr.report.look import ACCENT, BASELINE, PALETTE, SOFT, STYLE, WIDTH, short

DASHES = ((0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (2, 1)))


@dataclass(frozen=True)
class Score:
    """Macro F1 of a method with a head at a label budget.

    The SD over draws of labels and seeds may be NaN; `at_end` says that a setting was chosen at an
    end of what was tried.
    """

    method: str
    head: str
    budget: str
    mean: float
    sd: float
    draws: int
    at_end: bool = False


@rc_context(STYLE)
def budget_figure(scores: Sequence[Score], styles: Mapping[str, dict[str, Any]]) -> Figure:
    """One line per method with a band of ± one SD over draws, one panel per head.

    Examples
    --------
    >>> scores = [Score("SimCLR", "", "1", 0.7, 0.04, 5), Score("SimCLR", "", "5", 0.9, 0.01, 5)]
    >>> figure = budget_figure(scores, method_styles(["SimCLR"], []))
    >>> [float(value) for value in figure.axes[0].lines[0].get_ydata()]
    [0.7, 0.9]
    """
    heads = list(dict.fromkeys(score.head for score in scores))
    budgets = ordered_budgets(score.budget for score in scores)
    figure = Figure(figsize=(WIDTH, 3.9 * len(heads)))
    panels = figure.subplots(len(heads), squeeze=False)[:, 0]
    for axes, head in zip(panels, heads, strict=True):
        of_head = [score for score in scores if score.head == head]
        _plot_methods(axes, of_head, budgets, styles)
        axes.set_title(short(head) if len(heads) > 1 else "")
        axes.set_xticks(range(len(budgets)), [short(budget) for budget in budgets])
        axes.set_xlim(-0.15, len(budgets) - 0.85)
        axes.set_xlabel(measure(budgets))
        axes.set_ylabel("macro F1 on test subjects")
        axes.set_ylim(*_score_limits(of_head))
        axes.grid(visible=False, axis="x")
        _label_ends(axes)
    return figure


def _plot_methods(
    axes: Axes,
    scores: Sequence[Score],
    budgets: Sequence[str],
    styles: Mapping[str, dict[str, Any]],
) -> None:
    """Lines and bands; with a single budget the SD is a bar."""
    methods = list(dict.fromkeys(score.method for score in scores))
    dodge = 0.04 if len(budgets) == 1 else 0.0
    for index, method in enumerate(methods):
        points = sorted(
            (budgets.index(score.budget), score.mean, np.nan_to_num(score.sd))
            for score in scores
            if score.method == method
        )
        x, mean, sd = np.array(points, float).T
        x += dodge * (index - (len(methods) - 1) / 2)
        axes.plot(x, mean, marker="o", label=method, **styles[method])
        below = {"color": styles[method]["color"], "zorder": styles[method]["zorder"] - 1}
        if dodge:
            axes.vlines(x, mean - sd, mean + sd, linewidth=1.2, **below)
        else:
            axes.fill_between(x, mean - sd, mean + sd, alpha=0.14, linewidth=0, **below)


def _score_limits(scores: Sequence[Score]) -> tuple[float, float]:
    """Limits on whole tenths around every band, within 0 and 1."""
    lowest = min(score.mean - np.nan_to_num(score.sd) for score in scores)
    highest = max(score.mean + np.nan_to_num(score.sd) for score in scores)
    low = max(0.0, min(math.floor(10 * lowest) / 10, 0.9))
    return low, min(1.0, max(math.ceil(10 * highest) / 10, low + 0.1))


def _label_ends(axes: Axes) -> None:
    """Names at the ends of lines, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    ends = [np.asarray(line.get_xydata())[-1] for line in axes.lines]
    heights = spread([(end[1] - low) / (high - low) for end in ends], gap=0.062)
    for line, end, height in zip(axes.lines, ends, heights, strict=True):
        colour = str(line.get_color())
        tie = {
            "arrowstyle": "-",
            "color": colour,
            "linewidth": 0.6,
            "shrinkA": 1,
            "shrinkB": 4,
            "relpos": (0, 0.5),
        }
        axes.annotate(
            short(line.get_label(), 34),
            xy=(float(end[0]), float(end[1])),
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            color=SOFT if colour == BASELINE else colour,
            fontweight="bold" if colour == ACCENT else "normal",
            arrowprops=tie,
        )


def method_styles(methods: Sequence[str], baselines: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Line style of each method: the first learned one stands out, baselines are grey and dashed.

    Examples
    --------
    >>> styles = method_styles(["SimCLR", "random-init CNN1d"], ["random-init"])
    >>> styles["SimCLR"]["linewidth"], styles["random-init CNN1d"]["linestyle"]
    (2.4, (0, (4, 2)))
    """
    grey = [method for method in methods if is_baseline(method, baselines)]
    learned = [method for method in methods if method not in grey]
    styles = {
        method: {"color": BASELINE, "linewidth": 1.3, "linestyle": dash, "zorder": 2}
        for method, dash in zip(grey, DASHES * len(grey), strict=False)
    }
    for method, colour in zip(learned, PALETTE[1:] * len(learned), strict=False):
        styles[method] = {"color": colour, "linewidth": 1.6, "linestyle": "-", "zorder": 3}
    if learned:
        styles[learned[0]] |= {"color": ACCENT, "linewidth": 2.4, "zorder": 4}
    return styles


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved as little as possible (least squares) so that no two are closer than `gap`.

    Examples
    --------
    >>> [round(height, 2) for height in spread([0.5, 0.2, 0.5], gap=0.1)]
    [0.45, 0.2, 0.55]
    """
    order = np.argsort(heights, kind="stable")
    offset = gap * np.arange(len(order))
    placed = np.empty(len(order))
    placed[order] = isotonic_regression(np.asarray(heights, float)[order] - offset).x + offset
    return [float(height) for height in placed]


def is_baseline(method: str, baselines: Sequence[str]) -> bool:
    """Whether the name of `method` starts with one of `baselines`, in any case.

    Examples
    --------
    >>> is_baseline("Random-init CNN1d", ["random-init"])
    True
    """
    return method.lower().startswith(tuple(name.lower() for name in baselines))
