"""Modules and settings in, an optimiser and the learning rate of each step out."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from tsclr.train.settings import Training

MOMENTUM = 0.9


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose rate follows each layer: layer-wise adaptive rate scaling.

    ``g ← g + weight_decay · w``, ``v ← momentum · v + rate · q · g``, ``w ← w - v`` with the trust
    ratio ``q = trust · |w| / |g|`` where both norms are above 0, and 1 otherwise or where a group
    says ``adapt: False``. So `trust` is the largest step as a part of the norm of the weights, at a
    rate of 1; the other settings are as in `torch.optim.SGD`.

    References
    ----------
    Y. You, I. Gitman and B. Ginsburg, "Large batch training of convolutional networks", 2017,
    algorithm 1. Departure, as in most code since: the norm of the gradient is taken after the
    weight decay was added, in place of the sum of both norms.

    Examples
    --------
    >>> weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
    >>> weight.grad = torch.tensor([[0.0, 10.0]])
    >>> LARS([weight], lr=1.0, trust=0.1).step()  # moves by a tenth of the norm 5
    >>> weight.detach()
    tensor([[3.0000, 3.5000]])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = MOMENTUM,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, defaults | {"adapt": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move the weights."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: torch.Tensor, group: dict[str, Any]) -> None:
        gradient = weight.grad + group["weight_decay"] * weight
        if group["adapt"]:
            norm, size = weight.norm(), gradient.norm()
            ratio = group["trust"] * norm / size
            # `where` rather than `if`, which would wait for a GPU at every parameter.
            gradient = gradient * torch.where((norm > 0) & (size > 0), ratio, 1.0)
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        # The rate goes into the momentum, as in algorithm 1; torch's SGD applies it afterwards.
        state["momentum_buffer"].mul_(group["momentum"]).add_(gradient, alpha=group["lr"])
        weight.sub_(state["momentum_buffer"])


def optimizer_for(modules: Sequence[nn.Module], training: Training) -> torch.optim.Optimizer:
    """The optimiser that the settings name, over what is trained in the modules."""
    weights = [p for module in modules for p in module.parameters() if p.requires_grad]
    # Vectors: biases and norms, but also the score of an attention pooling and a context token.
    spared = [p for p in weights if p.ndim < 2 and training.exclude_bias_and_norm]
    decayed = [p for p in weights if p.ndim >= 2 or not training.exclude_bias_and_norm]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": training.weight_decay}]
    if spared:
        groups.append({"params": spared, "weight_decay": 0.0})
    if training.optimizer == "lars":
        for group in groups:
            group["adapt"] = group["params"] is not spared
        return LARS(groups, lr=training.learning_rate)
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=MOMENTUM)
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def learning_rate(step: int, n_steps: int, training: Training) -> float:
    """Rate at `step`: linear warm-up, then a half cosine to zero (Loshchilov 2017, eq. 5).

    Examples
    --------
    >>> learning_rate(99, 100, Training(learning_rate=1.0, warmup=0.0)) < 1e-3
    True
    """
    n_warmup = math.ceil(training.warmup * n_steps)
    if step < n_warmup:
        # step + 1, since a first step at rate 0 would learn nothing.
        return training.learning_rate * (step + 1) / n_warmup
    done = (step - n_warmup) / max(1, n_steps - n_warmup)
    return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
