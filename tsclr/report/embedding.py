"""Points of a 2-D projection in, scatter plots coloured by class and by subject out."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tsclr.report.look import PALETTE, SOFT, STYLE, WIDTH, short
from tsclr.report.section import Section, Table

TITLE = "Features in two dimensions"
MARKERS = "os^DvPX"
AS_VECTORS = 1000
"""More points than this become an image: the file is smaller and opens faster."""


def embedding_scatter(
    points: Float[np.ndarray, "N 2"],
    classes: Sequence[str] | np.ndarray,
    subjects: Sequence[str] | np.ndarray,
) -> Section:
    """The same points twice: coloured by class and by subject.

    Parameters
    ----------
    points : (N, 2) float
        A projection of features, for example by PCA. Points that are not finite are left out, and
        the text says how many.
    classes, subjects : (N,) of str
        Class and subject of each point.

    Raises
    ------
    ValueError
        If the three arguments differ in length.

    Examples
    --------
    >>> points = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> section = embedding_scatter(points, ["sit", "walk", "sit"], ["s1", "s1", "s2"])
    >>> section.table.frame.to_dict("list")
    {'class': ['sit', 'walk'], 'windows': [2, 1], 'subjects': [2, 1]}
    """
    n_names = {len(classes), len(subjects)}
    if points.ndim != 2 or points.shape[1] != 2 or n_names != {len(points)}:
        raise ValueError(
            f"points have shape {points.shape} with {len(classes)} classes and "
            f"{len(subjects)} subjects; expected (N, 2), N and N"
        )
    finite = np.isfinite(points).all(axis=1)
    by_class = np.asarray(classes, str)[finite]
    by_subject = np.asarray(subjects, str)[finite]
    n_lost = int((~finite).sum())
    note = f" Points left out because they are not finite: {n_lost}." if n_lost else ""
    if not finite.any():
        return Section(TITLE, f"There is no point to plot.{note}")
    counts = _counts(by_class, by_subject)
    return Section(
        TITLE,
        "Each point is a window of a test subject, its features projected to two dimensions. Good "
        "features separate the classes (left) and mix the subjects (right)." + note,
        _figure(points[finite], by_class, by_subject),
        f"Two scatter plots of the same {finite.sum()} points, coloured by {len(counts)} "
        f"classes and by {len(set(by_subject))} subjects; the table below has the counts.",
        Table(counts),
    )


def _counts(classes: np.ndarray, subjects: np.ndarray) -> pd.DataFrame:
    """Windows and subjects of each class."""
    names, windows = np.unique(classes, return_counts=True)
    n_subjects = [len(set(subjects[classes == name])) for name in names]
    return pd.DataFrame({"class": names, "windows": windows, "subjects": n_subjects})


@rc_context(STYLE)
def _figure(points: np.ndarray, classes: np.ndarray, subjects: np.ndarray) -> Figure:
    """Two panels on the same scales."""
    figure = Figure(figsize=(WIDTH, 5.3))
    left, right = figure.subplots(1, 2)
    left.set_title("By class")
    right.set_title("By subject")
    names = sorted(set(classes))
    of_class = dict(zip(names, _styles(len(names), are_classes=True), strict=True))
    _scatter(left, points, classes, of_class)
    _name_below(left, of_class)
    names = sorted(set(subjects), key=lambda name: (len(name), name))
    few = len(names) <= len(PALETTE)
    of_subject = dict(zip(names, _styles(len(names), are_classes=few), strict=True))
    _scatter(right, points, subjects, of_subject)
    if few:
        _name_below(right, of_subject)
    else:
        note = f"{len(names)} subjects, one colour each"
        right.text(0, -0.03, note, transform=right.transAxes, va="top", color=SOFT, fontsize=8.5)
    return figure


def _styles(n_groups: int, are_classes: bool) -> list[tuple[str, str]]:
    """Marker and colour of each group; colours of a rainbow where no names are shown."""
    if are_classes:
        styles = itertools.cycle(itertools.product(MARKERS, PALETTE))
        return list(itertools.islice(styles, n_groups))
    return [("o", to_hex(rgba)) for rgba in colormaps["turbo"](np.linspace(0.05, 0.95, n_groups))]


def _scatter(
    axes: Axes, points: np.ndarray, groups: np.ndarray, styles: Mapping[str, tuple[str, str]]
) -> None:
    """One panel; points in a shuffled order, so that no group lies on top of the others."""
    order = np.random.default_rng(0).permutation(len(points))
    markers, colours = np.array([styles[group] for group in groups[order]]).T
    for marker in dict.fromkeys(marker for marker, _ in styles.values()):
        axes.scatter(
            *points[order][markers == marker].T,
            c=colours[markers == marker].tolist(),
            marker=marker,
            s=12,
            alpha=0.65,
            linewidths=0,
            rasterized=len(points) > AS_VECTORS,
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)


def _name_below(axes: Axes, styles: Mapping[str, tuple[str, str]]) -> None:
    """Names of the groups under the panel, in as many columns as fit."""
    names = [short(name) for name in styles]
    axes.legend(
        [
            Line2D([], [], linestyle="none", markersize=5, marker=marker, color=colour)
            for marker, colour in styles.values()
        ],
        names,
        loc="upper left",
        bbox_to_anchor=(-0.02, 0),
        ncols=min(6, max(1, 52 // (max(len(name) for name in names) + 5))),
        labelcolor=SOFT,
        columnspacing=1.2,
        handlelength=1,
    )
