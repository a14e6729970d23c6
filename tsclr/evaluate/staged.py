"""Classifiers that are trained by gradient descent, where one training scores every length.

How long to train is a setting like any other, but trying every length by itself is expensive. A
`Staged` classifier is trained once, and what it predicts after some steps does not depend on how
many follow. So it can be scored on the way, and stopped where longer training no longer helps::

    steps   ●───●────●──────●─────────●──────────────●───────  stages, longer and longer
          score score score best    score          score: no better, stop
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from tsclr.train.sampler import seed_of

RATIO = math.sqrt(2)
"""Length of a stage over that of the one before it."""
N_STAGES = 15
"""Stages of a training, at most: the shortest is 1/128 of the longest."""
LEAST_STEPS = 25
"""Steps before the first stage ends."""
WARMUP = 50
"""Steps in which a rate grows to its constant value."""
SHARPNESS = 8
"""η of `Average`: the larger, the more recent are the weights in it."""
CHUNK = 512
"""Windows that are classified at a time."""
View = Callable[[torch.Tensor], torch.Tensor]
"""Makes views (B, C, T) of windows (B, C, T), new ones each time."""
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of scores (B, K) and labels (B,)."""


class Average:
    """Moving average of the weights of a network, sharp at any time [1]_.

    After step k it is ``w̄ ← w̄ + (η + 1) / (k + η) · (w - w̄)`` with η = 8, in which the latest
    ninth of the steps counts most, however many there have been. So one training at a constant rate
    gives a good network at any length, where a falling rate has to know the length beforehand.
    Departure: buffers, such as the moments of a batch norm, are averaged too.

    Parameters
    ----------
    network : nn.Module
        Its weights are averaged.

    References
    ----------
    .. [1] Shamir, Zhang, Stochastic gradient descent for non-smooth optimization, ICML 2013,
       section 4 (polynomial-decay averaging).

    Examples
    --------
    >>> network = nn.Linear(1, 1, bias=False)
    >>> average = Average(network)
    >>> for step, weight in enumerate((1.0, 2.0)):
    ...     _ = nn.init.constant_(network.weight, weight)
    ...     average.update(step)
    >>> round(average.network.weight.item(), 4)
    1.9
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = deepcopy(network).eval()
        self._averaged = _tensors(self.network)
        self._moving = _tensors(network)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the network, after a step that is counted from 0."""
        share = (SHARPNESS + 1) / (step + 1 + SHARPNESS)
        for averaged, moving in zip(self._averaged, self._moving, strict=True):
            averaged.lerp_(moving, share)


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Weights and buffers, without counters."""
    tensors = [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
    return [tensor for tensor in tensors if tensor.is_floating_point()]


@dataclass(frozen=True)
class Trainer:
    """A network between two steps.

    Parameters
    ----------
    network : nn.Module
        Maps windows (B, C, T) to scores (B, K); the steps change it.
    optimizer : Optimizer
        Of its weights.
    schedule : LambdaLR
        The rate of each step; it must not depend on how many steps follow.
    loss : callable
        Of scores and labels.
    average : Average, optional
        Predicts in place of the network itself.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    loss: Loss
    average: Average | None = None

    @property
    def predictor(self) -> nn.Module:
        """The network that predicts."""
        return self.network if self.average is None else self.average.network

    def step(self, x: torch.Tensor, labels: torch.Tensor, number: int) -> None:
        """Descend by one batch."""
        self.optimizer.zero_grad()
        self.loss(self.network(x), labels).backward()
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update(number)


