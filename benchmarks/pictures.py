"""``python -m benchmarks.pictures``: write the pictures of the README to ``docs/pictures``.

Their background is transparent, and their colours are readable on white and on black.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.suite_page import TITLES, results
from benchmarks.svg import standalone
from benchmarks.views_page import windows_by_class
from tsclr.augment import Augmentation, Jitter, Permute, Rotate, TimeWarp
from tsclr.datasets import Synthetic
from tsclr.report.budgets import measure, ordered_budgets
from tsclr.report.look import ACCENT, BASELINE, INK, PALETTE, STYLE
from tsclr.report.section import listed

FOLDER = Path(__file__).parent.parent / "docs" / "pictures"
GREY = "#7d8893"
COLOURS = {
    "paper": "none",
    "ink": GREY,
    "soft": GREY,
    "rule": "#8888884d",
    "accent": "#2f81d6",
    "baseline": GREY,
}
"""Colours by their names in `tsclr.report.look.THEME`, for light and dark backgrounds."""

VIEWS: list[Augmentation] = [
    Jitter(sd=0.2),
    Rotate(spread=1.0),
    TimeWarp(strength=0.6),
    Permute(n_segments=4),
]
SEED = 3
BUDGETS = ("1", "5", "10", "50", "all")
METHODS: dict[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("NT-Xent", "linear"): ("NT-Xent", {"color": ACCENT, "lw": 2.6, "zorder": 4}),
    ("hand features", "linear"): ("hand features", {"color": PALETTE[1], "ls": (0, (5, 1.5))}),
    ("MiniRocket", "ridge"): ("MiniRocket", {"color": PALETTE[2], "ls": (0, (1, 1.2))}),
    ("supervised", "supervised"): (
        "supervised",
        {"color": PALETTE[3], "ls": (0, (5, 1.5, 1, 1.5))},
    ),
    ("random-init", "linear"): ("random initialisation", {"color": INK, "ls": (0, (2, 2))}),
}
"""Method and head in the results: its name in the legend and its line."""


@rc_context(STYLE)
def views_figure() -> Figure:
    """The accelerometer of a simulated window of running and of four views of it."""
    window = windows_by_class()["running"]
    figure = Figure(figsize=(9.6, 2.3))
    panels = figure.subplots(1, 1 + len(VIEWS), sharex=True, sharey=True)
    _plot_acceleration(panels[0], window)
    panels[0].set_title("window")
    panels[0].set_ylabel("acceleration (g)")
    for axes, view in zip(panels[1:], VIEWS, strict=True):
        axes.plot(_time(window), window[:3].T, color=BASELINE, linewidth=0.7)
        _plot_acceleration(axes, _view(view, window))
        axes.set_title(type(view).__name__)
    handles = panels[1].lines[2:]  # of the three lines of the window one is enough
    labels = ["window", "x", "y", "z"]
    figure.legend(handles, labels, loc="outside upper right", ncols=4, borderaxespad=0)
    return figure


def _view(view: Augmentation, window: Float[torch.Tensor, "C T"]) -> Float[torch.Tensor, "C T"]:
    """One view of a window."""
    view = view.for_channels(Synthetic.channels)
    return view(window[None], torch.Generator().manual_seed(SEED))[0]


def _time(signal: Float[torch.Tensor, "C T"]) -> Float[np.ndarray, " T"]:
    """Seconds of the samples of a signal."""
    return np.arange(signal.shape[1]) / Synthetic.sample_rate


def _plot_acceleration(axes: Axes, signal: Float[torch.Tensor, "C T"]) -> None:
    """A line for each axis of the accelerometer."""
    for values, colour in zip(signal[:3].numpy(), (ACCENT, *PALETTE[1:3]), strict=True):
        axes.plot(_time(signal), values, color=colour, linewidth=1.3)
    axes.margins(x=0)
    axes.set_xticks([0, 1, 2])
    axes.set_xlabel("time (s)")


@rc_context(STYLE)
def label_budget_figure() -> Figure:
    """Macro F1 against the label budget, a panel for each dataset of the suite ``small``."""
    rows = (results() or {"rows": []})["rows"]
    figure = Figure(figsize=(9.6, 3.1))
    panels = figure.subplots(1, len(TITLES), sharey=True)
    for axes, (dataset, title) in zip(panels, TITLES.items(), strict=True):
        rows_of_dataset = [row for row in rows if row["dataset"] == dataset]
        _plot_scores(axes, rows_of_dataset)
        axes.set_title(f"{title}, {rows_of_dataset[0]['test_subjects']} test subjects")
    panels[0].set_ylabel("macro F1 on test subjects")
    figure.supxlabel(f"label budget: {measure(BUDGETS)}", fontsize=8.5, color=INK)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), handlelength=2.6)
    return figure


def _plot_scores(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """A line for each method; the band of NT-Xent is ± one SD over label draws."""
    by_key = {(row["method"], row["head"], row["budget"]): row for row in rows}
    budgets = ordered_budgets(BUDGETS)
    for (method, head), (label, style) in METHODS.items():
        points = [by_key[method, head, budget] for budget in budgets]
        mean = np.array([point["macro_f1_mean"] for point in points])
        axes.plot(range(len(budgets)), mean, marker="o", markersize=3, label=label, **style)
        if method == "NT-Xent":
            sd = np.array([point["macro_f1_sd"] for point in points])
            band = {"color": style["color"], "alpha": 0.18, "linewidth": 0}
            axes.fill_between(range(len(budgets)), mean - sd, mean + sd, **band)
    axes.set_xticks(range(len(budgets)), budgets)
    axes.grid(visible=False, axis="x")


PICTURES: dict[str, tuple[Callable[[], Figure], str, str]] = {
    "views": (
        views_figure,
        "A window and four views of it",
        "Acceleration of a simulated window of running, and the same window with jitter, rotated, "
        "warped in time and permuted.",
    ),
    "label-budget": (
        label_budget_figure,
        "Macro F1 against label budget",
        f"Line charts for {listed(TITLES.values())}: macro F1 on test subjects against 1, 5, 10, "
        "50 and all labelled windows per class for NT-Xent, hand features, MiniRocket, a "
        "supervised network and a random initialisation.",
    ),
}
"""File name: figure, title and alternative text."""


def picture(name: str) -> str:
    """The text of one SVG file."""
    figure, title, description = PICTURES[name]
    return standalone(figure(), title, description, COLOURS)


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    for name in PICTURES:
        (FOLDER / f"{name}.svg").write_text(picture(name))
    sys.stdout.write(f"{FOLDER.name}: {', '.join(PICTURES)}\n")


if __name__ == "__main__":
    main()
