"""Objectives as their shipped configs have them, small batches, and steps of training."""

import copy
import dataclasses
import functools
import math
from collections.abc import Sequence

import torch

from tsclr.config.presets import presets
from tsclr.config.pretraining import Pretraining, read_config
from tsclr.encoders import Encoder
from tsclr.objectives import Objective
from tsclr.objectives.batch import Batch
from tsclr.specs import subclasses

B, C, T, N_WINDOWS = 8, 6, 128, 64
KINDS = {
    name: kind
    for name, kind in subclasses(Objective).items()
    if kind.__module__.startswith("tsclr.")
}


@functools.cache
def parsed(kind: type[Objective]) -> Pretraining:
    """An objective in the preset of its own, or in that of NTXent."""
    name, data = kind.__name__, {"data": {"source": "synthetic"}}
    if name.lower() in presets():
        return read_config(name.lower(), data)
    return read_config("ntxent", data | {"objective": name})


def learner(kind: type[Objective], seed: int = 0) -> tuple[Encoder, Objective]:
    """Encoder and objective of the config, in double precision."""
    given = parsed(kind)
    torch.manual_seed(seed)
    encoder = given.encoder(C)
    objective = copy.deepcopy(given.objective).build(encoder, N_WINDOWS)
    return encoder.double().train(), objective.double().train()


def windows(n: int = B, seed: int = 0, length: int = T) -> torch.Tensor:
    """Gravity, an oscillation of its own for each window, and noise; (n, C, length)."""
    generator = torch.Generator().manual_seed(seed)
    rate = 0.5 + 3 * torch.rand(n, 1, 1, generator=generator, dtype=torch.float64)
    phase = 6 * torch.rand(n, C, 1, generator=generator, dtype=torch.float64)
    size = torch.rand(n, C, 1, generator=generator, dtype=torch.float64)
    seconds = torch.arange(length, dtype=torch.float64) / 50
    noise = torch.randn(n, C, length, generator=generator, dtype=torch.float64)
    x = size * torch.sin(2 * math.pi * rate * seconds + phase) + 0.1 * noise
    x[:, 0] += 1
    return x


def batch(n_views: int = 2, n: int = B, noise: float = 0.05, seed: int = 0) -> Batch:
    """Views that agree but for noise, of windows one after another in two recordings."""
    x = windows(n, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    views = [
        x + noise * torch.randn(x.shape, generator=generator, dtype=x.dtype) for _ in range(n_views)
    ]
    number = torch.arange(n)
    windows_ = torch.stack([(5 * number + view) % N_WINDOWS for view in range(n_views)])
    side = 1 - 2 * (number % 2)  # later and earlier in turns, two lengths of a window away
    starts = torch.stack([20.0 * number + 5.12 * view * side for view in range(n_views)])
    recordings = (number >= n // 2).long().expand(n_views, n)
    labels = number % 3
    labels[-2:] = -1
    return Batch(
        views, windows_, starts.double(), recordings, labels, torch.Generator().manual_seed(seed)
    )


def loss_of(encoder: Encoder, objective: Objective, given: Batch) -> torch.Tensor:
    """Sum of the terms."""
    return torch.stack(list(objective(encoder, given).values())).sum()


def in_single_precision(given: Batch) -> Batch:
    """The same batch, views as a sensor gives them."""
    return dataclasses.replace(given, views=[view.float() for view in given.views])


def weights_of(encoder: Encoder, objective: Objective) -> dict[str, torch.nn.Parameter]:
    """What the optimiser moves."""
    named = [*encoder.named_parameters("encoder"), *objective.named_parameters("objective")]
    return {name: weight for name, weight in named if weight.requires_grad}


def train(
    encoder: Encoder,
    objective: Objective,
    steps: int,
    rate: float = 1e-2,
    n_views: int | None = None,
) -> list[float]:
    """Losses of `steps` steps of Adam on one batch, the same draws at each."""
    weights = list(weights_of(encoder, objective).values())
    optimizer = torch.optim.Adam(weights, lr=rate)
    losses = []
    for _ in range(steps):
        given = batch(n_views or max(2, objective.n_views))
        given = given if weights[0].dtype == torch.float64 else in_single_precision(given)
        loss = loss_of(encoder, objective, given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        objective.after_step(encoder)
        losses.append(loss.item())
    return losses


def assert_same_with_gradient(
    loss: torch.Tensor, slow: torch.Tensor, given: torch.Tensor | Sequence[torch.Tensor]
) -> None:
    """A loss and its reference are equal, and so are their gradients by what they were given."""
    torch.testing.assert_close(loss, slow, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(loss, given), torch.autograd.grad(slow, given), rtol=1e-8, atol=1e-11
    )
