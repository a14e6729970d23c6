"""What a section of a report is made of: a title, a text, a figure and its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from tsclr.specs import nearest


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Parameters
    ----------
    frame : DataFrame
        Text stays as it is, numbers are written by `number`.
    names : int
        Number of columns at the left that name a row.
    strong : frozenset of (int, int)
        Row and column of the cells in bold.
    """

    frame: pd.DataFrame
    names: int = 1
    strong: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Section:
    """One part of a report.

    Parameters
    ----------
    title : str
        Heading.
    reading : str
        How to read the figure, and what it leaves out.
    figure : matplotlib.figure.Figure, optional
        The figure.
    description : str
        Alternative text of the figure.
    table : Table, optional
        The numbers, folded away where there is a figure.
    """

    title: str
    reading: str
    figure: Figure | None = None
    description: str = ""
    table: Table | None = None


def require_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise ``ValueError`` unless `frame`, called `what` in the message, has all `columns`.

    Examples
    --------
    >>> require_columns(pd.DataFrame({"epoch": [1], "los": [2.0]}), ["epoch", "loss"], "metrics")
    Traceback (most recent call last):
    ValueError: metrics has no column 'loss': did you mean los? Allowed: epoch, los
    """
    for column in columns:
        if column not in frame.columns:
            present = [str(name) for name in frame.columns]
            raise ValueError(f"{what} has no column {column!r}: {nearest(column, present)}")


def number(value: object) -> str:
    """`value` as a table shows it: a dash if it is missing, three decimals for a fraction.

    Examples
    --------
    >>> [number(value) for value in (0.8871, 1234.5, 7, float("nan"), "run")]
    ['0.887', '1,234', '7', '–', 'run']
    """
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN differs from itself
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def to_floats(column: Iterable[object]) -> Float[np.ndarray, " N"]:
    """Column as float64, NaN where there is no number.

    Examples
    --------
    >>> to_floats([1, None, "2.5"])
    array([1. , nan, 2.5])
    """
    return np.asarray(pd.to_numeric(pd.Series(column), errors="coerce"), float)


def listed(names: Iterable[object]) -> str:
    """Names joined by commas and an "and".

    Examples
    --------
    >>> listed(["loss", "alignment", "uniformity"])
    'loss, alignment and uniformity'
    """
    texts = [str(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
