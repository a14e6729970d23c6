"""Metrics of a pretraining run in, plots of loss and diagnostics by epoch out."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsclr.report.look import ACCENT, INK, SOFT, STYLE, WIDTH
from tsclr.report.section import Section, Table, listed, require_columns, to_floats

PANELS = {
    "loss": ("Loss", "training views; lower is better"),
    "alignment": ("Alignment", "distance of positives; lower is closer"),
    "uniformity": ("Uniformity", "lower is more evenly spread"),
    "effective_rank": ("Effective rank", "dimensions in use; a fall warns"),
    "dead_features": ("Dead features", "features that never vary"),
    "windows_per_second": ("Speed", "windows per second"),
}
"""Columns to plot, in order: title and how to read it."""

FROM_ZERO = ("Effective rank", "Dead features", "Speed")
"""Counts and rates: their axes start at zero, so that noise looks as small as it is."""


def training_curves(metrics: pd.DataFrame) -> Section:
    """Loss and diagnostics by epoch as small multiples.

    Parameters
    ----------
    metrics : DataFrame
        Rows of ``metrics.jsonl``: epoch, loss and any of alignment, uniformity, effective_rank,
        dead_features, windows_per_second, seconds. A column without a finite value is left out,
        and the text says so; single missing values are gaps.

    Raises
    ------
    ValueError
        If epoch or loss is missing, or an epoch occurs twice.

    Examples
    --------
    >>> section = training_curves(pd.DataFrame({"epoch": [1, 2], "loss": [4.2, 3.9]}))
    >>> section.reading
    'Pretraining by epoch. The number at the end of a line is its last value.'
    """
    require_columns(metrics, ("epoch", "loss"), "metrics")
    epochs = to_floats(metrics["epoch"])
    if len(set(epochs)) < len(epochs) or not np.isfinite(epochs).all():
        raise ValueError(
            f"metrics has epochs {listed(metrics['epoch'])}: one row per epoch is allowed; "
            "keep the last row of each"
        )
    order = np.argsort(epochs)
    values = {
        name: to_floats(metrics[name])[order] for name in (*PANELS, "seconds") if name in metrics
    }
    finite = {name: values[name] for name in values if np.isfinite(values[name]).any()}
    panels = {name: finite[name] for name in PANELS if name in finite}
    empty = [name for name in values if name not in finite]
    note = f" Left out because they have no finite value: {listed(empty)}." if empty else ""
    if not panels:
        return Section("Pretraining", f"There is no metric to plot.{note}")
    return Section(
        "Pretraining",
        "Pretraining by epoch. The number at the end of a line is its last value."
        f"{note}{_gaps(epochs[order], panels)}",
        _figure(epochs[order], panels),
        f"{len(panels)} line charts over epochs: {listed(PANELS[name][0] for name in panels)}; "
        "the table below has the numbers.",
        Table(metrics.iloc[order].filter(items=["epoch", *finite])),
    )


def _gaps(epochs: np.ndarray, curves: Mapping[str, np.ndarray]) -> str:
    """A sentence on the epochs at which a metric is not finite."""
    missing = ~np.isfinite(list(curves.values())).all(axis=0)
    if not missing.any():
        return ""
    which = listed(f"{epoch:g}" for epoch in epochs[missing])
    return f" Gaps mark values that were not finite, at epoch {which}."


@rc_context(STYLE)
def _figure(epochs: np.ndarray, curves: Mapping[str, np.ndarray]) -> Figure:
    """Panels in rows of three."""
    n_rows = -(-len(curves) // 3)
    figure = Figure(figsize=(WIDTH, 2.3 * n_rows + 0.2))
    panels = figure.subplots(n_rows, 3, squeeze=False, sharex=True).ravel()
    for axes, (name, values) in zip(panels, curves.items(), strict=False):
        _panel(axes, epochs, values, *PANELS[name])
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    for axes in panels[max(0, len(curves) - 3) : len(curves)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    return figure


def _panel(axes: Axes, epochs: np.ndarray, values: np.ndarray, title: str, hint: str) -> None:
    """One metric: its line, and its last finite value as a number."""
    values = np.where(np.isfinite(values), values, np.nan)
    axes.plot(epochs, values, color=ACCENT, lw=1.6, marker=".", ms=3, clip_on=False, zorder=3)
    last = np.flatnonzero(np.isfinite(values))[-1]
    x, y = float(epochs[last]), float(values[last])
    axes.plot(x, y, marker="o", color=ACCENT, clip_on=False, zorder=3)
    text = (f"{y:,.0f}" if abs(y) >= 100 else f"{y:.3g}").replace("-", "\N{MINUS SIGN}")
    axes.annotate(
        text, (x, y), (6, 0), textcoords="offset points", va="center", fontsize=8.5, color=INK
    )
    axes.set_title(title, pad=18)
    axes.text(0, 1.045, hint, transform=axes.transAxes, color=SOFT, fontsize=8)
    axes.grid(visible=False, axis="x")
    axes.margins(y=0.12)
    if title in FROM_ZERO:
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
