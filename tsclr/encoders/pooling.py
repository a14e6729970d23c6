"""Feature maps (B, D, S) in, one vector per window out: what happens to the steps of an encoder.

The reductions are pure functions, named in `REDUCTIONS`; attention has weights and is a module.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import adaptive_max_pool1d

from tsclr import specs

EPSILON = 1e-6
"""Added to the variance before its root, so that a constant feature has a finite gradient."""


def mean(features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B D"]:
    """Average over the steps.

    Examples
    --------
    >>> mean(torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[3.]])
    """
    return features.mean(-1)


def maximum(features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B D"]:
    """Largest value over the steps.

    Examples
    --------
    >>> maximum(torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[6.]])
    """
    return adaptive_max_pool1d(features, 1).squeeze(-1)  # gradient in half the time of amax


def std(features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B D"]:
    """Root of the variance over the steps plus `EPSILON`; the variance divides by S.

    Examples
    --------
    >>> std(torch.tensor([[[1.0, 3.0, 5.0, 7.0]]])).square()
    tensor([[5.0000]])
    """
    return _Std.apply(features)  # type: ignore[no-any-return]


class _Std(torch.autograd.Function):
    """The gradient in one pass over the map, a fifth of the time of that of `torch.var`."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor) -> torch.Tensor:
        wide = features.to(torch.promote_types(features.dtype, torch.float32))
        # Two passes: mean(x²) - mean(x)² would cancel where a feature hardly varies.
        centred = wide - wide.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1) + EPSILON).sqrt()
        ctx.save_for_backward(centred, spread)
        return spread.to(features.dtype)

    @staticmethod
    @once_differentiable  # what is saved has no graph: a second gradient would be wrong in silence
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        centred, spread = ctx.saved_tensors
        # There is no term for the mean: centred values sum to 0, and so does its gradient.
        share = gradients[0] / (spread * centred.shape[-1])
        return (centred * share[..., None]).to(gradients[0].dtype)


def last(features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B D"]:
    """Features of the last step.

    Examples
    --------
    >>> last(torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[6.]])
    """
    return features[..., -1]


def weighted_mean(
    features: Float[torch.Tensor, "B D S"], scores: Float[torch.Tensor, "B S"]
) -> Float[torch.Tensor, "B D"]:
    """Average over the steps with weights softmax(scores).

    Examples
    --------
    >>> weighted_mean(torch.tensor([[[1.0, 2.0, 6.0]]]), torch.tensor([[0.0, 100.0, 0.0]]))
    tensor([[2.]])
    """
    return torch.einsum("bds,bs->bd", features, scores.softmax(-1))


REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": mean,
    "max": maximum,
    "std": std,
    "last": last,
}
"""Poolings without weights, by the name that an encoder's `pooling` uses."""


class Attention(nn.Module):
    """Average over the steps, weighted by softmax(w · features).

    It starts as the plain mean: w is zero. There is no bias, which a softmax would cancel.

    Examples
    --------
    >>> Attention(1)(torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[3.]], grad_fn=...)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.score = nn.Parameter(torch.zeros(width))

    def forward(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B D"]:
        """Pool the steps."""
        return weighted_mean(features, torch.einsum("bds,d->bs", features, self.score))


class Pooling(nn.Module):
    """Several poolings of maps of `width` features, concatenated in the order of their names.

    Names are among ``mean, max, std, last, attention``, at least one.

    Examples
    --------
    >>> Pooling(("mean", "max"), 1)(torch.tensor([[[1.0, 2.0, 6.0]]]))
    tensor([[3., 6.]])
    """

    def __init__(self, names: Sequence[str], width: int) -> None:
        super().__init__()
        _check_names(names)
        self.names = names
        self.width = width
        self.attention = Attention(width) if "attention" in names else None

    @property
    def num_features(self) -> int:
        """Length of the pooled vector."""
        return len(self.names) * self.width

    def forward(self, features: Float[torch.Tensor, "B D S"]) -> Float[torch.Tensor, "B F"]:
        """Pool the steps in every way named."""
        return torch.cat([self._pool(name, features) for name in self.names], dim=1)

    def _pool(self, name: str, features: torch.Tensor) -> torch.Tensor:
        if self.attention is not None and name == "attention":
            return self.attention(features)
        return REDUCTIONS[name](features)


def _check_names(names: Sequence[str]) -> None:
    """Raise unless `names` is a non-empty list of known poolings."""
    allowed = [*REDUCTIONS, "attention"]
    if isinstance(names, str) or not names:
        raise ValueError(
            f"pooling is {names!r}, expected a list of names such as ['mean', 'max']: "
            f"allowed are {', '.join(allowed)}"
        )
    for name in names:
        if name not in allowed:
            raise ValueError(f"no pooling called {name!r}: {specs.nearest(name, allowed)}")
