"""Arguments of objectives in, ``ValueError`` out: the value, and what is allowed."""

import math


def check_sizes(**sizes: int) -> None:
    """Raise ``ValueError`` for the first size below 1.

    Parameters
    ----------
    **sizes : int
        Arguments by name.

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

    Parameters
    ----------
    **numbers : float
        Arguments by name.

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

    Parameters
    ----------
    **numbers : float
        Arguments by name.

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

    Parameters
    ----------
    **numbers : float
        Arguments by name.

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

    Parameters
    ----------
    **counts : int
        How many there are, by name.

    Examples
    --------
    >>> check_several(views=2, windows=1)
    Traceback (most recent call last):
    ValueError: the number of windows is 1, it must be at least 2
    """
    for name, count in counts.items():
        if count < 2:
            raise ValueError(f"the number of {name} is {count}, it must be at least 2")


def check_horizon(n_steps: int, horizon: int) -> None:
    """Raise ``ValueError`` unless a feature map has more steps than are foretold.

    Parameters
    ----------
    n_steps : int
        Steps of the feature map (S).
    horizon : int
        Steps ahead (K).

    Examples
    --------
    >>> check_horizon(n_steps=4, horizon=4)
    Traceback (most recent call last):
    ValueError: the feature map has 4 steps, too few for horizon = 4: take a smaller horizon, ...
    """
    if n_steps <= horizon:
        raise ValueError(
            f"the feature map has {n_steps} steps, too few for horizon = {horizon}: take a "
            "smaller horizon, longer windows or an encoder with fewer strides"
        )
