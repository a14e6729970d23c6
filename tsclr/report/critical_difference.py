"""Scores of methods on several datasets in, a critical-difference diagram out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tsclr.evaluate.ranks import ALPHA, average_ranks, friedman, groups, why_untestable
from tsclr.evaluate.ranks import critical_difference as nemenyi
from tsclr.report.curve import is_baseline
from tsclr.report.look import ACCENT, BASELINE, INK, SOFT, STYLE, WIDTH, short
from tsclr.report.section import Section, Table

TITLE = "Average ranks over datasets"
FEW = 10
"""Below this many datasets the text warns that little can be proven."""
ROW, BAR, AXIS, SCALE = 0.24, 0.12, 0.45, 0.4
"""Height of a name, of a bar, of the text of the axis and of the critical difference, in inches."""


def critical_difference(scores: pd.DataFrame, baselines: Sequence[str] = ()) -> Section:
    """Critical-difference diagram: average ranks, and bars over methods that do not differ.

    Methods differ where the Nemenyi test says so, and only if the Friedman test with the F of Iman
    and Davenport finds any difference; else one bar joins all methods.

    Parameters
    ----------
    scores : DataFrame
        Macro F1, or another score where higher is better: one row per method, one column per
        block. A block is a dataset or, with two levels of columns, a dataset at a label budget. The
        tests assume independent blocks, which several budgets of a dataset are not: the text warns
        of it. Blocks that lack the score of a method are left out and counted.
    baselines : sequence of str
        A method whose name starts with one of these is grey.

    Raises
    ------
    ValueError
        If there are fewer than two methods, or one occurs twice.

    References
    ----------
    .. [1] J. Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
       2006, figure 1.

    Examples
    --------
    >>> scores = pd.DataFrame(
    ...     {"hapt": [0.9, 0.8, 0.6], "wisdm": [0.8, 0.7, 0.5], "pamap": [0.7, 0.6, 0.5]},
    ...     index=["SimCLR", "VICReg", "random-init"],
    ... )
    >>> section = critical_difference(scores)
    >>> print(section.reading)
    Average rank of 3 methods over 3 datasets; 1 is best. ... p = 0.028. A bar joins ...
    >>> section.table.frame["bars"].to_list()
    ['1', '1, 2', '2']
    """
    complete = scores.loc[:, np.isfinite(scores.astype(float)).all()]
    n_left_out = scores.shape[1] - complete.shape[1]
    if complete.empty:
        return Section(TITLE, f"None of {scores.shape[1]} blocks has a score of every method.")
    average = average_ranks(complete).average
    reading, bars, reach = _tested(complete, average)
    return Section(
        TITLE,
        f"Average rank of {len(average)} methods over {_blocks(complete)}; 1 is best. "
        f"{reading}{_cautions(complete, n_left_out)}",
        _figure(average, bars, reach, baselines),
        f"Critical-difference diagram of {len(average)} methods: {average.index[0]} ranks best "
        f"with {average.iloc[0]:.2f}, {average.index[-1]} ranks worst with {average.iloc[-1]:.2f}. "
        f"Bars that join methods: {len(bars)}; the table below says which they join.",
        _table(complete, average, bars),
    )


def _tested(
    complete: pd.DataFrame, average: pd.Series
) -> tuple[str, list[list[str]], float | None]:
    """A sentence on the tests, the methods under each bar, and the critical difference if any."""
    reason = why_untestable(*complete.shape)
    if reason:
        return f"Nothing is tested: {reason}.", [], None
    p = friedman(complete).p
    test = f"Friedman test with the F of Iman and Davenport: {_p_value(p)}"
    reach = nemenyi(*complete.shape)
    if p >= ALPHA:
        text = f"{test}, so no difference is proven and one bar joins all methods."
        return text, groups(average, np.inf), reach
    text = (
        f"{test}. A bar joins methods whose average ranks differ by at most {reach:.2f}, the "
        f"critical difference of the Nemenyi test at {ALPHA}."
    )
    return text, groups(average, reach), reach


def _p_value(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def _blocks(complete: pd.DataFrame) -> str:
    """Numbers of blocks and datasets in words."""
    n_datasets, n_blocks = _n_datasets(complete), complete.shape[1]
    datasets = f"{n_datasets} dataset{'s' * (n_datasets > 1)}"
    return datasets if n_blocks == n_datasets else f"{n_blocks} blocks of {datasets}"


def _n_datasets(complete: pd.DataFrame) -> int:
    return complete.columns.get_level_values(0).nunique()


def _cautions(complete: pd.DataFrame, n_left_out: int) -> str:
    """Sentences on what weakens the result."""
    n_datasets = _n_datasets(complete)
    tested = why_untestable(*complete.shape) is None
    text = ""
    if tested and n_datasets < FEW:
        text += (
            f" With fewer than {FEW} datasets the tests have little power: methods under one bar "
            "may still differ."
        )
    if tested and n_datasets < complete.shape[1]:
        text += (
            " Blocks of one dataset share its subjects, but the tests assume independent blocks: "
            "they find differences too easily."
        )
    if n_left_out:
        text += f" Blocks left out because a method has no score: {n_left_out}."
    return text


def _table(complete: pd.DataFrame, average: pd.Series, bars: list[list[str]]) -> Table:
    """Average rank of each method, its range, and the numbers of the bars over it."""
    ranks = complete.rank(ascending=False).loc[average.index]
    over = [
        ", ".join(str(index) for index, bar in enumerate(bars, 1) if method in bar)
        for method in average.index
    ]
    frame = pd.DataFrame(
        {
            "method": average.index,
            "average rank": average.to_numpy(),
            "best rank": ranks.min(axis=1).to_numpy(),
            "worst rank": ranks.max(axis=1).to_numpy(),
            "bars": [numbers or None for numbers in over],
        }
    )
    return Table(frame)


@rc_context(STYLE)
def _figure(
    average: pd.Series, bars: list[list[str]], reach: float | None, baselines: Sequence[str]
) -> Figure:
    """Axis of ranks at the top, bars below it, then names on both sides; heights are inches."""
    n_methods = len(average)
    rows = _bar_rows(average, bars)
    first_name = 0.3 + BAR * (1 + max(rows, default=-1))
    bottom = first_name + ROW * ((n_methods + 1) // 2 - 0.5)
    top = AXIS if reach is None else AXIS + SCALE
    figure = Figure(figsize=(WIDTH, top + bottom + 0.1))
    axes = figure.subplots()
    axes.set_xlim(1, n_methods)
    axes.set_ylim(bottom, -top)
    _plot_axis(axes, n_methods)
    if reach is not None:
        _plot_reach(axes, reach, n_methods - 1)
    for bar, row in zip(bars, rows, strict=True):
        start, stop = _extent(average, bar)
        height = 0.18 + BAR * row
        axes.plot([start, stop], [height, height], color=ACCENT, linewidth=3.5, clip_on=False)
    n_left = (n_methods + 1) // 2
    for index, (method, rank) in enumerate(average.items()):
        on_left = index < n_left
        level = index if on_left else n_methods - 1 - index
        grey = is_baseline(str(method), baselines)
        _plot_method(
            axes, str(method), float(rank), first_name + ROW * level, on_left, SOFT if grey else INK
        )
    return figure


def _extent(average: pd.Series, bar: list[str]) -> tuple[float, float]:
    """Ends of a bar, a little beyond its first and last method."""
    ranks = average[bar]
    overhang = 0.008 * (len(average) - 1)
    return ranks.min() - overhang, ranks.max() + overhang


def _bar_rows(average: pd.Series, bars: list[list[str]]) -> list[int]:
    """The first row for each bar in which it touches no other."""
    ends: list[float] = []
    rows = []
    for bar in bars:
        start, stop = _extent(average, bar)
        row = next((row for row, end in enumerate(ends) if end < start), len(ends))
        ends[row : row + 1] = [stop]
        rows.append(row)
    return rows


def _plot_axis(axes: Axes, n_methods: int) -> None:
    """The axis of ranks."""
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.spines["top"].set(visible=True, position=("data", 0), color=SOFT)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.set_xticks(range(1, n_methods + 1, 1 + n_methods // 25))
    axes.tick_params(axis="x", length=4, pad=3, color=SOFT)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("average rank, 1 is best")


def _plot_reach(axes: Axes, reach: float, room: float) -> None:
    """The critical difference on the scale of the axis, if the axis is as long."""
    text = f"critical difference {reach:.2f}"
    if reach > room:
        text += ", longer than the axis"
    else:
        axes.plot([1, 1 + reach], [-AXIS - 0.12] * 2, color=INK, marker="|", clip_on=False)
    axes.text(1, -AXIS - 0.2, text, color=INK, va="bottom", fontsize=8.5)


def _plot_method(
    axes: Axes, method: str, rank: float, height: float, on_left: bool, colour: str
) -> None:
    """A line from the axis down and sideways, with the name at its end."""
    across = axes.get_yaxis_transform()
    end = axes.get_xlim()[0 if on_left else 1]
    axes.plot(
        [rank, rank, end], [0, height, height], color=BASELINE, lw=0.9, clip_on=False, zorder=1
    )
    name = short(method, 34)
    text = f"{name}  {rank:.2f}" if on_left else f"{rank:.2f}  {name}"
    side, aligned = (-0.012, "right") if on_left else (1.012, "left")
    axes.text(side, height, text, ha=aligned, va="center", color=colour, transform=across)
