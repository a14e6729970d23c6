"""Checks of constructor arguments: each error names the value and what is allowed."""

import math
from typing import TypeVar

Number = TypeVar("Number", int, float)


def check_sizes(**sizes: int) -> None:
    """Raise ``ValueError`` for the first size below 1.

    Examples
    --------
    >>> check_sizes(hidden=256, width=0)
    Traceback (most recent call last):
    ValueError: width is 0, it must be at least 1
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, it must be at least 1")


def check_positive(**numbers: float) -> None:
    """Raise ``ValueError`` for the first number that is not finite and greater than 0.

    Examples
    --------
    >>> check_positive(temperature=0.0)
    Traceback (most recent call last):
    ValueError: temperature is 0.0, it must be finite and greater than 0
    """
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(f"{name} is {number}, it must be finite and greater than 0")


def check_not_negative(**numbers: float) -> None:
    """Raise ``ValueError`` for the first number that is negative or not finite.

    Examples
    --------
    >>> check_not_negative(margin=-1.0)
    Traceback (most recent call last):
    ValueError: margin is -1.0, it must be finite and at least 0
    """
    for name, number in numbers.items():
        if not 0 <= number < math.inf:
            raise ValueError(f"{name} is {number}, it must be finite and at least 0")


def check_fractions(**numbers: float) -> None:
    """Raise ``ValueError`` for the first number outside 0 to 1.

    Examples
    --------
    >>> check_fractions(momentum=1.5)
    Traceback (most recent call last):
    ValueError: momentum is 1.5, it must be from 0 to 1
    """
    for name, number in numbers.items():
        if not 0 <= number <= 1:
            raise ValueError(f"{name} is {number}, it must be from 0 to 1")


def check_several(**counts: int) -> None:
    """Raise ``ValueError`` for the first thing there is only one of: it has no other to relate to.

    Examples
    --------
    >>> check_several(views=2, windows=1)
    Traceback (most recent call last):
    ValueError: the number of windows is 1, it must be at least 2
    """
    for name, count in counts.items():
        if count < 2:
            raise ValueError(f"the number of {name} is {count}, it must be at least 2")


def in_range(name: str, value: Number, low: float, high: float) -> Number:
    """Give back `value` if it lies from `low` to `high`, both included.

    Raises
    ------
    ValueError
        If it lies outside, is NaN, or is no whole number where it should be one.

    Examples
    --------
    >>> in_range("p", 1.5, 0.0, 1.0)
    Traceback (most recent call last):
    ValueError: p is 1.5, allowed is 0 to 1
    """
    if not low <= value <= high:
        raise ValueError(f"{name} is {value}, allowed is {low:g} to {high:g}")
    if isinstance(low, int) and value != int(value):
        raise ValueError(f"{name} is {value}, allowed are whole numbers from {low} to {high}")
    return value
