"""Metrics of several runs in, plots of their diagnostics by epoch out."""

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsclr.report.look import INK, PALETTE, SOFT, STYLE, WIDTH
from tsclr.report.section import Section, Table, listed, require_columns, to_floats

PANELS = {
    "effective_rank": ("Effective rank", "dimensions in use; higher is richer"),
    "alignment": ("Alignment", "distance of positives; lower is closer"),
    "uniformity": ("Uniformity", "lower is more evenly spread"),
    "subject_shortcut": ("Subject shortcut", "subject predicted; 0 is chance"),
    "device_shortcut": ("Device shortcut", "device predicted; 0 is chance"),
    "windows_per_second": ("Speed", "windows per second"),
}
"""Columns to plot: those that can be compared between objectives, so not the loss."""
LINES = ("-", "--", ":")
"""Line styles: the next one where colours run out."""


def run_curves(metrics: pd.DataFrame) -> Section:
    """Diagnostics of several runs by epoch as small multiples.

    Parameters
    ----------
    metrics : DataFrame
        Rows of the ``metrics.jsonl`` of each run, with the name of the run in ``run``.

    Raises
    ------
    ValueError
        If there is no column ``run`` or ``epoch``, or none to plot.

    Examples
    --------
    >>> rows = {"run": ["a", "b"], "epoch": [1, 1], "effective_rank": [9.0, 20.0]}
    >>> run_curves(pd.DataFrame(rows)).description
    '1 line chart over epochs, a line for each of 2 runs: Effective rank.'
    """
    require_columns(metrics, ("run", "epoch"), "metrics")
    names = [
        name for name in PANELS if name in metrics and np.isfinite(to_floats(metrics[name])).any()
    ]
    if not names:
        raise ValueError(f"metrics has none of {listed(PANELS)} to plot")
    runs = list(dict.fromkeys(metrics["run"]))
    titles = listed(PANELS[name][0] for name in names)
    charts = "line chart" if len(names) == 1 else "line charts"
    return Section(
        "By epoch",
        "Diagnostics on the validation subjects. The loss is left out, because losses of different "
        "objectives cannot be compared.",
        _figure(metrics, runs, names),
        f"{len(names)} {charts} over epochs, a line for each of {len(runs)} runs: {titles}.",
        Table(metrics.filter(items=["run", "epoch", *names]), names=2),
    )


@rc_context(STYLE)
def _figure(metrics: pd.DataFrame, runs: list[str], names: list[str]) -> Figure:
    """Panels in rows of three with one legend below."""
    n_rows, n_lines = -(-len(names) // 3), -(-len(runs) // 4)
    figure = Figure(figsize=(WIDTH, 2.3 * n_rows + 0.25 * n_lines + 0.3))
    panels = figure.subplots(n_rows, 3, squeeze=False, sharex=True).ravel()
    for axes, name in zip(panels, names, strict=False):
        _panel(axes, metrics, runs, name)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(names) - 3) : len(names)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=min(4, len(runs)))
    return figure


def _panel(axes: Axes, metrics: pd.DataFrame, runs: list[str], name: str) -> None:
    """One diagnostic: a line for each run."""
    title, hint = PANELS[name]
    for index, run in enumerate(runs):
        epochs = metrics.loc[metrics["run"] == run]
        style, color = LINES[index // len(PALETTE) % len(LINES)], PALETTE[index % len(PALETTE)]
        values = to_floats(epochs[name])
        axes.plot(
            to_floats(epochs["epoch"]),
            np.where(np.isfinite(values), values, np.nan),
            style,
            color=color,
            label=run,
            marker="." if len(epochs) == 1 else None,
            clip_on=False,
        )
    axes.set_title(title, pad=18, color=INK)
    axes.text(0, 1.045, hint, transform=axes.transAxes, color=SOFT, fontsize=8)
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
