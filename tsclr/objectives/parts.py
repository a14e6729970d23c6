"""What objectives are built from: heads, averaged copies, and the sum under every contrast."""

from copy import deepcopy
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import nn

Module = TypeVar("Module", bound=nn.Module)

BLOCK = 2**21
"""Similarities that `log_sum_exp` holds at once: 8 MiB in single precision."""


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


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor
    ) -> torch.Tensor:
        blocks = _blocks(query, keys, excluded)
        sums = torch.cat([_similarity(q, keys, e).logsumexp(1) for q, e in blocks])
        ctx.save_for_backward(query, keys, excluded, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        query, keys, excluded, sums = ctx.saved_tensors
        of_query, of_keys, low = torch.empty_like(query), torch.zeros_like(keys), 0
        for q, e in _blocks(query, keys, excluded):
            here = slice(low, low + len(q))
            share = _similarity(q, keys, e).sub_(sums[here, None]).exp_()
            share.mul_(gradients[0][here, None])
            torch.mm(share, keys, out=of_query[here])
            of_keys.addmm_(share.T, q)
            low += len(q)
        return of_query, of_keys, None


def _blocks(query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor) -> Any:
    """Rows of the query, and what they exclude, a few at a time."""
    n_rows = max(1, BLOCK // len(keys))
    return zip(query.split(n_rows), excluded.split(n_rows), strict=True)


def _similarity(query: torch.Tensor, keys: torch.Tensor, excluded: torch.Tensor) -> torch.Tensor:
    """Dot products, minus infinity where excluded."""
    return (query @ keys.T).scatter_(1, excluded, -torch.inf)


def log_sum_exp(
    query: Float[torch.Tensor, "N D"],
    keys: Float[torch.Tensor, "M D"],
    excluded: Int[torch.Tensor, "N E"] | None = None,
) -> Float[torch.Tensor, " N"]:
    """Sum over keys under the logarithm: ``log sum over k of exp(query_n · keys_k)``.

    The N·M similarities are made a block of rows at a time and again for the gradient, so that
    memory does not grow with N·M, as in FlashAttention (Dao et al., NeurIPS 2022, section 3.1). It
    is computed in single precision at least, also under mixed precision.

    Parameters
    ----------
    query : (N, D) tensor
        Embeddings, already divided by the temperature or its root.
    keys : (M, D) tensor
        What they are compared with.
    excluded : (N, E) int tensor, optional
        Keys that do not count for each row, such as the row itself; at least one key has to.

    Returns
    -------
    (N,) tensor
        One number a row; it can be differentiated once.

    Examples
    --------
    >>> log_sum_exp(torch.zeros(1, 2), torch.ones(3, 2)).exp()
    tensor([3.0000])
    """
    if excluded is None:
        excluded = torch.empty(len(query), 0, dtype=torch.int64, device=query.device)
    with torch.autocast(query.device.type, enabled=False):
        kind = torch.promote_types(query.dtype, torch.float32)
        return _LogSumExp.apply(query.to(kind), keys.to(kind), excluded)  # type: ignore[no-any-return]


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
