"""Metrics of several runs in, their diagnostics by epoch beside each other out."""

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
    "alignment": ("Alignment", "distance within pairs; lower is closer"),
    "uniformity": ("Uniformity", "lower is more evenly spread"),
    "subject_shortcut": ("Subject read", "0 chance, 1 every window"),
    "device_shortcut": ("Device read", "0 chance, 1 every window"),
    "windows_per_second": ("Speed", "windows per second"),
}
"""Columns that are drawn: what can be compared between objectives, so not the loss."""
LINES = ("-", "--", ":")
"""With more runs than colours the lines change."""


def run_curves(metrics: pd.DataFrame) -> Section:
    """Diagnostics of several runs by epoch as small multiples.

    Parameters
    ----------
    metrics : DataFrame
        Rows of the ``metrics.jsonl`` of each run, with the name of the run in ``run``.

    Raises
    ------
    ValueError
        If there is no column ``run`` or ``epoch``, or none to draw.

    Examples
    --------
    >>> rows = {"run": ["a", "b"], "epoch": [1, 1], "effective_rank": [9.0, 20.0]}
    >>> run_curves(pd.DataFrame(rows)).description
    '1 line chart over epochs, a line for each of 2 runs: Effective rank.'
    """
    require_columns(metrics, ("run", "epoch"), "metrics")
    drawn = [
        name for name in PANELS if name in metrics and np.isfinite(to_floats(metrics[name])).any()
    ]
    if not drawn:
        raise ValueError(f"metrics has none of {listed(PANELS)} to draw")
    runs = list(dict.fromkeys(metrics["run"]))
    titles = listed(PANELS[name][0] for name in drawn)
    charts = "line chart" if len(drawn) == 1 else "line charts"
    return Section(
        "By epoch",
        "Diagnostics on validation subjects. The loss is not drawn: that of one objective says "
        "nothing beside that of another.",
        _figure(metrics, runs, drawn),
        f"{len(drawn)} {charts} over epochs, a line for each of {len(runs)} runs: {titles}.",
        Table(metrics.filter(items=["run", "epoch", *drawn]), names=2),
    )


@rc_context(STYLE)
def _figure(metrics: pd.DataFrame, runs: list[str], drawn: list[str]) -> Figure:
    """Three panels a row on one epoch axis, and one legend below."""
    n_rows, n_lines = -(-len(drawn) // 3), -(-len(runs) // 4)
    figure = Figure(figsize=(WIDTH, 2.3 * n_rows + 0.25 * n_lines + 0.3))
    panels = figure.subplots(n_rows, 3, squeeze=False, sharex=True).ravel()
    for axes, name in zip(panels, drawn, strict=False):
        _panel(axes, metrics, runs, name)
    for axes in panels[len(drawn) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(drawn) - 3) : len(drawn)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=min(4, len(runs)))
    return figure


def _panel(axes: Axes, metrics: pd.DataFrame, runs: list[str], name: str) -> None:
    """One diagnostic: a line for each run."""
    title, hint = PANELS[name]
    for place, run in enumerate(runs):
        own = metrics.loc[metrics["run"] == run]
        style, color = LINES[place // len(PALETTE) % len(LINES)], PALETTE[place % len(PALETTE)]
        values = to_floats(own[name])
        axes.plot(
            to_floats(own["epoch"]),
            np.where(np.isfinite(values), values, np.nan),
            style,
            color=color,
            label=run,
            marker="." if len(own) == 1 else None,
            clip_on=False,
        )
    axes.set_title(title, pad=18, color=INK)
    axes.text(0, 1.045, hint, transform=axes.transAxes, color=SOFT, fontsize=8)
    axes.grid(visible=False, axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
