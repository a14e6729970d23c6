"""Counts of true and predicted classes in, heat maps with the scores of each class out."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from tsclr.report.look import ACCENT, INK, PAPER, SOFT, STYLE, WIDTH, short
from tsclr.report.section import Section, Table, number, require_columns

LIGHT_TEXT = 0.6
"""Share from which a cell is so dark that its text has the colour of the page."""
LEAST = 0.01
"""Share below which a cell of a panel is left empty."""
FAINT = 0.04
"""Opacity of a cell without a window."""
CORNERS = np.array([[-0.49, -0.485], [0.49, -0.485], [0.49, 0.485], [-0.49, 0.485], [0, 0]])
"""Corners of a cell around its centre, a little apart from its neighbours; the last closes it."""

COLUMNS = ("method", "macro_f1_mean", "per_class_f1", "confusion")
KEY, TITLE, GAP = 0.3, 0.5, 0.25
"""Heights of the key and of a title and space between panels, in inches."""
LETTER, BOLD = 0.066, 0.086
"""Mean width of a letter in the name of a class and in a title, in inches."""
LARGEST = 0.5
"""Largest cell of a panel in inches: few classes make small panels, not large cells."""
LEGIBLE = 18
"""Width of a cell in points from which a number of three figures can be read in it."""


@dataclass(frozen=True)
class Panel:
    """Shares of the rows of one method, (K, K), and its score."""

    method: str
    macro_f1: float
    shares: Float[np.ndarray, "K K"]


def confusion(matrix: Int[np.ndarray, "K K"], classes: Sequence[str]) -> Section:
    """Row-normalised confusion matrix with counts.

    Parameters
    ----------
    matrix : (K, K) int
        Windows of true class (row) predicted as class (column), of one label draw or the sum over
        label draws.
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
    Rows are true classes... 19 of 20 predictions are correct, macro F1 0.950.
    """
    _check(matrix, classes, "confusion matrix")
    scores = _scores(matrix, classes)
    return Section(
        "Confusion",
        "Rows are true classes, columns are predicted classes. A cell shows the percentage of its "
        "row above the number of windows; empty cells are zero. "
        f"{np.trace(matrix)} of {matrix.sum()} predictions are correct, "
        f"macro F1 {scores['F1'].mean():.3f}.",
        _figure(matrix, classes),
        f"Heat map of {len(classes)} true by {len(classes)} predicted classes; the table below has "
        "precision, recall and F1 of each class.",
        Table(scores),
    )


def confusion_of_methods(results: pd.DataFrame) -> Section:
    """Row-normalised confusion matrices of all methods side by side, best first.

    Parameters
    ----------
    results : DataFrame
        One row per method at one label budget: columns method, macro_f1_mean, per_class_f1 (class
        name → F1 for K classes, means over label draws) and confusion ((K, K) counts, rows are
        true classes).

    Raises
    ------
    ValueError
        If a column is missing, there is no row, methods differ in their classes, or a matrix is not
        (K, K) or has a negative count.

    Examples
    --------
    >>> results = pd.DataFrame(
    ...     {"method": ["SimCLR", "random-init"], "macro_f1_mean": [0.95, 0.8],
    ...      "per_class_f1": [{"sit": 0.947, "walk": 0.952}, {"sit": 0.8, "walk": 0.8}],
    ...      "confusion": [[[9, 1], [0, 10]], [[8, 2], [2, 8]]]}
    ... )
    >>> print(confusion_of_methods(results).reading)
    One panel for each method... Largest error of SimCLR: 10 % of sit is predicted as walk.
    """
    require_columns(results, COLUMNS, "results")
    if results.empty:
        raise ValueError("results has no row: pass one for each method")
    ranked = results.sort_values("macro_f1_mean", ascending=False, kind="stable")
    classes = list(ranked["per_class_f1"].iloc[0])
    panels = [_panel(row, classes) for row in ranked.to_dict("records")]
    return Section(
        "Confusion of methods",
        "One panel for each method, best first: panels side by side have similar scores and show "
        "which classes make the difference. Rows are true classes, columns are predicted classes; "
        "a cell is the percentage of its row, on one colour scale, and empty below 1 %. Windows "
        "are counted over all label draws; macro F1 is the mean over label draws."
        f"{_largest_error(panels[0], classes)}",
        _panels(panels, classes),
        f"Heat maps of {len(classes)} true by {len(classes)} predicted classes for {len(panels)} "
        "methods; the table below has the F1 of each class.",
        _by_class(ranked),
    )


def _panel(row: Mapping[str, Any], classes: list[str]) -> Panel:
    """The panel of a row of the results."""
    names = list(row["per_class_f1"])
    if names != classes:
        raise ValueError(
            f"{row['method']} has classes {', '.join(names)}, expected {', '.join(classes)}: "
            "pass methods of one dataset"
        )
    matrix = np.asarray(row["confusion"])
    _check(matrix, classes, f"confusion matrix of {row['method']}")
    return Panel(row["method"], row["macro_f1_mean"], _shares(matrix))


def _by_class(results: pd.DataFrame) -> Table:
    """Macro F1 and F1 of each class, a row for each method."""
    methods = results[["method", "macro_f1_mean"]].set_axis(["method", "macro F1"], axis=1)
    f1 = pd.DataFrame(results["per_class_f1"].tolist(), index=results.index)
    return Table(pd.concat([methods, f1], axis=1))


def _check(matrix: np.ndarray, classes: Sequence[str], what: str) -> None:
    """Raise ``ValueError`` unless there are counts of every pair of classes."""
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(
            f"{what} has shape {matrix.shape}, expected "
            f"({len(classes)}, {len(classes)}) for classes {', '.join(classes)}"
        )
    if (matrix < 0).any():
        raise ValueError(f"{what} has a negative count: {matrix.min()}")


def _shares(matrix: Int[np.ndarray, "K K"]) -> Float[np.ndarray, "K K"]:
    """Counts divided by the sum of their row; zero for a class without windows."""
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)


def _scores(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Precision, recall and F1 of each class, NaN where undefined."""
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


