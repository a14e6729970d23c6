"""Windows in, random values for each of them out, and the spline that joins such values."""

import functools
from typing import Any

import torch
from jaxtyping import Float, Int


def precision(x: Float[torch.Tensor, "..."]) -> torch.dtype:
    """Give the type to draw and to compute positions in: at least float32.

    Eight bits of bfloat16 cannot number the samples of a window.
    """
    return torch.promote_types(x.dtype, torch.float32)


def uniform(
    x: Float[torch.Tensor, "B C T"], *shape: int, generator: torch.Generator | None
) -> Float[torch.Tensor, "B ..."]:
    """Draw from the uniform distribution on [0, 1), on the device of `x`."""
    # torch.rand takes no generator where torch.compile leaves the size of the batch open
    return _empty(x, *shape).uniform_(generator=generator)


def normal(
    x: Float[torch.Tensor, "B C T"],
    *shape: int,
    mean: float = 0.0,
    sd: float = 1.0,
    generator: torch.Generator | None,
) -> Float[torch.Tensor, "B ..."]:
    """Draw from the normal distribution, on the device of `x`."""
    return _empty(x, *shape).normal_(mean, sd, generator=generator)


def integers(
    x: Float[torch.Tensor, "B C T"],
    low: int,
    high: int,
    *shape: int,
    generator: torch.Generator | None,
) -> Int[torch.Tensor, "B ..."]:
    """Draw integers from `low` up to but without `high`, on the device of `x`."""
    # torch.randint takes no generator where torch.compile leaves the size of the batch open
    options: dict[str, Any] = {} if generator is None else {"generator": generator}
    return torch.randint(low, high, (len(x), *shape), device=x.device, **options)


def spline_basis(
    length: int, n_knots: int, dtype: torch.dtype, device: torch.device
) -> Float[torch.Tensor, "T K"]:
    """Matrix that takes values at equally spaced knots to a natural cubic spline through them.

    With u the position in knots, h the hat functions max(0, 1 - abs(u - k)) and c a sixth of the
    second derivatives at the knots, the spline is ``h y + (h³ - h) c``. Its slope has no jumps
    where ``A c = D y`` at the inner knots: A has 4 on and 1 beside its diagonal, D is the second
    difference, and c is zero at both ends.

    Examples
    --------
    >>> basis = spline_basis(5, 3, torch.float32, torch.device("cpu"))
    >>> basis @ torch.tensor([0.0, 1.0, 2.0])
    tensor([0.0000, 0.5000, 1.0000, 1.5000, 2.0000])
    """
    # torch.compile warns that it looks through a cache; what it builds is part of its graph
    build = _build_spline_basis if torch.compiler.is_compiling() else _kept_spline_basis
    return build(length, n_knots, dtype, device)


def _empty(x: Float[torch.Tensor, "B C T"], *shape: int) -> Float[torch.Tensor, "B ..."]:
    """Memory for values to draw, for each window of `x`."""
    return torch.empty((len(x), *shape), dtype=precision(x), device=x.device)


def _build_spline_basis(
    length: int, n_knots: int, dtype: torch.dtype, device: torch.device
) -> Float[torch.Tensor, "T K"]:
    """Do what `spline_basis` says."""
    knots = torch.arange(n_knots, dtype=dtype, device=device)
    u = torch.linspace(0, n_knots - 1, length, dtype=dtype, device=device)
    hat = (1 - (u[:, None] - knots).abs()).clamp(min=0)
    identity = torch.eye(n_knots, dtype=dtype, device=device)
    second_difference = identity[:-2] - 2 * identity[1:-1] + identity[2:]
    smooth = second_difference[:, 1:-1] + 6 * identity[1:-1, 1:-1]
    # `smooth` is diagonally dominant, so the check that makes `solve` wait for a GPU is not needed
    curvature = torch.linalg.solve_ex(smooth, second_difference).result
    return hat + (hat**3 - hat)[:, 1:-1] @ curvature


_kept_spline_basis = functools.lru_cache(maxsize=16)(_build_spline_basis)
