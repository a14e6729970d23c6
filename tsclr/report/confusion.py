"""Counts of true and predicted classes in, a heat map with precision, recall and F1 out."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tsclr.report.look import ACCENT, INK, PAPER, STYLE, WIDTH, short
from tsclr.report.section import Section, Table

LIGHT_TEXT = 0.6
"""Share from which a cell is so dark that its text is written in the colour of the page."""


def confusion(matrix: Int[np.ndarray, "K K"], classes: Sequence[str]) -> Section:
    """Row-normalised confusion matrix with counts.

    Parameters
    ----------
    matrix : (K, K) int
        Windows of true class (row) predicted as class (column), of one draw or summed over draws.
    classes : sequence of str
        K names.

    Raises
    ------
    ValueError
        If the matrix is not (K, K) for K classes, or a count is negative.

    Examples
    --------
    >>> section = confusion(np.array([[9, 1], [0, 10]]), ["sit", "walk"])
    >>> print(section.reading)
    Rows are true classes... 19 of 20 predictions are on the diagonal, macro F1 0.950.
    """
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            f"confusion matrix has shape {matrix.shape}, expected "
            f"({len(classes)}, {len(classes)}) for classes {', '.join(classes)}"
        )
    if (matrix < 0).any():
        raise ValueError(f"confusion matrix has a negative count: {matrix.min()}")
    scores = _scores(matrix, classes)
    return Section(
        "Confusion",
        "Rows are true classes, columns predictions. A cell gives the share of its row in per cent "
        "above the count; empty cells are zero. "
        f"{np.trace(matrix)} of {matrix.sum()} predictions are on the diagonal, "
        f"macro F1 {scores['F1'].mean():.3f}.",
        _figure(matrix, classes),
        f"Heat map of {len(classes)} true by {len(classes)} predicted classes; precision, recall "
        "and F1 of each class are in the table below.",
        Table(scores),
    )


def _scores(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of each class; missing where a class was never there."""
    hits = np.diag(matrix).astype(float)
    true, predicted = matrix.sum(axis=1), matrix.sum(axis=0)

    def share(of: np.ndarray) -> np.ndarray:
        return np.divide(hits, of, out=np.full(len(hits), np.nan), where=of > 0)

    return pd.DataFrame(
        {
            "class": list(classes),
            "precision": share(predicted),
            "recall": share(true),
            "F1": share((true + predicted) / 2),
            "true": true,
            "predicted": predicted,
        }
    )


@rc_context(STYLE)
def _figure(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """One cell per pair of classes."""
    n_classes = len(classes)
    figure = Figure(figsize=(WIDTH, 0.42 * n_classes + 1.4))
    axes = figure.subplots()
    rows = np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for row, column in np.ndindex(matrix.shape):
        _cell(axes, row, column, int(matrix[row, column]), float((matrix / rows)[row, column]))
    names = [short(name, 20) for name in classes]
    wrapped = [textwrap.fill(name, 12) for name in names]
    crowded = max(len(line) for name in wrapped for line in name.splitlines()) * n_classes > 90
    turn = {"rotation": 30, "ha": "left", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(n_classes), names if crowded else wrapped, **turn)
    axes.set_yticks(range(n_classes), names)
    axes.set_xlim(-0.5, n_classes - 0.5)
    axes.set_ylim(n_classes - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class", loc="left", labelpad=8)
    axes.set_ylabel("true class", loc="top")
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    return figure


def _cell(axes: Axes, row: int, column: int, count: int, share: float) -> None:
    """A square as strong as its share, with a hair of page between neighbours."""
    square = Rectangle((column - 0.49, row - 0.485), 0.98, 0.97, facecolor=ACCENT, linewidth=0)
    square.set_alpha(0.04 + 0.96 * share)
    axes.add_patch(square)
    if count:
        colour = PAPER if share >= LIGHT_TEXT else INK
        percent = f"{100 * share:.0f} %" if share >= 0.005 else "<1 %"
        axes.text(column, row, percent, ha="center", va="bottom", fontsize=8.5, color=colour)
        axes.text(column, row + 0.06, f"{count:,}", ha="center", va="top", fontsize=7, color=colour)
