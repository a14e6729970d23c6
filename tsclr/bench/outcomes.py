"""Errors and warnings of units, collected from the processes that run them."""

import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tsclr.data.splits import LeakError

PLAIN = (ValueError, OSError, ArithmeticError)
"""Errors whose message is enough; others are reported with the name of their type."""
N_LETTERS = 200
"""Length to which the message of a warning is shortened."""


@dataclass(frozen=True)
class Failure:
    """An error as text: the exception itself may be of a class that cannot be pickled."""

    message: str
    trace: str
    leaked: bool


@dataclass(frozen=True)
class Outcome:
    """What a call in another process led to.

    Parameters
    ----------
    failure : Failure, optional
        Why it has returned nothing.
    warned : mapping of str to str
        The first message of each kind of warning, by its category and line of code.
    value : object
        What it has returned.
    """

    failure: Failure | None = None
    warned: Mapping[str, str] = field(default_factory=dict)
    value: Any = None


def attempt(task: Callable[[], Any]) -> Outcome:
    """Call a task; its error and its warnings are returned, neither raised nor shown.

    Examples
    --------
    >>> attempt(lambda: {}["acc"]).failure.message
    "KeyError: 'acc'"
    >>> attempt(lambda: 7).value
    7
    """
    failure = value = None
    with warnings.catch_warnings(record=True) as caught:
        try:
            value = task()
        except BaseException as error:  # a unit that calls sys.exit has failed like any other
            failure = as_text(error)
    warned: dict[str, str] = {}
    for warning in caught:
        kind = f"{warning.category.__name__} of {warning.filename}:{warning.lineno}"
        text = textwrap.shorten(str(warning.message), N_LETTERS, placeholder=" …")
        warned.setdefault(kind, text)
    return Outcome(failure, warned, value)


def as_text(error: BaseException) -> Failure:
    """An error as its message and its traceback.

    Examples
    --------
    >>> as_text(ValueError("no windows")).message, as_text(TypeError("no windows")).message
    ('no windows', 'TypeError: no windows')
    """
    text = " ".join(str(error).split())
    name = "" if text and isinstance(error, PLAIN) else type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return Failure(": ".join(filter(None, (name, text))), trace, isinstance(error, LeakError))


def raise_failures(outcomes: Mapping[str, Outcome]) -> None:
    """Raise if units failed; an error that many units share is listed once, with their names.

    Raises
    ------
    LeakError
        If a unit failed with this error.
    ValueError
        If units failed with other errors only.

    Examples
    --------
    >>> lost = Outcome(Failure("KeyError: 'acc'", "Traceback", leaked=False))
    >>> raise_failures({"fold 1": lost, "fold 2": Outcome(), "fold 3": lost})
    Traceback (most recent call last):
    ValueError: 2 of 3 units failed, the cells of the others are kept:
    KeyError: 'acc', in 2 units:
      fold 1
      fold 3
    """
    failures = {name: result.failure for name, result in outcomes.items() if result.failure}
    if not failures:
        return
    units_of = grouped((failure.message, name) for name, failure in failures.items())
    lines = [f"{len(failures)} of {len(outcomes)} units failed, the cells of the others are kept:"]
    for message, names in units_of.items():
        list_of_units = "\n  ".join([f"{message}, in {len(names)} units:", *names])
        lines.append(f"{names[0]}: {message}" if len(names) == 1 else list_of_units)
    kind = LeakError if any(failure.leaked for failure in failures.values()) else ValueError
    first = next(iter(failures.values()))
    raise kind("\n".join(lines)) from RuntimeError(f"in another process:\n{first.trace}")


def warning_lines(outcomes: Mapping[str, Outcome]) -> list[str]:
    """A line for each kind of warning, with the unit that raised it or how many units did.

    Examples
    --------
    >>> warned = Outcome(warned={"ConvergenceWarning of head.py:7": "lbfgs failed to converge"})
    >>> warning_lines({"fold 1": warned, "fold 2": Outcome(), "fold 3": warned})
    ['2 units, first fold 1: lbfgs failed to converge (ConvergenceWarning of head.py:7)']
    """
    units_of = grouped((kind, name) for name, result in outcomes.items() for kind in result.warned)
    lines = []
    for kind, names in units_of.items():
        where = names[0] if len(names) == 1 else f"{len(names)} units, first {names[0]}"
        lines.append(f"{where}: {outcomes[names[0]].warned[kind]} ({kind})")
    return lines


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second strings of pairs by the first, in their order.

    Examples
    --------
    >>> grouped([("a", "1"), ("b", "2"), ("a", "3")])
    {'a': ['1', '3'], 'b': ['2']}
    """
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
