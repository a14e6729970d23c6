"""How units went, told by the processes that ran them, in; what a person has to know, out."""

import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from tsclr.data.splits import LeakError

PLAIN = (ValueError, OSError, ArithmeticError)
"""Errors whose message is enough; any other is told with the name of its type."""
N_LETTERS = 200
"""Of a warning that are told, at most."""


@dataclass(frozen=True)
class Failure:
    """An error in words, which any process can read, whatever the class of the error is.

    Parameters
    ----------
    message : str
        On one line.
    trace : str
        Where it arose, on many.
    leaked : bool
        Whether it is a `tsclr.data.splits.LeakError`.
    """

    message: str
    trace: str
    leaked: bool


@dataclass(frozen=True)
class Outcome:
    """How a unit went.

    Parameters
    ----------
    failure : Failure, optional
        Why its cells are not all there.
    warned : dict of str to str
        By the kind of a warning and the place in the code, what the first one said.
    """

    failure: Failure | None = None
    warned: Mapping[str, str] = field(default_factory=dict)


def attempt(task: Callable[[], None]) -> Outcome:
    """Call a task; its error and its warnings are given, not raised and not shown.

    Parameters
    ----------
    task : callable
        What a unit has to do; with a method of a user's own it may raise anything.

    Examples
    --------
    >>> attempt(lambda: {}["acc"]).failure.message
    "KeyError: 'acc'"
    """
    failure = None
    with warnings.catch_warnings(record=True) as caught:
        try:
            task()
        except Exception as error:
            failure = in_words(error)
    warned: dict[str, str] = {}
    for each in caught:
        kind = f"{each.category.__name__} of {each.filename}:{each.lineno}"
        text = textwrap.shorten(str(each.message), N_LETTERS, placeholder=" …")
        warned.setdefault(kind, text)
    return Outcome(failure, warned)


def outcome(future: Future[Outcome]) -> Outcome:
    """What `attempt` gave in a process, or why the process ended before.

    Parameters
    ----------
    future : Future
        That is done.
    """
    error = future.exception()
    return future.result() if error is None else Outcome(in_words(error))


def in_words(error: BaseException) -> Failure:
    """An error as its message and its traceback.

    Parameters
    ----------
    error : BaseException
        Which.

    Examples
    --------
    >>> in_words(ValueError("no windows")).message, in_words(TypeError("no windows")).message
    ('no windows', 'TypeError: no windows')
    """
    text = " ".join(str(error).split())
    name = "" if text and isinstance(error, PLAIN) else type(error).__name__
    trace = "".join(traceback.format_exception(error))
    return Failure(": ".join(filter(None, (name, text))), trace, isinstance(error, LeakError))


def refuse(outcomes: Mapping[str, Outcome]) -> None:
    """Raise where a unit failed; an error that hit many is told once, with the units it hit.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        By the name of the unit.

    Raises
    ------
    LeakError
        If one of the errors is.
    ValueError
        If none is.

    Examples
    --------
    >>> lost = Outcome(Failure("KeyError: 'acc'", "Traceback", leaked=False))
    >>> refuse({"fold 1": lost, "fold 2": Outcome(), "fold 3": lost})
    Traceback (most recent call last):
    ValueError: 2 of 3 units failed, the cells of the others are kept:
    KeyError: 'acc', in 2 units:
      fold 1
      fold 3
    """
    failures = {name: each.failure for name, each in outcomes.items() if each.failure}
    if not failures:
        return
    hit = grouped((failure.message, name) for name, failure in failures.items())
    lines = [f"{len(failures)} of {len(outcomes)} units failed, the cells of the others are kept:"]
    for message, names in hit.items():
        many = "\n  ".join([f"{message}, in {len(names)} units:", *names])
        lines.append(f"{names[0]}: {message}" if len(names) == 1 else many)
    kind = LeakError if any(failure.leaked for failure in failures.values()) else ValueError
    first = next(iter(failures.values()))
    raise kind("\n".join(lines)) from RuntimeError(f"in another process:\n{first.trace}")


def remarks(outcomes: Mapping[str, Outcome]) -> list[str]:
    """A line for each kind of warning, with the unit that gave it or how many did.

    Parameters
    ----------
    outcomes : mapping of str to Outcome
        By the name of the unit.

    Examples
    --------
    >>> warned = Outcome(warned={"ConvergenceWarning of head.py:7": "lbfgs failed to converge"})
    >>> remarks({"fold 1": warned, "fold 2": Outcome(), "fold 3": warned})
    ['2 units, fold 1 the first: lbfgs failed to converge (ConvergenceWarning of head.py:7)']
    """
    gave = grouped((kind, name) for name, each in outcomes.items() for kind in each.warned)
    lines = []
    for kind, names in gave.items():
        where = names[0] if len(names) == 1 else f"{len(names)} units, {names[0]} the first"
        lines.append(f"{where}: {outcomes[names[0]].warned[kind]} ({kind})")
    return lines


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The second ones of pairs, by the first.

    Parameters
    ----------
    pairs : iterable of (str, str)
        In the order that is kept.

    Examples
    --------
    >>> grouped([("a", "1"), ("b", "2"), ("a", "3")])
    {'a': ['1', '3'], 'b': ['2']}
    """
    found: dict[str, list[str]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
    return found