class Staged(ClassifierMixin, BaseEstimator, ABC):
    """Base of the classifiers that are trained on labelled windows by gradient descent.

    Attributes
    ----------
    patience : int
        Stages without a better score after which a longer training is not tried.
    length : str
        Name of the setting that says how long to train.
    batch_size : int
        Windows in a step, drawn with replacement; without views, never more than are labelled.
    view : callable, optional
        Makes views (B, C, T) of windows (B, C, T), new ones at each step.
    seed : int
        Seed of weights, batches and views; each label draw adds its number.
    """

    patience: ClassVar[int]
    length: ClassVar[str]
    batch_size: int
    seed: int
    view: View | None = None

    def __sklearn_clone__(self) -> "Staged":
        """The same settings over the same encoder, which `fit` never changes."""
        return type(self)(**self.get_params(deep=False))

    def stages(self) -> "list[Staged]":
        """The same classifier ended early, the earliest first, and this one last."""
        settings, kind = self.get_params(deep=False), cast("Any", type(self))
        return [kind(**settings | {self.length: n}) for n in self.lengths()]

    @abstractmethod
    def lengths(self) -> list[int]:
        """The value of `length` at the end of each stage."""

    @abstractmethod
    def n_steps(self, n_windows: int) -> int:
        """Steps of the whole training on so many labelled windows."""

    @abstractmethod
    def begin(
        self, windows: Float[torch.Tensor, "N C T"], labels: Int[torch.Tensor, " N"]
    ) -> Trainer:
        """The network before the first step; labels are numbered from 0."""

    def fit(self, X: Float[np.ndarray, "N C T"], y: Int[np.ndarray, " N"]) -> "Staged":
        """Train on labelled windows to the end."""
        for _ in self.fit_stages(X, y, [self]):
            pass
        return self

    def fit_stages(
        self, X: Float[np.ndarray, "N C T"], y: Int[np.ndarray, " N"], stages: "Sequence[Staged]"
    ) -> "Iterator[Staged]":
        """Train on labelled windows; pause at the end of each stage, ready to predict.

        Parameters
        ----------
        X : (N, C, T) array
            Windows.
        y : (N,) array
            Their classes.
        stages : sequence of Staged
            Of `stages`, the shortest first.
        """
        self.classes_, targets = np.unique(y, return_inverse=True)
        windows, labels = torch.from_numpy(X), torch.from_numpy(targets)
        size = self.batch_size if self.view else min(self.batch_size, len(windows))
        with torch.random.fork_rng():
            torch.manual_seed(seed_of(self.seed, 0))
            training = self.begin(windows, labels)
        self.network_ = training.predictor
        device, mode = next(training.network.parameters()).device, training.network.training
        windows, labels = windows.to(device), labels.to(device)
        begun = 0
        for stage in stages:
            end = stage.n_steps(len(windows))
            training.network.train(mode)
            # What is random in a step depends on its number alone, so that pauses change nothing.
            with torch.random.fork_rng():
                for number in range(begun, end):
                    torch.manual_seed(seed_of(self.seed, 1, number))
                    drawn = torch.randint(len(windows), (size,))
                    x = windows[drawn] if self.view is None else self.view(windows[drawn])
                    training.step(x, labels[drawn], number)
            begun = end
            self.network_.eval()
            yield self

    def predict(self, X: Float[np.ndarray, "N C T"]) -> Int[np.ndarray, " N"]:
        """Class of each window."""
        check_is_fitted(self)
        device = next(self.network_.parameters()).device
        with torch.inference_mode():
            chunks = torch.from_numpy(X).split(CHUNK)
            scores = torch.cat([self.network_(chunk.to(device)) for chunk in chunks])
        return self.classes_[scores.argmax(1).cpu().numpy()]


class CountedInWindows(Staged):
    """Base of those whose length is the labelled windows that they see, each time counted."""

    patience = 3
    length = "windows"
    windows: int

    def lengths(self) -> list[int]:
        """From 1/128 of all windows on."""
        return lengths_up_to(self.windows, self.batch_size)

    def n_steps(self, n_windows: int) -> int:
        """Steps of the whole training, however many windows are labelled."""
        return math.ceil(self.windows / self.batch_size)


def lengths_up_to(longest: int, batch_size: int) -> list[int]:
    """Windows at the ends of up to `N_STAGES` stages, each by `RATIO` longer than the one before.

    The first has `LEAST_STEPS`, unless the whole training is shorter: before these nothing is
    learned, and scores that do not rise would end the training.

    Examples
    --------
    >>> lengths_up_to(409_600, batch_size=64)[::2]
    [3200, 6400, 12800, 25600, 51200, 102400, 204800, 409600]
    >>> lengths_up_to(25_600, batch_size=256)[::2]
    [6400, 12800, 25600]
    """
    lengths = (round(longest / RATIO**shorter) for shorter in reversed(range(N_STAGES)))
    least = min(LEAST_STEPS * batch_size, longest)
    return [length for length in lengths if length >= least]


def warmed_up(step: int, begin: int = 0) -> float:
    """Factor of a rate: 0 before `begin`, and after `WARMUP` steps always 1.

    Examples
    --------
    >>> [warmed_up(step, begin=100) for step in (0, 99, 124, 149, 10_000)]
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    return min(1.0, max(0.0, (step + 1 - begin) / WARMUP))
