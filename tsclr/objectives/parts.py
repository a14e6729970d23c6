"""What objectives are built from: heads, averaged copies, and the sum under every contrast."""

from collections.abc import Iterable
from copy import deepcopy
from itertools import chain, count
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from tsclr.distributed import gather, own_rows, rank

Module = TypeVar("Module", bound=nn.Module)

def projector(num_features: int, hidden: int, width: int) -> nn.Sequential:
    """Make the head from representations h to embeddings z: Linear, BatchNorm, ReLU, Linear.

    The first layer has no bias, since BatchNorm would remove it.

    Parameters
    ----------
    num_features : int
        Features of a representation (D).
    hidden : int
        Units of the hidden layer.
    width : int
        Features of an embedding.

    Returns
    -------
    torch.nn.Sequential
        Maps (N, num_features) to (N, width).

    Raises
    ------
    ValueError
        If one of the sizes is below 1.

    Examples
    --------
    >>> projector(24, hidden=32, width=16)(torch.zeros(8, 24)).shape
    torch.Size([8, 16])
    """
    check_sizes(num_features=num_features, hidden=hidden, width=width)
    return nn.Sequential(
        nn.Linear(num_features, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, width),
    )


def averaged_copy(module: Module) -> Module:
    """A copy without gradient, to be moved by `follow`.

    Parameters
    ----------
    module : nn.Module
        What is trained.
    """
    return deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(copy: nn.Module, module: nn.Module, momentum: float) -> None:
    """Move a copy a little towards the module: ``w ← momentum · w + (1 - momentum) · w'``.

    Buffers, such as the moments of a batch norm, are the copy's own.

    Parameters
    ----------
    copy : nn.Module
        As `averaged_copy` gives it.
    module : nn.Module
        After a step of the optimiser.
    momentum : float
        Near 1 for a slow copy.

    Examples
    --------
    >>> module = nn.Linear(1, 1, bias=False)
    >>> copy = averaged_copy(module)
    >>> _ = nn.init.ones_(module.weight), nn.init.zeros_(copy.weight)
    >>> follow(copy, module, momentum=0.75)
    >>> copy.weight.item()
    0.25
    """
    for weight, target in zip(copy.parameters(), module.parameters(), strict=True):
        weight.lerp_(target, 1 - momentum)


def numbered(names: Iterable[str]) -> list[str]:
    """The names, with a number after each that there was before.

    Parameters
    ----------
    names : iterable of str
        Some may be equal.

    Examples
    --------
    >>> numbered(["rotate", "permute", "rotate"])
    ['rotate', 'permute', 'rotate_2']
    """
    given: list[str] = []
    for name in names:
        tries = chain([name], (f"{name}_{number}" for number in count(2)))
        given.append(next(each for each in tries if each not in given))
    return given


def check_sizes(**sizes: int) -> None:
    """Raise ``ValueError`` for the first size below 1.

    Parameters
    ----------
    **sizes : int
        Constructor arguments by name.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}, it must be at least 1")


def check_horizon(n_steps: int, horizon: int) -> None:
    """Raise ``ValueError`` unless a feature map has more steps than are foretold.

    Parameters
    ----------
    n_steps : int
        Steps of the feature map (S).
    horizon : int
        Steps ahead (K).
    """
    if n_steps <= horizon:
        raise ValueError(
            f"the feature map has {n_steps} steps, too few for horizon = {horizon}: take a "
            "smaller horizon, longer windows or an encoder with fewer strides"
        )


def check_temperature(temperature: float) -> None:
    """Raise ``ValueError`` unless a temperature is finite and greater than 0.

    Parameters
    ----------
    temperature : float
        What similarities are divided by.
    """
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}, it must be finite and greater than 0")


def check_fraction(**fractions: float) -> None:
    """Raise ``ValueError`` for the first number outside 0 to 1.

    Parameters
    ----------
    **fractions : float
        Constructor arguments by name.
    """
    for name, fraction in fractions.items():
        if not 0 <= fraction <= 1:
            raise ValueError(f"{name} is {fraction}, allowed is 0 to 1")