def _largest_error(panel: Panel, classes: Sequence[str]) -> str:
    """The largest share off the diagonal, in words."""
    errors = panel.shares * ~np.eye(len(classes), dtype=bool)
    true, predicted = divmod(int(errors.argmax()), len(classes))
    if errors.max() < LEAST:
        return ""
    return (
        f" Largest error of {panel.method}: {100 * errors.max():.0f} % of {classes[true]} is "
        f"predicted as {classes[predicted]}."
    )


@rc_context(STYLE)
def _figure(matrix: np.ndarray, classes: Sequence[str]) -> Figure:
    """One cell per pair of classes."""
    n_classes = len(classes)
    figure = Figure(figsize=(WIDTH, 0.42 * n_classes + 1.4))
    axes = figure.subplots()
    shares = _shares(matrix)
    _heat(axes, shares)
    percents = [f"{100 * share:.0f} %" if share >= 0.005 else "<1 %" for share in shares.flat]
    _write(axes, shares, percents, va="bottom", fontsize=8.5)
    _write(axes, shares, [f"{count:,}" for count in matrix.flat], 0.06, va="top", fontsize=7)
    names = [short(name, 20) for name in classes]
    wrapped = [textwrap.fill(name, 12) for name in names]
    crowded = max(len(line) for name in wrapped for line in name.splitlines()) * n_classes > 90
    turn = {"rotation": 30, "ha": "left", "rotation_mode": "anchor"} if crowded else {}
    axes.set_xticks(range(n_classes), names if crowded else wrapped, **turn)
    axes.set_yticks(range(n_classes), names)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class", loc="left", labelpad=8)
    axes.set_ylabel("true class", loc="top")
    return figure


