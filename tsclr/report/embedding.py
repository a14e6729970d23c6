"""Points of a 2-D projection in, the same points by activity and by subject out."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from tsclr.report.look import PALETTE, SOFT, STYLE, WIDTH, short
from tsclr.report.section import Section, Table

MARKERS = "os^DvPX"
AS_VECTORS = 1000
"""More points than this are drawn as an image: the file is smaller and shows faster."""

NAMED = 10
"""More subjects than this get colours without names: nobody tells that many apart."""


def embedding_scatter(
    points: Float[np.ndarray, "N 2"],
    activities: Sequence[str] | np.ndarray,
    subjects: Sequence[str] | np.ndarray,
) -> Section:
    """The same points twice: coloured by activity, and by subject.

    Parameters
    ----------
    points : (N, 2) float
        A projection of representations, for example by PCA. Points that are not finite are left
        out, and the text says how many.
    activities, subjects : (N,) of str
        What to colour by.

    Raises
    ------
    ValueError
        If the three do not have the same length.

    Examples
    --------
    >>> points = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> section = embedding_scatter(points, ["sit", "walk", "sit"], ["s1", "s1", "s2"])
    >>> section.table.frame.to_dict("list")
    {'activity': ['sit', 'walk'], 'windows': [2, 1], 'subjects': [2, 1]}
    """
    n_names = {len(activities), len(subjects)}
    if points.ndim != 2 or points.shape[1] != 2 or n_names != {len(points)}:
        raise ValueError(
            f"points have shape {points.shape} with {len(activities)} activities and "
            f"{len(subjects)} subjects; expected (N, 2), N and N"
        )
    finite = np.isfinite(points).all(axis=1)
    by_activity = np.asarray(activities, str)[finite]
    by_subject = np.asarray(subjects, str)[finite]
    n_lost = int((~finite).sum())
    note = f" Points that are not finite, left out: {n_lost}." if n_lost else ""
    if not finite.any():
        return Section("Embedding", f"There is no point to draw.{note}")
    counts = _counts(by_activity, by_subject)
    return Section(
        "Embedding",
        "Each point is a window of the test subjects, in two dimensions out of many. Good "
        "representations part the activities (left) and mix the subjects (right)." + note,
        _figure(points[finite], by_activity, by_subject),
        f"Two scatter plots of the same {finite.sum()} points, coloured by {len(counts)} "
        f"activities and by {len(set(by_subject))} subjects; counts are in the table below.",
        Table(counts),
    )


def _counts(activities: np.ndarray, subjects: np.ndarray) -> pd.DataFrame:
    """Windows and subjects of each activity."""
    names, windows = np.unique(activities, return_counts=True)
    n_subjects = [len(set(subjects[activities == name])) for name in names]
    return pd.DataFrame({"activity": names, "windows": windows, "subjects": n_subjects})


@rc_context(STYLE)
def _figure(points: np.ndarray, activities: np.ndarray, subjects: np.ndarray) -> Figure:
    """Two panels on the same scales."""
    figure = Figure(figsize=(WIDTH, 5.3))
    left, right = figure.subplots(1, 2)
    _scatter(left, points, activities, dict(zip(np.unique(activities), _styles(), strict=False)))
    names = sorted(set(subjects), key=lambda name: (len(name), name))
    styles = _styles() if len(names) <= len(PALETTE) else _many_styles(len(names))
    _scatter(right, points, subjects, dict(zip(names, styles, strict=False)))
    left.set_title("By activity")
    right.set_title("By subject")
    _name_below(left)
    if len(names) <= NAMED:
        _name_below(right)
    else:
        note = f"{len(names)} subjects, one colour each"
        right.text(0, -0.03, note, transform=right.transAxes, va="top", color=SOFT, fontsize=8.5)
    return figure


def _styles() -> Iterator[dict[str, str]]:
    """Colours first, then the same colours with another marker, without end."""
    for marker in itertools.cycle(MARKERS):
        for colour in PALETTE:
            yield {"color": colour, "marker": marker}


def _many_styles(n_groups: int) -> Iterator[dict[str, str]]:
    """Colours along the rainbow: enough to see whether groups mix, too near to be told apart."""
    for colour in colormaps["turbo"](np.linspace(0.05, 0.95, n_groups)):
        yield {"color": to_hex(colour), "marker": "o"}


def _scatter(
    axes: Axes, points: np.ndarray, groups: np.ndarray, styles: dict[str, dict[str, str]]
) -> None:
    """One panel."""
    for name, style in styles.items():
        axes.scatter(
            *points[groups == name].T,
            s=12,
            alpha=0.65,
            linewidths=0,
            label=short(name),
            rasterized=len(points) > AS_VECTORS,
            **style,
        )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)


def _name_below(axes: Axes) -> None:
    """Names of the groups under the panel, in as many columns as fit."""
    longest = max(len(str(points.get_label())) for points in axes.collections)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.02, 0),
        ncols=min(6, max(1, 52 // (longest + 5))),
        markerscale=1.8,
        labelcolor=SOFT,
        columnspacing=1.2,
        handlelength=1,
    )
