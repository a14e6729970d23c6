"""What every section of a report is made of: a title, prose, a picture and its numbers."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from tsclr.specs import nearest


@dataclass(frozen=True)
class Table:
    """Numbers as they are printed.

    Parameters
    ----------
    frame : DataFrame
        Text is printed as it stands, numbers as `number` writes them.
    names : int
        How many columns at the left name a row.
    strong : frozenset of (int, int)
        Row and column of the cells to stress.
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
        How to read the picture, and what was left out of it.
    figure : matplotlib.figure.Figure, optional
        The picture.
    description : str
        What the picture shows, for those who cannot see it.
    table : Table, optional
        The numbers. Beside a picture they are folded away until asked for.
    """

    title: str
    reading: str
    figure: Figure | None = None
    description: str = ""
    table: Table | None = None


def require_columns(frame: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Raise ``ValueError`` unless `frame` has all `columns`.

    Parameters
    ----------
    frame : DataFrame
        A table given by a caller.
    columns : iterable of str
        What has to be there.
    what : str
        Name of the table in the message.

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
    """`value` as a table shows it: a dash for what is missing, three decimals for a fraction.

    Parameters
    ----------
    value : object
        Text stays as it is.

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

    Parameters
    ----------
    column : iterable
        N values as they come from JSON.

    Examples
    --------
    >>> to_floats([1, None, "2.5"])
    array([1. , nan, 2.5])
    """
    return np.asarray(pd.to_numeric(pd.Series(column), errors="coerce"), float)


def listed(names: Iterable[object]) -> str:
    """Names in a sentence.

    Parameters
    ----------
    names : iterable
        In the order of the sentence.

    Examples
    --------
    >>> listed(["loss", "alignment", "uniformity"])
    'loss, alignment and uniformity'
    """
    texts = [str(name) for name in names]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)
