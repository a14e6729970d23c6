"""Building blocks of objectives: projectors, averaged copies, and means over views."""

from collections.abc import Iterable
from copy import deepcopy
from itertools import chain, count
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import nn

from tsclr.checks import check_sizes

Module = TypeVar("Module", bound=nn.Module)


def projector(num_features: int, hidden: int, width: int) -> nn.Sequential:
    """Make the head from representations h to embeddings z: Linear, BatchNorm, ReLU, Linear.

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
    return nn.Sequential(*hidden_layer(num_features, hidden), nn.Linear(hidden, width))


def hidden_layer(num_features: int, width: int) -> list[nn.Module]:
    """Make the layers Linear, BatchNorm, ReLU of a head.

    The first one has no bias, since BatchNorm would remove it.

    Examples
    --------
    >>> [type(layer).__name__ for layer in hidden_layer(24, 32)]
    ['Linear', 'BatchNorm1d', 'ReLU']
    """
    linear = nn.Linear(num_features, width, bias=False)
    # In place is safe: batch norm needs its input for the gradient, not its output.
    return [linear, nn.BatchNorm1d(width), nn.ReLU(inplace=True)]


def embed(head: nn.Module, h: Float[torch.Tensor, "V B D"]) -> Float[torch.Tensor, "V B E"]:
    """Pass the representations of all views through a head at once: embeddings z.

    Examples
    --------
    >>> embed(projector(24, hidden=32, width=16), torch.zeros(2, 8, 24)).shape
    torch.Size([2, 8, 16])
    """
    return head(h.flatten(0, 1)).unflatten(0, h.shape[:2])


def embed_steps(
    head: nn.Module, maps: Float[torch.Tensor, "V B D S"]
) -> Float[torch.Tensor, "V B S E"]:
    """Pass every step of the feature maps of all views through a head at once.

    Examples
    --------
    >>> embed_steps(projector(24, hidden=32, width=16), torch.zeros(2, 8, 24, 5)).shape
    torch.Size([2, 8, 5, 16])
    """
    V, B, _, S = maps.shape
    return head(maps.mT.flatten(0, 2)).unflatten(0, (V, B, S))


def averaged_copy(module: Module) -> Module:
    """A copy without gradient, to be moved by `ema_update`."""
    return deepcopy(module).requires_grad_(False)


@torch.no_grad()
def ema_update(copy: nn.Module, module: nn.Module, momentum: float) -> None:
    """Move a copy a little towards the module: ``w ← momentum · w + (1 - momentum) · w'``.

    Buffers, such as the moments of a batch norm, are the copy's own.

    Examples
    --------
    >>> module = nn.Linear(1, 1, bias=False)
    >>> copy = averaged_copy(module)
    >>> _ = nn.init.ones_(module.weight), nn.init.zeros_(copy.weight)
    >>> ema_update(copy, module, momentum=0.75)
    >>> copy.weight.item()
    0.25
    """
    for weight, target in zip(copy.parameters(), module.parameters(), strict=True):
        weight.lerp_(target, 1 - momentum)


def numbered(names: Iterable[str]) -> list[str]:
    """The names, with a number after each that there was before.

    Examples
    --------
    >>> numbered(["rotate", "permute", "rotate"])
    ['rotate', 'permute', 'rotate_2']
    """
    unique: list[str] = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        unique.append(next(candidate for candidate in candidates if candidate not in unique))
    return unique


def at_least_float32(x: Float[torch.Tensor, "..."]) -> Float[torch.Tensor, "..."]:
    """The same numbers in single precision at least, for sums and logarithms.

    Examples
    --------
    >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16))
    tensor([1., 1.])
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def mean_of_others(x: Float[torch.Tensor, "..."], axis: int = 0) -> Float[torch.Tensor, "..."]:
    """For each view the mean over all other views.

    Examples
    --------
    >>> mean_of_others(torch.tensor([1.0, 2.0, 6.0]))
    tensor([4.0000, 3.5000, 1.5000])
    """
    return (x.sum(axis, keepdim=True) - x) / (x.shape[axis] - 1)


def check_horizon(n_steps: int, horizon: int) -> None:
    """Raise ``ValueError`` unless a feature map has more steps than are foretold.

    Examples
    --------
    >>> check_horizon(n_steps=4, horizon=4)
    Traceback (most recent call last):
    ValueError: the feature map has 4 steps, too few for horizon = 4: use a smaller horizon, ...
    """
    if n_steps <= horizon:
        raise ValueError(
            f"the feature map has {n_steps} steps, too few for horizon = {horizon}: use a "
            "smaller horizon, longer windows or an encoder with fewer strides"
        )