@rc_context(STYLE)
def _panels(panels: Sequence[Panel], classes: Sequence[str]) -> Figure:
    """Panels in a grid, class names at the left and below the last panel of each column."""
    names = [short(name, 20) for name in classes]
    margin = LETTER * max(len(name) for name in names) + 0.2
    n_columns = min(len(panels), 4 if len(classes) <= 6 else 3)
    slot = (WIDTH - margin) / n_columns
    side = min(slot - GAP, LARGEST * len(classes))
    n_rows = -(-len(panels) // n_columns)
    height = KEY + n_rows * (TITLE + side) + margin
    figure = Figure(figsize=(WIDTH, height))
    figure.set_layout_engine("none")
    _key(figure.add_axes((1 - 2 / WIDTH, 1 - 0.2 / height, 1.95 / WIDTH, 0.19 / height)))
    for index, panel in enumerate(panels):
        row, column = divmod(index, n_columns)
        left, bottom = margin + column * slot, height - KEY - (row + 1) * (TITLE + side)
        axes = figure.add_axes((left / WIDTH, bottom / height, side / WIDTH, side / height))
        axes.set_title(short(panel.method, int(slot / BOLD)), pad=18, fontsize=9)
        _small(axes, panel, 72 * side / len(classes))
        is_last = index + n_columns >= len(panels)
        axes.set_xticks(range(len(names)), names if is_last else [""] * len(names), rotation=90)
        axes.set_yticks(range(len(names)), [""] * len(names) if column else names)
    return figure


def _key(axes: Axes) -> None:
    """The colour scale of all panels, in per cent."""
    steps = np.linspace(0.2, 1, 5)[None]
    _heat(axes, steps)
    _write(axes, steps, [f"{100 * step:.0f}" for step in steps.flat], va="center", fontsize=8)
    axes.set_xticks([])
    axes.set_yticks([0], ["row: true class, column: predicted class; % of the row"])


def _small(axes: Axes, panel: Panel, pitch: float) -> None:
    """The panel of one method; percentages where cells, `pitch` points wide, have room for them."""
    shares = np.where(panel.shares < LEAST, 0, panel.shares)
    _heat(axes, shares)
    if pitch >= LEGIBLE:
        percents = [f"{100 * share:.0f}" for share in shares.flat]
        _write(axes, shares, percents, va="center", fontsize=min(8, 0.42 * pitch))
    score = f"macro F1 {number(panel.macro_f1)}"
    axes.annotate(
        score, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", color=SOFT
    )
    axes.tick_params(labelsize=min(8.5, 0.8 * pitch), pad=3)


def _heat(axes: Axes, shares: np.ndarray) -> None:
    """A square for each share, as opaque as it is large; squares of one shade are one path."""
    n_rows, n_columns = shares.shape
    field = Rectangle((-0.5, -0.5), n_columns, n_rows, facecolor=ACCENT, alpha=FAINT, linewidth=0)
    axes.add_patch(field)
    shades = shares.round(2)
    for shade in np.unique(shades[shades > 0]):
        centres = np.argwhere(shades == shade)[:, None, ::-1]
        squares = Path.make_compound_path(*(Path(c + CORNERS, closed=True) for c in centres))
        style = {"facecolor": ACCENT, "alpha": float(shade), "linewidth": 0, "clip_on": False}
        axes.add_patch(PathPatch(squares, **style))
    axes.set_xlim(-0.5, n_columns - 0.5)
    axes.set_ylim(n_rows - 0.5, -0.5)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)


def _write(
    axes: Axes, shares: np.ndarray, texts: Iterable[str], drop: float = 0, **font: Any
) -> None:
    """Texts in the cells that are not empty, `drop` of a cell below their centres."""
    for ((row, column), share), text in zip(np.ndenumerate(shares), texts, strict=True):
        if share:
            colour = PAPER if share >= LIGHT_TEXT else INK
            axes.text(column, row + drop, text, ha="center", color=colour, **font)
